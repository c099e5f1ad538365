//! A file becomes a table of a dataset: uploaded to its job or in S3 already, CSV or an Excel workbook.

use std::fs;

use relevo_shared::{dataset::DatasetView, job::JobState};
use rig::{Api, Relevo, Worker, repository};
use serde_json::{Value, json};

fn dataset(api: &Api, id: &str) -> DatasetView {
    let answer = api.get(&format!("/api/datasets/{id}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).expect("a dataset has the form that is documented")
}

fn upload(api: &Api, job: &str, name: &str, bytes: impl Into<reqwest::blocking::Body>) {
    let up = api.put(&format!("/api/v1/jobs/{job}/files/content/{name}"), bytes);
    assert_eq!(up.status, 200, "{}", up.text());
}

#[test]
fn a_workbook_that_is_uploaded_to_its_job_becomes_a_dataset() {
    let relevo = Relevo::shipped();
    let (api, _worker) = (relevo.api(), Worker::start(&relevo, "importer"));
    let input = json!({ "input": "ventas.xlsx", "dataset_id": 48, "header_row": 3 });
    let id = api.create("jobs/import", &input);
    api.wait(&id, JobState::Waiting);

    upload(&api, &id, "ventas.xlsx", fs::read(repository().join("tests/golden/import.xlsx")).expect("it ships"));

    let job = api.wait(&id, JobState::Completed);
    let result = job.result.expect("a completed job has a result");
    assert_eq!((&result["rows"], &result["columns"], &result["format"]), (&json!(40), &json!(8), &json!("xlsx")));
    let stages: Vec<&str> = job.stages.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(stages, ["load", "convert", "commit"]);
    let view = dataset(&api, "48");
    assert_eq!((view.tables.len(), view.tables[0].rows), (1, 40));
    assert_eq!(json!(view.tables[0].commit_id), result["output_commit_id"]);
}

#[test]
fn an_import_for_a_ref_leaves_main_where_it_is() {
    let relevo = Relevo::shipped();
    let (api, _worker) = (relevo.api(), Worker::start(&relevo, "importer"));
    assert!(api.put("/api/datasets/cursos/tables/primary", "a\n1\n").status.is_success());
    let main = dataset(&api, "cursos").tables[0].commit_id.clone();
    let id = api.create("jobs/import", &json!({ "input": "n.csv", "dataset_id": "cursos", "ref": "next" }));

    upload(&api, &id, "n.csv", "a,b\n1,2\n");

    let result = api.wait(&id, JobState::Completed).result.expect("a completed job has a result");
    let refs = json!({ "main": { "primary": main }, "next": { "primary": result["commit_id"] } });
    assert_eq!(json!(dataset(&api, "cursos").refs), refs);
}

#[test]
fn a_row_that_does_not_fit_fails_the_job_with_its_line() {
    let relevo = Relevo::shipped();
    let (api, _worker) = (relevo.api(), Worker::start(&relevo, "importer"));
    let id = api.create("jobs/import", &json!({ "input": "n.csv", "dataset_id": "cursos" }));

    upload(&api, &id, "n.csv", "a,b\n1,2\n3,4,5\n");

    let error = api.wait(&id, JobState::Failed).error.expect("a failed job says why");
    assert_eq!((error.code.as_str(), error.details[0].field.as_str()), ("Worker.InvalidInput", "input"));
    assert!(error.message.contains("line 3: expected 2 fields, found 3"), "{error:?}");
    assert_eq!(api.get("/api/datasets/cursos").status, 404, "a failed import left a dataset behind");
}

#[test]
fn names_that_no_dataset_can_have_are_refused_before_a_job_begins() {
    let relevo = Relevo::shipped();
    let api = relevo.api();
    let with = |field: &str, value: Value| {
        let mut input = json!({ "input": "n.csv", "dataset_id": "cursos" });
        input[field] = value;
        api.post("/api/v1/jobs/import", &json!({ "initial_data": input }))
    };

    for (field, value) in [
        ("dataset_id", json!("a\u{0}b")),
        ("dataset_id", json!("a\nb")),
        ("dataset_id", json!("cursos\n")),
        ("dataset_id", json!("../x")),
        ("dataset_id", json!("\u{202E}fdp")),
        ("dataset_id", json!("")),
        ("dataset_id", json!(-1)),
        ("table_key", json!("a@b")),
        ("ref", json!("0".repeat(64))),
        ("input", json!("../../etc/passwd")),
        ("input", json!("a\u{0}")),
        ("input", json!("s3://bucket")),
        ("separator", json!("\"")),
        ("sheet", json!(0)),
        ("format", json!("ods")),
    ] {
        let problem = with(field, value.clone()).refusal(422);
        assert_eq!(problem.details[0].field, format!("initial_data.{field}"), "{value}: {problem:?}");
    }
}
