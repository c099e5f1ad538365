//! Which rows of a table a round may draw, and what their drawing depends on: their stratum, cluster or weight.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use datafusion::arrow::{
    array::{Array, BooleanBufferBuilder, Float64Array, RecordBatch, cast::AsArray},
    buffer::BooleanBuffer,
    compute::{cast, filter_record_batch},
    datatypes::{DataType, Field, Float64Type, Schema, SchemaRef},
};

use super::{
    filter::{Asked, Filter, columns_of},
    groups::{Coder, GroupFault, Groups},
    order::Stream,
    rows::{RowSet, bits_of},
    source::{Columns, Source, broken},
    units::Unit,
};
use crate::skills::{SkillError, tabular::data_error};

/// Views of units that are kept for a second look; those that do not fit are made again.
const KEPT_BYTES: usize = 160 << 20;

/// What the drawing of a row depends on besides its place.
#[derive(Clone)]
pub enum Mark {
    /// Nothing.
    None,
    /// Its stratum or cluster: the values of these columns.
    Group {
        /// The columns.
        columns: Vec<String>,
        /// The parameter that names them.
        field: String,
    },
    /// Its weight.
    Weight {
        /// The column.
        column: String,
        /// The parameter that names it.
        field: String,
        /// The random numbers.
        stream: Stream,
    },
}

/// The rows of one unit that may be drawn.
pub struct View {
    /// One bit for each row of the unit; `None` when all may be drawn.
    eligible: Option<BooleanBuffer>,
    rows: usize,
    /// What their drawing depends on, one for each that may be drawn.
    pub marks: Marks,
}

/// What the drawing of rows depends on.
pub enum Marks {
    /// Nothing.
    None,
    /// The numbers of their groups.
    Groups(Small),
    /// Keys in whose order they are drawn.
    Keys(Vec<u64>),
}

/// Numbers in as many bytes as the largest needs.
pub enum Small {
    /// Up to 255.
    One(Vec<u8>),
    /// Up to 65,535.
    Two(Vec<u16>),
    /// Any.
    Four(Vec<u32>),
}

impl Small {
    fn of(numbers: Vec<u32>) -> Self {
        match numbers.iter().max().copied().unwrap_or_default() {
            0..=0xff => Self::One(numbers.into_iter().map(|number| number as u8).collect()),
            0x100..=0xffff => Self::Two(numbers.into_iter().map(|number| number as u16).collect()),
            _ => Self::Four(numbers),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::One(numbers) => numbers.len(),
            Self::Two(numbers) => 2 * numbers.len(),
            Self::Four(numbers) => 4 * numbers.len(),
        }
    }
}

impl View {
    /// How many rows may be drawn.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.eligible.as_ref().map_or(self.rows, BooleanBuffer::count_set_bits) as u64
    }

    /// Visits the rows that may be drawn, in order, each by its number within the unit.
    pub fn each_row(&self, mut visit: impl FnMut(u32)) {
        match &self.eligible {
            None => (0..self.rows as u32).for_each(visit),
            Some(bits) => bits.set_indices_u32().for_each(&mut visit),
        }
    }

    /// Visits them with the numbers of their groups, 0 where there are no groups.
    pub fn each_in_group(&self, visit: impl FnMut(u32, usize)) {
        match &self.marks {
            Marks::Groups(Small::One(numbers)) => {
                self.each_with(numbers.iter().map(|number| usize::from(*number)), visit);
            }
            Marks::Groups(Small::Two(numbers)) => {
                self.each_with(numbers.iter().map(|number| usize::from(*number)), visit);
            }
            Marks::Groups(Small::Four(numbers)) => self.each_with(numbers.iter().map(|number| *number as usize), visit),
            Marks::Keys(_) | Marks::None => self.each_with(std::iter::repeat(0), visit),
        }
    }

    /// Visits them with their keys; none where there are no keys.
    pub fn each_with_key(&self, visit: impl FnMut(u32, u64)) {
        if let Marks::Keys(keys) = &self.marks {
            self.each_with(keys.iter().copied(), visit);
        }
    }

    fn each_with<T>(&self, mut marks: impl Iterator<Item = T>, mut visit: impl FnMut(u32, T)) {
        self.each_row(|row| {
            if let Some(mark) = marks.next() {
                visit(row, mark);
            }
        });
    }

    /// Roughly the memory that it takes.
    fn bytes(&self) -> usize {
        let marks = match &self.marks {
            Marks::None => 0,
            Marks::Groups(numbers) => numbers.bytes(),
            Marks::Keys(keys) => 8 * keys.len(),
        };
        marks + self.eligible.as_ref().map_or(0, |bits| bits.len() / 8)
    }
}

