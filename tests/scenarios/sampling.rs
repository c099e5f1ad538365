//! Sampling jobs: a table goes in, some of its rows come out, the same ones for the same seed.

use std::{collections::BTreeMap, time::Duration};

use relevo_shared::job::{JobState, JobView};
use rig::{Api, Relevo, Worker};
use serde_json::{Value, json};

const LONG: Duration = Duration::from_secs(60);

/// Two thousand sales in four regions; text that a spreadsheet would run is text here.
fn csv() -> String {
    let region = |i: u32| ["north", "south", "=cmd|' /C calc'!A0", "east"][(i * 7 % 11 % 4) as usize];
    let rows = (0..2000).map(|i| format!("{i},{},{}.25\n", region(i), i * 37 % 1000));
    "id,region,amount\n".to_owned() + &rows.collect::<String>()
}

fn job(seed: u64) -> Value {
    json!({
        "dataset_id": "sales", "seed": seed, "export_residual": true,
        "rounds": [
            { "round_number": 1, "method": "stratified", "parameters": { "strata_columns": "region", "samples_per_stratum": 5 },
              "filters": { "expression": "amount BETWEEN 100 AND 900" } },
            { "round_number": 2, "method": "weighted", "parameters": { "weight_column": "amount", "sample_size": 30 } },
        ],
    })
}

fn finished(api: &Api, seed: u64) -> JobView {
    let id = api.create("jobs/sampling", &job(seed));
    api.wait_within(&id, JobState::Completed, LONG)
}

#[test]
fn a_sample_and_the_rest_are_files_of_the_job_and_commits_of_the_dataset() {
    let relevo = Relevo::shipped();
    let _worker = Worker::start(&relevo, "sampler");
    let api = relevo.api();
    assert!(api.put("/api/datasets/sales/tables/primary", csv()).status.is_success());

    let job = finished(&api, 42);

    let result = job.result.expect("a completed job has a result");
    assert_eq!((&result["total_sampled"], &result["residual_count"]), (&json!(50), &json!(1950)), "{result}");
    assert_eq!(result["rounds"][0]["strata_count"], 4);
    for file in ["sample.parquet", "residual.parquet"] {
        let link = api.get(&format!("/api/v1/jobs/{}/files/download/{file}", job.id));
        assert_eq!(link.status, 302, "{}", link.text());
        let bytes = api.bare(reqwest::Method::GET, link.header("location").expect("a redirect has a target"), "").body;
        assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"), "{file}: {} bytes", bytes.len());
    }
    let dataset: Value = serde_json::from_str(&api.get("/api/datasets/sales").text()).expect("it is JSON");
    let tables = dataset["tables"].as_array().expect("a dataset has tables");
    let rows: BTreeMap<&str, u64> = tables
        .iter()
        .map(|table| (table["table_key"].as_str().unwrap_or_default(), table["rows"].as_u64().unwrap_or_default()))
        .collect();
    assert_eq!(rows, BTreeMap::from([("primary", 2000), ("residual", 1950), ("sample", 50)]));
    assert!(tables.iter().any(|table| table["commit_id"] == result["output_commit_id"]));
    let stages: Vec<&str> = job.stages.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(stages, ["load", "round_1", "round_2", "write", "upload"]);
}

#[test]
fn two_workers_draw_the_same_rows_for_the_same_seed() {
    let relevo = Relevo::shipped();
    let _workers = [Worker::start(&relevo, "one"), Worker::start(&relevo, "two")];
    let api = relevo.api();
    assert!(api.put("/api/datasets/sales/tables/primary", csv()).status.is_success());

    let ids: Vec<_> = [7, 7, 7, 8].map(|seed| api.create("jobs/sampling", &job(seed))).into();

    let commits: Vec<Value> = ids
        .iter()
        .map(|id| {
            api.wait_within(id, JobState::Completed, LONG).result.expect("it has one")["output_commit_id"].clone()
        })
        .collect();
    assert_eq!(commits[0], commits[1]);
    assert_eq!(commits[0], commits[2]);
    assert_ne!(commits[0], commits[3]);
}

#[test]
fn a_round_that_cannot_be_drawn_is_refused_by_its_field_and_nothing_is_stored() {
    let relevo = Relevo::shipped();
    let api = relevo.api();
    assert!(api.put("/api/datasets/sales/tables/primary", csv()).status.is_success());
    let refused = |round: Value| {
        let input = json!({ "dataset_id": "sales", "rounds": [round] });
        api.post("/api/v1/jobs/sampling", &json!({ "initial_data": input })).refusal(422)
    };
    let filtered = |expression: &str| {
        refused(json!({
            "method": "random", "parameters": { "sample_size": 1 }, "filters": { "expression": expression },
        }))
    };

    let size = refused(json!({ "method": "random", "parameters": {} }));
    assert_eq!(size.details[0].field, "initial_data.rounds[0].parameters.sample_size");
    let column =
        refused(json!({ "method": "weighted", "parameters": { "weight_column": "amounts", "sample_size": 1 } }));
    assert_eq!(column.details[0].field, "initial_data.rounds[0].parameters.weight_column");
    assert!(column.error.contains("did you mean \"amount\"?"), "{column:?}");
    let deep = "(".repeat(100_000) + "amount > 1" + &")".repeat(100_000);
    let wide = vec!["amount = 1"; 10_000].join(" OR ");
    for hostile in [
        "1; DROP TABLE sales",
        "id IN (SELECT 1)",
        "EXISTS (SELECT * FROM sales)",
        "read_parquet('/etc/passwd') IS NULL",
        "now() > '2024-01-01'",
        "random() < 0.5",
        "region > 5",
        "amount",
        "amount > 1 -- all",
        deep.as_str(),
        wide.as_str(),
    ] {
        let problem = filtered(hostile);
        assert_eq!(problem.details[0].field, "initial_data.rounds[0].filters.expression", "{problem:?}");
        assert!(problem.error.len() < 500, "{problem:?}");
    }

    // The first task that a worker meets is that of the first job that was sound.
    let hand = relevo.hand("sampler", &["sampling"]);
    let sound = api.create("jobs/sampling", &job(1));
    assert_eq!(hand.claim().job_id.to_string(), sound);
    assert!(hand.poll(0).is_none(), "a refused job was stored");
}
