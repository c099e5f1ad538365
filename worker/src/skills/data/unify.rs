//! `data.unify`: tables of several periods or datasets become one, rows below each other or side by side.

use std::{sync::Arc, time::Instant};

use datafusion::{
    arrow::datatypes::{DataType, Field, Schema, SchemaRef},
    common::{JoinType, ScalarValue},
    error::DataFusionError,
    functions_window::expr_fn::row_number,
    logical_expr::{Expr, cast, lit, when},
    prelude::{DataFrame, SessionContext},
};
use relevo_shared::{dataset::TableRef, job::LogLevel, worker::Task};
use relevo_tables::{ParquetTableWriter, Written};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::output::{UNCHECKED, append, in_order, plain_type, write, wrong};
use crate::{
    context::TaskContext,
    skills::{
        Running, Skill, SkillError,
        fields::Fields,
        stage,
        tabular::{LocalTable, column, table_error},
    },
};

/// Tables that one task brings together.
const MOST_SOURCES: usize = 50;

/// The stages, and how far the task is when each ends.
const LOAD: (&str, f64) = ("load", 0.4);
const UNIFY: (&str, f64) = ("unify", 0.85);
const COMMIT: (&str, f64) = ("commit", 1.0);

/// Brings tables together.
#[derive(Debug)]
pub(in crate::skills) struct DataUnify;

impl Skill for DataUnify {
    fn name(&self) -> &str {
        "data.unify"
    }

    fn run<'a>(&'a self, task: &'a Task, context: &'a TaskContext) -> Running<'a> {
        Box::pin(unify(task, context))
    }
}

/// How rows come together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// Below each other, with the columns of all.
    Append,
    /// Side by side where the keys are equal; a row without a counterpart stays, with nothing beside it.
    Join,
}

struct Parameters {
    sources: Vec<TableRef>,
    mode: Mode,
    keys: Vec<String>,
    label_column: Option<String>,
    labels: Vec<String>,
    dataset_id: String,
    table_key: String,
}

impl Parameters {
    fn read(parameters: &Map<String, Value>) -> Result<Self, SkillError> {
        let mut fields = Fields::new(parameters);
        fields.skip_choice_of_table();
        let first: Option<TableRef> = fields.optional("source", "a table as `GET /api/datasets/{id}` tells it");
        let more: Vec<TableRef> =
            fields.or("sources", Vec::new(), "a list of tables as `GET /api/datasets/{id}` tells them");
        let sources: Vec<TableRef> = first.into_iter().chain(more).collect();
        if !(1..=MOST_SOURCES).contains(&sources.len()) {
            fields.fault("sources", format!("must be 1 to {MOST_SOURCES} tables, `source` counted"));
        }
        let mode = fields.or("mode", Mode::Append, "append or join");
        let keys: Vec<String> = fields.or("keys", Vec::new(), "a list of names of columns");
        match mode {
            Mode::Join if keys.is_empty() => fields.fault("keys", "must name the columns that rows are joined by"),
            Mode::Append if !keys.is_empty() => fields.fault("keys", "only a join has keys; mode is append"),
            _ => {}
        }
        let label_column: Option<String> = fields.optional("label_column", "the name of a column");
        if label_column.is_some() && mode == Mode::Join {
            fields.fault("label_column", "only rows that are appended have a label; mode is join");
        }
        let usual = sources.iter().map(|source| format!("{}/{}", source.dataset_id, source.table_key)).collect();
        let labels: Vec<String> = fields.or("labels", usual, "a list of texts, one for each table");
        if labels.len() != sources.len() {
            fields.fault("labels", format!("must be {} texts, one for each table", sources.len()));
        }
        let dataset = sources.first().map(|source| source.dataset_id.clone()).unwrap_or_default();
        let dataset_id = fields.or("output_dataset_id", dataset, "the name of a dataset");
        let table_key = fields.or("output_table_key", "unified".to_owned(), "the name of a table");
        fields.finish()?;
        Ok(Self { sources, mode, keys, label_column, labels, dataset_id, table_key })
    }
}

