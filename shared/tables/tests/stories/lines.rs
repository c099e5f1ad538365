//! Rows as text that travels.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray, TimestampMillisecondArray,
    types::Int64Type,
};
use relevo_tables::{csv_lines, json_lines};

fn rows() -> RecordBatch {
    let lists = vec![Some(vec![Some(1), None]), None, Some(vec![])];
    let columns: [(&str, ArrayRef); 6] = [
        ("n", Arc::new(Int64Array::from(vec![Some(i64::MAX), None, Some(-1)]))),
        ("x", Arc::new(Float64Array::from(vec![0.1, f64::NAN, -0.0]))),
        ("text", Arc::new(StringArray::from(vec![Some("a\nb"), Some(""), None]))),
        ("ok", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
        (
            "at",
            Arc::new(
                TimestampMillisecondArray::from(vec![Some(1_751_856_347_569), None, Some(0)]).with_timezone("UTC"),
            ),
        ),
        ("list", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists))),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

#[test]
fn each_row_is_one_line_of_json_with_every_column() {
    let lines = String::from_utf8(json_lines(&rows()).unwrap()).unwrap();

    let expected = [
        r#"{"n":9223372036854775807,"x":0.1,"text":"a\nb","ok":true,"at":"2025-07-07T02:45:47.569Z","list":[1,null]}"#,
        r#"{"n":null,"x":null,"text":"","ok":false,"at":null,"list":null}"#,
        r#"{"n":-1,"x":-0.0,"text":null,"ok":null,"at":"1970-01-01T00:00:00Z","list":[]}"#,
        "",
    ];
    assert_eq!(lines, expected.join("\n"));
}

#[test]
fn csv_has_a_record_for_each_row_and_quotes_what_must_be() {
    let lines = String::from_utf8(csv_lines(&rows(), true).unwrap()).unwrap();

    let expected = [
        "n,x,text,ok,at,list",
        "9223372036854775807,0.1,\"a\nb\",true,2025-07-07T02:45:47.569Z,\"[1,null]\"",
        ",NaN,,false,,",
        "-1,-0.0,,,1970-01-01T00:00:00Z,[]",
        "",
    ];
    assert_eq!(lines, expected.join("\r\n"));
    assert!(csv_lines(&rows().slice(0, 0), false).unwrap().is_empty());
}
