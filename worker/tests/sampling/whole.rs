//! The skill as a worker runs it: a table in S3 comes in, files in S3 and a result come out.

use std::{fs::File, path::PathBuf, sync::Arc};

use relevo_shared::{JobId, TaskId, dataset::TableRef, worker::Task};
use relevo_worker::{
    cancel::StopReason,
    context::TaskContext,
    skills::{Registry, Skill, SkillError, sampling::Sampling},
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::s3::{S3, files};

struct Bench {
    s3: S3,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        Self { s3: S3::start().await, folder: tempfile::tempdir().unwrap() }
    }

    /// Puts a table into the bucket, and gives it as a job would be pinned to it.
    fn put(&self, name: &str, content: &[u8]) -> TableRef {
        let path = self.s3.root.path().join("data").join(name);
        std::fs::write(&path, content).unwrap();
        let table = relevo_tables::describe(&path, None).unwrap();
        TableRef {
            dataset_id: "sales".to_owned(),
            dataset_name: None,
            table_key: "primary".to_owned(),
            commit_id: "c0ffee".to_owned(),
            uri: format!("s3://data/{name}"),
            format: table.format,
            csv: table.csv,
            columns: table.columns,
            rows: table.rows,
            bytes: table.bytes,
            created_at: String::new(),
        }
    }

    fn task(table: &TableRef, job: &Value) -> Task {
        let mut params = job.as_object().unwrap().clone();
        params.insert("source".to_owned(), serde_json::to_value(table).unwrap());
        params.extend(
            [("dataset_id", "sales"), ("table_key", "primary"), ("source_ref", "main")]
                .map(|(k, v)| (k.to_owned(), json!(v))),
        );
        let job_id = JobId::fresh();
        let task = json!({
            "job_id": job_id, "task_id": TaskId { branch: job_id.into(), number: 1 }, "type": "sampling", "params": params,
            "files_prefix": format!("s3://data/jobs/{job_id}/"),
        });
        serde_json::from_value(task).unwrap()
    }

    fn context(&self, task: &Task) -> TaskContext {
        TaskContext::offline(task, self.folder.path(), Arc::new(files(self.s3.address, "secret")))
    }

    async fn run(&self, table: &TableRef, job: &Value) -> Result<Value, SkillError> {
        let task = Self::task(table, job);
        Sampling.run(&task, &self.context(&task)).await
    }

    fn object(&self, uri: &Value) -> PathBuf {
        self.s3.root.path().join(uri.as_str().unwrap().strip_prefix("s3://").unwrap())
    }

    fn rows(&self, uri: &Value) -> Vec<Map<String, Value>> {
        let rows = relevo_tables::read_head(File::open(self.object(uri)).unwrap(), 10_000).unwrap();
        relevo_tables::json_rows(&rows).unwrap().into_iter().map(|row| row.as_object().unwrap().clone()).collect()
    }
}

/// A thousand sales: a number, a region, an amount that may be missing.
fn csv() -> String {
    let amount = |i: u32| if i.is_multiple_of(10) { String::new() } else { format!("{}.5", i * 37 % 1000) };
    let rows =
        (0..1000).map(|i| format!("{i},{},{}\n", ["north", "south", "", "east"][i as usize * 7 % 11 % 4], amount(i)));
    "id,región,amount\n".to_owned() + &rows.collect::<String>()
}

fn column(rows: &[Map<String, Value>], name: &str) -> Vec<Value> {
    rows.iter().map(|row| row[name].clone()).collect()
}

#[test]
fn every_worker_has_the_skill() {
    let registry: Registry = relevo_worker::skills::registry(&Default::default()).unwrap();

    assert!(registry.names().iter().any(|name| name.to_string() == "sampling"));
}

