//! What holds for any table at all.

use proptest::prelude::*;
use relevo_shared::dataset::TableFormat::{Csv, Jsonl};
use relevo_shared::dataset::{CsvDialect, TextEncoding};
use serde_json::{Map, Value, json};

use crate::tool::{inspect, inspect_in, read};

type Rows = Vec<Vec<String>>;

/// Rows of two columns or more, each with an identifier that only commas, semicolons … between fields can surround.
fn any_rows(text: &'static str) -> impl Strategy<Value = Rows> {
    (1..5_usize).prop_flat_map(move |width| {
        let row = prop::collection::vec(text, width);
        prop::collection::vec(row, 1..20).prop_map(|mut rows| {
            rows.iter_mut().enumerate().for_each(|(number, row)| row.insert(0, format!("row {number}")));
            rows
        })
    })
}

fn quoted(field: &str) -> String {
    format!("\"{}\"", field.replace('"', "\"\""))
}

fn csv(rows: &Rows, separator: char, newline: &str) -> String {
    let header = (0..rows[0].len()).map(|index| format!("column {index}")).collect::<Vec<_>>();
    let line = |row: &Vec<String>| {
        row.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(&separator.to_string()) + newline
    };
    std::iter::once(&header).chain(rows).map(line).collect()
}

/// Empty fields are missing values.
fn expected(rows: &Rows) -> Vec<Vec<Option<String>>> {
    let value = |text: &String| (!text.is_empty()).then(|| text.clone());
    rows.iter().map(|row| row.iter().map(value).collect()).collect()
}

fn separators() -> impl Strategy<Value = char> {
    prop::sample::select(vec![',', ';', '\t', '|'])
}

proptest! {
    #[test]
    fn any_csv_file_is_sniffed_and_read_back_equal(
        rows in any_rows("[a-zñ€,;|\t\"\n 日😀]{0,9}"),
        separator in separators(),
        newline in prop::sample::select(vec!["\n", "\r\n"]),
    ) {
        let text = csv(&rows, separator, newline);

        let table = inspect(Csv, text.as_bytes()).unwrap();

        prop_assert_eq!(table.csv, Some(CsvDialect { separator, encoding: TextEncoding::Utf8, header: true }));
        prop_assert_eq!(table.rows, rows.len() as u64);
        prop_assert_eq!(read(text.as_bytes(), &table), expected(&rows));
    }

    #[test]
    fn any_windows_1252_file_is_read_back_equal(
        // Letters only: some of its punctuation can stand behind a letter so that both look like UTF-8.
        mut rows in any_rows("[a-z,;|\t\"\n áéíóúñüÁÑ]{0,9}"),
        separator in separators(),
    ) {
        // Without a letter beyond ASCII the two encodings are the same.
        rows[0][0].push('ñ');
        let text = csv(&rows, separator, "\n");
        let bytes = encoding_rs::WINDOWS_1252.encode(&text).0;

        let table = inspect(Csv, &bytes).unwrap();

        prop_assert_eq!(table.csv, Some(CsvDialect { separator, encoding: TextEncoding::Windows1252, header: true }));
        prop_assert_eq!(read(&bytes, &table), expected(&rows));
    }

    #[test]
    fn it_does_not_matter_where_the_chunks_of_any_bytes_end(
        bytes in prop::collection::vec(prop::sample::select(b"ab1,;\"\"\n\n\r\t{}:\xc3\xb1\xe9 .-".to_vec()), 0..120),
        chunk in 1..9_usize,
    ) {
        for format in [Csv, Jsonl] {
            let whole = inspect(format, &bytes).map_err(|error| error.to_string());
            let cut = inspect_in(format, &bytes, chunk).map_err(|error| error.to_string());
            prop_assert_eq!(cut, whole);
        }
    }

    #[test]
    fn any_accepted_csv_file_can_be_read(
        bytes in prop::collection::vec(prop::sample::select(b"ab12,,\"\n\n\r.-:T \xe9".to_vec()), 0..60),
    ) {
        if let Ok(table) = inspect(Csv, &bytes) {
            let rows = read(&bytes, &table);

            prop_assert_eq!(rows.len() as u64, table.rows);
            for (index, column) in table.columns.iter().enumerate() {
                prop_assert_eq!(rows.iter().any(|row| row[index].is_none()), column.nullable);
            }
        }
    }

    #[test]
    fn any_fields_that_look_alike_are_read_as_what_they_are_taken_for(
        fields in prop::collection::vec("-?[0-9]{1,19}(\\.[0-9]{0,3})?(e-?[0-9]{1,3})?|[0-9]{4}-[01][0-9]-[0-3][0-9]( [0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{1,7})?(Z|[+-][01][0-9]:?00)?)?", 1..4),
    ) {
        let text = format!("value\n{}\n", fields.join("\n"));

        let table = inspect(Csv, text.as_bytes()).unwrap();

        // Reading fails if a field is not of the type that was given to its column.
        prop_assert_eq!(read(text.as_bytes(), &table).len(), fields.len());
    }

    #[test]
    fn any_json_lines_are_read_back_equal(
        texts in prop::collection::vec(prop::option::of(".{0,9}"), 1..20),
    ) {
        let row = |text: &Option<String>| {
            let value = text.as_ref().map_or(json!([1]), |text| json!(text));
            Value::Object(Map::from_iter([("t \"ñ\"".to_owned(), value)])).to_string() + "\n"
        };
        let lines: String = texts.iter().map(row).collect();

        let table = inspect(Jsonl, lines.as_bytes()).unwrap();

        let expected: Vec<Vec<Option<String>>> = texts.iter().map(|text| vec![text.clone().or(Some("[1]".into()))]).collect();
        if table.columns[0].kind == "string" {
            prop_assert_eq!(read(lines.as_bytes(), &table), expected);
        }
    }
}
