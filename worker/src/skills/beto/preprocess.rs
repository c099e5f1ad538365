//! `beto.preprocess` from a task to its result: load, preprocess, inference, features, write, upload.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use relevo_shared::{job::LogLevel, worker::Task};
use serde_json::{Value, json};

use super::{
    classifier::Classifier,
    clean::Comment,
    features::WordFeatures,
    grades,
    inference::Inference,
    meta::{Run, meta},
    output::{self, Findings},
    parameters::{Parameters, TextFeatures},
    reading::{Table, bring, prepare},
    request::Source,
    table::Rows,
    tokens::Tokens,
    verdict::{Acceptance, Verdict, on_nothing, on_text},
};
use crate::{
    context::TaskContext,
    device::Device,
    models::{ModelFolder, ModelFolders},
    skills::{Running, Skill, SkillError, artefacts, off_the_clock, stage, torch::torch_error},
};

/// Sentiment of Spanish comments, row by row of a table.
#[derive(Debug)]
pub struct BetoPreprocess {
    device: Device,
    models: Arc<ModelFolders>,
}

impl BetoPreprocess {
    /// The skill on a device, with models from `models`.
    #[must_use]
    pub const fn new(device: Device, models: Arc<ModelFolders>) -> Self {
        Self { device, models }
    }
}

impl Skill for BetoPreprocess {
    fn name(&self) -> &str {
        "beto.preprocess"
    }

    fn run<'a>(&'a self, task: &'a Task, context: &'a TaskContext) -> Running<'a> {
        Box::pin(self.preprocess(task, context))
    }

    fn loaded_models(&self) -> Vec<String> {
        self.device.loaded_models()
    }
}

/// The table of the source's dataset that the labelled rows become; rows of a file belong to no dataset.
const LABELLED: &str = "beto";

/// The stages, and how far the task is when each ends.
const LOAD: (&str, f64) = ("load", 0.08);
const PREPROCESS: (&str, f64) = ("preprocess", 0.12);
const INFERENCE: (&str, f64) = ("inference", 0.88);
const FEATURES: (&str, f64) = ("features", 0.93);
const WRITE: (&str, f64) = ("write", 0.97);
const UPLOAD: (&str, f64) = ("upload", 1.0);

impl BetoPreprocess {
    async fn preprocess(&self, task: &Task, context: &TaskContext) -> Result<Value, SkillError> {
        let parameters = Arc::new(Parameters::read(&task.params)?);

        let loaded = stage(context, LOAD, self.load(&parameters, context)).await?;
        let Loaded { table, mut rows, folder, inference, max_length } = loaded;

        let began = Instant::now();
        let texts = std::mem::take(&mut rows.texts);
        let prepared = prepare(&parameters.request, texts, folder.path.clone(), max_length);
        let (comments, tokens) = stage(context, PREPROCESS, prepared).await?;
        let judged = stage(context, INFERENCE, judge(&parameters, &inference, &comments, &tokens, context)).await?;
        let seconds = judged.ended.duration_since(began).as_secs_f64();

        let (scores, grade_scale, beta) = score(&rows, &judged.verdicts);
        let features = stage(context, FEATURES, self.word_features(&parameters, &comments, context)).await?;
        let findings = Arc::new(Findings { comments, verdicts: judged.verdicts, scores, features });
        let stem = parameters.request.output_stem("beto");
        let parquet = context.work_dir().join(format!("{stem}.parquet"));
        let written =
            stage(context, WRITE, write(table, Arc::clone(&findings), parameters.keep_empty_text, parquet.clone()))
                .await?;

        let run = Run {
            requested: &task.params,
            parameters: &parameters,
            text_columns: &rows.text_columns,
            grade_columns: grade_scale
                .map_or_else(Vec::new, |_| rows.grades.iter().map(|(name, _)| name.as_str()).collect()),
            grade_scale,
            beta,
            model: &folder,
            device: self.device.name(),
            dtype: inference.dtype(),
            max_length,
            batch_tokens: inference.batch_tokens(),
            truncated_rows: tokens.iter().flatten().filter(|row| row.truncated).count(),
            label_agreement_fp32: judged.agreement,
            seconds,
            written_rows: written.rows,
        };
        let mut meta = meta(&run, &findings.comments, &findings.verdicts, findings.features.as_ref());
        meta.insert("output_bytes".to_owned(), json!(written.bytes));
        let upload = upload(&mut meta, &parameters.request.source, &stem, parquet, findings.features.as_ref(), context);
        stage(context, UPLOAD, upload).await?;
        Ok(Value::Object(meta))
    }

    /// Brings the table and the model here, and reads the texts.
    async fn load(&self, parameters: &Arc<Parameters>, context: &TaskContext) -> Result<Loaded, SkillError> {
        let request = &parameters.request;
        let folder = self.models.obtain(&request.model, context).await?;
        let kind = request.dtype.on(&self.device);
        let inference = Inference::new(self.device.clone(), folder.clone(), kind, parameters.batch_tokens);
        let max_length = request.row_length(inference.load().await?)?;
        let (table, rows) = bring(request, context).await?;
        Ok(Loaded { table, rows, folder, inference, max_length })
    }

