//! What datasets, their tables and refs may be called, and what a commit of a worker must say of its table.

use std::collections::HashSet;

use relevo_shared::{dataset::TableFormat, problem::Detail, worker::TableCommit};

/// The ref that an upload moves when it names none.
pub const MAIN: &str = "main";
/// In characters.
const LONGEST_DISPLAY_NAME: usize = 256;
/// As many as a text table may have.
const MOST_COLUMNS: usize = 16_384;

/// Why this cannot name a dataset, a table or a ref: names become parts of keys and of file names. `None` when it can.
#[must_use]
pub fn fault_in_name(name: &str) -> Option<&'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let right = (1..=128).contains(&name.len()) && name.chars().all(allowed) && !name.starts_with('.');
    (!right).then_some("must be 1 to 128 letters, digits, `_`, `-` and `.`, and not begin with `.`")
}

/// Why this cannot name a ref. One that looks like a commit would hide it.
#[must_use]
pub fn fault_in_ref(name: &str) -> Option<&'static str> {
    fault_in_name(name).or_else(|| is_commit(name).then_some("must not look like a commit's id"))
}

/// Why people cannot call a dataset this.
#[must_use]
pub fn fault_in_display_name(name: &str) -> Option<&'static str> {
    // Characters that are not seen, but change the order in which others are.
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{061C}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
    };
    let right = (1..=LONGEST_DISPLAY_NAME).contains(&name.chars().count())
        && !name.chars().any(hidden)
        && name.trim().len() == name.len();
    (!right).then_some(
        "must be 1 to 256 characters without line breaks, control or invisible characters, and without spaces at its ends",
    )
}

/// Whether this has the form of a commit's id.
#[must_use]
pub fn is_commit(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Where the tables of all datasets lie in the bucket.
pub const TABLES: &str = "datasets/";

/// Where in the bucket the bytes lie that a worker commits. Their own hash is part of the place, so sending them twice
/// changes nothing, and the place outlives the job.
#[must_use]
pub fn place_of(commit: &TableCommit) -> String {
    format!("{TABLES}{}/{}/{}", commit.dataset_id, commit.table_key, commit.commit_id)
}

/// Everything that is wrong with a commit; `uri` is what its place is called from outside.
#[must_use]
pub fn faults_in_commit(commit: &TableCommit, uri: &str) -> Vec<Detail> {
    let mut details = Vec::new();
    let mut refuse = |field: &str, reason: String| details.push(Detail::new(field, reason));
    let reference = commit.reference.as_deref().unwrap_or(MAIN);
    let names = [
        ("dataset_id", fault_in_name(&commit.dataset_id)),
        ("table_key", fault_in_name(&commit.table_key)),
        ("ref", fault_in_ref(reference)),
        ("commit_id", (!is_commit(&commit.commit_id)).then_some("must be 64 hexadecimal digits in lower case")),
    ];
    for (field, reason) in names {
        if let Some(reason) = reason {
            refuse(field, reason.to_owned());
        }
    }
    if commit.uri != uri {
        refuse("uri", format!("must be {uri}: the task's datasets_prefix, the dataset, the table and the commit"));
    }
    if (commit.format == TableFormat::Csv) != commit.csv.is_some() {
        refuse("csv", "must be there for a CSV, and for nothing else".to_owned());
    }
    if let Some(reason) = fault_in_columns(commit) {
        refuse("columns", reason);
    }
    details
}

fn fault_in_columns(commit: &TableCommit) -> Option<String> {
    if !(1..=MOST_COLUMNS).contains(&commit.columns.len()) {
        return Some(format!("must be 1 to {MOST_COLUMNS}"));
    }
    let mut seen = HashSet::new();
    for (place, column) in commit.columns.iter().enumerate() {
        if column.name.is_empty() || column.kind.is_empty() {
            return Some(format!("number {} must have a name and a type", place + 1));
        }
        if !seen.insert(&column.name) {
            return Some(format!("two are named {:?}", column.name));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use relevo_shared::dataset::Column;

    use super::*;

    fn commit() -> TableCommit {
        TableCommit {
            worker_id: "w".parse().unwrap(),
            lease_token: None,
            dataset_id: "sales".to_owned(),
            table_key: "sample".to_owned(),
            reference: None,
            commit_id: "ab".repeat(32),
            uri: String::new(),
            format: TableFormat::Parquet,
            csv: None,
            columns: vec![Column { name: "a".to_owned(), kind: "integer".to_owned(), nullable: false }],
            rows: 0,
            bytes: 9,
        }
    }

    fn faults(commit: &TableCommit, uri: &str) -> Vec<String> {
        faults_in_commit(commit, uri).into_iter().map(|detail| detail.field).collect()
    }

    #[test]
    fn names_are_never_paths_or_patterns() {
        for hostile in
            ["", ".", "..", "a/b", "a\\b", "a\0", "a\nb", "a@b", "a:b", "{p00}", "añ", "\u{202E}a", &"x".repeat(129)]
        {
            assert!(fault_in_name(hostile).is_some(), "{hostile:?}");
        }
        for plain in ["48", "comentarios_2024", "v1.2-rc"] {
            assert_eq!(fault_in_name(plain), None, "{plain}");
        }
    }

    #[test]
    fn a_ref_cannot_be_taken_for_a_commit() {
        assert!(fault_in_ref(&"0".repeat(64)).is_some());
        assert_eq!(fault_in_ref("release-2024"), None);
    }

    #[test]
    fn a_display_name_is_one_line_as_it_is_seen() {
        for hostile in ["", " a", "a\n", "a\0b", "\u{202E}gpj.exe", "a\u{200B}b", "a\u{2028}b", &"x".repeat(257)] {
            assert!(fault_in_display_name(hostile).is_some(), "{hostile:?}");
        }
        for plain in ["Sales Data 2024", "Opinión <b>& más</b>", "数据", "👩‍🏫"] {
            assert_eq!(fault_in_display_name(plain), None, "{plain}");
        }
    }

    #[test]
    fn a_commit_lies_where_its_hash_says() {
        let right = commit();
        let uri = format!("s3://b/{}", place_of(&right));

        assert_eq!(uri, format!("s3://b/datasets/sales/sample/{}", right.commit_id));
        assert_eq!(faults(&TableCommit { uri: uri.clone(), ..right.clone() }, &uri), [""; 0]);
        for elsewhere in ["s3://b/jobs/1/a", "s3://other/datasets/sales/sample/x", "file:///etc/passwd", ""] {
            assert_eq!(faults(&TableCommit { uri: elsewhere.to_owned(), ..right.clone() }, &uri), ["uri"]);
        }
    }

    #[test]
    fn every_fault_of_a_commit_is_told_at_once() {
        let wrong = TableCommit {
            dataset_id: "../x".to_owned(),
            table_key: String::new(),
            reference: Some("f".repeat(64)),
            commit_id: "AB".repeat(32),
            format: TableFormat::Csv,
            columns: [commit().columns, commit().columns].concat(),
            ..commit()
        };

        assert_eq!(faults(&wrong, ""), ["dataset_id", "table_key", "ref", "commit_id", "csv", "columns"]);
    }
}