#[tokio::test]
async fn a_job_of_several_rounds_stores_its_sample_and_the_rest() {
    let bench = Bench::new().await;
    let table = bench.put("sales.csv", csv().as_bytes());
    let job = json!({
        "seed": 42, "export_residual": true,
        "rounds": [
            { "round_number": 1, "method": "stratified", "parameters": { "strata_columns": ["región"], "sample_size": 100 },
              "filters": { "expression": "amount > 100" } },
            { "round_number": 2, "method": "random", "parameters": { "sample_size": 0.1, "seed": 7 } },
        ],
    });

    let result = bench.run(&table, &job).await.unwrap();

    assert_eq!(result["rounds"][0]["sampled"], 100, "{result}");
    assert_eq!((&result["total_sampled"], &result["residual_count"]), (&json!(190), &json!(810)));
    let rounds = &result["rounds"];
    assert_eq!((&rounds[0]["seed"], &rounds[1]["seed"], &rounds[1]["eligible"]), (&json!(42), &json!(7), &json!(900)));
    let strata = rounds[0]["strata"].as_array().unwrap();
    assert_eq!((strata.len(), &rounds[0]["strata_count"]), (4, &json!(4)));
    assert!(strata.iter().any(|stratum| stratum["values"] == json!({ "región": null })), "{strata:?}");
    assert_eq!(strata.iter().map(|stratum| stratum["sampled"].as_u64().unwrap()).sum::<u64>(), 100);

    let (sample, rest) = (bench.rows(&result["sample_uri"]), bench.rows(&result["residual_uri"]));
    assert_eq!((sample.len(), rest.len()), (190, 810));
    assert!(column(&sample, "id").iter().map(|id| id.as_u64().unwrap()).is_sorted());
    assert_eq!(sample.iter().filter(|row| row["round_number"] == 1).count(), 100);
    let mut ids: Vec<u64> = sample.iter().chain(&rest).map(|row| row["id"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..1000).collect::<Vec<_>>());

    let bytes = std::fs::read(bench.object(&result["sample_uri"])).unwrap();
    let commit = hex::encode(Sha256::new_with_prefix("parquet\n").chain_update(&bytes).finalize());
    assert_eq!(result["output_commit_id"], *commit);
    assert!(result["residual_commit_id"].is_string());
}

#[tokio::test]
async fn the_format_of_the_table_does_not_matter() {
    let bench = Bench::new().await;
    let of_csv = bench.put("t.csv", csv().as_bytes());
    let description = relevo_tables::describe(&bench.object(&json!("s3://data/t.csv")), None).unwrap();
    let mut jsonl = String::new();
    let parquet = bench.folder.path().join("t.parquet");
    let reader = relevo_tables::open(&bench.object(&json!("s3://data/t.csv")), &description).unwrap();
    let mut writer = relevo_tables::ParquetTableWriter::create(&parquet, reader.schema()).unwrap();
    for batch in reader {
        let batch = batch.unwrap();
        writer.write(&batch).unwrap();
        for row in relevo_tables::json_rows(&batch).unwrap() {
            jsonl += &format!("{row}\n");
        }
    }
    writer.finish().unwrap();
    let of_jsonl = bench.put("t.jsonl", jsonl.as_bytes());
    let of_parquet = bench.put("u.parquet", &std::fs::read(&parquet).unwrap());
    let job = json!({ "seed": 3, "rounds": [{ "method": "random", "parameters": { "sample_size": 50 } }] });

    let mut samples = Vec::new();
    for table in [of_csv, of_jsonl, of_parquet] {
        let result = bench.run(&table, &job).await.unwrap();
        samples.push(bench.rows(&result["sample_uri"]));
    }

    assert_eq!(samples[0].len(), 50);
    assert_eq!(samples[0], samples[1]);
    assert_eq!(samples[0], samples[2]);
}

#[tokio::test]
async fn rows_are_sorted_as_was_asked_for_with_missing_values_last() {
    let bench = Bench::new().await;
    let table = bench.put("sales.csv", csv().as_bytes());
    let job = |desc: bool| {
        json!({
            "seed": 1, "rounds": [{ "method": "random", "parameters": { "sample_size": 300 } }],
            "selection": { "columns": ["id", "amount"], "order_by": ["región", "amount"], "order_desc": desc },
        })
    };

    for desc in [false, true] {
        let result = bench.run(&table, &job(desc)).await.unwrap();

        let rows = bench.rows(&result["sample_uri"]);
        assert_eq!(rows[0].keys().collect::<Vec<_>>(), ["id", "amount", "round_number"]);
        let region = |row: &Map<String, Value>| {
            ["north", "south", "", "east"][row["id"].as_u64().unwrap() as usize * 7 % 11 % 4]
        };
        let key = |row: &Map<String, Value>| {
            let amount = row["amount"].as_f64();
            let (region, sign) = (region(row), if desc { -1.0 } else { 1.0 });
            let place = ["east", "north", "south"].iter().position(|one| *one == region);
            let place = place.map_or(9, |place| if desc { 2 - place } else { place });
            (place, amount.is_none(), (amount.unwrap_or_default() * sign * 2.0) as i64, row["id"].as_u64())
        };
        assert_eq!(rows.len(), 300);
        assert!(rows.iter().map(key).is_sorted(), "{desc}: {rows:?}");
    }
}

