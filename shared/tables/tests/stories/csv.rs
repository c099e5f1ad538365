//! CSV files as people save them.

use relevo_shared::dataset::TableFormat::Csv;
use relevo_shared::dataset::{CsvDialect, TextEncoding};
use relevo_tables::{CsvHints, Inspector, TableError};

use crate::tool::{columns, inspect, inspect_in, read, refusal, rows};

#[test]
fn a_file_is_described_and_read_back() {
    let text =
        "id,when,score,ok,comment\n1,2026-01-31,2.5,true,\"Bien, gracias\"\n2,2026-02-01,,FALSE,\"dos\nlíneas\"\n";

    let table = inspect(Csv, text.as_bytes()).unwrap();

    assert_eq!(columns(&table), ["id:integer", "when:date", "score:number?", "ok:boolean", "comment:string"]);
    assert_eq!((table.rows, table.bytes), (2, text.len() as u64));
    assert_eq!(table.csv, Some(CsvDialect { separator: ',', encoding: TextEncoding::Utf8, header: true }));
    let expected: &[&[&str]] =
        &[&["1", "2026-01-31", "2.5", "true", "Bien, gracias"], &["2", "2026-02-01", "∅", "false", "dos\nlíneas"]];
    assert_eq!(read(text.as_bytes(), &table), rows(expected));
}

#[test]
fn windows_1252_with_semicolons_is_read_as_it_was_meant() {
    let bytes = b"a\xf1o;opini\xf3n\r\n2026;\x93muy bueno\x94\r\n2027;\xbfqu\xe9?\r\n";

    let table = inspect(Csv, bytes).unwrap();

    assert_eq!(table.csv, Some(CsvDialect { separator: ';', encoding: TextEncoding::Windows1252, header: true }));
    assert_eq!(columns(&table), ["año:integer", "opinión:string"]);
    assert_eq!(read(bytes, &table), rows(&[&["2026", "“muy bueno”"], &["2027", "¿qué?"]]));
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_name() {
    let bytes = "\u{feff}\"niño\"\tb\n1\t2\n".as_bytes();

    for chunk in 1..6 {
        let table = inspect_in(Csv, bytes, chunk).unwrap();

        assert_eq!(columns(&table), ["niño:integer", "b:integer"]);
        assert_eq!(read(bytes, &table), rows(&[&["1", "2"]]));
    }
}

#[test]
fn the_first_bad_row_is_named_by_its_line_in_the_file() {
    let quoted = b"a,b\n1,\"x\ny\n\nz\"\n\n\n2,3,4\n";
    assert_eq!(refusal(Csv, quoted), "line 8: expected 2 fields, found 3");
    assert_eq!(refusal(Csv, b"a,b\r\n1,2\r\n\r\n3\r\n"), "line 4: expected 2 fields, found 1");
    assert_eq!(refusal(Csv, b"a,b\r1,2\r3\r"), "line 3: expected 2 fields, found 1");
    let many = format!("a,b\n1,2\n3,4\n1{}\n", ",x".repeat(40_000));
    assert_eq!(refusal(Csv, many.as_bytes()), "line 4: expected 2 fields, found 40001");
}

#[test]
fn a_bad_row_far_behind_the_head_is_named_too() {
    let mut text = b"a,b\n".to_vec();
    text.extend(b"12345,\"a, b\"\n".repeat(100_000));
    text.extend(b"1;2\n");

    assert_eq!(refusal(Csv, &text), "line 100002: expected 2 fields, found 1");
}

#[test]
fn an_open_quote_is_named_by_the_line_where_it_opens() {
    for (text, line) in
        [("a,b\n1,\"2\n3,4\n5,6\n", 2), ("a,b\n\"1\n2\",\"3\n4\n", 3), ("a,b\n1,2\n\"", 3), ("a,\"b\n1,2\n", 1)]
    {
        let error = inspect(Csv, text.as_bytes()).unwrap_err();
        assert!(matches!(error, TableError::UnclosedQuote { line: found } if found == line), "{text:?}: {error}");
    }
    assert!(inspect(Csv, b"a,b\n1,\"2\"").is_ok());
    assert!(inspect(Csv, b"a,b\n1,\"2\"\"\"").is_ok());
}

#[test]
fn a_table_without_rows_or_names_is_refused() {
    assert_eq!(refusal(Csv, b""), "the file is empty; send a table with at least one row");
    assert_eq!(refusal(Csv, b"\n\r\n\n"), "the file is empty; send a table with at least one row");
    assert_eq!(refusal(Csv, b"\xef\xbb\xbf"), "the file is empty; send a table with at least one row");
    assert_eq!(refusal(Csv, b"a,b\n\n"), "the table has columns but no rows; send at least one row");
    assert_eq!(refusal(Csv, b",b\n1,2\n"), "column 1 has no name; give every column one");
    assert_eq!(refusal(Csv, b"a,b,a\n1,2,3\n"), "columns 1 and 3 are both named \"a\"; rename one of them");
}

#[test]
fn names_are_kept_to_the_letter() {
    let table = inspect(Csv, b" a ,A,\"a\"\n1,2,3\n").unwrap();

    assert_eq!(columns(&table), [" a :integer", "A:integer", "a:integer"]);
}

#[test]
fn what_is_not_text_is_named() {
    assert_eq!(refusal(Csv, b"\x89PNG\r\n\x1a\n\0\0"), "this is a PNG image, not CSV");
    assert!(refusal(Csv, b"PK\x03\x04abc").starts_with("this is a ZIP archive (an Excel workbook is one"));
    assert!(refusal(Csv, b"\xff\xfea\0,\0b\0\n\0").starts_with("this is UTF-16 text"));
    assert!(refusal(Csv, b"a,b\n1,\x002\n").starts_with("line 2: a NUL byte"));
}

#[test]
fn a_row_without_end_is_refused_before_it_fills_the_memory() {
    let mut text = b"a,b\n1,2\n3,\"".to_vec();
    text.extend(vec![b'x'; 17 << 20]);

    assert!(refusal(Csv, &text).starts_with("line 3: the row that begins here is longer than 16 MiB"));
}

#[test]
fn a_file_that_changed_after_its_description_is_not_read_as_if_it_had_not() {
    let table = inspect(Csv, b"a,b\n1,2\n").unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, b"a,c\n1,2\n").unwrap();

    let error = relevo_tables::open(file.path(), &table).unwrap().next().unwrap().unwrap_err();

    assert_eq!(error.code(), "table_read");
    assert!(error.to_string().contains("header"), "{error}");
}

