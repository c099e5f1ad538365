//! `beto.finetune` and `beto.embed` as a worker runs them: a table in S3 comes in, a model or vectors come out.
#![cfg(feature = "torch")]
#![expect(clippy::unwrap_used, reason = "what a test calls may unwrap as the test itself may")]

#[expect(dead_code, reason = "other stories need no models")]
mod bench;
mod s3;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use bench::Bench;
use relevo_shared::{JobId, worker::Task};
use relevo_worker::{
    cancel::StopReason,
    settings::SkillSettings,
    skills::{
        SkillError,
        beto::{
            bert::Dropout,
            classifier::Classifier,
            config::BertConfig,
            finetune::{
                labels::Labels,
                learner::{Example, Learner, Setup},
                start,
            },
            inference::Model,
            tokens::{BertTokenizer, Tokens},
        },
        torch::Packed,
    },
};
use serde_json::{Map, Value, json};
use tch::Kind;

const MODEL: [&str; 4] = ["config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json"];

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden")
}

async fn bench() -> Bench {
    // For a model as small as this, threads wait for each other longer than they work.
    tch::set_num_threads(1);
    let settings = SkillSettings { models: vec![golden()], ..SkillSettings::default() };
    Bench::with(&settings).await
}

/// Comments whose first word tells their class, in a table with a row without text and one without a label.
fn comments() -> String {
    let of = |(number, label): (usize, &&str)| {
        let word = ["mal", "normal", "excelente"][number % 3];
        format!("\"{word} {}\",{label}\n", "curso clase muy ".repeat(1 + number % 4))
    };
    let rows: String = ["neg", "neu", "pos"].iter().cycle().take(60).enumerate().map(of).collect();
    format!("comentario,clase\n{rows}...,neg\nbien,\n")
}

impl Bench {
    fn put(&self, key: &str, content: impl AsRef<[u8]>) -> String {
        let uri = format!("s3://data/{key}");
        fs::create_dir_all(self.object(&uri).parent().unwrap()).unwrap();
        fs::write(self.object(&uri), content).unwrap();
        uri
    }

    /// Where an object lies on disk.
    fn object(&self, uri: &str) -> PathBuf {
        self.s3.root.path().join(uri.strip_prefix("s3://").unwrap())
    }

    /// Parameters of a small training on these rows.
    fn training(&self, table: &str, more: &Value) -> Value {
        let mut params = json!({
            "input": self.put("in/comentarios.csv", table), "model": "beto", "label_col": "clase", "epochs": 3,
            "batch_size": 8, "learning_rate": 5e-4, "warmup_ratio": 0.1
        });
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        params
    }

    fn rows(&self, uri: &Value) -> Vec<Map<String, Value>> {
        let file = File::open(self.object(uri.as_str().unwrap())).unwrap();
        let rows = relevo_tables::json_rows(&relevo_tables::read_head(file, 1000).unwrap()).unwrap();
        rows.into_iter().map(|row| row.as_object().unwrap().clone()).collect()
    }

    fn weights(&self, result: &Value) -> Vec<u8> {
        fs::read(self.object(result["model_uri"].as_str().unwrap()).join("model.safetensors")).unwrap()
    }

