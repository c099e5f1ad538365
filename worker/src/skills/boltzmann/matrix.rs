//! Takes the features, the target and the instants out of a table, in the order of its rows. Reads a local file, writes none.

use std::fs::File;

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray},
        compute::cast,
        datatypes::{DataType, Float64Type},
    },
    parquet::arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder},
};

use super::parameters::{HeadKind, Plan, SplitWay};
use crate::skills::{
    SkillError,
    data::is_figure_of,
    learning::columns::{USUAL, chosen, listed, matches},
    tabular::{LocalTable, data_error, table_error},
};

/// Numbers that one training holds in memory, in 8 bytes each.
const MOST_CELLS: u64 = 1 << 28;
/// The largest target of a regression: sums of its square are still numbers.
const LARGEST: f64 = 1e100;
/// Classes that a classifier tells apart.
const MOST_CLASSES: usize = 100;
/// Names that a column of instants goes by, in the order in which they are looked for.
const TIMES: [&str; 8] = ["periodo", "período", "fecha", "semestre", "año", "date", "timestamp", "year"];

/// Numbers, row by row. One that is missing is NaN here; the table holds none.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// The columns.
    pub names: Vec<String>,
    /// `rows × names` numbers.
    pub values: Vec<f64>,
}

/// What a head learns to tell, of each row.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// Nothing.
    None,
    /// Numbers of classes.
    Classes {
        /// What the classes are called, sorted.
        labels: Vec<String>,
        /// The class of each row; rows may lack one.
        of: Vec<Option<usize>>,
    },
    /// Numbers.
    Numbers(Vec<Option<f64>>),
}

/// What a training works with.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The features.
    pub features: Matrix,
    /// Columns with the name of a feature that do not hold numbers.
    pub no_numbers: Vec<String>,
    /// What the head learns.
    pub target: Target,
    /// When each row was, where the split asks for it: ranks among the instants.
    pub times: Option<Vec<f64>>,
}

impl Matrix {
    /// How many rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.names.len()).unwrap_or(0)
    }

    /// One row.
    #[must_use]
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.names.len()..][..self.names.len()]
    }
}

impl Table {
    /// Reads what a plan asks for; `go_on` is asked after each batch.
    ///
    /// # Errors
    /// `InvalidInput` naming the parameter whose column is missing or holds what cannot be learnt from; what `go_on` answers.
    pub fn read(
        table: &LocalTable,
        plan: &Plan,
        go_on: impl Fn() -> Result<(), SkillError>,
    ) -> Result<Self, SkillError> {
        let (features, no_numbers) = feature_columns(table, plan)?;
        let cells = table.rows().saturating_mul(features.len() as u64);
        if cells > MOST_CELLS {
            let reason = format!(
                "has {} rows of {} features, more numbers than the {MOST_CELLS} that one training holds: draw a sample of it first",
                table.rows(),
                features.len()
            );
            return Err(SkillError::invalid("source", reason));
        }
        let time_column = (plan.split == SplitWay::Temporal).then(|| time_column(table, plan)).transpose()?;
        let mut wanted = features.clone();
        wanted.extend(plan.target.clone());
        wanted.extend(time_column.clone());
        let mut values = Vec::with_capacity(usize::try_from(cells).unwrap_or(0));
        let (mut targets, mut times) = (Vec::new(), Vec::new());
        for batch in batches(table, &wanted)? {
            go_on()?;
            let batch = batch?;
            append(&mut values, &batch, &features, ("columns", 0))?;
            targets.extend(plan.target.as_ref().map(|name| named(&batch, name)).transpose()?);
            times.extend(time_column.as_ref().map(|name| named(&batch, name)).transpose()?);
        }
        let features = Matrix { names: features, values };
        let target = match (&plan.target, plan.head) {
            (None, _) => Target::None,
            (Some(name), HeadKind::Regressor) => Target::Numbers(numbers_of(&targets, name)?),
            // Of a target with many values the split keeps tenths of its range in proportion.
            (Some(name), HeadKind::None) => classes_of(&targets, name)
                .or_else(|fault| numbers_of(&targets, name).map(Target::Numbers).map_err(|_| fault))?,
            (Some(name), HeadKind::Classifier) => classes_of(&targets, name)?,
        };
        let times = time_column.map(|name| ranks_of(&times, &name)).transpose()?;
        Ok(Self { features, no_numbers, target, times })
    }
}

