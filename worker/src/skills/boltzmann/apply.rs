//! `rbm.transform` and `rbm.predict`: what a trained machine makes of the rows of a table, batch by batch.

use std::{path::PathBuf, sync::Arc, time::Instant};

use datafusion::arrow::{
    array::{ArrayRef, Float32Array, Float64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use relevo_shared::{dataset::TableRef, job::LogLevel, worker::Task};
use relevo_tables::{ParquetTableWriter, Written};
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;

use super::{
    evaluation::{evaluate, most_probable},
    head,
    machine::MachineFault,
    matrix::{append, batches, truth_of},
    trained::{Answers, Described, Trained},
};
use crate::{
    context::TaskContext,
    device::Device,
    models::{ModelFolder, ModelFolders},
    skills::{
        Running, Skill, SkillError,
        fields::Fields,
        learning::columns::chosen,
        off_the_clock, stage,
        tabular::{LocalTable, table_error},
    },
};

/// The stages, and how far the task is when each ends.
const LOAD: (&str, f64) = ("load", 0.2);
const APPLY: (&str, f64) = ("apply", 0.9);
const UPLOAD: (&str, f64) = ("upload", 1.0);

/// What is written beside the rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// The probabilities of the hidden units.
    Hidden,
    /// What the head tells.
    Prediction,
}

/// Rows to hidden probabilities.
#[derive(Debug)]
pub struct RbmTransform(Applier);

/// Rows to what the head tells of them.
#[derive(Debug)]
pub struct RbmPredict(Applier);

#[derive(Debug)]
struct Applier {
    device: Device,
    models: Arc<ModelFolders>,
    wanted: Wanted,
}

impl RbmTransform {
    /// The skill on a device, with models from `models`.
    #[must_use]
    pub const fn new(device: Device, models: Arc<ModelFolders>) -> Self {
        Self(Applier { device, models, wanted: Wanted::Hidden })
    }
}

impl RbmPredict {
    /// The skill on a device, with models from `models`.
    #[must_use]
    pub const fn new(device: Device, models: Arc<ModelFolders>) -> Self {
        Self(Applier { device, models, wanted: Wanted::Prediction })
    }
}

impl Skill for RbmTransform {
    fn name(&self) -> &str {
        "rbm.transform"
    }

    fn run<'a>(&'a self, task: &'a Task, context: &'a TaskContext) -> Running<'a> {
        Box::pin(self.0.apply(task, context))
    }
}

impl Skill for RbmPredict {
    fn name(&self) -> &str {
        "rbm.predict"
    }

    fn run<'a>(&'a self, task: &'a Task, context: &'a TaskContext) -> Running<'a> {
        Box::pin(self.0.apply(task, context))
    }
}

struct Parameters {
    source: TableRef,
    model: String,
    keep: Vec<String>,
    table_key: String,
}

impl Parameters {
    fn read(parameters: &Map<String, Value>, wanted: Wanted) -> Result<Self, SkillError> {
        let mut fields = Fields::new(parameters);
        let source = fields.pinned_table();
        let model: Option<String> = fields.optional("model", "a model's name, or an s3:// prefix");
        if model.is_none() {
            fields.fault("model", "must be a model's name, or an s3:// prefix");
        }
        let keep = fields.or("keep", vec!["*".to_owned()], "a list of names of columns, which may end in *");
        let usual = if wanted == Wanted::Hidden { "hidden" } else { "predictions" };
        let table_key = fields.or("output_table_key", usual.to_owned(), "the name of a table");
        fields.finish()?;
        match (source, model) {
            (Some(source), Some(model)) => Ok(Self { source, model, keep, table_key }),
            _ => Err(SkillError::invalid("source", "is missing")),
        }
    }
}

/// A model and a table that fit together.
struct Fitting {
    folder: ModelFolder,
    described: Described,
    trained: Trained,
    table: LocalTable,
    kept: Vec<String>,
}

