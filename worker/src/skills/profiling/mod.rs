//! `profiling`: what the columns of a table hold, as JSON for programs and as a page for people.

mod figures;
mod keys;
mod measure;
mod numbers;
mod page;
mod parameters;
mod profile;
mod whole;

use std::{sync::Arc, time::Instant};

use datafusion::{
    arrow::datatypes::{Schema, SchemaRef},
    prelude::{DataFrame, SessionConfig, SessionContext},
};
use relevo_shared::{job::LogLevel, worker::Task};
use serde_json::{Value, json};

use self::{
    measure::{Asked, wrong},
    parameters::{Method, Parameters},
    profile::Profile,
};
use super::{
    Running, Skill, SkillError, artefacts, stage,
    tabular::{LocalTable, column, session_with},
};
use crate::context::TaskContext;

/// The stages, and how far the task is when each ends.
const LOAD: (&str, f64) = ("load", 0.1);
const COLUMNS: (&str, f64) = ("columns", 0.85);
const TABLE: (&str, f64) = ("table", 0.95);
const WRITE: (&str, f64) = ("write", 1.0);
/// Up to so many rows every figure is exact unless something else is asked for.
const EXACT_ROWS: u64 = 10_000_000;
/// Columns that one page is made of.
const MOST_COLUMNS: usize = 500;
/// Bytes of rows that are looked at together, by their size in memory, and the most rows.
const BATCH_BYTES: u64 = 8 << 20;
const MOST_BATCH_ROWS: u64 = 8192;
/// Alerts and pairs that the result tells; all are in the profile.
const TOLD: usize = 100;

/// Profiles a table.
#[derive(Debug)]
pub(super) struct Profiling;

impl Skill for Profiling {
    fn name(&self) -> &str {
        "profiling"
    }

    fn run<'a>(&'a self, task: &'a Task, context: &'a TaskContext) -> Running<'a> {
        Box::pin(profiling(task, context))
    }
}

async fn profiling(task: &Task, context: &TaskContext) -> Result<Value, SkillError> {
    let began = Instant::now();
    let parameters = Parameters::read(&task.params)?;
    let table = stage(context, LOAD, LocalTable::fetch(context, &parameters.source)).await?;
    let opened = Opened::of(table, &parameters, context).await?;
    let mut profile = opened.blank(&parameters);
    stage(context, COLUMNS, measure_columns(&mut profile, &opened, &parameters, context)).await?;
    stage(context, TABLE, measure_table(&mut profile, &opened, context)).await?;
    let (profile_uri, report_uri) = stage(context, WRITE, publish(&profile, context)).await?;
    Ok(summary(&profile, &profile_uri, &report_uri, began))
}

/// The table as it is asked about.
struct Opened {
    table: LocalTable,
    session: SessionContext,
    frame: DataFrame,
    schema: SchemaRef,
    rows: u64,
    exact: bool,
}

impl Opened {
    async fn of(table: LocalTable, parameters: &Parameters, context: &TaskContext) -> Result<Self, SkillError> {
        let config = SessionConfig::new().with_information_schema(false).with_batch_size(batch_rows(&table));
        let session = session_with(context, config)?;
        let frame = table.frame(&session).await?;
        let all: Vec<String> = table.schema().fields().iter().map(|field| field.name().clone()).collect();
        let names = parameters.columns.clone().unwrap_or(all);
        if names.len() > MOST_COLUMNS {
            let message = format!("only the first {MOST_COLUMNS} of {} columns are looked at", names.len());
            context.log(LogLevel::Warning, message, None);
        }
        let chosen: Vec<_> = names.iter().take(MOST_COLUMNS).map(column).collect();
        let frame = frame.select(chosen).map_err(|error| wrong(&error))?;
        let schema = Arc::clone(frame.schema().inner());
        let rows = table.rows();
        let exact = match parameters.method {
            Method::Auto => rows <= EXACT_ROWS,
            Method::Exact => true,
            Method::Approximate => false,
        };
        Ok(Self { table, session, frame, schema, rows, exact })
    }