    async fn word_features(
        &self,
        parameters: &Arc<Parameters>,
        comments: &[Comment],
        context: &TaskContext,
    ) -> Result<Option<WordFeatures>, SkillError> {
        if parameters.text_feats == TextFeatures::None {
            return Ok(None);
        }
        let texts: Vec<Option<String>> =
            comments.iter().map(|comment| comment.has_text.then(|| comment.words.clone())).collect();
        let asked = Arc::clone(parameters);
        let features =
            self.device.run(move |_| WordFeatures::fit(&texts, &asked)).await?.map_err(|error| torch_error(&error))?;
        if features.width() < parameters.n_components {
            let facts = json!({ "terms": features.terms(), "n_components": features.width() });
            context.log(
                LogLevel::Warning,
                "the texts have fewer directions than components were asked for",
                Some(facts),
            );
        }
        Ok(Some(features))
    }
}

struct Loaded {
    table: Table,
    rows: Rows,
    folder: ModelFolder,
    inference: Inference<Classifier>,
    max_length: usize,
}

struct Judged {
    verdicts: Vec<Verdict>,
    /// When the last row was judged; the comparison with another number format comes after it.
    ended: Instant,
    agreement: Option<f64>,
}

/// The verdict on every row.
async fn judge(
    parameters: &Parameters,
    inference: &Inference<Classifier>,
    comments: &[Comment],
    tokens: &[Option<Arc<Tokens>>],
    context: &TaskContext,
) -> Result<Judged, SkillError> {
    let rows: Vec<Arc<Tokens>> = tokens.iter().flatten().cloned().collect();
    let total = rows.len();
    let told = |done: usize, rate: f64| {
        let part = done as f64 / total as f64;
        context.stage_progress(INFERENCE.0, part);
        context.progress(
            PREPROCESS.1 + (INFERENCE.1 - PREPROCESS.1) * part,
            format!("{done} of {total} rows, {rate:.0} rows/s"),
        );
        context.is_cancelled()
    };
    let logits = inference.run(&rows, Classifier::logits, told).await?;
    let ended = Instant::now();
    let agreement = inference.agreement_with_fp32(&rows, &logits).await?;
    if let Some(agreement) = agreement {
        let message = format!("{:.1} % of the labels of a sample are the same in fp32", 100.0 * agreement);
        context.log(
            LogLevel::Info,
            message,
            Some(json!({ "dtype": inference.dtype(), "label_agreement_fp32": agreement })),
        );
    }
    let acceptance = Acceptance::from(parameters);
    let mut logits = logits.into_iter();
    let verdicts = comments.iter().map(|comment| match comment.has_text.then(|| logits.next()).flatten() {
        Some(logits) => on_text(logits, &acceptance),
        None => on_nothing(parameters.empty_text_policy),
    });
    Ok(Judged { verdicts: verdicts.collect(), ended, agreement })
}

type Scores = Vec<(Option<f64>, grades::Score)>;

/// Base and score of every row, the scale of the grades, and beta; nothing where there are no grades.
fn score(rows: &Rows, verdicts: &[Verdict]) -> (Option<Scores>, Option<f64>, Option<f64>) {
    let Some(scale) = rows.highest_grade().and_then(grades::scale_of) else {
        return (None, None, None);
    };
    let signals: Vec<f64> = verdicts.iter().map(|verdict| grades::signal(verdict.p, verdict.confidence)).collect();
    let beta = grades::beta(&signals);
    let scores = verdicts.iter().enumerate().map(|(row, verdict)| {
        let base = grades::base(rows.grades_of(row), scale);
        (base, grades::score(verdict.p, verdict.confidence, base, beta))
    });
    (Some(scores.collect()), Some(scale), Some(beta))
}

async fn write(
    table: Table,
    findings: Arc<Findings>,
    keep_empty: bool,
    to: PathBuf,
) -> Result<relevo_tables::Written, SkillError> {
    off_the_clock(move || output::write(&table.path, &table.description, &findings, keep_empty, &to)).await
}

/// Puts the files where clients find them, the meta object last: what it names is there when it is.
async fn upload(
    meta: &mut serde_json::Map<String, Value>,
    source: &Source,
    stem: &str,
    parquet: PathBuf,
    features: Option<&WordFeatures>,
    context: &TaskContext,
) -> Result<(), SkillError> {
    let put = async |path: &Path, name: String| {
        let uri = context.job_file_uri(&name)?;
        context.upload(path, &uri).await.map(|_| uri)
    };
    meta.insert("output_uri".to_owned(), json!(put(&parquet, format!("{stem}.parquet")).await?));
    if let Source::Table(table) = source {
        let labelled = context.commit_table(&table.dataset_id, LABELLED, &parquet).await?;
        meta.insert("output_commit_id".to_owned(), json!(labelled.commit_id));
        meta.insert("output_table_key".to_owned(), json!(labelled.table_key));
        meta.insert("output_table".to_owned(), json!(labelled));
    }
    if let Some(features) = features {
        let path = context.work_dir().join("vectorizer.safetensors");
        features.save(&path)?;
        meta.insert("vectorizer_uri".to_owned(), json!(put(&path, format!("{stem}.vectorizer.safetensors")).await?));
    }
    let name = format!("{stem}.meta.json");
    meta.insert("meta_uri".to_owned(), json!(context.job_file_uri(&name)?));
    artefacts::put(&name, artefacts::json(meta), context).await.map(drop)
}
