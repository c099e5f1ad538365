//! `data.features`: what the rows of a group have in common, for example those of one teacher and subject.

use std::time::Instant;

use datafusion::{
    arrow::{
        array::{AsArray, RecordBatch},
        datatypes::{DataType, Float64Type, Schema},
    },
    error::DataFusionError,
    functions_aggregate::expr_fn::{avg, count, max, min, stddev},
    functions_window::expr_fn::row_number,
    logical_expr::{Expr, ExprFunctionExt, cast, expr::WindowFunction, lit},
    prelude::DataFrame,
};
use relevo_shared::{dataset::TableRef, job::LogLevel, worker::Task};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::output::{in_order, write, wrong};
use crate::{
    context::TaskContext,
    skills::{
        Running, Skill, SkillError,
        fields::Fields,
        learning::columns::{USUAL, chosen, listed},
        stage,
        tabular::{LocalTable, column},
    },
};

/// How many rows a group has.
const GROUP_ROWS: &str = "group_rows";
/// Where a row stood, while rows are sorted otherwise.
const POSITION: &str = "relevo_position";
/// Names that a teacher's and a subject's column go by.
const TEACHER: [&str; 4] = ["docente", "profesor", "profesora", "teacher"];
const SUBJECT: [&str; 5] = ["materia", "asignatura", "curso", "subject", "course"];

/// The stages, and how far the task is when each ends.
const LOAD: (&str, f64) = ("load", 0.3);
const AGGREGATE: (&str, f64) = ("aggregate", 0.8);
const COMMIT: (&str, f64) = ("commit", 1.0);

/// Aggregates a table.
#[derive(Debug)]
pub(in crate::skills) struct DataFeatures;

impl Skill for DataFeatures {
    fn name(&self) -> &str {
        "data.features"
    }

    fn run<'a>(&'a self, task: &'a Task, context: &'a TaskContext) -> Running<'a> {
        Box::pin(features(task, context))
    }
}

/// A figure of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Figure {
    Mean,
    /// Of a sample; nothing for a group of one row.
    Std,
    Min,
    Max,
    /// Rows with a value.
    Count,
}

/// Whether a column is called like a figure of another one, such as `calif_1_mean` of `calif_1`.
#[cfg(feature = "torch")]
pub(crate) fn is_figure_of(column: &str, of: &str) -> bool {
    let figure = column.strip_prefix(of).and_then(|rest| rest.strip_prefix('_'));
    figure.is_some_and(|figure| Figure::ALL.iter().any(|known| known.name() == figure))
}

impl Figure {
    #[cfg(feature = "torch")]
    const ALL: [Self; 5] = [Self::Mean, Self::Std, Self::Min, Self::Max, Self::Count];

    const fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Std => "std",
            Self::Min => "min",
            Self::Max => "max",
            Self::Count => "count",
        }
    }

    fn of(self, value: Expr) -> Expr {
        match self {
            Self::Mean => avg(value),
            Self::Std => stddev(value),
            Self::Min => min(value),
            Self::Max => max(value),
            Self::Count => count(value),
        }
    }
}

/// What a row of the output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    /// A row of the source, with the figures of its group beside it.
    Rows,
    /// A group.
    Groups,
}

struct Parameters {
    source: TableRef,
    keys: Option<Vec<String>>,
    columns: Option<Vec<String>>,
    figures: Vec<Figure>,
    level: Level,
    table_key: String,
}

impl Parameters {
    fn read(parameters: &Map<String, Value>) -> Result<Self, SkillError> {
        let mut fields = Fields::new(parameters);
        let source = fields.pinned_table();
        let keys: Option<Vec<String>> = fields.optional("keys", "a list of names of columns");
        if keys.as_ref().is_some_and(Vec::is_empty) {
            fields.fault("keys", "must name a column, or be left out");
        }
        let columns = fields.optional("columns", "a list of names of columns, which may end in *");
        let right = "a list of mean, std, min, max and count";
        let mut figures: Vec<Figure> = fields.or("aggregates", vec![Figure::Mean, Figure::Std], right);
        figures.dedup();
        if figures.is_empty() {
            fields.fault("aggregates", format!("must be {right}, or be left out"));
        }
        let level = fields.or("level", Level::Rows, "rows or groups");
        let table_key = fields.or("output_table_key", "features".to_owned(), "the name of a table");
        fields.finish()?;
        let Some(source) = source else { return Err(SkillError::invalid("source", "is missing")) };
        Ok(Self { source, keys, columns, figures, level, table_key })
    }