async fn unify(task: &Task, context: &TaskContext) -> Result<Value, SkillError> {
    let began = Instant::now();
    let asked = Parameters::read(&task.params)?;
    let tables = stage(context, LOAD, load(&asked, context)).await?;
    let path = context.work_dir().join("unified.parquet");
    let unified = async {
        match asked.mode {
            Mode::Append => appended(&asked, &tables, &path, context).await,
            Mode::Join => joined(&asked, &tables, &path, context).await,
        }
    };
    let written = stage(context, UNIFY, unified).await?;
    let rows: Vec<u64> = tables.iter().map(LocalTable::rows).collect();
    let least = if asked.mode == Mode::Append { rows.iter().sum() } else { rows.iter().copied().max().unwrap_or(0) };
    if written.rows < least {
        let reason = format!("{} rows came out where there should have been {least} at least", written.rows);
        return Err(SkillError::Permanent(reason));
    }
    context.log(LogLevel::Info, format!("{} tables became {} rows", tables.len(), written.rows), None);
    let commit = context.commit_table(&asked.dataset_id, &asked.table_key, &path);
    let committed = stage(context, COMMIT, commit).await?;
    Ok(json!({
        "dataset_id": committed.dataset_id, "table_key": committed.table_key, "output_commit_id": committed.commit_id,
        "table": committed, "mode": asked.mode, "rows": written.rows, "source_rows": rows, "labels": asked.labels,
        "seconds": (began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
    }))
}

async fn load(asked: &Parameters, context: &TaskContext) -> Result<Vec<LocalTable>, SkillError> {
    let mut tables = Vec::with_capacity(asked.sources.len());
    for (number, source) in asked.sources.iter().enumerate() {
        let table = LocalTable::fetch_as(context, source, &format!("source_{number}")).await?;
        #[expect(clippy::cast_precision_loss, reason = "it is for a bar")]
        context.stage_progress(LOAD.0, (number + 1) as f64 / asked.sources.len() as f64);
        for key in &asked.keys {
            if table.schema().index_of(key).is_err() {
                let reason = format!("the table {} has no column {key:?}", asked.labels[number]);
                return Err(SkillError::invalid("keys", reason));
            }
        }
        tables.push(table);
    }
    Ok(tables)
}

/// The columns of all tables, in the order in which they come up, each in a type that holds the values of all.
fn union(tables: &[LocalTable], label: Option<&str>, context: &TaskContext) -> SchemaRef {
    let mut columns: Vec<(String, DataType)> = Vec::new();
    for field in tables.iter().flat_map(|table| table.schema().fields().iter()) {
        let of = plain_type(field.data_type());
        let Some((name, known)) = columns.iter_mut().find(|(name, _)| name == field.name()) else {
            columns.push((field.name().clone(), of));
            continue;
        };
        let wider = wider(known, &of);
        if wider == DataType::Utf8 && (*known != DataType::Utf8 || of != DataType::Utf8) {
            let message = format!("column {name:?} becomes text: it is {known} in one table and {of} in another");
            context.log(LogLevel::Warning, message, None);
        }
        *known = wider;
    }
    if let Some(label) = label {
        match columns.iter_mut().find(|(name, _)| name == label) {
            Some((_, known)) => *known = DataType::Utf8,
            None => columns.push((label.to_owned(), DataType::Utf8)),
        }
    }
    let fields = columns.into_iter().map(|(name, of)| Field::new(name, of, true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A type for the values of both.
fn wider(a: &DataType, b: &DataType) -> DataType {
    let whole = |of: &DataType| of.is_integer() && *of != DataType::UInt64;
    if a == b {
        a.clone()
    } else if whole(a) && whole(b) {
        DataType::Int64
    } else if a.is_numeric() && b.is_numeric() {
        DataType::Float64
    } else {
        DataType::Utf8
    }
}

/// One table after the other, each in its own order.
async fn appended(
    asked: &Parameters,
    tables: &[LocalTable],
    to: &std::path::Path,
    context: &TaskContext,
) -> Result<Written, SkillError> {
    let schema = union(tables, asked.label_column.as_deref(), context);
    let session = in_order(context)?;
    let mut writer =
        ParquetTableWriter::create(to, Arc::clone(&schema)).map_err(|error| table_error("sources", error))?;
    for (number, table) in tables.iter().enumerate() {
        let frame = table.frame(&session).await?;
        let laid = laid_out(frame, table, &schema, asked.label_column.as_deref(), &asked.labels[number]);
        append(&mut writer, &schema, laid.map_err(|error| wrong(&error))?, UNCHECKED, context).await?;
        #[expect(clippy::cast_precision_loss, reason = "it is for a bar")]
        context.stage_progress(UNIFY.0, (number + 1) as f64 / tables.len() as f64);
    }
    writer.finish().map_err(|error| table_error("sources", error))
}

/// A table with the columns of all; those that it lacks are empty, and so is a label only where it has none of its own.
fn laid_out(
    frame: DataFrame,
    table: &LocalTable,
    schema: &SchemaRef,
    label_column: Option<&str>,
    label: &str,
) -> Result<DataFrame, DataFusionError> {
    let columns = schema.fields().iter().map(|field| {
        let name = field.name();
        let own = table.schema().index_of(name).is_ok().then(|| cast(column(name), field.data_type().clone()));
        let value = match (own, label_column == Some(name.as_str())) {
            (Some(own), true) => when(own.clone().is_null(), lit(label)).otherwise(own)?,
            (Some(own), false) => own,
            (None, true) => lit(label),
            (None, false) => cast(lit(ScalarValue::Null), field.data_type().clone()),
        };
        Ok(value.alias(name))
    });
    frame.select(columns.collect::<Result<Vec<_>, DataFusionError>>()?)
}

/// The keys once, then the other columns of each table. A name that an earlier table has gets the number of its table.
async fn joined(
    asked: &Parameters,
    tables: &[LocalTable],
    to: &std::path::Path,
    context: &TaskContext,
) -> Result<Written, SkillError> {
    let session = in_order(context)?;
    let mut all = named(&session, &tables[0], 0, asked).await?;
    for (number, table) in tables.iter().enumerate().skip(1) {
        let next = named(&session, table, number, asked).await?;
        all = beside(all, next, number, asked).map_err(|error| wrong(&error))?;
    }
    let shown = shown(all, tables, asked).map_err(|error| wrong(&error))?;
    write(shown, to, UNCHECKED, context).await
}

/// The names of a key, of a column and of a row's place in table `number` while tables are joined: no name of a source can be in
/// their way.
fn key(number: usize, place: usize) -> String {
    format!("k{number}_{place}")
}

fn value(number: usize, place: usize) -> String {
    format!("v{number}_{place}")
}

fn position(number: usize) -> String {
    format!("p{number}")
}

async fn named(
    session: &SessionContext,
    table: &LocalTable,
    number: usize,
    asked: &Parameters,
) -> Result<DataFrame, SkillError> {
    let keys = asked.keys.iter().enumerate().map(|(place, name)| column(name).alias(key(number, place)));
    let fields = table.schema().fields().iter().enumerate();
    let values = fields.map(|(place, field)| column(field.name()).alias(value(number, place)));
    let columns: Vec<Expr> = keys.chain(values).chain([row_number().alias(position(number))]).collect();
    table.frame(session).await?.select(columns).map_err(|error| wrong(&error))
}

/// Joins one more table. Afterwards the keys of table 0 are those of all.
fn beside(all: DataFrame, next: DataFrame, number: usize, asked: &Parameters) -> Result<DataFrame, DataFusionError> {
    let places = 0..asked.keys.len();
    let on = |number: usize| places.clone().map(|place| key(number, place)).collect::<Vec<_>>();
    let (left, right) = (on(0), on(number));
    let names = |of: &[String]| of.to_vec();
    let (left_names, right_names) = (names(&left), names(&right));
    let left_refs: Vec<&str> = left_names.iter().map(String::as_str).collect();
    let right_refs: Vec<&str> = right_names.iter().map(String::as_str).collect();
    let joined = all.join(next, JoinType::Full, &left_refs, &right_refs, None)?;
    let columns = joined.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    let columns = columns.iter().filter(|name| !right.contains(name)).map(|name| {
        let Some(place) = left.iter().position(|key| key == name) else { return Ok(column(name)) };
        let known = when(column(name).is_null(), column(&right[place])).otherwise(column(name))?;
        Ok(known.alias(name))
    });
    let columns = columns.collect::<Result<Vec<_>, DataFusionError>>()?;
    joined.select(columns)
}

fn shown(all: DataFrame, tables: &[LocalTable], asked: &Parameters) -> Result<DataFrame, DataFusionError> {
    let order = (0..tables.len()).map(|number| column(position(number)).sort(true, false)).collect();
    let mut taken: Vec<String> = asked.keys.clone();
    let mut columns: Vec<Expr> =
        asked.keys.iter().enumerate().map(|(place, name)| column(key(0, place)).alias(name)).collect();
    for (number, table) in tables.iter().enumerate() {
        for (place, field) in table.schema().fields().iter().enumerate() {
            if asked.keys.contains(field.name()) {
                continue;
            }
            let mut name = field.name().clone();
            while taken.contains(&name) {
                name = format!("{name}_{}", number + 1);
            }
            columns.push(column(value(number, place)).alias(&name));
            taken.push(name);
        }
    }
    all.sort(order)?.select(columns)
}
