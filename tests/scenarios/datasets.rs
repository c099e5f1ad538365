//! Datasets: tables go in as they are and are described by what is in them.

use relevo_shared::dataset::{DatasetView, TableFormat, TextEncoding};
use rig::{Answer, Relevo};

const TABLE: &str = "/api/datasets/cursos/tables/primary";
const CSV: &str = "curso;comentario;nota\nálgebra;\"muy bien; de verdad\";4,5\nhistoria;;3\n";

#[test]
fn a_table_is_described_by_what_is_in_it() {
    let relevo = Relevo::dev();

    let up = relevo.api().put(TABLE, CSV);

    assert!(up.status.is_success(), "{}", up.text());
    let view = describe(&relevo);
    let [table] = view.tables.as_slice() else { panic!("one table was uploaded: {view:?}") };
    assert_eq!((table.table_key.as_str(), table.rows, table.format), ("primary", 2, TableFormat::Csv));
    assert_eq!(table.csv.expect("a CSV has a dialect").separator, ';');
    assert_eq!(table.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["curso", "comentario", "nota"]);
    assert_eq!(table.bytes, CSV.len() as u64);
    let list = relevo.api().get("/api/datasets").text();
    assert!(list.contains("cursos"), "{list}");
}

#[test]
fn the_same_upload_twice_is_one_commit() {
    let relevo = Relevo::dev();
    for text in [CSV, CSV, "a,b\n1,2\n"] {
        assert!(relevo.api().put(TABLE, text).status.is_success());
    }

    let view = describe(&relevo);

    assert_eq!(view.commits.len(), 2, "{:?}", view.commits);
    assert_eq!(view.tables[0].commit_id, view.commits[0].commit_id, "the newest commit is the head");
}

#[test]
fn windows_text_is_read_as_it_was_meant() {
    let relevo = Relevo::dev();

    let up = relevo.api().put(TABLE, b"comentario,a\xf1o\nexcelente explicaci\xf3n,2024\n".to_vec());

    assert!(up.status.is_success(), "{}", up.text());
    let table = &describe(&relevo).tables[0];
    assert_eq!(table.csv.expect("a CSV has a dialect").encoding, TextEncoding::Windows1252);
    assert_eq!(table.columns[1].name, "año");
}

#[test]
fn a_table_that_is_none_is_refused_with_the_place_of_the_fault() {
    let relevo = Relevo::dev();
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0".to_vec();

    let empty = relevo.api().put(TABLE, "");
    let broken = relevo.api().put(TABLE, "a,b\n1,2\n3,4,5\n");
    let picture = relevo.api().put(TABLE, png);

    assert!(reasons(&empty).contains("empty"), "{}", empty.text());
    assert!(reasons(&broken).contains("line 3"), "{}", broken.text());
    assert!(reasons(&picture).contains("PNG"), "{}", picture.text());
    assert_eq!(relevo.api().get("/api/datasets/cursos").status, 404, "a refused upload left a dataset behind");
}

#[test]
fn an_unknown_dataset_is_not_found() {
    let relevo = Relevo::dev();

    assert_eq!(relevo.api().get("/api/datasets/nada").refusal(404).code, "not_found");
}

fn describe(relevo: &Relevo) -> DatasetView {
    let answer = relevo.api().get("/api/datasets/cursos");
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).expect("a dataset has the form that is documented")
}

/// The sentences of a 422, which must name a field.
fn reasons(answer: &Answer) -> String {
    let problem = answer.refusal(422);
    assert!(!problem.details.is_empty(), "{problem:?}");
    problem.error + &problem.details.into_iter().map(|detail| detail.reason).collect::<String>()
}
