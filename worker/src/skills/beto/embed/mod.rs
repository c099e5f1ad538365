//! The `beto.embed` skill: a sentence vector for each comment of a table.

pub mod encoder;
pub mod parameters;

use std::{path::PathBuf, sync::Arc, time::Instant};

use arrow_array::{ArrayRef, BooleanArray, Float32Array};
use relevo_shared::worker::Task;
use relevo_tables::Written;
use serde_json::{Value, json};

use self::{encoder::Encoder, parameters::Parameters};
use super::{
    clean::Comment,
    inference::Inference,
    output::write_beside,
    reading::{Table, bring, prepare},
    request::Source,
    tokens::Tokens,
};
use crate::{
    context::TaskContext,
    device::Device,
    models::ModelFolders,
    skills::{Running, Skill, SkillError, off_the_clock, stage},
};

/// The table of the source's dataset that the rows with their vectors become; rows of a file belong to no dataset.
const EMBEDDINGS: &str = "embeddings";

/// The stages, and how far the task is when each ends.
const LOAD: (&str, f64) = ("load", 0.08);
const PREPARE: (&str, f64) = ("prepare", 0.12);
const INFERENCE: (&str, f64) = ("inference", 0.93);
const WRITE: (&str, f64) = ("write", 0.97);
const UPLOAD: (&str, f64) = ("upload", 1.0);

/// Sentence vectors of comments, row by row of a table.
///
/// The table that comes out has the source's rows in their order, and beside their columns `has_text` and `emb_1` to `emb_n`, 32-bit
/// floats, empty where there is no text. One column for each number, and not one list: Relevo's tables have plain columns only, and so
/// whatever reads a table here can read the vectors.
#[derive(Debug)]
pub struct BetoEmbed {
    device: Device,
    models: Arc<ModelFolders>,
}

impl BetoEmbed {
    /// The skill on a device, with models from `models`.
    #[must_use]
    pub const fn new(device: Device, models: Arc<ModelFolders>) -> Self {
        Self { device, models }
    }
}

impl Skill for BetoEmbed {
    fn name(&self) -> &str {
        "beto.embed"
    }

    fn run<'a>(&'a self, task: &'a Task, context: &'a TaskContext) -> Running<'a> {
        Box::pin(self.embed(task, context))
    }

    fn loaded_models(&self) -> Vec<String> {
        self.device.loaded_models()
    }
}

impl BetoEmbed {
    async fn embed(&self, task: &Task, context: &TaskContext) -> Result<Value, SkillError> {
        let parameters = Parameters::read(&task.params)?;
        let request = &parameters.request;

        let load = async {
            let folder = self.models.obtain(&request.model, context).await?;
            let kind = request.dtype.on(&self.device);
            let inference =
                Inference::<Encoder>::new(self.device.clone(), folder.clone(), kind, parameters.batch_tokens);
            let max_length = request.row_length(inference.load().await?)?;
            let (table, rows) = bring(request, context).await?;
            Ok((folder, inference, max_length, table, rows))
        };
        let (folder, inference, max_length, table, rows) = stage(context, LOAD, load).await?;

        let began = Instant::now();
        let prepared = prepare(request, rows.texts, folder.path.clone(), max_length);
        let (comments, tokens) = stage(context, PREPARE, prepared).await?;
        let vectors = stage(context, INFERENCE, run(&parameters, &inference, &tokens, context)).await?;
        let seconds = began.elapsed().as_secs_f64();

        let count = comments.len();
        let text_rows = comments.iter().filter(|comment| comment.has_text).count();
        let width = vectors.first().map_or(0, Vec::len);
        let stem = request.output_stem(EMBEDDINGS);
        let parquet = context.work_dir().join(format!("{stem}.parquet"));
        let written = stage(context, WRITE, write(table, comments, vectors, parquet.clone())).await?;

        let mut applied = serde_json::to_value(&parameters).expect("parameters are plain data");
        applied["text_col"] = json!(rows.text_columns);
        applied["max_length"] = json!(max_length);
        applied["batch_tokens"] = json!(inference.batch_tokens());
        applied["dtype"] = json!(inference.dtype());
        let mut requested = task.params.clone();
        // The whole description of the table is not a parameter that anybody asked for.
        let _ = requested.remove("source");
        let mut result = json!({
            "dataset_id": request.dataset_id,
            "source": request.source.named(),
            "text_columns": rows.text_columns,
            "parameters": { "requested": requested, "applied": applied },
            "model": { "name": folder.name, "content_hash": folder.content_hash },
            "n_rows": count,
            "text_rows": text_rows,
            "truncated_rows": tokens.iter().flatten().filter(|row| row.truncated).count(),
            "dimensions": width,
            "device": self.device.name(),
            "dtype": inference.dtype(),
            "rows_per_second": (count as f64 / seconds.max(1e-9) * 10.0).round() / 10.0,
            "output_bytes": written.bytes,
        });
        let upload = async {
            let uri = context.job_file_uri(&format!("{stem}.parquet"))?;
            context.upload(&parquet, &uri).await?;
            result["output_uri"] = json!(uri);
            if let Source::Table(table) = &request.source {
                let commit = context.commit_table(&table.dataset_id, EMBEDDINGS, &parquet).await?;
                result["output_commit_id"] = json!(commit.commit_id);
                result["output_table_key"] = json!(commit.table_key);
            }
            Ok(())
        };
        stage(context, UPLOAD, upload).await?;
        Ok(result)
    }
}

/// The vector of each row that has text, in order.
async fn run(
    parameters: &Parameters,
    inference: &Inference<Encoder>,
    tokens: &[Option<Arc<Tokens>>],
    context: &TaskContext,
) -> Result<Vec<Vec<f32>>, SkillError> {
    let rows: Vec<Arc<Tokens>> = tokens.iter().flatten().cloned().collect();
    let total = rows.len();
    let told = |done: usize, rate: f64| {
        let part = done as f64 / total as f64;
        context.stage_progress(INFERENCE.0, part);
        let message = format!("{done} of {total} rows, {rate:.0} rows/s");
        context.progress(PREPARE.1 + (INFERENCE.1 - PREPARE.1) * part, message);
        context.is_cancelled()
    };
    let shape = parameters.shape();
    inference.run(&rows, move |model, rows| model.vectors(rows, shape), told).await
}

async fn write(
    table: Table,
    comments: Vec<Comment>,
    vectors: Vec<Vec<f32>>,
    to: PathBuf,
) -> Result<Written, SkillError> {
    off_the_clock(move || {
        let width = vectors.first().map_or(0, Vec::len);
        let mut vectors = vectors.into_iter();
        let rows: Vec<Option<Vec<f32>>> =
            comments.iter().map(|comment| if comment.has_text { vectors.next() } else { None }).collect();
        let columns = |start: usize, end: usize| {
            let has_text = BooleanArray::from_iter(rows[start..end].iter().map(|row| Some(row.is_some())));
            let mut columns: Vec<(String, ArrayRef)> = vec![("has_text".to_owned(), Arc::new(has_text))];
            columns.extend((0..width).map(|place| {
                let column: Float32Array =
                    rows[start..end].iter().map(|row| row.as_ref().map(|row| row[place])).collect();
                (format!("emb_{}", place + 1), Arc::new(column) as ArrayRef)
            }));
            columns
        };
        write_beside((&table.path, &table.description), rows.len(), columns, |_, _| None, &to)
    })
    .await
}