/// Looks at every unit of a table, as often as it must.
pub struct Scan<'a> {
    source: &'a Source<'a>,
    drawn: &'a RowSet,
    filter: Filter,
    columns: Columns,
    mark: Mark,
    places: Vec<usize>,
    groups: Option<Groups>,
    kept: Vec<OnceLock<View>>,
    kept_bytes: AtomicUsize,
}

impl<'a> Scan<'a> {
    /// A look at the rows that fulfil all conditions and are not drawn yet.
    ///
    /// # Errors
    /// `InvalidInput` naming the field of a condition or a column that the table cannot serve.
    pub fn new(source: &'a Source<'a>, drawn: &'a RowSet, asked: &[Asked], mark: Mark) -> Result<Self, SkillError> {
        let table = source.table().schema();
        // Text as dictionaries is numbered word by word; conditions want it in another form, and have precedence.
        let conditions = columns_of(asked, &in_types(table, &BTreeSet::new()))?;
        let marked: Vec<String> = match &mark {
            Mark::None => Vec::new(),
            Mark::Group { columns, .. } => columns.clone(),
            Mark::Weight { column, .. } => vec![column.clone()],
        };
        let grouped =
            if matches!(mark, Mark::Group { .. }) { marked.iter().cloned().collect() } else { BTreeSet::new() };
        let schema = in_types(table, &grouped.difference(&conditions).cloned().collect());
        let mut wanted = Vec::new();
        for (place, field) in schema.fields().iter().enumerate() {
            if conditions.contains(field.name()) || marked.contains(field.name()) {
                wanted.push(place);
            }
        }
        let batches = schema.project(&wanted).map_err(|error| data_error("source", &error.into()))?;
        let place = |name: &String| batches.index_of(name).map_err(|_| missing(&mark, name));
        let places = marked.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        let groups = match &mark {
            Mark::Group { field, .. } => {
                let types: Vec<DataType> =
                    places.iter().map(|place| batches.field(*place).data_type().clone()).collect();
                Some(Groups::new(&types).map_err(|fault| ungrouped(field, &fault))?)
            }
            _ => None,
        };
        if let Mark::Weight { column, field, .. } = &mark
            && !batches.field(places[0]).data_type().is_numeric()
        {
            return Err(SkillError::invalid(field, format!("column {column:?} must hold numbers")));
        }
        Ok(Self {
            source,
            drawn,
            filter: Filter::new(asked, &batches)?,
            columns: source.columns(&wanted, Some(schema))?,
            mark,
            places,
            groups,
            kept: (0..source.units().len()).map(|_| OnceLock::new()).collect(),
            kept_bytes: AtomicUsize::new(0),
        })
    }

    /// Visits every unit on all threads, each with a state of its own. Answers with these states.
    ///
    /// # Errors
    /// What reading, conditions, groups or weights run into; `Cancelled`.
    pub fn each_unit<S: Send>(
        &self,
        begin: impl Fn() -> S + Sync,
        visit: impl Fn(&mut S, usize, &Unit, &View) + Sync,
    ) -> Result<Vec<S>, SkillError> {
        let begin = || (begin(), None);
        let states = self.source.each_unit(begin, |(state, coder), place, unit| {
            if let Some(view) = self.kept[place].get() {
                visit(state, place, unit, view);
                return Ok(());
            }
            let view = self.look(place, unit, coder)?;
            visit(state, place, unit, &view);
            let bytes = view.bytes();
            if self.kept_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= KEPT_BYTES {
                let _ = self.kept[place].set(view);
            }
            Ok(())
        })?;
        Ok(states.into_iter().map(|(state, _)| state).collect())
    }

    /// The groups that were met, where rows were grouped.
    #[must_use]
    pub fn groups(self) -> Option<Groups> {
        self.groups
    }