    /// The columns that make a group.
    fn keys(&self, names: &[&str]) -> Result<Vec<String>, SkillError> {
        if let Some(keys) = &self.keys {
            return match keys.iter().find(|key| !names.contains(&key.as_str())) {
                None => Ok(keys.clone()),
                Some(missing) => {
                    let reason = format!("the table has no column {missing:?}; it has {}", listed(names));
                    Err(SkillError::invalid("keys", reason))
                }
            };
        }
        let known = |usual: &[&str]| {
            names.iter().find(|name| usual.iter().any(|usual| name.eq_ignore_ascii_case(usual))).copied()
        };
        match (known(&TEACHER), known(&SUBJECT)) {
            (Some(teacher), Some(subject)) => Ok(vec![teacher.to_owned(), subject.to_owned()]),
            _ => {
                let reason = format!(
                    "must name the columns that make a group, as there are none for a teacher and a subject among {}",
                    listed(names)
                );
                Err(SkillError::invalid("keys", reason))
            }
        }
    }

    /// The numbers that are aggregated.
    fn numbers(&self, schema: &Schema, keys: &[String]) -> Result<Vec<String>, SkillError> {
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let is_number = |name: &str| {
            schema
                .field_with_name(name)
                .is_ok_and(|field| field.data_type().is_numeric() || *field.data_type() == DataType::Boolean)
        };
        let found: Vec<&str> = match &self.columns {
            Some(asked) => {
                let found = chosen(asked, &names).map_err(|reason| SkillError::invalid("columns", reason))?;
                if let Some(text) = found.iter().find(|name| !is_number(name)) {
                    return Err(SkillError::invalid("columns", format!("column {text:?} must hold numbers")));
                }
                found
            }
            None => {
                let usual =
                    |name: &&&str| USUAL.iter().any(|usual| crate::skills::learning::columns::matches(usual, name));
                names.iter().filter(usual).copied().filter(|name| is_number(name)).collect()
            }
        };
        let found: Vec<String> =
            found.into_iter().filter(|name| keys.iter().all(|key| key != name)).map(str::to_owned).collect();
        if found.is_empty() {
            let reason = match &self.columns {
                Some(_) => format!("must name a column of numbers beside the keys, which are {}", keys.join(", ")),
                None => format!("must name columns of numbers: none beside the keys is called {}", USUAL.join(", ")),
            };
            return Err(SkillError::invalid("columns", reason));
        }
        Ok(found)
    }
}