impl Applier {
    async fn apply(&self, task: &Task, context: &TaskContext) -> Result<Value, SkillError> {
        let began = Instant::now();
        let asked = Parameters::read(&task.params, self.wanted)?;
        let fitting = stage(context, LOAD, self.load(&asked, context)).await?;
        let (folder, described) = (fitting.folder.clone(), fitting.described.clone());
        let path = context.work_dir().join("applied.parquet");
        let work = Work {
            device: self.device.clone(),
            wanted: self.wanted,
            fitting,
            path: path.clone(),
            context: context.clone(),
            handle: Handle::current(),
        };
        let (written, judged) = stage(context, APPLY, off_the_clock(move || work.write())).await?;
        let name = format!("{}_{}.parquet", asked.source.dataset_id, asked.table_key);
        let put = async {
            let uri = context.job_file_uri(&name)?;
            context.upload(&path, &uri).await?;
            Ok((uri, context.commit_table(&asked.source.dataset_id, &asked.table_key, &path).await?))
        };
        let (uri, committed) = stage(context, UPLOAD, put).await?;
        Ok(json!({
            "output_uri": uri, "output_commit_id": committed.commit_id, "dataset_id": committed.dataset_id,
            "table_key": committed.table_key, "table": committed, "rows": written.rows, "bytes": written.bytes,
            "model": { "name": folder.name, "content_hash": folder.content_hash, "settings": described.config.settings,
                "target": described.config.target, "labels": described.config.labels },
            "hidden_units": described.units(), "metrics": judged, "device": self.device.name(),
            "seconds": (began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
        }))
    }

    async fn load(&self, asked: &Parameters, context: &TaskContext) -> Result<Fitting, SkillError> {
        let folder = self.models.obtain(&asked.model, context).await?;
        let path = folder.path.clone();
        let read = off_the_clock(move || Ok((Described::read(&path)?, Trained::weights(&path)?)));
        let (described, weights) = read.await?;
        if self.wanted == Wanted::Prediction && described.task().is_none() {
            let reason = "was trained without a head and predicts nothing: train it with head classifier or regressor";
            return Err(SkillError::invalid("model", reason));
        }
        let known = described.clone();
        let made = self.device.run(move |desk| Trained::new(&known, weights, desk.device)).await?;
        let trained = made.map_err(|fault| match fault {
            MachineFault::Torch(_) => SkillError::from(fault),
            other => SkillError::invalid("model", other.to_string()),
        })?;
        let table = LocalTable::fetch(context, &asked.source).await?;
        let names: Vec<&str> = table.schema().fields().iter().map(|field| field.name().as_str()).collect();
        let wanted = described.preprocess.names();
        let missing: Vec<&str> = wanted.iter().map(String::as_str).filter(|name| !names.contains(name)).collect();
        if !missing.is_empty() {
            let reason = format!(
                "lacks {} of the {} columns that the model reads: {}",
                missing.len(),
                wanted.len(),
                missing.join(", ")
            );
            return Err(SkillError::invalid("source", reason));
        }
        let kept = chosen(&asked.keep, &names).map_err(|reason| SkillError::invalid("keep", reason))?;
        let kept = kept.into_iter().map(str::to_owned).collect();
        Ok(Fitting { folder, described, trained, table, kept })
    }
}

/// Everything that is needed to write the rows, on a thread that may wait.
struct Work {
    device: Device,
    wanted: Wanted,
    fitting: Fitting,
    path: PathBuf,
    context: TaskContext,
    handle: Handle,
}

/// The columns that are written: those of the table, then new ones.
struct Layout {
    kept: Vec<String>,
    schema: SchemaRef,
}

impl Work {
    /// Writes the rows. Where the table has the target too, tells what the predictions are worth.
    fn write(self) -> Result<(Written, Option<Map<String, Value>>), SkillError> {
        let Self { device, wanted, fitting, path, context, handle } = self;
        let Fitting { described, mut trained, table, kept, .. } = fitting;
        let names = described.preprocess.names();
        let layout = layout(&table, kept, &described, wanted);
        let target = described.config.target.clone().filter(|name| table.schema().index_of(name).is_ok());
        let target = target.filter(|_| wanted == Wanted::Prediction);
        let mut read: Vec<String> = layout.kept.iter().chain(&names).chain(&target).cloned().collect();
        read.sort_unstable();
        read.dedup();
        let refused = |error| table_error("source", error);
        let mut writer = ParquetTableWriter::create(&path, Arc::clone(&layout.schema)).map_err(refused)?;
        let (mut done, mut truth, mut told) = (0_u64, Vec::new(), Vec::new());
        for batch in batches(&table, &read)? {
            let batch = batch?;
            if context.is_cancelled() {
                return Err(SkillError::Cancelled);
            }
            let mut values = Vec::new();
            let before = usize::try_from(done).unwrap_or(usize::MAX);
            append(&mut values, &batch, &names, ("source", before))?;
            let rows = (before..).zip(values.chunks_exact(names.len()));
            let encoded = described.preprocess.encode(&names, rows);
            let encoded = encoded.map_err(|reason| SkillError::invalid("source", reason))?;
            let width = names.len();
            let answer = device.run(move |_| {
                let answers = trained.answer(&encoded, width);
                (trained, answers)
            });
            let (back, answers) = handle.block_on(answer)?;
            trained = back;
            let answers = answers?;
            if let Some(target) = &target {
                truth.extend(truth_of(&batch, target, &described.config.labels)?);
                told.extend_from_slice(&answers.told);
            }
            let laid = lay_out(&batch, &layout, &described, wanted, &answers)?;
            writer.write(&laid).map_err(refused)?;
            done += batch.num_rows() as u64;
            let part = done as f64 / table.rows().max(1) as f64;
            context.stage_progress(APPLY.0, part);
            context.progress(LOAD.1 + (APPLY.1 - LOAD.1) * part, format!("{done} of {} rows", table.rows()));
        }
        if let Some(target) = target.as_ref().filter(|_| !truth.is_empty() && truth.iter().all(Option::is_none)) {
            let message = format!("nothing was judged: no row's {target} is one that the model knows");
            context.log(LogLevel::Warning, message, Some(json!({ "labels": described.config.labels })));
        }
        let judged = target.is_some().then(|| evaluate(&described.config.labels, &truth, &told).figures);
        if let Some(figures) = judged.as_ref().filter(|figures| !figures.is_empty()) {
            context.log(
                LogLevel::Info,
                "the table has the target too: the predictions were judged",
                Some(json!(figures)),
            );
        }
        Ok((writer.finish().map_err(refused)?, judged.filter(|figures| !figures.is_empty())))
    }
}

/// Names and types of what is new.
fn new_columns(described: &Described, wanted: Wanted) -> Vec<Field> {
    if wanted == Wanted::Hidden {
        return (1..=described.units()).map(|unit| Field::new(format!("h_{unit}"), DataType::Float32, false)).collect();
    }
    match described.task() {
        Some(head::Task::Classes(_)) => {
            let labels = described.config.labels.iter();
            let probabilities = labels.map(|label| Field::new(format!("p_{label}"), DataType::Float64, false));
            [Field::new("prediction", DataType::Utf8, false)].into_iter().chain(probabilities).collect()
        }
        _ => vec![Field::new("prediction", DataType::Float64, false)],
    }
}

/// A column of the table with the name of a new one gives way to it.
fn layout(table: &LocalTable, kept: Vec<String>, described: &Described, wanted: Wanted) -> Layout {
    let new = new_columns(described, wanted);
    let kept: Vec<String> = kept.into_iter().filter(|name| new.iter().all(|field| field.name() != name)).collect();
    let old = kept.iter().filter_map(|name| table.schema().field_with_name(name).ok());
    let old = old.map(|field| Field::new(field.name(), field.data_type().clone(), true));
    Layout { schema: Arc::new(Schema::new(old.chain(new).collect::<Vec<_>>())), kept }
}

fn lay_out(
    batch: &RecordBatch,
    layout: &Layout,
    described: &Described,
    wanted: Wanted,
    answers: &Answers,
) -> Result<RecordBatch, SkillError> {
    let mut columns: Vec<ArrayRef> =
        layout.kept.iter().filter_map(|name| batch.column_by_name(name)).map(Arc::clone).collect();
    if wanted == Wanted::Hidden {
        let units = described.units();
        let of = |unit: usize| answers.hidden.iter().skip(unit).step_by(units).copied();
        columns.extend((0..units).map(|unit| Arc::new(Float32Array::from_iter_values(of(unit))) as ArrayRef));
    } else {
        let labels = &described.config.labels;
        let outputs = labels.len().max(1);
        let of = |output: usize| answers.told.iter().skip(output).step_by(outputs).copied();
        if !labels.is_empty() {
            let best = answers.told.chunks_exact(outputs).map(|told| labels[most_probable(told)].as_str());
            columns.push(Arc::new(StringArray::from_iter_values(best)));
        }
        columns.extend((0..outputs).map(|output| Arc::new(Float64Array::from_iter_values(of(output))) as ArrayRef));
    }
    RecordBatch::try_new(Arc::clone(&layout.schema), columns)
        .map_err(|error| SkillError::Permanent(format!("the rows cannot be laid out: {error}")))
}
