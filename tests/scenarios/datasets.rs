//! Datasets: tables go in as they are and are described by what is in them.

use relevo_shared::dataset::{DatasetView, TableFormat, TextEncoding};
use rig::{Answer, Relevo};
use serde_json::json;

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
fn a_ref_points_at_the_commit_that_was_uploaded_for_it() {
    let relevo = Relevo::dev();
    let api = relevo.api();
    let hash = |answer: &Answer| rig::text(&answer.json()["commit_id"]);
    let old = hash(&api.put(&format!("{TABLE}?ref=release-1"), CSV));
    let new = hash(&api.put(TABLE, "a,b\n1,2\n"));

    let view = describe(&relevo);

    assert_eq!(json!(view.refs), json!({ "main": { "primary": new }, "release-1": { "primary": old } }));
    assert_eq!((view.tables.len(), &view.tables[0].commit_id), (1, &new));
    for (reference, commit) in [("main", &new), ("release-1", &old), (old.as_str(), &old)] {
        let input = json!({ "dataset_id": "cursos", "source_ref": reference });
        let id = api.create("jobs/reads", &input);
        assert_eq!(api.job(&id).source.expect("the table is pinned")["commit_id"], **commit, "{reference}");
    }
    let wrong = json!({ "initial_data": { "dataset_id": "cursos", "source_ref": &old[..12] } });
    let problem = api.post("/api/v1/jobs/reads", &wrong).refusal(422);
    assert_eq!(problem.details[0].field, "initial_data.source_ref");
    assert!(problem.error.contains("its refs: main, release-1"), "{problem:?}");
}

#[test]
fn people_may_call_a_dataset_something_else() {
    let relevo = Relevo::dev();
    let api = relevo.api();
    assert!(api.put("/api/datasets/48/tables/primary?name=Sales%20Data%202024", CSV).status.is_success());
    assert!(api.put(TABLE, CSV).status.is_success());

    let named = api.create("jobs/reads", &json!({ "dataset_id": 48 }));
    let plain = api.create("jobs/reads", &json!({ "dataset_id": "cursos" }));

    let name_of = |id: &str| api.job(id).source.expect("the table is pinned")["dataset_name"].clone();
    assert_eq!((name_of(&named), name_of(&plain)), (json!("Sales Data 2024"), json!("cursos")));
    let view = api.get("/api/datasets/48").json();
    assert_eq!((&view["dataset_name"], &view["dataset_id"]), (&json!("Sales Data 2024"), &json!("48")));
    let list = api.get("/api/datasets").json();
    assert_eq!(list["datasets"][1]["dataset_name"], "Sales Data 2024", "{list}");
    // An upload without a name leaves it.
    assert!(api.put("/api/datasets/48/tables/other", CSV).status.is_success());
    assert_eq!(api.get("/api/datasets/48").json()["dataset_name"], "Sales Data 2024");
}

#[test]
fn names_that_deceive_are_refused_before_anything_is_stored() {
    let relevo = Relevo::dev();
    let api = relevo.api();

    for (path, field) in [
        ("a%00b/tables/primary", "dataset_id"),
        ("a%0Ab/tables/primary", "dataset_id"),
        ("%E2%80%AEfdp/tables/primary", "dataset_id"),
        ("..%2Fx/tables/primary", "dataset_id"),
        ("x/tables/a%40b", "table_key"),
        ("x/tables/primary?ref=a%40b", "ref"),
        ("x/tables/primary?ref=", "ref"),
        (&format!("x/tables/primary?ref={}", "0".repeat(64)), "ref"),
        ("x/tables/primary?name=", "name"),
        ("x/tables/primary?name=a%0Ab", "name"),
        ("x/tables/primary?name=%E2%80%AEcod.exe", "name"),
    ] {
        let problem = api.put(&format!("/api/datasets/{path}"), CSV).refusal(422);
        assert_eq!(problem.details[0].field, field, "{path}: {problem:?}");
    }
    assert_eq!(api.get("/api/datasets").json()["total"], 0);
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
