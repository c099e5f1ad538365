//! The first rows of a result, in a terminal and as JSON.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use relevo_tables::{ParquetTableWriter, json_rows, read_head, render_head};
use serde_json::json;
use unicode_width::UnicodeWidthStr;

fn rows(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

fn texts(texts: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(texts.to_vec()))
}

#[test]
fn columns_line_up_whatever_the_script() {
    let rows = rows(vec![
        ("n", Arc::new(Int64Array::from(vec![1, 20, 300]))),
        ("comentario", texts(&[Some("日本語 👩‍👩‍👧"), None, Some("niño")])),
        ("p", Arc::new(Float64Array::from(vec![0.5, 0.25, 1.0]))),
    ]);

    let shown = render_head(&rows, 80).unwrap();

    let expected = "  n  comentario     p
───  ──────────  ────
  1  日本語 👩‍👩‍👧    0.5
 20  ·           0.25
300  niño         1.0
";
    assert_eq!(shown, expected);
}

#[test]
fn long_texts_are_cut_and_columns_that_do_not_fit_are_counted() {
    let long = "una frase bastante larga que no cabe en la línea";
    let rows = rows(vec![
        ("a", texts(&[Some(long)])),
        ("b", texts(&[Some("日本語日本語日本語日本語")])),
        ("c", texts(&[Some("corto")])),
        ("d", texts(&[Some(long)])),
        ("e", texts(&[Some(long)])),
    ]);

    for width in [20, 33, 50, 80, 400] {
        let shown = render_head(&rows, width).unwrap();
        assert!(shown.lines().all(|line| line.width() <= width), "{width}:\n{shown}");
    }
    assert_eq!(
        render_head(&rows, 30).unwrap(),
        "a         b         c\n────────  ────────  ─────\nuna fra…  日本語…   corto\nand 2 more columns\n"
    );
}

#[test]
fn a_value_cannot_talk_to_the_terminal() {
    let evil = "\x1b[2J\x07a\nb\tc\r\u{9b}31m\u{202e}x\u{7f}";
    let rows = rows(vec![("\x1b]0;title\x07", texts(&[Some(evil)]))]);

    let shown = render_head(&rows, 200).unwrap();

    assert!(shown.contains("␛[2J␇a␊b␉c␍\u{fffd}31m\u{fffd}x␡"), "{shown}");
    assert!(shown.chars().all(|character| character == '\n' || !character.is_control()), "{shown:?}");
}

#[test]
fn the_first_rows_of_a_file_come_out_as_json() {
    let rows = rows(vec![
        ("z", Arc::new(Int64Array::from(vec![1, 2, 3]))),
        ("a", texts(&[Some("ñ"), None, Some("c")])),
        ("p", Arc::new(Float64Array::from(vec![0.5, f64::NAN, 1.0]))),
    ]);
    let mut bytes = Vec::new();
    let mut writer = ParquetTableWriter::new(&mut bytes, rows.schema()).unwrap();
    writer.write(&rows).unwrap();
    writer.finish().unwrap();

    let head = read_head(bytes::Bytes::from(bytes), 2).unwrap();

    let json = json_rows(&head).unwrap();
    assert_eq!(json, [json!({"z": 1, "a": "ñ", "p": 0.5}), json!({"z": 2, "a": null, "p": null})]);
    assert_eq!(json[0].to_string(), r#"{"z":1,"a":"ñ","p":0.5}"#);
}