    fn blank(&self, parameters: &Parameters) -> Profile {
        let source = &parameters.source;
        Profile {
            dataset_id: source.dataset_id.clone(),
            dataset_name: source.dataset_name.clone().unwrap_or_else(|| source.dataset_id.clone()),
            table_key: source.table_key.clone(),
            commit_id: source.commit_id.clone(),
            rows: self.rows,
            column_count: source.columns.len(),
            bytes: source.bytes,
            method: if self.exact { "exact" } else { "approximate" },
            approximated: Vec::new(),
            duplicate_rows: None,
            columns: Vec::new(),
            correlations: Vec::new(),
            uncorrelated: 0,
        }
    }
}

/// Rows that are looked at together: fewer where they are large, by the group of the file whose rows are the largest.
fn batch_rows(table: &LocalTable) -> usize {
    let groups = table.metadata().metadata().row_groups();
    let largest =
        groups.iter().map(|group| group.total_byte_size().unsigned_abs() / group.num_rows().unsigned_abs().max(1));
    let rows = BATCH_BYTES / largest.max().unwrap_or(1).max(1);
    usize::try_from(rows.clamp(1, MOST_BATCH_ROWS)).unwrap_or(1)
}

async fn measure_columns(
    profile: &mut Profile,
    opened: &Opened,
    parameters: &Parameters,
    context: &TaskContext,
) -> Result<(), SkillError> {
    let fields = opened.schema.fields();
    for (number, field) in fields.iter().enumerate() {
        let described = parameters.source.columns.iter().find(|column| column.name == *field.name());
        let alone = Schema::new(vec![Arc::clone(field)]);
        let asked = Asked {
            frame: &opened.table.frame_of(&opened.session, &alone).await?,
            context,
            parameters,
            name: field.name(),
            data_type: field.data_type(),
            type_name: described.map_or_else(|| field.data_type().to_string(), |column| column.kind.clone()),
            rows: opened.rows,
            exact: opened.exact,
        };
        let column = asked.measure(&mut profile.approximated).await?;
        profile.columns.push(column);
        #[expect(clippy::cast_precision_loss, reason = "it is for a bar")]
        let part = (number + 1) as f64 / fields.len() as f64;
        context.stage_progress(COLUMNS.0, part);
        context.progress(LOAD.1 + (COLUMNS.1 - LOAD.1) * part, format!("{} of {} columns", number + 1, fields.len()));
    }
    Ok(())
}

async fn measure_table(profile: &mut Profile, opened: &Opened, context: &TaskContext) -> Result<(), SkillError> {
    let Opened { frame, schema, rows, exact, .. } = opened;
    profile.duplicate_rows = whole::duplicates(frame, schema, *rows, *exact, context).await?;
    if !exact && profile.duplicate_rows.is_some() {
        profile.approximated.push("duplicate_rows");
    }
    (profile.correlations, profile.uncorrelated) = whole::correlations(frame, schema, context).await?;
    profile.approximated.sort_unstable();
    profile.approximated.dedup();
    Ok(())
}

/// Writes the profile and its page, and puts them where clients find them.
async fn publish(profile: &Profile, context: &TaskContext) -> Result<(String, String), SkillError> {
    let report = artefacts::put("profile.html", page::page(profile).into_bytes(), context).await?;
    Ok((artefacts::put("profile.json", artefacts::json(profile), context).await?, report))
}

fn summary(profile: &Profile, profile_uri: &str, report_uri: &str, began: Instant) -> Value {
    let missing: u64 = profile.columns.iter().map(|column| column.missing).sum();
    let alerts: Vec<Value> = profile
        .columns
        .iter()
        .flat_map(|column| column.alerts.iter().map(|alert| json!({ "column": column.name, "alert": alert })))
        .collect();
    json!({
        "dataset_id": profile.dataset_id, "table_key": profile.table_key, "commit_id": profile.commit_id,
        "rows": profile.rows, "columns": profile.column_count, "profiled_columns": profile.columns.len(),
        "missing_values": missing, "duplicate_rows": profile.duplicate_rows,
        "alert_count": alerts.len(), "alerts": &alerts[..alerts.len().min(TOLD)],
        "correlations": &profile.correlations[..profile.correlations.len().min(TOLD)],
        "method": profile.method, "approximated": profile.approximated,
        "profile_uri": profile_uri, "report_uri": report_uri,
        "seconds": (began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
    })
}
