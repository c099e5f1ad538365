//! A table of a dataset is profiled: a summary in the result, the figures as JSON, a page for people.

use relevo_shared::job::JobState;
use reqwest::Method;
use rig::{Relevo, Worker};
use serde_json::json;

const CSV: &str = "curso;nota;alta\nálgebra;4;2024-02-29\nhistoria;;2024-03-01\n<b>física</b>;2;2024-03-01\n";

#[test]
fn a_table_is_profiled_into_a_page_and_figures() {
    let relevo = Relevo::shipped();
    let (api, _worker) = (relevo.api(), Worker::start(&relevo, "profiler"));
    assert!(api.put("/api/datasets/48/tables/primary?name=Cursos%202024", CSV).status.is_success());

    let id = api.create("jobs/profiling", &json!({ "dataset_id": 48 }));

    let job = api.wait(&id, JobState::Completed);
    let result = job.result.expect("a completed job has a result");
    assert_eq!(
        (&result["rows"], &result["missing_values"], &result["duplicate_rows"]),
        (&json!(3), &json!(1), &json!(0))
    );
    assert_eq!(result["commit_id"], job.source.expect("the table is pinned")["commit_id"]);
    let file = |name: &str| {
        let down = api.get(&format!("/api/v1/jobs/{id}/files/download/{name}"));
        api.bare(Method::GET, down.header("location").unwrap_or_else(|| panic!("{name}: {}", down.text())), "")
    };
    let profile = file("profile.json").json();
    assert_eq!(profile["columns"][1]["mean"], json!(3.0), "{profile}");
    assert_eq!(profile["columns"][2]["distinct"], json!(2));
    let page = file("profile.html").text();
    assert!(page.contains("Cursos 2024") && page.contains("&lt;b&gt;física&lt;/b&gt;"), "{page}");
    let stages: Vec<&str> = job.stages.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(stages, ["load", "columns", "table", "write"]);
}

#[test]
fn a_column_that_is_not_there_is_refused_before_a_job_begins() {
    let relevo = Relevo::shipped();
    let api = relevo.api();
    assert!(api.put("/api/datasets/cursos/tables/primary", CSV).status.is_success());

    for (input, field) in [
        (json!({ "dataset_id": "cursos", "columns": ["curso", "edad"] }), "initial_data.columns[1]"),
        (json!({ "dataset_id": "nada" }), "initial_data.dataset_id"),
        (json!({ "dataset_id": "cursos", "bins": 1 }), "initial_data.bins"),
    ] {
        let problem = api.post("/api/v1/jobs/profiling", &json!({ "initial_data": input })).refusal(422);
        assert_eq!(problem.details[0].field, field, "{problem:?}");
    }
}
