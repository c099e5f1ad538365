//! JSON lines.

use relevo_shared::dataset::TableFormat::Jsonl;

use crate::tool::{columns, inspect, inspect_in, read, refusal, rows};

#[test]
fn columns_are_the_union_of_all_names_in_the_order_seen() {
    let text = r#"{"id":1,"text":"¿Qué \"tal\"?","when":"2026-01-31"}

{"id":2.5,"when":null,"ok":true}
{"text":"b","id":3,"when":"2026-02-01","ok":false}"#;

    for chunk in [1, 7, 1000] {
        let table = inspect_in(Jsonl, text.as_bytes(), chunk).unwrap();

        assert_eq!(columns(&table), ["id:number", "text:string?", "when:date?", "ok:boolean?"]);
        assert_eq!(table.rows, 3);
        let expected: &[&[&str]] = &[
            &["1.0", "¿Qué \"tal\"?", "2026-01-31", "∅"],
            &["2.5", "∅", "∅", "true"],
            &["3.0", "b", "2026-02-01", "false"],
        ];
        assert_eq!(read(text.as_bytes(), &table), rows(expected));
    }
}

#[test]
fn what_no_single_type_holds_is_kept_as_its_text() {
    let text = "\u{feff}{\"a\":1,\"b\":{\"x\":[1,\"dós\\n\",null,{}],\"y\":-1.50},\"c\":18446744073709551615}\n\
                {\"a\":\"uno\",\"b\":[],\"c\":12345678901234567890123}\n{\"a\":true,\"b\":\"[\",\"c\":0}\n";

    let table = inspect(Jsonl, text.as_bytes()).unwrap();

    assert_eq!(columns(&table), ["a:string", "b:string", "c:string"]);
    let expected: &[&[&str]] = &[
        &["1", r#"{"x":[1,"dós\n",null,{}],"y":-1.50}"#, "18446744073709551615"],
        &["uno", "[]", "12345678901234567890123"],
        &["true", "[", "0"],
    ];
    assert_eq!(read(text.as_bytes(), &table), rows(expected));
}

#[test]
fn the_first_bad_line_is_named() {
    assert_eq!(
        refusal(Jsonl, b"{\"a\":1}\n\n[1]\n"),
        "line 3: invalid type: sequence, expected an object (character 0)"
    );
    assert_eq!(refusal(Jsonl, b"{\"a\":1}\n{\"a\":1,}\n"), "line 2: trailing comma (character 8)");
    assert_eq!(refusal(Jsonl, b"{\"a\":1}{\"a\":2}\n"), "line 1: trailing characters (character 8)");
    assert_eq!(refusal(Jsonl, b"{\"a\":1,\"b\":2,\"a\":3}\n"), "line 1: the name \"a\" stands twice (character 16)");
    assert!(refusal(Jsonl, b"{\"a\":1}\n{\"a\":\"ni\xf1o\"}\n").starts_with("line 2: byte 9 is not UTF-8"));
    assert!(refusal(Jsonl, b"{\"a\":1}\n{\"b\":").starts_with("line 2: EOF while parsing"));
}

#[test]
fn a_table_without_rows_or_names_is_refused() {
    assert_eq!(refusal(Jsonl, b" \n\n"), "the file is empty; send a table with at least one row");
    assert_eq!(refusal(Jsonl, b"{}\n{}\n"), "the table has no columns");
    assert_eq!(refusal(Jsonl, b"{\"a\":1,\"\":2}\n"), "column 2 has no name; give every column one");
}

#[test]
fn a_line_that_is_nested_without_end_is_refused_before_a_reader_runs_out_of_stack() {
    let (open, close) = ("[".repeat(5_000), "]".repeat(5_000));

    let told = refusal(Jsonl, format!("{{\"a\":1}}\n{{\"a\":{open}{close}}}\n").as_bytes());

    assert!(told.starts_with("line 2: recursion limit exceeded"), "{told}");
}

#[test]
fn a_line_without_end_is_refused_before_it_fills_the_memory() {
    let mut text = b"{\"a\":1}\n{\"a\":\"".to_vec();
    text.extend(vec![b'x'; 17 << 20]);

    assert!(refusal(Jsonl, &text).starts_with("line 2: the row that begins here is longer than 16 MiB"));
}
