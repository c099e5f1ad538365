//! The main job: a table of comments goes in, the same rows come out with their sentiment.

use std::time::Duration;

use relevo_shared::job::JobState;
use rig::{Relevo, Worker};
use serde_json::json;

const MODEL: &str = "relevo/demo-sentiment";
const COMMENTS: &str = "\
curso,comentarios
álgebra,\"Excelente profesor, explica muy bien y con mucha paciencia\"
historia,Pésima clase: nunca llega a tiempo y no prepara nada
química,
física,Muy buen curso 😀 lo recomiendo https://example.org
";

#[test]
fn a_table_of_comments_comes_back_with_its_sentiment() {
    let relevo = Relevo::shipped();
    let _worker = Worker::start(&relevo, "reader");
    let api = relevo.api();
    assert!(api.put("/api/datasets/opiniones/tables/primary", COMMENTS).status.is_success());

    let id = api.create("jobs/beto_sentiment", &json!({ "dataset_id": "opiniones", "model": MODEL }));

    let job = api.wait_within(&id, JobState::Completed, Duration::from_secs(120));
    let result = job.result.expect("a completed job has a result");
    assert_eq!(result["n_rows"], 4, "{result}");
    assert_eq!(job.source.expect("the table is pinned")["dataset_id"], "opiniones");
    assert!(!job.stages.is_empty(), "no stage was told of");
    let file = api.get(&format!("/api/v1/jobs/{id}/files/download/opiniones_beto.parquet"));
    assert_eq!(file.status, 302, "{}", file.text());
    let parquet = api.bare(reqwest::Method::GET, file.header("location").expect("a redirect has a target"), "");
    assert!(parquet.body.starts_with(b"PAR1") && parquet.body.ends_with(b"PAR1"), "{} bytes", parquet.body.len());
}

#[test]
fn the_labelled_rows_are_a_table_of_the_same_dataset() {
    let relevo = Relevo::shipped();
    let _worker = Worker::start(&relevo, "reader");
    let api = relevo.api();
    assert!(api.put("/api/datasets/opiniones/tables/primary", COMMENTS).status.is_success());

    let id = api.create("jobs/beto_sentiment", &json!({ "dataset_id": "opiniones", "model": MODEL }));

    let result = api.wait_within(&id, JobState::Completed, Duration::from_secs(120)).result.expect("it is completed");
    let view = api.get("/api/datasets/opiniones").json();
    assert_eq!(view["refs"]["main"]["beto"], result["output_commit_id"], "{view}");
    let labelled = view["tables"].as_array().expect("tables").iter().find(|table| table["table_key"] == "beto");
    let labelled = labelled.expect("the labelled rows are a table");
    assert_eq!(labelled["rows"], 4);
    // It outlives the job: nothing of it lies among the job's files.
    assert!(!labelled["uri"].as_str().expect("a table lies somewhere").contains(&id), "{labelled}");
    let names = labelled["columns"].as_array().expect("columns").iter().map(|column| &column["name"]);
    assert!(names.into_iter().any(|name| name == "sentiment_label_teacher"));
}

#[test]
fn a_text_column_that_is_not_there_is_answered_with_those_that_are() {
    let relevo = Relevo::shipped();
    let api = relevo.api();
    assert!(api.put("/api/datasets/opiniones/tables/primary", COMMENTS).status.is_success());
    let input = json!({ "dataset_id": "opiniones", "model": MODEL, "text_col": "resena" });

    let problem = api.post("/api/v1/jobs/beto_sentiment", &json!({ "initial_data": input })).refusal(422);

    assert_eq!(problem.details[0].field, "initial_data.text_col");
    assert!(problem.error.contains("curso, comentarios"), "{problem:?}");
}

#[test]
fn a_job_keeps_to_the_table_that_it_was_created_with() {
    let relevo = Relevo::shipped();
    let api = relevo.api();
    assert!(api.put("/api/datasets/opiniones/tables/primary", COMMENTS).status.is_success());
    let id = api.create("jobs/beto_sentiment", &json!({ "dataset_id": "opiniones", "model": MODEL }));
    assert!(api.put("/api/datasets/opiniones/tables/primary", "comentarios\notra cosa\n").status.is_success());

    let hand = relevo.hand("reader", &["beto.preprocess"]);

    assert_eq!(hand.claim().params["source"]["rows"], 4);
    assert_eq!(api.job(&id).source.expect("the table is pinned")["rows"], 4);
}

#[test]
fn a_dataset_that_is_not_there_is_refused_before_a_job_begins() {
    let relevo = Relevo::shipped();

    let answer = relevo.api().post("/api/v1/jobs/beto_sentiment", &json!({ "initial_data": { "dataset_id": "nada" } }));

    assert_eq!(answer.refusal(422).details[0].field, "initial_data.dataset_id");
}
