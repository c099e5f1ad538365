//! A table that a skill has computed goes to S3, to where its hash says, and then to the orchestrator.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use relevo_shared::{
    TaskId,
    worker::{TableCommit, Task},
};
use relevo_tables::ParquetTableWriter;
use relevo_worker::{
    context::TaskContext,
    settings::SkillSettings,
    skills::{Registry, Running, Skill},
};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    orchestrator::{self, Orchestrator, Told, start},
    s3::S3,
};

/// Commits a table of as many rows as it is asked for.
struct Maker;

impl Skill for Maker {
    fn name(&self) -> &str {
        "maker"
    }

    fn run<'a>(&'a self, task: &'a Task, context: &'a TaskContext) -> Running<'a> {
        Box::pin(async move {
            let path = context.work_dir().join("made.parquet");
            let rows = task.params["rows"].as_i64().unwrap();
            let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
            let batch = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
            let mut writer = ParquetTableWriter::create(&path, batch.schema()).unwrap();
            writer.write(&batch).unwrap();
            writer.finish().unwrap();
            let kept = context.commit_table("numbers", "made", &path).await?;
            Ok(json!({ "commit_id": kept.commit_id }))
        })
    }
}

fn registry() -> Registry {
    let mut registry = relevo_worker::skills::registry(&SkillSettings::default()).unwrap();
    registry.add(Maker);
    registry
}

struct Bench {
    s3: S3,
    orchestrator: Arc<Orchestrator>,
    _worker: orchestrator::Worker,
}

impl Bench {
    async fn new() -> Self {
        let s3 = S3::start().await;
        let endpoint = format!("http://{}/", s3.address);
        let flags = ["--s3-endpoint", &endpoint, "--s3-access-key", "key", "--s3-secret-key", "secret"];
        let (orchestrator, worker) = start(registry, &flags).await;
        Self { s3, orchestrator, _worker: worker }
    }

    fn make(&self, rows: u32) -> TaskId {
        let prefix = json!({ "datasets_prefix": "s3://data/datasets/" });
        self.orchestrator.queue_with("maker", &json!({ "rows": rows }), &prefix)
    }

    fn commits(&self) -> Vec<TableCommit> {
        let told = self.orchestrator.told().into_iter();
        told.filter_map(|told| if let Told::Commit(commit) = told { Some(commit) } else { None }).collect()
    }
}

#[tokio::test]
async fn a_table_lies_where_its_hash_says_before_it_is_told_of() {
    let bench = Bench::new().await;

    let result = bench.orchestrator.result_of(bench.make(3)).await;

    let commit = bench.commits().remove(0);
    let bytes = std::fs::read(bench.s3.root.path().join(commit.uri.strip_prefix("s3://").unwrap())).unwrap();
    let hash = hex::encode(Sha256::new_with_prefix("parquet\n").chain_update(&bytes).finalize());
    assert_eq!((commit.commit_id.as_str(), commit.rows, commit.bytes), (hash.as_str(), 3, bytes.len() as u64));
    assert_eq!(commit.uri, format!("s3://data/datasets/numbers/made/{hash}"));
    assert_eq!((commit.columns[0].name.as_str(), commit.lease_token), ("n", Some(7)));
    assert_eq!(result.data.unwrap()["commit_id"], *hash);
}

#[tokio::test]
async fn a_commit_is_repeated_until_it_is_answered() {
    let bench = Bench::new().await;
    bench.orchestrator.commit_faults.lock().unwrap().extend([503, 0, 429]);

    let result = bench.orchestrator.result_of(bench.make(1)).await;

    assert_eq!((result.status.as_str(), bench.commits().len()), ("success", 1));
}

#[tokio::test]
async fn the_same_table_is_the_same_commit_and_one_without_rows_is_one_too() {
    let bench = Bench::new().await;

    for rows in [0, 5, 5] {
        let result = bench.orchestrator.result_of(bench.make(rows)).await;
        assert_eq!(result.status, "success", "{result:?}");
    }

    let commits = bench.commits();
    assert_eq!(commits.iter().map(|commit| commit.rows).collect::<Vec<_>>(), [0, 5, 5]);
    assert_eq!(commits[1], commits[2]);
    assert_ne!(commits[0].commit_id, commits[1].commit_id);
}

#[tokio::test]
async fn nothing_more_is_reported_of_a_task_whose_commit_finds_the_lease_lost() {
    let bench = Bench::new().await;
    bench.orchestrator.commit_faults.lock().unwrap().push_back(409);
    let lost = bench.make(1);

    let next = bench.orchestrator.result_of(bench.make(2)).await;

    assert_eq!(next.status, "success");
    let results = bench.orchestrator.results();
    assert!(results.iter().all(|result| result.task_id != lost), "{results:?}");
}

#[tokio::test]
async fn a_commit_that_is_refused_fails_the_task_with_the_reason() {
    let bench = Bench::new().await;
    bench.orchestrator.commit_faults.lock().unwrap().push_back(422);

    let error = bench.orchestrator.result_of(bench.make(1)).await.error.unwrap();

    assert_eq!((error.code.as_str(), error.message.as_str()), ("INVALID_INPUT", "planned"));
}