    /// The checkpoint of a task; one that is still being written has a name that begins with a full stop.
    fn checkpoint(&self, task: &Task) -> Option<PathBuf> {
        let folder = self.object(task.files_prefix.as_deref().unwrap()).join("checkpoints");
        let mut files = fs::read_dir(folder).into_iter().flatten().map(|file| file.unwrap().path());
        files.find(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'))
    }

    /// Runs a training until its first checkpoint is there, and stops it then.
    async fn interrupted(&self, task: &Task) {
        let context = self.context(task);
        let watch = async {
            while self.checkpoint(task).is_none() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            context.stop(StopReason::Cancelled);
        };
        let (ended, ()) = tokio::join!(self.run_in(task, &context), watch);
        assert_eq!(ended, Err(SkillError::Cancelled));
    }
}

#[tokio::test]
async fn a_trained_model_is_a_folder_that_preprocess_loads() {
    let bench = bench().await;
    let params = bench.training(
        &comments(),
        &json!({ "epochs": 20, "patience": 20, "learning_rate": 1e-3, "class_weights": "balanced" }),
    );

    let result = bench.run("beto.finetune", &params).await.unwrap();

    assert_eq!(
        (&result["n_rows"], &result["rows_without_text"], &result["rows_without_label"]),
        (&json!(62), &json!(1), &json!(1))
    );
    assert_eq!((&result["train_rows"], &result["val_rows"]), (&json!(48), &json!(12)));
    assert_eq!((&result["labels"], &result["head"]), (&json!(["neg", "neu", "pos"]), &json!("kept")));
    assert!(result["metrics"]["macro_f1"].as_f64().unwrap() > 0.9, "{result}");
    assert!(result["history"][0]["train_loss"].as_f64() > result["history"][19]["train_loss"].as_f64(), "{result}");
    assert!((result["metrics"]["majority_baseline"].as_f64().unwrap() - 1.0 / 3.0).abs() < 1e-9);
    let folder = bench.object(result["model_uri"].as_str().unwrap());
    for file in result["files"].as_array().unwrap() {
        assert!(folder.parent().unwrap().join(file.as_str().unwrap()).is_file(), "{file}");
    }
    for file in
        ["special_tokens_map.json", "learning_curves.svg", "confusion_matrix.svg", "history.json", "metrics.json"]
    {
        assert!(folder.join(file).is_file(), "{file}");
    }
    let history: Value = serde_json::from_slice(&fs::read(folder.join("history.json")).unwrap()).unwrap();
    assert_eq!(history, json!({ "epochs": result["history"] }));
    let table = bench.put("in/nuevos.csv", "comentario\nexcelente clase curso muy\nmal curso\n");
    let labelled = json!({ "input": table, "model": result["model_uri"] });
    let labelled = bench.run("beto.preprocess", &labelled).await.unwrap();
    let labels: Vec<Value> =
        bench.rows(&labelled["output_uri"]).iter().map(|row| row["sentiment_label_teacher"].clone()).collect();
    assert_eq!(labels, ["pos", "neg"]);
    if let Some(to) = std::env::var_os("RELEVO_KEEP_MODEL") {
        keep(&folder, Path::new(&to));
    }
}

/// Copies a model, and writes what it answers beside it as `answers.json`, for `tests/golden/beto_finetune.py --reload`.
fn keep(model: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(model).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
    let texts = ["mal curso", "normal clase muy", "excelente curso, ¡el profesor explica muy bien!", "xyzw"];
    let tokens = BertTokenizer::read(model).unwrap().encode(&texts, 32).unwrap();
    let rows: Vec<&[u32]> = tokens.iter().map(|row| row.ids.as_slice()).collect();
    let logits = tch::no_grad(|| {
        let (model, _) = Classifier::load(model, tch::Device::Cpu, Kind::Float).unwrap();
        model.logits(&rows).unwrap()
    });
    let rows: Vec<Value> =
        texts.iter().zip(logits).map(|(text, logits)| json!({ "text": text, "logits": logits })).collect();
    fs::write(to.join("answers.json"), json!({ "rows": rows }).to_string()).unwrap();
}

#[tokio::test]
async fn a_training_that_was_interrupted_ends_with_the_same_bytes() {
    let bench = bench().await;
    // The best epoch is not always the last: its weights have to outlive the interruption too.
    let params = bench.training(&comments(), &json!({ "gradient_accumulation": 2, "epochs": 4 }));
    let (whole, broken) = (Bench::task("beto.finetune", &params), Bench::task("beto.finetune", &params));
    let straight = bench.run_in(&whole, &bench.context(&whole)).await.unwrap();

    bench.interrupted(&broken).await;
    let resumed = bench.run_in(&broken, &bench.context(&broken)).await.unwrap();

    assert!(resumed["resumed_after_epoch"].as_u64().unwrap() >= 1, "{resumed}");
    assert_eq!(straight["resumed_after_epoch"], 0);
    let figures = |result: &Value| -> Vec<Value> {
        let history = result["history"].as_array().unwrap().iter();
        history.map(|epoch| json!([epoch["train_loss"], epoch["val_loss"], epoch["val_macro_f1"]])).collect()
    };
    assert_eq!(figures(&straight), figures(&resumed));
    assert!(bench.weights(&straight) == bench.weights(&resumed), "the weights differ");
}

#[tokio::test]
async fn a_checkpoint_of_other_rows_ends_the_task_with_the_reason() {
    let bench = bench().await;
    let task = Bench::task("beto.finetune", &bench.training(&comments(), &json!({})));
    bench.interrupted(&task).await;

    bench.put("in/comentarios.csv", comments().replace("mal curso", "mal profesor"));
    let error = bench.run_in(&task, &bench.context(&task)).await.unwrap_err();

    assert!(matches!(&error, SkillError::Permanent(reason) if reason.contains("differs in its rows;")), "{error:?}");
}

#[tokio::test]
async fn classes_may_be_any_and_make_a_new_head() {
    let bench = bench().await;
    let table = comments().replace(",neg\n", ",10\n").replace(",neu\n", ",9\n").replace(",pos\n", ",9\n");

    let params = bench.training(&table, &json!({ "output_name": "my-model", "epochs": 1 }));
    let result = bench.run("beto.finetune", &params).await.unwrap();

    assert_eq!((&result["labels"], &result["head"]), (&json!(["9", "10"]), &json!("new")));
    let folder = bench.object(result["model_uri"].as_str().unwrap());
    assert!(folder.ends_with("my-model"), "{}", folder.display());
    let config: Value = serde_json::from_slice(&fs::read(folder.join("config.json")).unwrap()).unwrap();
    assert_eq!((&config["id2label"]["1"], &config["label2id"]["10"]), (&json!("10"), &json!(1)));
    let again = json!({ "input": params["input"], "model": result["model_uri"] });
    let Err(SkillError::InvalidInput { details, .. }) = bench.run("beto.preprocess", &again).await else {
        panic!("two classes are no sentiment")
    };
    assert!(details[0].field == "model" && details[0].reason.contains("id2label"), "{details:?}");
}

#[tokio::test]
async fn epochs_that_bring_nothing_end_the_training() {
    let bench = bench().await;
    // A rate this low moves no weight far enough to tell one row otherwise.
    let params = bench.training(&comments(), &json!({ "epochs": 9, "patience": 2, "learning_rate": 1e-8 }));

    let result = bench.run("beto.finetune", &params).await.unwrap();

    assert_eq!((&result["epochs_run"], &result["best_epoch"]), (&json!(3), &json!(1)));
    assert_eq!(result["stopped_early"], true);
}

#[tokio::test]
async fn a_training_that_runs_away_says_where_and_keeps_nothing_of_it() {
    let bench = bench().await;
    let folder = broken_model(&bench);
    let task = Bench::task("beto.finetune", &bench.training(&comments(), &json!({ "model": folder })));

    let ended = bench.run_in(&task, &bench.context(&task)).await;

    let Err(SkillError::InvalidInput { details, .. }) = ended else { panic!("{ended:?}") };
    assert_eq!(details[0].field, "learning_rate");
    let reason = &details[0].reason;
    assert!(reason.contains("epoch 1, step 1: the loss is NaN") && reason.contains("than 0.0005 would"), "{reason}");
    let job = bench.object(task.files_prefix.as_deref().unwrap());
    assert_eq!(fs::read_dir(job).map_or(0, Iterator::count), 0);
}

#[tokio::test]
async fn a_training_that_runs_away_after_a_good_epoch_leaves_what_that_one_had_kept() {
    let bench = bench().await;
    let task = Bench::task("beto.finetune", &bench.training(&comments(), &json!({ "epochs": 30, "patience": 30 })));
    bench.interrupted(&task).await;
    let checkpoint = bench.checkpoint(&task).unwrap();
    // The weights of the good epochs are as they were, but the next step makes nothing of them.
    let (packed, words) = Packed::read(&checkpoint).unwrap();
    let spoilt = packed.into_tensors().into_iter().map(|(name, tensor)| {
        let tensor = if name.starts_with("mean.") { tensor.full_like(f64::NAN) } else { tensor };
        (name, tensor)
    });
    let file = bench.folder.path().join("spoilt");
    Packed::of(spoilt.collect()).unwrap().write(&file, words).unwrap();
    let place = checkpoint.strip_prefix(bench.s3.root.path()).unwrap();
    bench.context(&task).upload(&file, &format!("s3://{}", place.display())).await.unwrap();
    let before = fs::read(&checkpoint).unwrap();

    let ended = bench.run_in(&task, &bench.context(&task)).await;

    let Err(SkillError::InvalidInput { details, .. }) = ended else { panic!("{ended:?}") };
    let (field, reason) = (&details[0].field, &details[0].reason);
    assert!(field == "learning_rate" && reason.contains(", step 2: the loss is NaN"), "{details:?}");
    assert!(reason.contains("the checkpoint of epoch ") && reason.ends_with(" stays"), "{reason}");
    assert!(before == fs::read(&checkpoint).unwrap(), "the checkpoint was overwritten");
}

/// The golden model in S3, with a layer norm that makes every vector NaN: it takes the root of a negative number.
fn broken_model(bench: &Bench) -> String {
    let prefix = format!("models/{}", JobId::fresh());
    for file in MODEL {
        bench.put(&format!("{prefix}/{file}"), fs::read(golden().join("beto").join(file)).unwrap());
    }
    let config = fs::read_to_string(golden().join("beto/config.json")).unwrap();
    bench
        .put(&format!("{prefix}/config.json"), config.replace("\"layer_norm_eps\": 1e-12", "\"layer_norm_eps\": -1e6"));
    format!("s3://data/{prefix}")
}

#[tokio::test]
async fn what_cannot_be_learnt_is_named() {
    let bench = bench().await;
    let bare = format!("models/{}", JobId::fresh());
    for file in &MODEL[..2] {
        bench.put(&format!("{bare}/{file}"), fs::read(golden().join("beto").join(file)).unwrap());
    }
    let header = "comentario,clase\n";
    let one = format!("{header}{}", "bien,pos\n".repeat(20));
    let none = format!("{header}{}", "bien,\n".repeat(20));
    let few = format!("{header}bien,pos\nmal,neg\n");

    for (table, more, field, words) in [
        (comments(), json!({ "label_col": "estrellas" }), "label_col", "comentario, clase"),
        (comments(), json!({ "label_col": null }), "label_col", "must be the name of the column"),
        (none, json!({}), "label_col", "no row with text has one"),
        (one, json!({}), "label_col", "every label is `pos`"),
        (few, json!({}), "batch_size", "must be at most 2"),
        (comments(), json!({ "text_col": "resena" }), "text_col", "resena"),
        (comments(), json!({ "max_length": 41 }), "max_length", "at most 40"),
        (comments(), json!({ "dropout": 0.3 }), "dropout", "is not a parameter of this skill"),
        (comments(), json!({ "val_ratio": 0.01 }), "val_ratio", "rows to judge by"),
        (comments(), json!({ "model": format!("s3://data/{bare}") }), "model", "no tokenizer"),
        (comments(), json!({ "model": "nobody/nothing" }), "model", "nobody/nothing"),
    ] {
        let params = bench.training(&table, &more);
        let ended = bench.run("beto.finetune", &params).await;
        let Err(SkillError::InvalidInput { details, .. }) = ended else { panic!("{more}: {ended:?}") };
        assert_eq!(details[0].field, field, "{details:?}");
        assert!(details[0].reason.contains(words), "{}", details[0].reason);
    }
}

#[tokio::test]
async fn labels_that_are_not_a_number_are_named() {
    let bench = bench().await;
    let params = bench.training("comentario,clase\nbien,1.5\nmal,NaN\n", &json!({ "batch_size": 1 }));

    let ended = bench.run("beto.finetune", &params).await;

    let Err(SkillError::InvalidInput { details, .. }) = ended else { panic!("{ended:?}") };
    assert_eq!(details[0].field, "label_col");
    assert!(details[0].reason.contains("row 2 is NaN"), "{details:?}");
}

#[tokio::test]
async fn vectors_stand_beside_the_rows_in_input_order() {
    let bench = bench().await;
    let table =
        bench.put("in/c.csv", "id,comentario\n1,muy bien\n2,...\n3,\"La clase fue regular, el niño aprendió poco\"\n");
    let run = async |more: Value| {
        let mut params = json!({ "input": table, "model": "beto" });
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let result = bench.run("beto.embed", &params).await.unwrap();
        let rows = bench.rows(&result["output_uri"]);
        (result, rows)
    };
    let vector = |row: &Map<String, Value>| -> Vec<f64> {
        (1..=48).map(|place| row[&format!("emb_{place}")].as_f64().unwrap()).collect()
    };
    let length = |vector: &[f64]| vector.iter().map(|x| x * x).sum::<f64>().sqrt();

    let (result, rows) = run(json!({})).await;
    let (_, raw) = run(json!({ "normalize": false, "batch_tokens": 16 })).await;
    let (_, cls) = run(json!({ "pooling": "cls" })).await;

    assert!(result["output_uri"].as_str().unwrap().ends_with("/c_embeddings.parquet"), "{result}");
    assert_eq!((&result["n_rows"], &result["text_rows"], &result["dimensions"]), (&json!(3), &json!(2), &json!(48)));
    assert_eq!(rows.iter().map(|row| row["id"].clone()).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((&rows[1]["has_text"], &rows[1]["emb_1"]), (&json!(false), &Value::Null));
    for row in [0, 2] {
        let (unit, raw, cls) = (vector(&rows[row]), vector(&raw[row]), vector(&cls[row]));
        assert!((length(&unit) - 1.0).abs() < 1e-5 && (length(&raw) - 1.0).abs() > 1e-3);
        for (a, b) in unit.iter().zip(&raw) {
            assert!((a - b / length(&raw)).abs() < 1e-5);
        }
        assert!(unit.iter().zip(&cls).any(|(a, b)| (a - b).abs() > 1e-2));
    }
}

#[tokio::test]
async fn parameters_of_embed_that_are_wrong_are_named() {
    let bench = bench().await;
    let wrong =
        json!({ "input": "s3://data/none.csv", "model": "beto", "pooling": "max", "normalize": 3, "layers": 2 });

    let Err(SkillError::InvalidInput { details, .. }) = bench.run("beto.embed", &wrong).await else {
        panic!("accepted")
    };

    let mut fields: Vec<&str> = details.iter().map(|detail| detail.field.as_str()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["layers", "normalize", "pooling"]);
}

#[test]
fn what_is_dropped_follows_the_seed() {
    let config = BertConfig::read(&golden().join("beto")).unwrap();
    let labels = Labels(["NEG", "NEU", "POS"].map(str::to_owned).to_vec());
    let row = |class: usize| Example {
        tokens: Arc::new(Tokens { ids: vec![2, 20, 30, 40, 50, 3], truncated: false }),
        class,
    };
    let loss = |[hidden, attention, head]: [f64; 3], draw: u64| {
        let setup = Setup {
            config: config.clone(),
            dropout: Dropout { hidden, attention, head },
            kind: Kind::Float,
            class_weights: vec![1.0; 3],
            weight_decay: 0.0,
            seed: 1,
        };
        tch::no_grad(|| {
            let (weights, _) = start::weights(&golden().join("beto"), &config, &labels, 1).unwrap();
            let mut learner = Learner::new(setup, weights, tch::Device::Cpu).unwrap();
            learner.gather(&[row(0), row(1)], 2.0, draw).unwrap();
            learner.step(0.0, 1.0).unwrap().loss
        })
    };

    assert_eq!(loss([0.1; 3], 5), loss([0.1; 3], 5));
    assert_ne!(loss([0.1; 3], 5), loss([0.1; 3], 6));
    for dropout in [[0.2, 0.0, 0.0], [0.0, 0.2, 0.0], [0.0, 0.0, 0.2]] {
        assert_ne!(loss(dropout, 5), loss([0.0; 3], 5), "{dropout:?}");
    }
}

/// Tells a process of this test that it is one to run out of memory, and how many bytes it may have for the batch.
const ROOM: &str = "RELEVO_TEST_ROOM";

#[test]
#[ignore = "slow: run by make proofs"]
fn a_batch_that_does_not_fit_is_halved_and_then_given_up() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Ok(room) = std::env::var(ROOM) {
        println!("{}", runtime.block_on(train_within(room.parse().unwrap())));
        return;
    }
    let child = |room: u64| -> Value {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["a_batch_that_does_not_fit", "--include-ignored", "--nocapture"])
            .env(ROOM, room.to_string())
            // glibc takes address space for each thread that allocates: how many do so at once is for the machine's other work to say.
            .env("MALLOC_ARENA_MAX", "1")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find_map(|line| line.find('{').map(|from| &line[from..]));
        serde_json::from_str(line.unwrap_or_else(|| panic!("{text}"))).unwrap()
    };