#[tokio::test]
async fn rounds_with_an_order_of_their_own_come_one_after_the_other() {
    let bench = Bench::new().await;
    let table = bench.put("sales.csv", csv().as_bytes());
    let job = json!({ "rounds": [
        { "method": "custom", "parameters": { "query": "id IN (1, 2, 3)" }, "selection": { "order_by": "id", "order_desc": true } },
        { "method": "custom", "parameters": { "query": "id IN (0, 5, 9)" }, "selection": { "order_by": "amount" } },
    ] });

    let result = bench.run(&table, &job).await.unwrap();

    // The amounts of 5 and 9 are 185.5 and 333.5; that of 0 is missing.
    assert_eq!(column(&bench.rows(&result["sample_uri"]), "id"), [3, 2, 1, 5, 9, 0]);
}

#[tokio::test]
async fn a_sample_of_a_sample_carries_the_newer_round() {
    let bench = Bench::new().await;
    let table = bench.put("t.csv", b"id,round_number\n1,5\n2,6\n3,7\n");
    let job =
        json!({ "rounds": [{ "round_number": 9, "method": "custom", "parameters": { "query": "round_number > 5" } }] });

    let result = bench.run(&table, &job).await.unwrap();

    assert_eq!(
        Value::from_iter(bench.rows(&result["sample_uri"])),
        json!([{ "id": 2, "round_number": 9 }, { "id": 3, "round_number": 9 }])
    );
}

#[tokio::test]
async fn without_a_seed_one_is_made_from_the_job_and_told() {
    let bench = Bench::new().await;
    let table = bench.put("sales.csv", csv().as_bytes());
    let mut job = json!({ "rounds": [{ "method": "random", "parameters": { "sample_size": 20 } }] });
    let task = Bench::task(&table, &job);

    let first = Sampling.run(&task, &bench.context(&task)).await.unwrap();
    let again = Sampling.run(&task, &bench.context(&task)).await.unwrap();
    let other = bench.run(&table, &job).await.unwrap();
    job["seed"] = other["seed"].clone();
    let repeated = bench.run(&table, &job).await.unwrap();

    assert_eq!(first["output_commit_id"], again["output_commit_id"], "another attempt draws the same rows");
    assert_ne!(first["seed"], other["seed"]);
    assert!(other["seed"].as_u64().unwrap() < 1 << 53);
    assert_eq!(other["output_commit_id"], repeated["output_commit_id"]);
}

#[tokio::test]
async fn a_cancelled_task_stops_and_stores_nothing() {
    let bench = Bench::new().await;
    let table = bench.put("sales.csv", csv().as_bytes());
    let task = Bench::task(&table, &json!({ "rounds": [{ "method": "random", "parameters": { "sample_size": 20 } }] }));
    let context = bench.context(&task);
    context.stop(StopReason::Cancelled);

    assert_eq!(Sampling.run(&task, &context).await.unwrap_err(), SkillError::Cancelled);
    assert!(!bench.s3.root.path().join("data/jobs").exists());
}

#[tokio::test]
async fn wrong_parameters_are_told_all_at_once() {
    let bench = Bench::new().await;
    let table = bench.put("sales.csv", csv().as_bytes());
    let job = json!({ "rounds": [
        { "method": "random", "parameters": {} },
        { "method": "guess", "parameters": {} },
        { "method": "systematic", "parameters": { "interval": 0 } },
    ] });

    let SkillError::InvalidInput { details, .. } = bench.run(&table, &job).await.unwrap_err() else { panic!() };

    let fields: Vec<_> = details.iter().map(|detail| detail.field.as_str()).collect();
    assert_eq!(fields, ["rounds[0].parameters", "rounds[1].method", "rounds[2].parameters.interval"]);
}

#[tokio::test]
async fn a_table_that_is_not_what_its_footer_says_is_the_senders_fault() {
    let bench = Bench::new().await;
    let mut table = bench.put("t.csv", b"id\n1\n2\n");
    table.format = relevo_shared::dataset::TableFormat::Parquet;

    let fault =
        bench.run(&table, &json!({ "rounds": [{ "method": "random", "parameters": { "sample_size": 1 } }] })).await;

    assert_eq!(fault.unwrap_err().code(), "INVALID_INPUT");
}
