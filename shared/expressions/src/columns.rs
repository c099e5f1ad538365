//! The columns of a table as conditions see them: their names, their types, and the one that was probably meant.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, TimeUnit};
use relevo_shared::dataset::Column;

use crate::Fault;

/// Column names that a fault lists.
const TOLD: usize = 30;
/// Guessing what was meant takes time that grows with the length of names and the number of columns.
const LONGEST_GUESS: usize = 64;
const MOST_GUESSES: usize = 1000;

/// The Arrow schema of a table of which only the description is at hand. A type that is none of ours and none of Arrow's
/// becomes one that no condition can look into.
#[must_use]
pub fn schema_of(columns: &[Column]) -> Schema {
    let fields = columns.iter().map(|column| Field::new(&column.name, data_type(&column.kind), true));
    Schema::new(fields.collect::<Vec<_>>())
}

fn data_type(kind: &str) -> DataType {
    match kind {
        "string" => DataType::Utf8,
        "integer" => DataType::Int64,
        "number" => DataType::Float64,
        "boolean" => DataType::Boolean,
        "date" => DataType::Date32,
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, None),
        other => other
            .parse()
            .unwrap_or_else(|_| DataType::Struct(vec![Arc::new(Field::new(other, DataType::Null, true))].into())),
    }
}

/// Whether a column of this kind holds numbers.
#[must_use]
pub fn is_numeric(kind: &str) -> bool {
    data_type(kind).is_numeric()
}

/// Says that the table has no column of this name, which one was probably meant, and which there are.
#[must_use]
pub fn no_such_column<'c>(name: &str, columns: impl Iterator<Item = &'c str> + Clone) -> String {
    let nearest = nearest(name, columns.clone()).map(|near| format!(" (did you mean {near:?}?)")).unwrap_or_default();
    let count = columns.clone().count();
    let listed = columns.take(TOLD).collect::<Vec<_>>().join(", ");
    let more = if TOLD < count { format!(", … ({count} in all)") } else { String::new() };
    format!("the table has no column {name:?}{nearest}; its columns: {listed}{more}")
}

/// The column whose name is closest, when it is close at all: a third of the letters may be wrong.
fn nearest<'c>(name: &str, columns: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    if LONGEST_GUESS < name.len() {
        return None;
    }
    let tolerance = (name.chars().count() / 3).max(1);
    let distance = |column: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &column.to_lowercase());
    let near = columns.take(MOST_GUESSES).filter(|column| column.len() <= LONGEST_GUESS);
    let near = near.map(|column| (distance(column), column)).filter(|(distance, _)| *distance <= tolerance);
    near.min().map(|(_, column)| column)
}

/// The column that a name in a condition means: the one of exactly that name; else, when the name is not in quotes, the
/// only one that differs in case alone.
pub(crate) fn resolve<'s>(name: &str, quoted: bool, schema: &'s Schema) -> Result<&'s Field, Fault> {
    if let Ok(field) = schema.field_with_name(name) {
        return Ok(field);
    }
    let names = schema.fields().iter().map(|field| field.name().as_str());
    let unknown = || Fault::NoColumn(no_such_column(name, names.clone()) + &quote_hint(quoted));
    if quoted {
        return Err(unknown());
    }
    let folded = name.to_lowercase();
    let mut alike = schema.fields().iter().filter(|field| field.name().to_lowercase() == folded);
    match (alike.next(), alike.next()) {
        (None, _) => Err(unknown()),
        (Some(only), None) => Ok(only),
        (Some(_), Some(_)) => {
            let columns = names.filter(|name| name.to_lowercase() == folded).map(|name| format!("{name:?}"));
            Err(Fault::Ambiguous { name: name.to_owned(), columns: columns.collect::<Vec<_>>().join(", ") })
        }
    }
}

fn quote_hint(quoted: bool) -> String {
    if quoted { "; text stands in single quotes".to_owned() } else { String::new() }
}