/// The features' names, and those of columns that are called like one but hold no numbers.
fn feature_columns(table: &LocalTable, plan: &Plan) -> Result<(Vec<String>, Vec<String>), SkillError> {
    let names: Vec<&str> = table.schema().fields().iter().map(|field| field.name().as_str()).collect();
    // The mean of a group that a row is in has the row's own answer in it.
    let is_target =
        |name: &str| plan.target.as_deref().is_some_and(|target| name == target || is_figure_of(name, target));
    let is_number =
        |name: &str| table.schema().field_with_name(name).is_ok_and(|field| holds_numbers(field.data_type()));
    if let Some(asked) = &plan.columns {
        let found = chosen(asked, &names).map_err(|reason| SkillError::invalid("columns", reason))?;
        if let Some(target) = asked.iter().find(|name| is_target(name)) {
            let reason = format!(
                "must not name {target:?}, which is the target or a figure of it: nothing is learnt from the answer itself"
            );
            return Err(SkillError::invalid("columns", reason));
        }
        let exact = |name: &str| asked.iter().any(|asked| asked == name);
        if let Some(text) = found.iter().find(|name| exact(name) && !is_number(name)) {
            return Err(SkillError::invalid("columns", format!("column {text:?} must hold numbers")));
        }
        return some_numbers(found, is_target, is_number, &names);
    }
    let usual = |name: &&&str| USUAL.iter().any(|usual| matches(usual, name));
    some_numbers(names.iter().filter(usual).copied().collect(), is_target, is_number, &names)
}

fn some_numbers(
    found: Vec<&str>,
    is_target: impl Fn(&str) -> bool,
    is_number: impl Fn(&str) -> bool,
    names: &[&str],
) -> Result<(Vec<String>, Vec<String>), SkillError> {
    let found = found.into_iter().filter(|name| !is_target(name));
    let (features, others): (Vec<&str>, Vec<&str>) = found.partition(|name| is_number(name));
    if features.is_empty() {
        let reason = format!(
            "must name columns of numbers: those that are looked for are {}, and the table has {}",
            USUAL.join(", "),
            listed(names)
        );
        return Err(SkillError::invalid("columns", reason));
    }
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    Ok((owned(features), owned(others)))
}

fn holds_numbers(of: &DataType) -> bool {
    of.is_numeric() || *of == DataType::Boolean
}

fn time_column(table: &LocalTable, plan: &Plan) -> Result<String, SkillError> {
    if let Some(name) = &plan.time_column {
        return Ok(name.clone());
    }
    let names: Vec<&str> = table.schema().fields().iter().map(|field| field.name().as_str()).collect();
    let found = TIMES.iter().find_map(|usual| names.iter().find(|name| name.to_lowercase() == *usual));
    found.map(|name| (*name).to_owned()).ok_or_else(|| {
        let reason = format!("must name the column that says when a row was; the table has {}", listed(&names));
        SkillError::invalid("time_column", reason)
    })
}

/// The columns with these names, batch by batch.
///
/// # Errors
/// When the file cannot be read.
pub fn batches(
    table: &LocalTable,
    names: &[String],
) -> Result<impl Iterator<Item = Result<RecordBatch, SkillError>> + use<>, SkillError> {
    let file = File::open(table.path()).map_err(|error| table_error("source", error.into()))?;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, table.metadata().clone());
    let places = names.iter().filter_map(|name| table.schema().index_of(name).ok());
    let mask = ProjectionMask::roots(builder.parquet_schema(), places);
    let reader = builder.with_projection(mask).build().map_err(|error| data_error("source", &error.into()))?;
    Ok(reader.map(|batch| batch.map_err(|error| data_error("source", &error.into()))))
}

fn named(batch: &RecordBatch, name: &str) -> Result<ArrayRef, SkillError> {
    let column = batch.column_by_name(name).cloned();
    column.ok_or_else(|| SkillError::Permanent(format!("column {name:?} is not in the file, though in its footer")))
}

/// Appends the rows of a batch, column after column as `names` says; empty cells become NaN. Faults are of the parameter `field`, and
/// count rows from `before` on.
///
/// # Errors
/// `InvalidInput` naming a column that is missing, holds no numbers, or holds a number that is not finite.
pub fn append(
    values: &mut Vec<f64>,
    batch: &RecordBatch,
    names: &[String],
    (field, before): (&str, usize),
) -> Result<(), SkillError> {
    let (start, width) = (values.len(), names.len());
    values.resize(start + batch.num_rows() * width, f64::NAN);
    for (place, name) in names.iter().enumerate() {
        let column = as_numbers(&named(batch, name)?, field, name)?;
        for (row, number) in column.iter().enumerate() {
            let Some(number) = number else { continue };
            if !number.is_finite() {
                let row = before + start / width + row + 1;
                let reason = format!(
                    "column {name:?} holds {number} in row {row}; it must hold finite numbers, and nothing where one is missing"
                );
                return Err(SkillError::invalid(field, reason));
            }
            values[start + row * width + place] = number;
        }
    }
    Ok(())
}

fn as_numbers(column: &ArrayRef, field: &str, name: &str) -> Result<Float64Array, SkillError> {
    let wrong = || SkillError::invalid(field, format!("column {name:?} must hold numbers, not {}", column.data_type()));
    if column.null_count() == column.len() {
        // Nothing says what a column holds that is empty in the whole file: then it is called text.
        return Ok(Float64Array::new_null(column.len()));
    }
    if !holds_numbers(column.data_type()) {
        return Err(wrong());
    }
    cast(column, &DataType::Float64).map(|numbers| numbers.as_primitive::<Float64Type>().clone()).map_err(|_| wrong())
}

