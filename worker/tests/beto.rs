//! `beto.preprocess` as a worker runs it: a table in S3 comes in, files in S3 and a result come out.
#![cfg(feature = "torch")]
#![expect(clippy::unwrap_used, reason = "what a test calls may unwrap as the test itself may")]

mod s3;

use std::{fs::File, path::PathBuf, sync::Arc};

use relevo_shared::{JobId, TaskId, worker::Task};
use relevo_worker::{
    cancel::StopReason,
    context::TaskContext,
    settings::SkillSettings,
    skills::{Registry, SkillError, registry},
};
use s3::{S3, files};
use serde_json::{Map, Value, json};

const COMMENTS: &str = "\
id,Opinión,calif_1,calif_2
1,\"El profesor explica muy bien, excelente curso.\",5,4.5
2,,3,
3,Pésimo! no se entiende nada https://uni.edu/x,1,2
4,... ,,
5,La clase fue regular; el niño aprendió poco @profe,3,3
";

struct Bench {
    s3: S3,
    registry: Registry,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let golden = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden"));
        let registry = registry(&SkillSettings { models: vec![golden], ..SkillSettings::default() }).unwrap();
        Self { s3: S3::start().await, registry, folder: tempfile::tempdir().unwrap() }
    }

    fn task(&self, params: &Value) -> Task {
        let job_id = JobId::fresh();
        let task = json!({
            "job_id": job_id, "task_id": TaskId { branch: job_id.into(), number: 1 }, "type": "beto.preprocess", "params": params,
            "files_prefix": format!("s3://data/jobs/{job_id}/"),
        });
        serde_json::from_value(task).unwrap()
    }

    fn context(&self, task: &Task) -> TaskContext {
        TaskContext::offline(task, self.folder.path(), Arc::new(files(self.s3.address, "secret")))
    }

    async fn run(&self, params: &Value) -> Result<Value, SkillError> {
        let task = self.task(params);
        self.registry.get(&task.skill).unwrap().run(&task, &self.context(&task)).await
    }

    /// Puts an object into the bucket.
    fn put(&self, key: &str, content: impl AsRef<[u8]>) {
        let path = self.object(&format!("s3://data/{key}"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Where an object lies on disk.
    fn object(&self, uri: &str) -> PathBuf {
        self.s3.root.path().join(uri.strip_prefix("s3://").unwrap())
    }

    /// The rows of a Parquet file in S3.
    fn rows(&self, uri: &Value) -> Vec<Map<String, Value>> {
        let file = File::open(self.object(uri.as_str().unwrap())).unwrap();
        let rows = relevo_tables::json_rows(&relevo_tables::read_head(file, 1000).unwrap()).unwrap();
        rows.into_iter().map(|row| row.as_object().unwrap().clone()).collect()
    }
}

fn column(rows: &[Map<String, Value>], name: &str) -> Vec<Value> {
    rows.iter().map(|row| row[name].clone()).collect()
}

#[tokio::test]
async fn rows_come_out_in_input_order_with_all_their_columns() {
    let bench = Bench::new().await;
    bench.put("in/cursos.csv", COMMENTS);

    let result = bench.run(&json!({"input": "s3://data/in/cursos.csv", "model": "beto"})).await.unwrap();

    assert!(result["output_uri"].as_str().unwrap().ends_with("/cursos_beto.parquet"), "{result}");
    let rows = bench.rows(&result["output_uri"]);
    assert_eq!(column(&rows, "id"), [1, 2, 3, 4, 5]);
    assert_eq!(column(&rows, "has_text"), [true, false, true, false, true]);
    assert_eq!(rows[2]["text_clean"], "Pésimo! no se entiende nada <URL>");
    assert_eq!(rows[4]["text_tokens"], "la clase fue regular el niño aprendió poco mention");
    assert_eq!(column(&rows[1..2], "p_neu"), [1.0]);
    assert_eq!(column(&rows, "score_base_0_50"), [json!(47.5), json!(30.0), json!(15.0), Value::Null, json!(30.0)]);
    for row in &rows {
        let sum: f64 = ["p_neg", "p_neu", "p_pos"].iter().map(|p| row[*p].as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{row:?}");
        let total = row["score_total_0_50"].as_f64().unwrap_or(0.0);
        assert!((0.0..=50.0).contains(&total));
    }
}

#[tokio::test]
async fn the_result_sums_up_the_rows_and_is_kept_beside_them() {
    let bench = Bench::new().await;
    bench.put("in/cursos.csv", COMMENTS);
    let params =
        json!({"input": "s3://data/in/cursos.csv", "model": "beto", "empty_text_policy": "zero", "max_length": 8});

    let result = bench.run(&params).await.unwrap();

    assert_eq!((&result["n_rows"], &result["text_rows"], &result["truncated_rows"]), (&json!(5), &json!(3), &json!(3)));
    assert_eq!(result["label_counts"]["no_text"], 2);
    assert_eq!(result["text_coverage"], 0.6);
    assert_eq!(result["text_columns"], json!(["Opinión"]));
    assert_eq!(result["parameters"]["requested"], params);
    assert_eq!(result["parameters"]["applied"]["threshold"], 0.75);
    assert_eq!(result["parameters"]["applied"]["dtype"], "fp32");
    assert_eq!(result["model"]["content_hash"].as_str().unwrap().len(), 64);
    let accepted =
        column(&bench.rows(&result["output_uri"]), "accepted_by_teacher").iter().filter(|a| **a == true).count();
    assert_eq!(result["accepted_count"], accepted);
    let kept: Value =
        serde_json::from_slice(&std::fs::read(bench.object(result["meta_uri"].as_str().unwrap())).unwrap()).unwrap();
    assert_eq!(kept, result);
}

#[tokio::test]
async fn a_batch_answers_as_single_rows_do() {
    let bench = Bench::new().await;
    bench.put("in/cursos.csv", COMMENTS);
    let params = |tokens: usize| json!({"input": "s3://data/in/cursos.csv", "model": "beto", "batch_tokens": tokens});

    let single = bench.run(&params(16)).await.unwrap();
    let together = bench.run(&params(4096)).await.unwrap();

    let (single, together) = (bench.rows(&single["output_uri"]), bench.rows(&together["output_uri"]));
    for name in ["p_neg", "p_neu", "p_pos"] {
        for (a, b) in column(&single, name).iter().zip(column(&together, name)) {
            assert!((a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-5);
        }
    }
}

#[tokio::test]
async fn rows_without_text_can_be_left_out() {
    let bench = Bench::new().await;
    bench.put("in/cursos.csv", COMMENTS);

    let result = bench
        .run(&json!({"input": "s3://data/in/cursos.csv", "model": "beto", "keep_empty_text": false}))
        .await
        .unwrap();

    assert_eq!(column(&bench.rows(&result["output_uri"]), "id"), [1, 3, 5]);
    assert_eq!((&result["n_rows"], &result["written_rows"]), (&json!(5), &json!(3)));
}

#[tokio::test]
async fn word_features_are_columns_and_what_was_fitted_is_kept() {
    let bench = Bench::new().await;
    bench.put("in/cursos.csv", COMMENTS);
    let params = json!({
        "input": "s3://data/in/cursos.csv", "model": "beto", "text_feats": "tfidf_lsa", "tfidf_min_df": 1, "n_components": 2
    });

    let result = bench.run(&params).await.unwrap();

    let rows = bench.rows(&result["output_uri"]);
    assert_eq!(column(&rows, "feat_t_1")[1], 0.0);
    assert!(column(&rows, "feat_t_1")[0] != 0.0);
    assert!(rows[0].contains_key("feat_t_2") && !rows[0].contains_key("feat_t_3"));
    assert!(bench.object(result["vectorizer_uri"].as_str().unwrap()).is_file());
    assert_eq!(result["seed"], 42);
}

#[tokio::test]
async fn bf16_says_how_many_labels_agree_with_fp32() {
    let bench = Bench::new().await;
    bench.put("in/cursos.csv", COMMENTS);

    let result =
        bench.run(&json!({"input": "s3://data/in/cursos.csv", "model": "beto", "dtype": "bf16"})).await.unwrap();

    assert_eq!(result["dtype"], "bf16");
    assert_eq!(result["label_agreement_fp32"], 1.0);
}

#[tokio::test]
async fn a_model_in_s3_answers_as_one_on_disk() {
    let bench = Bench::new().await;
    bench.put("in/cursos.csv", COMMENTS);
    let golden = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/beto"));
    // A prefix of its own, as downloads are kept between runs.
    let prefix = format!("models/{}", JobId::fresh());
    for file in ["config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json"] {
        bench.put(&format!("{prefix}/{file}"), std::fs::read(golden.join(file)).unwrap());
    }

    let there =
        bench.run(&json!({"input": "s3://data/in/cursos.csv", "model": format!("s3://data/{prefix}/")})).await.unwrap();
    let here = bench.run(&json!({"input": "s3://data/in/cursos.csv", "model": "beto"})).await.unwrap();

    assert_eq!(there["model"]["content_hash"], here["model"]["content_hash"]);
    assert_eq!(bench.rows(&there["output_uri"]), bench.rows(&here["output_uri"]));
}

#[tokio::test]
async fn a_loaded_model_is_advertised() {
    let bench = Bench::new().await;
    bench.put("in/cursos.csv", COMMENTS);
    let before = bench.registry.loaded_models();

    bench.run(&json!({"input": "s3://data/in/cursos.csv", "model": "beto"})).await.unwrap();

    assert_eq!((before.len(), bench.registry.loaded_models()), (0, vec!["beto".to_owned()]));
    assert!(bench.registry.installed_models.iter().any(|model| model.name == "beto"));
}

#[tokio::test]
async fn what_cannot_be_read_is_named() {
    let bench = Bench::new().await;
    bench.put("in/cursos.csv", COMMENTS);
    bench.put("in/foto.parquet", b"\x89PNG\r\n\x1a\nnot a table".as_slice());

    for (params, field, words) in [
        (
            json!({"input": "s3://data/in/cursos.csv", "model": "beto", "text_col": "resena"}),
            "text_col",
            "id, Opinión, calif_1, calif_2",
        ),
        (json!({"input": "s3://data/in/cursos.csv", "model": "nobody/nothing"}), "model", "nobody/nothing"),
        (json!({"input": "s3://data/in/cursos.csv", "model": "beto", "max_length": 100}), "max_length", "at most 40"),
        (json!({"input": "s3://data/in/foto.parquet", "model": "beto"}), "input", "PNG"),
    ] {
        let Err(SkillError::InvalidInput { details, .. }) = bench.run(&params).await else {
            panic!("{params} was accepted")
        };
        assert_eq!(details[0].field, field);
        assert!(details[0].reason.contains(words), "{}", details[0].reason);
    }
}

#[tokio::test]
async fn a_cancelled_task_stops() {
    let bench = Bench::new().await;
    bench.put("in/cursos.csv", COMMENTS);
    let task = bench.task(&json!({"input": "s3://data/in/cursos.csv", "model": "beto"}));
    let context = bench.context(&task);
    context.stop(StopReason::LeaseLost);

    let ended = bench.registry.get(&task.skill).unwrap().run(&task, &context).await;

    assert_eq!(ended, Err(SkillError::Cancelled));
}