#[test]
fn what_is_known_beforehand_is_not_guessed() {
    let described = |bytes: &[u8], hints| {
        let mut inspector = Inspector::for_csv(hints);
        inspector.push(bytes).and_then(|()| inspector.finish())
    };
    let hints = CsvHints { separator: Some(b'#'), encoding: Some(TextEncoding::Windows1252), headless: true };
    let bytes = "1#a,b;c\n2#ñ\n".as_bytes();

    let table = described(bytes, hints).unwrap();

    assert_eq!((columns(&table), table.rows), (vec!["column_1:integer".to_owned(), "column_2:string".to_owned()], 2));
    assert_eq!(read(bytes, &table), rows(&[&["1", "a,b;c"], &["2", "Ã±"]]));
    let utf8 = CsvHints { encoding: Some(TextEncoding::Utf8), ..CsvHints::default() };
    assert!(matches!(described(b"a,b\n\xf1,2\n", utf8), Err(TableError::MixedEncoding { line: 2, byte: 0xF1 })));
    let windows = CsvHints { encoding: Some(TextEncoding::Windows1252), ..CsvHints::default() };
    assert!(matches!(described(b"a,b\n1,\x81\n", windows), Err(TableError::UnknownEncoding { line: 2, byte: 0x81 })));
}

#[test]
fn rows_without_a_header_must_agree_too() {
    let mut inspector = Inspector::for_csv(CsvHints { headless: true, ..CsvHints::default() });

    let error = inspector.push(b"1,2\n3,4\n5,6\n7,8,9\n").and_then(|()| inspector.finish()).unwrap_err();

    assert_eq!(error.to_string(), "line 4: expected 2 fields, found 3");
}