/// A class by the name that people have for it: 1 and 1.0 are one class, whichever of them a table's column makes of it.
fn as_texts(column: &ArrayRef, field: &str, name: &str) -> Result<StringArray, SkillError> {
    if column.data_type().is_floating() {
        return Ok(as_numbers(column, field, name)?.iter().map(|number| number.map(|it| it.to_string())).collect());
    }
    let texts = cast(column, &DataType::Utf8).map(|texts| texts.as_string::<i32>().clone());
    texts.map_err(|_| {
        SkillError::invalid(field, format!("column {name:?} must hold text or numbers, not {}", column.data_type()))
    })
}

fn fits(number: f64) -> bool {
    number.abs() <= LARGEST
}

fn numbers_of(columns: &[ArrayRef], name: &str) -> Result<Vec<Option<f64>>, SkillError> {
    let mut numbers = Vec::new();
    for column in columns {
        numbers.extend(as_numbers(column, "target", name)?.iter());
    }
    if let Some(row) = numbers.iter().position(|number| number.is_some_and(|number| !fits(number))) {
        let reason =
            format!("column {name:?} must hold numbers of at most {LARGEST:e} in size; row {} does not", row + 1);
        return Err(SkillError::invalid("target", reason));
    }
    let mut known = numbers.iter().flatten();
    match known.next() {
        None => Err(SkillError::invalid("target", format!("column {name:?} has no value in any row"))),
        Some(first) if known.all(|number| number == first) => Err(SkillError::invalid(
            "target",
            format!("column {name:?} holds {first} in every row: there is nothing to learn"),
        )),
        Some(_) => Ok(numbers),
    }
}

fn classes_of(columns: &[ArrayRef], name: &str) -> Result<Target, SkillError> {
    let mut texts: Vec<Option<String>> = Vec::new();
    for column in columns {
        let column = as_texts(column, "target", name)?;
        texts.extend(column.iter().map(|text| text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)));
    }
    let mut labels: Vec<String> = texts.iter().flatten().cloned().collect();
    labels.sort_unstable();
    labels.dedup();
    let number = |label: &String| label.parse::<f64>().ok();
    if labels.iter().all(|label| number(label).is_some()) {
        labels.sort_by(|a, b| number(a).unwrap_or_default().total_cmp(&number(b).unwrap_or_default()));
    }
    match labels.len() {
        0 => Err(SkillError::invalid("target", format!("column {name:?} has no label in any row"))),
        1 => {
            let reason = format!("column {name:?} has one class only, {:?}: there is nothing to tell apart", labels[0]);
            Err(SkillError::invalid("target", reason))
        }
        count if count > MOST_CLASSES => {
            let reason = format!(
                "column {name:?} has {count} different values; a classifier tells {MOST_CLASSES} at most apart"
            );
            Err(SkillError::invalid("target", reason))
        }
        _ => {
            let class = |text: &String| labels.iter().position(|label| label == text);
            let of = texts.iter().map(|text| text.as_ref().and_then(class)).collect();
            Ok(Target::Classes { labels, of })
        }
    }
}

/// The truth about the rows of a batch, as a model with these labels knows it: the number of the class, or without labels the
/// number itself. Nothing where there is none, or a class that the model does not know.
///
/// # Errors
/// `InvalidInput` when the column holds something else.
pub fn truth_of(batch: &RecordBatch, name: &str, labels: &[String]) -> Result<Vec<Option<f64>>, SkillError> {
    let column = named(batch, name)?;
    if labels.is_empty() {
        let numbers = as_numbers(&column, "target", name)?;
        return Ok(numbers.iter().map(|number| number.filter(|number| fits(*number))).collect());
    }
    let texts = as_texts(&column, "target", name)?;
    let class = |text: &str| labels.iter().position(|label| label == text.trim()).map(|class| class as f64);
    Ok(texts.iter().map(|text| text.and_then(class)).collect())
}

/// The rank of each row's instant among all: numbers and days by their size, texts by their characters.
fn ranks_of(columns: &[ArrayRef], name: &str) -> Result<Vec<f64>, SkillError> {
    let missing = columns.iter().map(|column| column.null_count()).sum::<usize>();
    if missing > 0 {
        let reason = format!("column {name:?} must say of every row when it was; {missing} rows have no value");
        return Err(SkillError::invalid("time_column", reason));
    }
    let is_time = |of: &DataType| matches!(of, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..));
    if columns.iter().all(|column| is_time(column.data_type()) || column.data_type().is_numeric()) {
        let mut instants = Vec::new();
        for column in columns {
            let whole = if *column.data_type() == DataType::Date32 { DataType::Int32 } else { DataType::Int64 };
            let numbers = match is_time(column.data_type()) {
                true => cast(column, &whole),
                false => Ok(ArrayRef::clone(column)),
            };
            let numbers = numbers.map_err(|error| data_error("source", &error.into()))?;
            instants.extend(as_numbers(&numbers, "time_column", name)?.iter().flatten());
        }
        return Ok(instants);
    }
    let mut texts = Vec::new();
    for column in columns {
        texts.extend(as_texts(column, "time_column", name)?.iter().flatten().map(str::to_owned));
    }
    let mut sorted: Vec<&String> = texts.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    Ok(texts.iter().map(|text| sorted.partition_point(|known| *known < text) as f64).collect())
}
