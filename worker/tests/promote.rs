//! `model.promote` as a worker runs it, against a real S3 service: a name stands for a whole version, and others obtain it by that name.

#![expect(clippy::unwrap_used, reason = "what a test calls may unwrap as the test itself may")]

mod bench;
mod s3;

use std::{fs, path::PathBuf, sync::Arc};

use bench::Bench;
use relevo_shared::worker::Task;
use relevo_worker::{
    context::TaskContext,
    models::{ModelFolders, content_hash},
    skills::SkillError,
};
use serde_json::{Value, json};

const PREFIX: &str = "s3://data/models/";

impl Bench {
    /// Where an object lies on this disk.
    fn at(&self, key: &str) -> PathBuf {
        self.s3.root.path().join("data").join(key)
    }

    /// A model of a job, with what its training left beside it.
    fn trained(&self, folder: &str, weights: &str) {
        let weights = packed(weights);
        let files = [
            ("config.json", "{}"),
            ("model.safetensors", weights.as_str()),
            ("preprocess.json", r#"{"scale":"minmax"}"#),
            ("history.json", "[0.5]"),
            ("unrelated.bin", "x"),
        ];
        fs::create_dir_all(self.at(folder)).unwrap();
        for (name, content) in files {
            fs::write(self.at(folder).join(name), content).unwrap();
        }
    }

    fn with_models(skill: &str, params: &Value) -> Task {
        Task { models_prefix: Some(PREFIX.to_owned()), ..Self::task(skill, params) }
    }

    async fn promote(&self, params: &Value) -> Result<Value, SkillError> {
        let task = Self::with_models("model.promote", params);
        let work = tempfile::tempdir_in(self.folder.path()).unwrap();
        let files = Arc::new(s3::files(self.s3.address, "secret"));
        self.run_in(&task, &TaskContext::offline(&task, work.path(), files)).await
    }

    fn current(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.at(&format!("models/{name}/current.json"))).unwrap()).unwrap()
    }

    /// What a worker finds that has no model of its own.
    async fn obtain(
        &self,
        models: &Arc<ModelFolders>,
        name: &str,
    ) -> Result<relevo_worker::models::ModelFolder, SkillError> {
        let task = Self::with_models("echo", &json!({}));
        models.obtain(name, &self.context(&task)).await
    }

    fn models(&self) -> Arc<ModelFolders> {
        Arc::new(ModelFolders::new(Vec::new(), self.folder.path().join("downloads")))
    }
}