async fn features(task: &Task, context: &TaskContext) -> Result<Value, SkillError> {
    let began = Instant::now();
    let asked = Parameters::read(&task.params)?;
    let table = stage(context, LOAD, LocalTable::fetch(context, &asked.source)).await?;
    let names: Vec<&str> = table.schema().fields().iter().map(|field| field.name().as_str()).collect();
    let keys = asked.keys(&names)?;
    let numbers = asked.numbers(table.schema(), &keys)?;
    let path = context.work_dir().join("features.parquet");
    let aggregated = async {
        let session = in_order(context)?;
        let frame = table.frame(&session).await?;
        let groups = groups(frame.clone(), &keys).map_err(|error| wrong(&error))?;
        let groups = groups.count().await.map_err(|error| wrong(&error))? as u64;
        let frame = match asked.level {
            Level::Groups => by_group(frame, &keys, &numbers, &asked.figures),
            Level::Rows => by_row(frame, &keys, &numbers, &asked.figures),
        };
        let check = |rows: &RecordBatch| finite(rows, &numbers, &asked.figures);
        let written = write(frame.map_err(|error| wrong(&error))?, &path, &check, context).await?;
        Ok((groups, written))
    };
    let (groups, written) = stage(context, AGGREGATE, aggregated).await?;
    let expected = if asked.level == Level::Rows { table.rows() } else { groups };
    if written.rows != expected {
        let reason = format!("{} rows came out where {expected} should have", written.rows);
        return Err(SkillError::Permanent(reason));
    }
    context.log(
        LogLevel::Info,
        format!("{} rows in {groups} groups of {}", table.rows(), keys.join(" × ")),
        Some(json!({ "keys": keys, "columns": numbers })),
    );
    let commit = context.commit_table(&asked.source.dataset_id, &asked.table_key, &path);
    let committed = stage(context, COMMIT, commit).await?;
    Ok(json!({
        "dataset_id": committed.dataset_id, "table_key": committed.table_key, "output_commit_id": committed.commit_id,
        "table": committed, "source_rows": table.rows(), "rows": written.rows, "groups": groups, "keys": keys,
        "columns": numbers, "aggregates": asked.figures, "level": asked.level,
        "seconds": (began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
    }))
}

fn groups(frame: DataFrame, keys: &[String]) -> Result<DataFrame, DataFusionError> {
    let keys: Vec<Expr> = keys.iter().map(column).collect();
    frame.aggregate(keys, vec![count(lit(1_i64)).alias(GROUP_ROWS)])
}

/// Each figure of each column, with its name: `calif_1_mean`.
fn figures<'a>(numbers: &'a [String], figures: &'a [Figure]) -> impl Iterator<Item = (String, Expr)> + 'a {
    numbers.iter().flat_map(|number| {
        figures.iter().map(move |figure| {
            let value = cast(column(number), DataType::Float64);
            (format!("{number}_{}", figure.name()), figure.of(value))
        })
    })
}

/// Refuses means and deviations that are no finite numbers: whoever learns from the table would stumble over them.
fn finite(rows: &RecordBatch, numbers: &[String], asked: &[Figure]) -> Result<(), SkillError> {
    for number in numbers {
        for figure in asked.iter().filter(|figure| matches!(figure, Figure::Mean | Figure::Std)) {
            let values = rows.column_by_name(&format!("{number}_{}", figure.name()));
            let values = values.and_then(|values| values.as_primitive_opt::<Float64Type>());
            if values.is_some_and(|values| values.iter().flatten().any(|value| !value.is_finite())) {
                let reason = format!(
                    "column {number:?} has a group whose {} is no finite number: a value is none, or they are too large for it",
                    figure.name()
                );
                return Err(SkillError::invalid("columns", reason));
            }
        }
    }
    Ok(())
}

/// One row for each group, sorted by the keys. Rows that lack a key are a group of their own.
fn by_group(
    frame: DataFrame,
    keys: &[String],
    numbers: &[String],
    asked: &[Figure],
) -> Result<DataFrame, DataFusionError> {
    let mut told = vec![count(lit(1_i64)).alias(GROUP_ROWS)];
    told.extend(figures(numbers, asked).map(|(name, figure)| figure.alias(name)));
    let by: Vec<Expr> = keys.iter().map(column).collect();
    let order = by.iter().map(|key| key.clone().sort(true, false)).collect();
    frame.aggregate(by, told)?.sort(order)
}

/// The rows of the source in their order, each with the figures of its group. A column of the source with the name of a
/// figure gives way to it.
fn by_row(
    frame: DataFrame,
    keys: &[String],
    numbers: &[String],
    asked: &[Figure],
) -> Result<DataFrame, DataFusionError> {
    let by: Vec<Expr> = keys.iter().map(column).collect();
    let of_group = |figure: Expr| match figure {
        Expr::AggregateFunction(figure) => {
            Expr::from(WindowFunction::new(figure.func, figure.params.args)).partition_by(by.clone()).build()
        }
        other => Ok(other),
    };
    let mut told = vec![of_group(count(lit(1_i64)))?.alias(GROUP_ROWS)];
    for (name, figure) in figures(numbers, asked) {
        told.push(of_group(figure)?.alias(name));
    }
    let new: Vec<String> = told.iter().map(|figure| figure.schema_name().to_string()).collect();
    let source = frame.schema().fields().iter().map(|field| field.name().clone());
    let kept: Vec<String> = source.filter(|name| !new.contains(name)).collect();
    let kept_expressions = || kept.iter().map(column);
    let all = frame.schema().fields().iter().map(|field| column(field.name()));
    let numbered = all.chain([row_number().alias(POSITION)]).collect::<Vec<_>>();
    let positioned = frame.select(numbered)?;
    let beside = kept_expressions().chain([column(POSITION)]).chain(told).collect::<Vec<_>>();
    let sorted = positioned.select(beside)?.sort(vec![column(POSITION).sort(true, false)])?;
    let shown = kept_expressions().chain(new.iter().map(column)).collect::<Vec<_>>();
    sorted.select(shown)
}