    /// Reads what a unit's view is made of.
    fn look(&self, place: usize, unit: &Unit, coder: &mut Option<Coder>) -> Result<View, SkillError> {
        let drawn = self.drawn.unit(place);
        let left = (!drawn.is_empty()).then(|| !&bits_of(drawn, 0, unit.rows()));
        if self.filter.is_empty() && matches!(self.mark, Mark::None) {
            return Ok(View { eligible: left, rows: unit.rows(), marks: Marks::None });
        }
        let mut eligible = BooleanBufferBuilder::new(unit.rows());
        let mut numbers = Vec::new();
        let mut keys = Vec::new();
        let mut start = 0;
        for batch in self.source.read(unit, &self.columns, None)? {
            self.source.go_on()?;
            let batch = batch.map_err(|error| data_error("source", &error.into()))?;
            let mut may = self.filter.pass(&batch)?.values().clone();
            if let Some(left) = &left {
                may = &may & &left.slice(start, batch.num_rows());
            }
            match &self.mark {
                Mark::None => {}
                Mark::Group { field, .. } => {
                    let batch = chosen(&batch, &may)?;
                    let columns: Vec<_> = self.places.iter().map(|place| Arc::clone(batch.column(*place))).collect();
                    let coder = match coder {
                        Some(coder) => coder,
                        None => coder.insert(self.coder().map_err(|fault| ungrouped(field, &fault))?),
                    };
                    coder.number(&columns, &mut numbers).map_err(|fault| ungrouped(field, &fault))?;
                }
                Mark::Weight { stream, .. } => {
                    let first = unit.first + start as u64;
                    may = self.weigh(&batch, &may, first, *stream, &mut keys)?;
                }
            }
            eligible.append_buffer(&may);
            start += batch.num_rows();
        }
        if start != unit.rows() {
            return Err(broken(datafusion::parquet::errors::ParquetError::EOF(format!(
                "{start} rows where the footer promises {}",
                unit.rows()
            ))));
        }
        let bits = eligible.finish();
        let eligible = (bits.count_set_bits() < bits.len()).then_some(bits);
        let marks = match self.mark {
            Mark::None => Marks::None,
            Mark::Group { .. } => Marks::Groups(Small::of(numbers)),
            Mark::Weight { .. } => Marks::Keys(keys),
        };
        Ok(View { eligible, rows: unit.rows(), marks })
    }

    fn coder(&self) -> Result<Coder, GroupFault> {
        let groups = self.groups.as_ref().ok_or_else(|| GroupFault::Type("there are no groups".to_owned()))?;
        groups.coder()
    }

    /// The exponential keys of rows with a weight above 0 (Efraimidis & Spirakis, "Weighted random sampling with a
    /// reservoir", 2006): −ln(u) / weight, whose smallest belong to the sample. Rows without such a weight may not be
    /// drawn.
    fn weigh(
        &self,
        batch: &RecordBatch,
        may: &BooleanBuffer,
        first: u64,
        stream: Stream,
        keys: &mut Vec<u64>,
    ) -> Result<BooleanBuffer, SkillError> {
        let Mark::Weight { column, field, .. } = &self.mark else { return Ok(may.clone()) };
        let weights = cast(batch.column(self.places[0]), &DataType::Float64);
        let weights = weights.map_err(|error| SkillError::invalid(field, error.to_string()))?;
        let weights: &Float64Array = weights.as_primitive::<Float64Type>();
        let mut heavy = BooleanBufferBuilder::new(may.len());
        heavy.append_n(may.len(), false);
        for row in may.set_indices() {
            let weight = weights.value(row);
            if weights.is_null(row) || weight.is_nan() || weight <= 0.0 {
                continue;
            }
            let place = first + row as u64;
            if weight.is_infinite() {
                let reason = format!("column {column:?} has an infinite weight in row {place} (counted from 0)");
                return Err(SkillError::invalid(field, reason));
            }
            heavy.set_bit(row, true);
            // The bits of numbers that are not negative are in the order of the numbers.
            keys.push((-libm::log(stream.unit(place)) / weight).to_bits());
        }
        Ok(heavy.finish())
    }
}

/// The table's columns in the types that they are read in: text as dictionaries where rows are grouped by it, else as
/// views.
fn in_types(table: &Schema, grouped: &BTreeSet<String>) -> SchemaRef {
    let text = |data_type: &DataType| match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => {
            matches!(values.as_ref(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
        }
        _ => false,
    };
    let read = |field: &Arc<Field>| match (text(field.data_type()), grouped.contains(field.name())) {
        (false, _) => Arc::clone(field),
        (true, false) => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
        (true, true) => {
            let words = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            Arc::new(field.as_ref().clone().with_data_type(words))
        }
    };
    Arc::new(Schema::new_with_metadata(table.fields().iter().map(read).collect::<Vec<_>>(), table.metadata().clone()))
}

fn chosen(batch: &RecordBatch, may: &BooleanBuffer) -> Result<RecordBatch, SkillError> {
    if may.count_set_bits() == may.len() {
        return Ok(batch.clone());
    }
    filter_record_batch(batch, &may.clone().into()).map_err(|error| data_error("source", &error.into()))
}

fn missing(mark: &Mark, name: &str) -> SkillError {
    let field = match mark {
        Mark::Group { field, .. } | Mark::Weight { field, .. } => field.as_str(),
        Mark::None => "source",
    };
    SkillError::invalid(field, format!("the table has no column {name:?}"))
}

fn ungrouped(field: &str, fault: &GroupFault) -> SkillError {
    SkillError::invalid(field, fault.to_string())
}