    let free = child(0);
    let needed = free["grown"].as_u64().unwrap();
    let halved = child(needed * 7 / 10);
    // Not for half a batch, and enough for what is not libtorch's: Rust ends a process that finds no memory for a text.
    let none = child(needed * 3 / 10);

    assert_eq!((&free["halved"], &free["rows_at_once"]), (&json!(false), &json!(1024)), "{free}");
    assert_eq!((&halved["halved"], &halved["rows_at_once"]), (&json!(true), &json!(512)), "{halved}");
    let far = (free["loss"].as_f64().unwrap() - halved["loss"].as_f64().unwrap()).abs();
    // What is dropped is not the same; the step is.
    assert!(far < 0.05, "{free} {halved}");
    assert_eq!(none["error"], "RESOURCE_EXHAUSTED", "{none}");
}

/// One step of 1024 rows, with as much address space as there is and `room` bytes more; with all there is where that is 0.
async fn train_within(room: u64) -> Value {
    let bench = bench().await;
    let long: String =
        (0..1300).map(|n| format!("{},{}\n", "curso clase muy ".repeat(12), ["a", "b"][n % 2])).collect();
    let table = format!("comentario,clase\n{long}");
    // What libtorch and its threads take once is taken before.
    let small = bench.training(&table, &json!({ "epochs": 1, "batch_size": 32, "gradient_accumulation": 32 }));
    bench.run("beto.finetune", &small).await.unwrap();
    let before = virtual_bytes("VmSize");
    if room > 0 {
        let limit = rustix::process::Rlimit { current: Some(before + room), maximum: None };
        rustix::process::setrlimit(rustix::process::Resource::As, limit).unwrap();
    }
    let large = bench.training(&table, &json!({ "epochs": 1, "batch_size": 1024 }));
    match bench.run("beto.finetune", &large).await {
        Ok(result) => json!({
            "grown": virtual_bytes("VmPeak").saturating_sub(before), "halved": result["halved_for_memory"],
            "rows_at_once": result["rows_at_once"], "loss": result["history"][0]["train_loss"],
        }),
        Err(error) => json!({ "error": error.code(), "message": error.to_string() }),
    }
}

fn virtual_bytes(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:"))).unwrap();
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
}
