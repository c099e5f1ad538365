//! Parquet files, written here and elsewhere.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Int64Array, LargeStringArray, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use relevo_shared::dataset::TableFormat::Parquet;
use relevo_tables::{ParquetTableWriter, TableError, Written, describe, describe_parquet_footer, open};

use crate::tool::{columns, inspect, inspect_in, read, refusal, rows, texts};

fn batch() -> RecordBatch {
    let columns: [(&str, ArrayRef, bool); 3] = [
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3])), true),
        ("text", Arc::new(LargeStringArray::from(vec![Some("niño"), None, Some("😀")])), true),
        ("label", Arc::new(DictionaryArray::<Int32Type>::from_iter(["pos", "neg", "pos"])), false),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length")
}

fn written(batch: &RecordBatch) -> (Vec<u8>, Written) {
    let mut bytes = Vec::new();
    let mut writer = ParquetTableWriter::new(&mut bytes, batch.schema()).expect("begun");
    writer.write(batch).expect("written");
    let written = writer.finish().expect("finished");
    (bytes, written)
}

#[test]
fn a_table_is_written_described_and_read_back_with_plain_text() {
    let (bytes, written) = written(&batch());

    assert_eq!(written, Written { rows: 3, bytes: bytes.len() as u64 });
    for chunk in [1, 7, 1 << 20] {
        let table = inspect_in(Parquet, &bytes, chunk).unwrap();

        assert_eq!(columns(&table), ["id:integer", "text:string?", "label:string"]);
        assert_eq!((table.rows, table.bytes), (3, bytes.len() as u64));
        assert_eq!(read(&bytes, &table), rows(&[&["1", "niño", "pos"], &["2", "∅", "neg"], &["3", "😀", "pos"]]));
    }
}

#[test]
fn a_local_file_is_described_by_its_content_whatever_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    let (bytes, _) = written(&batch());
    std::fs::write(&path, &bytes).unwrap();

    let table = describe(&path, None).unwrap();

    assert_eq!(table, inspect(Parquet, &bytes).unwrap());
    assert_eq!(open(&path, &table).unwrap().map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 3);
}

#[test]
fn rows_come_back_in_order_across_many_groups() {
    let rows = 300_000;
    let batch = |from: i64, to: i64| {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(from..to));
        RecordBatch::try_from_iter([("id", column)]).unwrap()
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut writer = ParquetTableWriter::create(file.path(), batch(0, 0).schema()).unwrap();
    (0..rows).step_by(1000).for_each(|from| writer.write(&batch(from, from + 1000)).unwrap());
    writer.finish().unwrap();

    let table = describe(file.path(), Some(Parquet)).unwrap();
    let read: Vec<i64> = open(file.path(), &table)
        .unwrap()
        .flat_map(|batch| texts(&batch.unwrap()))
        .map(|row| row[0].as_ref().unwrap().parse().unwrap())
        .collect();

    assert_eq!(table.rows, rows as u64);
    assert!(read.into_iter().eq(0..rows));
}

#[test]
fn a_footer_larger_than_what_is_kept_is_asked_for() {
    let (bytes, _) = written(&batch());
    let tail = &bytes[bytes.len() - 20..];

    let error = describe_parquet_footer(tail, bytes.len() as u64).unwrap_err();

    let TableError::FooterBeyondTail { from, to } = error else { panic!("{error}") };
    assert_eq!(to, bytes.len() as u64);
    assert!(!TableError::FooterBeyondTail { from, to }.is_senders());
    let table = describe_parquet_footer(&bytes[from as usize..to as usize], to).unwrap();
    assert_eq!(table, inspect(Parquet, &bytes).unwrap());
}

#[test]
fn what_is_not_a_whole_parquet_file_is_refused() {
    let (bytes, _) = written(&batch());

    assert_eq!(refusal(Parquet, b"\x89PNG\r\n\x1a\n\0\0"), "this is a PNG image, not Parquet");
    assert_eq!(refusal(Parquet, b"id,comment\n1,good\n"), "this is text or something unknown, not Parquet");
    let cut_short = "not a readable Parquet file: its end is missing; was the upload cut short?";
    assert_eq!(refusal(Parquet, &bytes[..bytes.len() - 1]), cut_short);
    assert_eq!(refusal(Parquet, b"a,b"), cut_short);
    // Data pages that were cut out leave a footer that points past the end.
    let hollow = [b"PAR1", &bytes[bytes.len() / 2..]].concat();
    assert_eq!(inspect(Parquet, &hollow).unwrap_err().code(), "table_parquet");
}

#[test]
fn two_columns_of_one_name_are_refused() {
    let column = || Arc::new(StringArray::from(vec!["a"])) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("a", column()), ("a", column())]).unwrap();

    let (bytes, _) = written(&batch);

    assert_eq!(refusal(Parquet, &bytes), "columns 1 and 2 are both named \"a\"; rename one of them");
}

#[test]
fn a_file_without_rows_is_refused() {
    let mut bytes = Vec::new();
    ArrowWriter::try_new(&mut bytes, batch().schema(), None).unwrap().close().unwrap();

    assert_eq!(refusal(Parquet, &bytes), "the table has columns but no rows; send at least one row");
}
