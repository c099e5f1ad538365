//! `import` as a worker runs it: a file in S3 comes in, a Parquet table is committed. A workbook is read as pandas reads it.

#![expect(clippy::unwrap_used, reason = "what a test calls may unwrap as the test itself may")]

mod bench;
mod s3;

use std::{
    fs::{self, File},
    io::{Cursor, Write},
    path::Path,
    sync::Arc,
};

use bench::Bench;
use relevo_worker::{cancel::StopReason, skills::SkillError};
use serde_json::{Value, json};
use zip_9::{ZipWriter, write::SimpleFileOptions};

impl Bench {
    /// Imports these bytes under a name, with more parameters.
    async fn import(&self, name: &str, bytes: &[u8], more: &Value) -> Result<Value, SkillError> {
        fs::write(self.s3.root.path().join("data").join(name), bytes).unwrap();
        let mut params = json!({ "input": format!("s3://data/{name}"), "dataset_id": "d" });
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.run("import", &params).await
    }

    /// The sentence of the refusal, which is about the file.
    async fn refused(&self, name: &str, bytes: &[u8], more: &Value) -> String {
        match self.import(name, bytes, more).await {
            Err(SkillError::InvalidInput { message, details }) => {
                assert_eq!(details.len(), 1, "{message}");
                message
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// Columns with their types, and rows, of what was committed.
fn committed(result: &Value) -> (Vec<String>, Vec<Value>) {
    let path = Path::new(result["uri"].as_str().unwrap());
    let (description, commit) = relevo_tables::identify(path).unwrap();
    assert_eq!(
        (result["commit_id"].as_str(), result["rows"].as_u64()),
        (Some(commit.as_str()), Some(description.rows))
    );
    let columns = description.columns.iter().map(|column| format!("{}:{}", column.name, column.kind)).collect();
    let rows = relevo_tables::read_head(File::open(path).unwrap(), usize::MAX >> 1).unwrap();
    let rows = relevo_tables::json_rows(&rows).unwrap().into_iter();
    (columns, rows.map(|row| row.as_object().unwrap().values().cloned().collect()).collect())
}

#[tokio::test]
async fn text_tables_become_parquet_with_their_types() {
    let bench = Bench::new().await;

    let csv = bench.import("a.csv", "id;día;año\n1;2024-02-29;2,5\n2;;\n".as_bytes(), &json!({})).await.unwrap();
    let csv_rows = committed(&csv);
    let jsonl =
        bench.import("a.jsonl", b"{\"n\": 1}\n{\"n\": 2.5, \"m\": true}\n", &json!({ "ref": "next" })).await.unwrap();

    assert_eq!(csv_rows.0, ["id:integer", "día:date", "año:string"]);
    assert_eq!(csv_rows.1, [json!([1, "2024-02-29", "2,5"]), json!([2, null, null])]);
    assert_eq!(
        (csv["format"].as_str(), csv["columns"].as_u64(), csv["ref"].as_str()),
        (Some("csv"), Some(3), Some("main"))
    );
    assert_eq!(committed(&jsonl).1, [json!([1.0, null]), json!([2.5, true])]);
    assert_eq!((jsonl["ref"].as_str(), jsonl["table_key"].as_str()), (Some("next"), Some("primary")));
}

#[tokio::test]
async fn what_is_said_of_a_csv_is_heeded() {
    let bench = Bench::new().await;
    let said = json!({ "separator": "#", "encoding": "windows-1252", "header": false, "format": "csv" });

    let result = bench.import("a.dat", b"1#ni\xf1o\n2#a,b\n", &said).await.unwrap();

    let (columns, rows) = committed(&result);
    assert_eq!(columns, ["column_1:integer", "column_2:string"]);
    assert_eq!(rows, [json!([1, "niño"]), json!([2, "a,b"])]);
}

#[tokio::test]
async fn the_commit_does_not_depend_on_when_or_how_often_a_file_is_imported() {
    let bench = Bench::new().await;

    let first = bench.import("a.csv", b"a,b\n1,2\n", &json!({})).await.unwrap();
    let again = bench.import("b.csv", b"a;b\n1;2\n", &json!({})).await.unwrap();

    assert_eq!(first["commit_id"], again["commit_id"]);
}

#[tokio::test]
async fn a_workbook_is_read_as_pandas_reads_it() {
    let bench = Bench::new().await;
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    let (workbook, answers) =
        (fs::read(golden.join("import.xlsx")).unwrap(), fs::read(golden.join("import_xlsx.json")).unwrap());
    let answers: Value = serde_json::from_slice(&answers).unwrap();

    let sales = bench.import("v.xlsx", &workbook, &json!({ "header_row": 3 })).await.unwrap();
    let (columns, rows) = committed(&sales);
    let plain = bench.import("v.xlsx", &workbook, &json!({ "sheet": "sin cabecera", "header": false })).await.unwrap();

    let expected = [
        "código:string",
        "región:string",
        "unidades:integer",
        "precio:number",
        "vendido:boolean",
        "día:date",
        "cerrado:timestamp",
        "nota:string",
    ];
    assert_eq!(columns, expected);
    let days_only = |value: &Value| match value.as_str().and_then(|text| text.strip_suffix("T00:00:00")) {
        Some(day) => json!(day),
        None => value.clone(),
    };
    // In a column of texts numbers are texts.
    let as_text = |value: &Value| if value.is_number() { json!(value.to_string()) } else { value.clone() };
    for (row, expected) in rows.iter().zip(answers["Ventas 2024"]["rows"].as_array().unwrap()) {
        let mut expected: Vec<Value> = expected.as_array().unwrap().iter().map(days_only).collect();
        expected[7] = as_text(&expected[7]);
        expected[3] = if expected[3].is_null() { Value::Null } else { json!(expected[3].as_f64().unwrap()) };
        assert_eq!(*row, json!(expected));
    }
    assert_eq!(rows.len(), answers["Ventas 2024"]["rows"].as_array().unwrap().len());
    assert_eq!(committed(&plain).0, ["column_1:integer", "column_2:string", "column_3:boolean"]);
    assert_eq!(json!(committed(&plain).1), answers["sin cabecera"]["rows"]);
}

#[tokio::test]
async fn a_sheet_that_is_no_table_is_refused_with_the_place() {
    let bench = Bench::new().await;
    let workbook = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/import.xlsx")).unwrap();

    for (said, told) in [
        (json!({}), "row 3: cell A3 holds a value, but the header names no column there"),
        (json!({ "header_row": 2 }), "row 2 of the sheet is empty"),
        (json!({ "sheet": "vacía" }), "has no rows in sheet \"vacía\""),
        (json!({ "sheet": 4 }), "its sheets: \"Ventas 2024\", \"sin cabecera\", \"vacía\""),
        (json!({ "sheet": "sin cabecera" }), "row 3: cell D3 holds a value"),
        (json!({ "separator": ";" }), "separator: means nothing here"),
        (json!({ "format": "csv" }), "ZIP archive"),
    ] {
        let message = bench.refused("v.xlsx", &workbook, &said).await;
        assert!(message.contains(told), "{said}: {message}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_table_is_refused_with_the_line() {
    let bench = Bench::new().await;
    let wide = format!("{}\n", "a,".repeat(1_000_000)).into_bytes();
    let mut lying = parquet(3);
    let footer = lying.len() - 8;
    lying[footer..footer + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut torn = parquet(100_000);
    torn[4..64].fill(0xA5);

    for (name, bytes, told) in [
        ("a.csv", b"a,b\n1,2\n3,4,5\n".as_slice(), "line 3: expected 2 fields, found 3"),
        ("a.csv", b"a,b\n1,\"2\n", "line 2: a quote opens here and is never closed"),
        ("a.csv", b"a,a\n1,2\n", "are both named"),
        ("a.csv", b"a,b\n", "no rows"),
        ("a.csv", &wide, "more than 16384 columns"),
        ("a.csv", b"", "the file is empty"),
        ("a.bin", b"\x00\x01\x02", "is of a kind that is not known"),
        ("a.jsonl", b"{\"a\": 1}\n[2]\n", "line 2"),
        ("a.parquet", b"PAR1 but nothing else", "not a readable Parquet file"),
        ("a.parquet", &lying, "footer"),
        ("a.parquet", &torn, "cannot read on"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1........", "an old Excel or Word document"),
        ("a.pdf", b"%PDF-1.7\n%", "a PDF document"),
    ] {
        let message = bench.refused(name, bytes, &json!({})).await;
        assert!(message.contains(told), "{name}: {message}");
    }
}

fn parquet(rows: i64) -> Vec<u8> {
    use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
    let numbers: ArrayRef =
        Arc::new(Int64Array::from_iter_values((0..rows).map(|n| n.wrapping_mul(6_364_136_223_846_793_005))));
    let batch = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
    let mut bytes = Vec::new();
    let mut writer = relevo_tables::ParquetTableWriter::new(&mut bytes, batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    bytes
}

/// A workbook of parts of one's own making; those that are not given are as they should be.
fn workbook(parts: &[(&str, &[u8])]) -> Vec<u8> {
    const TYPES: &str =
        r#"<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>"#;
    const RELS: &str = r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
    const BOOK: &str = r#"<?xml version="1.0"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>"#;
    const BOOK_RELS: &str = r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#;
    let usual = [
        ("[Content_Types].xml", TYPES),
        ("_rels/.rels", RELS),
        ("xl/workbook.xml", BOOK),
        ("xl/_rels/workbook.xml.rels", BOOK_RELS),
        (
            "xl/worksheets/sheet1.xml",
            &sheet("<row r=\"1\"><c r=\"A1\" t=\"str\"><v>a</v></c></row><row r=\"2\"><c r=\"A2\"><v>1</v></c></row>"),
        ),
    ];
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut put = |name: &str, content: &[u8]| {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    };
    for (name, content) in usual {
        if parts.iter().all(|(given, _)| *given != name) {
            put(name, content.as_bytes());
        }
    }
    for (name, content) in parts {
        put(name, content);
    }
    zip.finish().unwrap().into_inner()
}

fn sheet(rows: &str) -> String {
    format!(
        r#"<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{rows}</sheetData></worksheet>"#
    )
}

#[tokio::test]
async fn a_workbook_that_would_fill_the_memory_is_refused_before_it_does() {
    const SHEET: &str = "xl/worksheets/sheet1.xml";
    const STRINGS: &str = "xl/sharedStrings.xml";
    let bench = Bench::new().await;
    let before = peak_kib();
    let plain = bench.import("a.xlsx", &workbook(&[]), &json!({})).await.unwrap();
    assert_eq!(committed(&plain), (vec!["a:integer".to_owned()], vec![json!([1])]));

    let long_text = [b"<sst><si><t>".as_slice(), &vec![b'x'; 2 << 20], b"</t></si></sst>"].concat();
    let many_strings = [b"<sst>".as_slice(), &b"<si/>".repeat(21_000_000), b"</sst>"].concat();
    let count = br#"<sst uniqueCount="1000000000000000"><si><t>x</t></si></sst>"#;
    let long_cell = sheet(&format!("<row><c t=\"str\"><v>{}</v></c></row>", "x".repeat(2 << 20)));
    let utf16: Vec<u8> = "\u{feff}<sst/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let far = sheet("<row r=\"1\"><c r=\"ZZZZZ1\" t=\"str\"><v>a</v></c></row>");
    let back = sheet("<row r=\"2\"><c r=\"A2\"><v>1</v></c></row><row r=\"1\"><c r=\"A1\"><v>1</v></c></row>");
    let twice = sheet("<row r=\"1\"><c r=\"A1\"><v>1</v></c><c r=\"A1\"><v>1</v></c></row>");
    for (part, content, told) in [
        (STRINGS, long_text.as_slice(), "a text or a tag of more than 1 MiB"),
        (STRINGS, &many_strings, "marks"),
        (STRINGS, count, "counts more strings"),
        (STRINGS, &utf16, "not written in UTF-8"),
        (SHEET, long_cell.as_bytes(), "a text or a tag of more than 1 MiB"),
        (SHEET, far.as_bytes(), "beyond what Excel has rows and columns for"),
        (SHEET, back.as_bytes(), "after one that stands behind it"),
        (SHEET, twice.as_bytes(), "after one that stands behind it"),
        (SHEET, b"<worksheet><sheetData><row", "cannot be read"),
        ("xl/workbook.xml", b"<workbook/>", "is not in the workbook"),
    ] {
        let message = bench.refused("a.xlsx", &workbook(&[(part, content)]), &json!({})).await;
        assert!(message.contains(told), "{part}: {message}");
    }
    let parts: Vec<String> = (0..10_001).map(|number| format!("p{number}.xml")).collect();
    let parts: Vec<(&str, &[u8])> = parts.iter().map(|name| (name.as_str(), b"<a/>".as_slice())).collect();
    assert!(bench.refused("a.xlsx", &workbook(&parts), &json!({})).await.contains("more than 10000 parts"));
    assert!(bench.refused("a.xlsx", b"PK\x03\x04 no archive", &json!({})).await.contains("no readable Excel workbook"));

    // What the test itself has made and holds, and not much more.
    let held = ((long_text.len() + many_strings.len()) >> 10) as u64;
    let grown = peak_kib() - before;
    assert!(grown < 2 * held + (200 << 10), "{grown} KiB beside {held} KiB of the test's own");
}

fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn an_import_that_is_cancelled_commits_nothing() {
    let bench = Bench::new().await;
    let task = Bench::task("import", &json!({ "input": "s3://data/a.csv", "dataset_id": "d" }));
    fs::write(bench.s3.root.path().join("data/a.csv"), "a\n1\n").unwrap();
    let context = bench.context(&task);
    context.stop(StopReason::Cancelled);

    let ended = bench.run_in(&task, &context).await;

    assert_eq!(ended, Err(SkillError::Cancelled));
}

#[tokio::test]
async fn a_file_of_the_job_is_awaited_and_one_that_is_nowhere_is_not() {
    let bench = Bench::new().await;

    let awaited = bench.run("import", &json!({ "input": "later.csv", "dataset_id": "d" })).await.unwrap_err();
    let missing = bench.run("import", &json!({ "input": "s3://data/never.csv", "dataset_id": "d" })).await.unwrap_err();

    assert!(matches!(&awaited, SkillError::Outcome { word, .. } if word == "awaiting_file"), "{awaited:?}");
    assert!(matches!(&missing, SkillError::InvalidInput { details, .. } if details[0].field == "input"), "{missing:?}");
}
