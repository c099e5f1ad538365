//! The columns of a table as conditions see them: their names, their types, and the one that was probably meant.

use std::{collections::HashMap, sync::Arc};

use arrow_schema::{DataType, Field, Schema, TimeUnit};
use datafusion_common::DFSchema;
use relevo_shared::dataset::Column;

use crate::Fault;

/// Column names that a fault lists.
const TOLD: usize = 30;
/// Guessing what was meant takes time that grows with the length of names and the number of columns.
const LONGEST_GUESS: usize = 64;
const MOST_GUESSES: usize = 1000;

/// The columns of one table, ready for conditions to be read against them.
#[derive(Debug, Clone)]
pub struct Columns {
    fields: DFSchema,
    places: HashMap<String, usize>,
}

impl Columns {
    /// The columns of a table of which only the description is at hand. A type that is none of ours and none of Arrow's
    /// becomes one that no condition can look into.
    ///
    /// # Errors
    /// Two columns have the same name.
    pub fn described(columns: &[Column]) -> Result<Self, Fault> {
        let fields = columns.iter().map(|column| Field::new(&column.name, data_type(&column.kind), true));
        Self::of(&Schema::new(fields.collect::<Vec<_>>()))
    }

    /// The columns of a table that is at hand.
    ///
    /// # Errors
    /// Two columns have the same name.
    pub fn of(schema: &Schema) -> Result<Self, Fault> {
        let fields = DFSchema::try_from(schema.clone());
        let fields = fields.map_err(|error| Fault::NoColumn(error.find_root().message().into_owned()))?;
        let places = schema.fields().iter().enumerate().map(|(place, field)| (field.name().clone(), place)).collect();
        Ok(Self { fields, places })
    }

    /// The column of exactly this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Field> {
        self.places.get(name).map(|&place| self.fields.field(place).as_ref())
    }

    /// Whether a column of this name holds numbers; `None` where there is no such column.
    #[must_use]
    pub fn is_numeric(&self, name: &str) -> Option<bool> {
        self.named(name).map(|field| field.data_type().is_numeric())
    }

    /// Says that the table has no column of this name, which one was probably meant, and which there are.
    #[must_use]
    pub fn lack(&self, name: &str) -> String {
        let nearest = nearest(name, self.names()).map(|near| format!(" (did you mean {near:?}?)")).unwrap_or_default();
        let listed = self.names().take(TOLD).collect::<Vec<_>>().join(", ");
        let count = self.places.len();
        let more = if TOLD < count { format!(", … ({count} in all)") } else { String::new() };
        format!("the table has no column {name:?}{nearest}; its columns: {listed}{more}")
    }

    pub(crate) const fn fields(&self) -> &DFSchema {
        &self.fields
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.fields().iter().map(|field| field.name().as_str())
    }

    /// The column that a name in a condition means: the one of exactly that name; else, when the name is not in quotes,
    /// the only one that differs in case alone.
    pub(crate) fn meant(&self, name: &str, quoted: bool) -> Result<&Field, Fault> {
        if let Some(field) = self.named(name) {
            return Ok(field);
        }
        if quoted {
            return Err(Fault::NoColumn(format!("{}; text stands in single quotes", self.lack(name))));
        }
        let folded = name.to_lowercase();
        let alike: Vec<&str> = self.names().filter(|name| name.to_lowercase() == folded).collect();
        match alike.as_slice() {
            [] => Err(Fault::NoColumn(self.lack(name))),
            [only] => Ok(self.named(only).expect("it was found among the names")),
            several => {
                let columns = several.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
                Err(Fault::Ambiguous { name: name.to_owned(), columns })
            }
        }
    }
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
