//! Finished jobs as they come: the fields and the history of jobs of twelve kinds, with values that differ from job to job.

use std::{
    collections::{BTreeMap, HashMap},
    time::{SystemTime, UNIX_EPOCH},
};

use relevo::domain::packing::PastEvent;
use serde_json::{Value, json};

/// Numbers that look random and are the same in every run.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        // xorshift64*, Vigna 2016.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below this one.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn hex(&mut self, digits: usize) -> String {
        let text: String = std::iter::repeat_with(|| format!("{:016x}", self.next())).take(digits / 16 + 1).collect();
        text[..digits].to_owned()
    }

    #[expect(clippy::cast_precision_loss, reason = "a fraction for show")]
    fn fraction(&mut self) -> f64 {
        self.below(1_000_000) as f64 / 1e6
    }
}

/// Kinds of jobs, and how many there are.
pub(crate) const KINDS: [&str; 12] = [
    "preproc_beto",
    "sampling",
    "import",
    "profiling",
    "train_rbm",
    "train_dbm",
    "eval_audit",
    "ingestion",
    "reindex",
    "clustering",
    "transcribe",
    "echo",
];

/// What a finished job of a kind looks like: all its fields but those of its identity, and its history.
pub(crate) fn finished(
    id: &str,
    kind: &str,
    state: &str,
    numbers: &mut Numbers,
) -> (HashMap<String, String>, Vec<PastEvent>) {
    // Within the last day: older ones would be gone before they are packed.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs() * 1000);
    let created_at = now - 100_000 - numbers.below(80_000_000);
    let started_at = created_at + 3 + numbers.below(2_000);
    let ended_at = started_at + 20 + numbers.below(90_000);
    let (input, result, stages) = work(kind, numbers);
    let worker = format!("worker-{}-{}", ["cpu", "gpu"][numbers.below(2) as usize], numbers.hex(6));
    let last = format!("1|{worker}|1|{}", numbers.hex(24));
    let dataset = input.get("dataset_id").is_some();
    let table = json!({
        "dataset_id": input["dataset_id"], "table_key": "primary", "commit_id": numbers.hex(64),
        "uri": format!("s3://relevo/datasets/{}/primary/{}", input["dataset_id"].as_str().unwrap_or_default(), numbers.hex(64)),
        "format": "csv", "columns": [
            { "name": "id", "type": "int64" }, { "name": "comentario", "type": "utf8" }, { "name": "calif_1", "type": "float64" }
        ],
        "rows": numbers.below(100_000), "bytes": numbers.below(50_000_000), "created_at": "2026-11-20T10:11:12.345Z"
    });
    let failure = json!({ "code": "Worker.Permanent", "message": "the table has no text column", "state": "Run" });
    let (result, error) =
        if state == "completed" { (result.to_string(), String::new()) } else { (String::new(), failure.to_string()) };
    let mut fields: HashMap<String, String> = [
        ("hash", numbers.hex(64)),
        ("input", input.to_string()),
        ("priority", "0".to_owned()),
        ("created_at", created_at.to_string()),
        ("started_at", started_at.to_string()),
        ("current", String::new()),
        ("result", result),
        ("error", error),
        ("task", String::new()),
        ("skill", format!("{kind}.run")),
        ("attempt", "1".to_owned()),
        ("task_state", "done".to_owned()),
        ("worker", worker.clone()),
        ("token", "1".to_owned()),
        ("last", last),
        ("progress", "1".to_owned()),
        ("message", format!("{} rows are written", numbers.below(100_000))),
        ("stages", stages.to_string()),
        ("seq", (ended_at * 1000).to_string()),
        ("ended_at", ended_at.to_string()),
        ("revision", "2".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    if dataset {
        fields.insert("source".to_owned(), table.to_string());
    }
    let event = |at: u64, fields: &[(&str, &str)]| PastEvent {
        at,
        count: 0,
        fields: fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>(),
    };
    let task = format!("{id}.1");
    let history = vec![
        event(
            created_at,
            &[("event", "submitted"), ("actor", "analytics"), ("entered", r#"["Run"]"#), ("task", &task)],
        ),
        event(started_at, &[("event", "leased"), ("task", &task), ("worker", &worker), ("attempt", "1")]),
        event(ended_at, &[("event", state), ("entered", "[]"), ("task", "")]),
    ];
    (fields, history)
}

/// Input, result and stages of a job of this kind.
fn work(kind: &str, numbers: &mut Numbers) -> (Value, Value, Value) {
    let dataset = format!("evaluaciones-{}", numbers.below(1000));
    let rows = numbers.below(100_000);
    let stages = |numbers: &mut Numbers, names: &[&str]| {
        let stage = |name: &&str| {
            json!({
                "name": name, "status": "completed", "progress": 1, "duration_seconds": numbers.below(60_000) as f64 / 1000.0
            })
        };
        Value::Array(names.iter().map(stage).collect())
    };
    match kind {
        "preproc_beto" => {
            let asked = json!({
                "dataset_id": dataset, "table_key": "primary", "source_ref": "main", "text_col": "comentario",
                "model": "finiteautomata/beto-sentiment-analysis", "max_length": 128, "beto_mode": "probs", "threshold": 0.75,
                "margin": 0.15, "neu_min": 0.75, "keep_empty_text": true, "empty_text_policy": "neutral", "min_tokens": 1,
                "text_feats": "none", "tfidf_min_df": 3, "tfidf_max_df": 1.0, "tfidf_max_features": 20000,
                "n_components": 64, "normalize_text": true
            });
            let meta = json!({
                "output": format!("s3://relevo/datasets/{dataset}/beto/{}", numbers.hex(64)), "output_commit_id": numbers.hex(64),
                "parameters": { "requested": { "text_col": "comentario" }, "applied": asked }, "model_sha256": numbers.hex(64),
                "n_rows": rows, "accepted_count": rows / 2, "accept_rate": numbers.fraction(), "accept_rate_all": numbers.fraction(),
                "text_coverage": numbers.fraction(), "truncated_rows": numbers.below(100), "device": "cuda:0", "dtype": "bf16",
                "rows_per_second": numbers.fraction() * 1000.0
            });
            (asked, meta, stages(numbers, &["read", "clean", "tokenize", "infer", "write"]))
        }
        "sampling" => {
            let size = 1 + numbers.below(5000);
            let round = json!({ "round_number": 1, "method": "stratified", "parameters": {
                "sample_size": size, "strata_columns": ["region"], "seed": numbers.below(1 << 31) } });
            let summary = json!({
                "total_sampled": size, "residual_count": rows, "output_commit_id": numbers.hex(64), "rounds": [{
                    "round_number": 1, "method": "stratified", "sampled": size, "eligible": rows + size, "seed": numbers.below(1 << 31),
                    "strata": { "north": size / 2, "south": size / 4, "east": size / 8, "west": size / 8 } }],
                "seconds": numbers.fraction() * 10.0
            });
            let input = json!({ "dataset_id": dataset, "source_ref": "main", "table_key": "primary", "rounds": [round], "export_residual": false });
            (input, summary, stages(numbers, &["read", "draw", "write"]))
        }
        "train_rbm" | "train_dbm" | "eval_audit" => {
            let asked = json!({
                "dataset_id": dataset, "model": "rbm", "n_hidden": 32, "lr": 0.01, "batch_size": 64, "epochs": 5, "cd_k": 1,
                "sampler": "cd", "momentum": 0.5, "weight_decay": 0, "seed": 42, "val_ratio": 0.2, "split": "random"
            });
            let metrics = json!({
                "reconstruction_error": numbers.fraction(), "pseudo_likelihood": -numbers.fraction() * 100.0, "accuracy": numbers.fraction(),
                "macro_f1": numbers.fraction(), "baseline": numbers.fraction(), "degenerate": false, "epochs": 5,
                "artefacts": ["model.safetensors", "config.json", "preprocess.json", "history.json", "metrics.json"]
            });
            (asked, metrics, stages(numbers, &["read", "scale", "train", "evaluate", "publish"]))
        }
        "ingestion" | "reindex" | "clustering" => {
            let file = format!("manual-{}.pdf", numbers.hex(8));
            let input = json!({ "filename": file, "document_id": format!("doc-{}", numbers.hex(8)), "file_size": numbers.below(1 << 24), "page_count": 1 + numbers.below(500) });
            let counts = json!({ "chunks_created": numbers.below(500), "entities_extracted": numbers.below(500), "filename": file });
            (input, counts, stages(numbers, &["loading", "chunking", "embedding", "entity_extraction", "persistence"]))
        }
        "transcribe" => {
            let audio = format!("s3://media/{}.wav", numbers.hex(16));
            (
                json!({ "audio": audio, "language": "es" }),
                json!({ "text": format!("Buenos días, habla {}.", numbers.hex(40)), "seconds": numbers.below(3600) }),
                json!([]),
            )
        }
        "echo" => (json!({ "n": numbers.below(1 << 30) }), json!({ "n": numbers.below(1 << 30) }), json!([])),
        _ => {
            let input = json!({ "dataset_id": dataset, "table_key": "primary", "format": "csv" });
            let result = json!({ "rows": rows, "columns": numbers.below(40), "output_commit_id": numbers.hex(64), "bytes": numbers.below(1 << 30) });
            (input, result, stages(numbers, &["read", "write"]))
        }
    }
}