/// A safetensors file with these bytes as its one tensor.
fn packed(weights: &str) -> String {
    let end = weights.len();
    let header = format!(r#"{{"w":{{"dtype":"U8","shape":[{end}],"data_offsets":[0,{end}]}}}}"#);
    let length = (header.len() as u64).to_le_bytes();
    format!("{}{header}{weights}", std::str::from_utf8(&length).unwrap())
}

fn fields(error: &SkillError) -> Vec<&str> {
    match error {
        SkillError::InvalidInput { details, .. } => details.iter().map(|detail| detail.field.as_str()).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_name_stands_for_the_version_that_was_promoted_last_and_the_others_stay() {
    let bench = Bench::new().await;
    bench.trained("jobs/1/model", "first");
    bench.trained("jobs/2/model", "second");

    let first = bench.promote(&json!({ "model_uri": "s3://data/jobs/1/model", "name": "team/rbm" })).await.unwrap();
    let second = json!({ "model_uri": "s3://data/jobs/2/model/", "name": "team/rbm", "note": "more epochs" });
    let second = bench.promote(&second).await.unwrap();

    assert_eq!(first["previous_version"], Value::Null);
    assert_eq!(second["previous_version"], first["version"]);
    assert_eq!(second["files"], json!(["config.json", "model.safetensors", "preprocess.json", "history.json"]));
    for (result, weights) in [(&first, "first"), (&second, "second")] {
        let version = result["version"].as_str().unwrap();
        assert_eq!(result["uri"], format!("s3://data/models/team/rbm/{version}"));
        let folder = bench.at(&format!("models/team/rbm/{version}"));
        assert_eq!(content_hash(&folder).unwrap(), version);
        assert_eq!(fs::read_to_string(folder.join("model.safetensors")).unwrap(), packed(weights));
        assert_eq!(fs::read_to_string(folder.join("history.json")).unwrap(), "[0.5]");
        assert!(!folder.join("unrelated.bin").exists());
    }
    let current = bench.current("team/rbm");
    assert_eq!((&current["version"], &current["uri"]), (&second["version"], &second["uri"]));
    assert_eq!((&current["note"], &current["promoted_at"]), (&json!("more epochs"), &second["promoted_at"]));
    assert_eq!(current["job_id"].as_str().map(str::len), Some(36));
}

#[tokio::test]
async fn a_worker_obtains_a_model_by_its_name_once_for_each_version() {
    let bench = Bench::new().await;
    let models = bench.models();
    bench.trained("jobs/1/model", "first");
    bench.promote(&json!({ "model_uri": "s3://data/jobs/1/model", "name": "rbm" })).await.unwrap();

    let first = bench.obtain(&models, "rbm").await.unwrap();
    // What is at hand is not downloaded again, though its object is gone.
    let object = bench.at(&format!("models/rbm/{}/model.safetensors", first.content_hash));
    fs::remove_file(&object).unwrap();
    let again = bench.obtain(&models, "rbm").await.unwrap();
    bench.trained("jobs/2/model", "second");
    bench.promote(&json!({ "model_uri": "s3://data/jobs/2/model", "name": "rbm" })).await.unwrap();
    let second = bench.obtain(&models, "rbm").await.unwrap();

    assert_eq!((first.name.as_str(), &again), ("rbm", &first));
    assert!(first.path.join("preprocess.json").is_file());
    assert_ne!((&second.path, &second.content_hash), (&first.path, &first.content_hash));
    assert_eq!(fs::read_to_string(second.path.join("model.safetensors")).unwrap(), packed("second"));
}

#[tokio::test]
async fn a_broken_copy_of_a_model_is_downloaded_afresh() {
    let bench = Bench::new().await;
    let models = bench.models();
    bench.trained("jobs/1/model", "whole");
    bench.promote(&json!({ "model_uri": "s3://data/jobs/1/model", "name": "rbm" })).await.unwrap();
    let first = bench.obtain(&models, "rbm").await.unwrap();
    fs::write(first.path.join("model.safetensors"), "broken on this disk").unwrap();

    let again = bench.obtain(&models, "rbm").await.unwrap();

    assert_eq!(again, first);
    assert_eq!(fs::read_to_string(again.path.join("model.safetensors")).unwrap(), packed("whole"));
}

#[tokio::test]
async fn a_model_that_is_damaged_in_s3_is_told_as_such_until_it_is_promoted_again() {
    let bench = Bench::new().await;
    let promote = json!({ "model_uri": "s3://data/jobs/1/model", "name": "rbm" });
    bench.trained("jobs/1/model", "whole");
    let promoted = bench.promote(&promote).await.unwrap();
    let (version, uri) = (promoted["version"].as_str().unwrap(), promoted["uri"].as_str().unwrap());
    fs::remove_file(bench.at(&format!("models/rbm/{version}/model.safetensors"))).unwrap();

    let damaged = bench.obtain(&bench.models(), "rbm").await.unwrap_err();
    bench.promote(&promote).await.unwrap();
    let mended = bench.obtain(&bench.models(), "rbm").await.unwrap();

    let SkillError::Permanent(reason) = damaged else { panic!("{damaged:?}") };
    for word in ["`rbm`", version, uri, "promoting the model again"] {
        assert!(reason.contains(word), "{reason}");
    }
    assert_eq!(mended.content_hash, version);
}

#[tokio::test]
async fn a_local_folder_goes_before_a_name_in_s3() {
    let bench = Bench::new().await;
    bench.trained("jobs/1/model", "promoted");
    bench.promote(&json!({ "model_uri": "s3://data/jobs/1/model", "name": "rbm" })).await.unwrap();
    let local = bench.folder.path().join("models");
    fs::create_dir_all(local.join("rbm")).unwrap();
    fs::write(local.join("rbm/config.json"), "{}").unwrap();
    let models = Arc::new(ModelFolders::new(vec![local.clone()], bench.folder.path().join("downloads")));

    assert_eq!(bench.obtain(&models, "rbm").await.unwrap().path, local.join("rbm"));
}

#[tokio::test]
async fn a_folder_of_the_job_is_promoted_by_its_name() {
    let bench = Bench::new().await;
    let params = json!({ "model_uri": "model", "name": "mine" });
    let task = Bench::with_models("model.promote", &params);
    bench.trained(&format!("jobs/{}/model", task.job_id), "mine");

    let result = bench.run_in(&task, &bench.context(&task)).await.unwrap();

    assert_eq!(bench.current("mine")["version"], result["version"]);
    assert_eq!(bench.current("mine")["job_id"], task.job_id.to_string());
}

#[tokio::test]
async fn what_is_no_model_gets_no_name() {
    let bench = Bench::new().await;
    bench.trained("jobs/1/model", "w");
    fs::create_dir_all(bench.at("jobs/2/model")).unwrap();
    fs::write(bench.at("jobs/2/model/config.json"), "{}").unwrap();

    let absent = bench.promote(&json!({ "model_uri": "s3://data/jobs/9/model", "name": "x" })).await.unwrap_err();
    let bare = bench.promote(&json!({ "model_uri": "s3://data/jobs/2/model", "name": "x" })).await.unwrap_err();
    let wrong = bench.promote(&json!({ "model_uri": "/etc", "name": "../x", "tag": 1 })).await.unwrap_err();
    let params = json!({ "model_uri": "s3://data/jobs/1/model", "name": "x" });
    let without = bench.run("model.promote", &params).await.unwrap_err();

    assert!(absent.to_string().contains("it has no config.json"), "{absent}");
    assert!(bare.to_string().contains("there are no weights"), "{bare}");
    assert_eq!((fields(&absent), fields(&bare)), (vec!["model_uri"], vec!["model_uri"]));
    assert_eq!(fields(&wrong), ["model_uri", "name", "tag"]);
    assert!(matches!(&without, SkillError::Permanent(reason) if reason.contains("S3 is off")), "{without:?}");
    assert!(!bench.at("models/x/current.json").exists());
    let unknown = bench.obtain(&bench.models(), "x").await.unwrap_err();
    assert!(unknown.to_string().contains("no model of S3 has this name"), "{unknown}");
}

#[tokio::test]
async fn files_that_no_program_could_load_are_no_model() {
    let bench = Bench::new().await;
    for (number, file, content) in [
        (1, "config.json", "no JSON"),
        (2, "model.safetensors", ""),
        (3, "model.safetensors", "these are no weights"),
        (4, "pytorch_model.bin", ""),
    ] {
        let folder = format!("jobs/{number}/model");
        bench.trained(&folder, "w");
        fs::write(bench.at(&folder).join(file), content).unwrap();

        let uri = format!("s3://data/{folder}");
        let refused = bench.promote(&json!({ "model_uri": uri, "name": "x" })).await.unwrap_err();

        assert_eq!(fields(&refused), ["model_uri"]);
        assert!(refused.to_string().contains(&format!("there is no model under {uri}: its {file} is ")), "{refused}");
    }
    assert!(!bench.at("models/x").exists());
}

#[tokio::test]
async fn a_name_that_says_nothing_is_told_until_a_model_is_promoted_to_it() {
    for text in [r#"{"version":"../../etc","uri":"s3://other/x"}"#, "", "garbage"] {
        let bench = Bench::new().await;
        bench.trained("jobs/1/model", "w");
        fs::create_dir_all(bench.at("models/x")).unwrap();
        fs::write(bench.at("models/x/current.json"), text).unwrap();

        let obtained = bench.obtain(&bench.models(), "x").await.unwrap_err();
        let promoted = bench.promote(&json!({ "model_uri": "s3://data/jobs/1/model", "name": "x" })).await.unwrap();

        let told = "s3://data/models/x/current.json does not say which version counts";
        assert!(matches!(&obtained, SkillError::Permanent(reason) if reason.contains(told)), "{obtained:?}");
        assert_eq!(promoted["previous_version"], Value::Null);
        assert_eq!(bench.obtain(&bench.models(), "x").await.unwrap().content_hash, promoted["version"]);
    }
}
