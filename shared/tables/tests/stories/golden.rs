//! Files and their meaning according to pyarrow: see `tests/golden/tables_pyarrow.py`.

use relevo_shared::dataset::TableFormat;
use relevo_tables::{describe, json_rows, open};
use serde::Deserialize;
use serde_json::Value;

const GOLDEN: &str = include_str!("../../../../tests/golden/tables_pyarrow.json");

#[derive(Deserialize)]
struct Case {
    name: String,
    format: TableFormat,
    hex: String,
    columns: Vec<(String, String)>,
    rows: Vec<Vec<Value>>,
    separator: Option<char>,
    encoding: Option<String>,
}

/// `1` and `1.0` are one number: JSON does not tell integers from others.
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours.as_f64(), theirs.as_f64()) {
        (Some(ours), Some(theirs)) => ours == theirs,
        _ => ours == theirs,
    }
}

#[test]
fn every_file_means_what_pyarrow_says() {
    let cases: Vec<Case> = serde_json::from_str(GOLDEN).unwrap();
    assert!(15 < cases.len());

    for case in cases {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), hex::decode(&case.hex).unwrap()).unwrap();
        let name = case.name;

        let table = describe(file.path(), Some(case.format)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let batches = open(file.path(), &table).unwrap();
        let rows: Vec<Value> = batches.flat_map(|batch| json_rows(&batch.unwrap()).unwrap()).collect();

        let columns: Vec<_> = table.columns.iter().map(|column| (column.name.clone(), column.kind.clone())).collect();
        assert_eq!(columns, case.columns, "{name}");
        assert_eq!(table.rows, case.rows.len() as u64, "{name}");
        assert_eq!(rows.len(), case.rows.len(), "{name}");
        let dialect = serde_json::to_value(table.csv).unwrap();
        assert_eq!(
            dialect.get("separator").and_then(Value::as_str),
            case.separator.map(String::from).as_deref(),
            "{name}"
        );
        assert_eq!(dialect.get("encoding").and_then(Value::as_str), case.encoding.as_deref(), "{name}");
        for (ours, theirs) in rows.iter().zip(&case.rows) {
            let ours: Vec<&Value> = ours.as_object().unwrap().values().collect();
            assert!(
                ours.iter().zip(theirs).all(|(ours, theirs)| same(ours, theirs)),
                "{name}: {ours:?}, not {theirs:?}"
            );
            assert_eq!(ours.len(), theirs.len(), "{name}");
        }
    }
}
