//! `import`: a CSV, JSON lines, Parquet or Excel file becomes a commit of a dataset, as Parquet.

mod cells;
mod guard;
mod parameters;
mod sheet;

use std::{
    io::Read,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use relevo_shared::{job::LogLevel, worker::Task};
use relevo_tables::{ParquetTableWriter, TableError};
use serde_json::{Value, json};

use self::{
    parameters::{Format, Parameters},
    sheet::Sheet,
};
use super::{Running, Skill, SkillError, off_the_clock, stage, tabular, tabular::table_error};
use crate::context::TaskContext;

/// The stages, and how far the task is when each ends.
const LOAD: (&str, f64) = ("load", 0.3);
const CONVERT: (&str, f64) = ("convert", 0.8);
const COMMIT: (&str, f64) = ("commit", 1.0);
/// As much of a file tells its format.
const HEAD: usize = 4096;

/// Takes a file into a dataset.
#[derive(Debug)]
pub(super) struct Import;

impl Skill for Import {
    fn name(&self) -> &str {
        "import"
    }

    fn run<'a>(&'a self, task: &'a Task, context: &'a TaskContext) -> Running<'a> {
        Box::pin(import(task, context))
    }
}

async fn import(task: &Task, context: &TaskContext) -> Result<Value, SkillError> {
    let began = Instant::now();
    let asked = Arc::new(Parameters::read(&task.params)?);
    let (file, parquet) = (context.work_dir().join("file"), context.work_dir().join("table.parquet"));
    let format = stage(context, LOAD, load(&asked, &file, context)).await?;
    stage(context, CONVERT, convert(Arc::clone(&asked), format, file, parquet.clone(), context)).await?;
    let commit = context.commit_table_as(&asked.dataset_id, &asked.table_key, &asked.reference, &parquet);
    let table = stage(context, COMMIT, commit).await?;
    Ok(json!({
        "dataset_id": table.dataset_id, "table_key": table.table_key, "ref": asked.reference, "commit_id": table.commit_id,
        "output_commit_id": table.commit_id, "uri": table.uri, "format": format.as_str(), "rows": table.rows,
        "columns": table.columns.len(), "bytes": table.bytes,
        "seconds": (began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
    }))
}

/// A fault of the file that was given.
fn of_input(reason: impl Into<String>) -> SkillError {
    SkillError::invalid("input", reason)
}

/// Brings the file here and finds out what it is.
async fn load(asked: &Parameters, file: &Path, context: &TaskContext) -> Result<Format, SkillError> {
    context.bring(&asked.input, "input", file).await?;
    let mut head = Vec::new();
    let read = std::fs::File::open(file).and_then(|file| file.take(HEAD as u64).read_to_end(&mut head));
    read.map_err(|error| table_error("input", error.into()))?;
    let name = asked.input.rsplit('/').next().unwrap_or_default();
    let format = asked.format.or_else(|| Format::sniffed(name, &head)).ok_or_else(|| {
        let found = relevo_tables::what_is(&head).unwrap_or("of a kind that is not known");
        of_input(format!("is {found}; it must be CSV, JSON lines, Parquet or an Excel workbook (xlsx)"))
    })?;
    asked.check(format)?;
    Ok(format)
}

/// Writes the rows of the file into a Parquet file.
async fn convert(
    asked: Arc<Parameters>,
    format: Format,
    file: PathBuf,
    parquet: PathBuf,
    context: &TaskContext,
) -> Result<(), SkillError> {
    let context = context.clone();
    off_the_clock(move || match format.of_table() {
        Some(_) => convert_table(&asked, format, &file, &parquet, &context),
        // The reader of workbooks does not bear every place of a cell that a file can name.
        None => {
            catch_unwind(AssertUnwindSafe(|| convert_sheet(&asked, &file, &parquet, &context))).unwrap_or_else(|_| {
                Err(of_input("is a workbook that cannot be read: a cell or the size of a sheet is out of all bounds"))
            })
        }
    })
    .await
}

fn convert_table(
    asked: &Parameters,
    format: Format,
    file: &Path,
    parquet: &Path,
    context: &TaskContext,
) -> Result<(), SkillError> {
    let described = match format {
        Format::Csv => relevo_tables::describe_csv(file, asked.hints()),
        other => relevo_tables::describe(file, other.of_table()),
    };
    let described = described.map_err(|error| table_error("input", error))?;
    let rows = tabular::convert(file, &described, parquet, "input", |rows| told(rows, described.rows, context))?;
    // A Parquet file's own count is its word, not a fact.
    if rows != described.rows {
        return Err(of_input(format!("says that it has {} rows, but has {rows}", described.rows)));
    }
    Ok(())
}

fn convert_sheet(asked: &Parameters, file: &Path, parquet: &Path, context: &TaskContext) -> Result<(), SkillError> {
    let wrong = |error: TableError| table_error("input", error);
    guard::check(file, context)?;
    let sheet = Sheet::open(file, asked)?;
    if let (count, Some(first)) = &sheet.errors {
        let message =
            format!("{count} cells hold an error in place of a value and count as empty; the first is {first}");
        context.log(LogLevel::Warning, message, None);
    }
    let mut writer = ParquetTableWriter::create(parquet, sheet.schema()).map_err(wrong)?;
    let (mut rows, total) = (0, sheet.rows);
    sheet.read(|batch| {
        writer.write(batch).map_err(wrong)?;
        rows += batch.num_rows() as u64;
        told(rows, total, context)
    })?;
    writer.finish().map(drop).map_err(wrong)
}

/// Tells how many rows are done; ends the work when the task should stop.
fn told(rows: u64, total: u64, context: &TaskContext) -> Result<(), SkillError> {
    if context.is_cancelled() {
        return Err(SkillError::Cancelled);
    }
    #[expect(clippy::cast_precision_loss, reason = "it is for a bar")]
    let part = rows as f64 / total.max(1) as f64;
    context.stage_progress(CONVERT.0, part);
    context.progress(LOAD.1 + (CONVERT.1 - LOAD.1) * part, format!("{rows} of {total} rows"));
    Ok(())
}
