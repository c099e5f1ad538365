//! Numbers for the strata or clusters of rows: equal values get the same number in every thread.
//!
//! Each thread keeps a table of the values that it has met, so that the shared one is asked once for each value and
//! thread. Which number a value gets depends on the threads' race, so nothing that is drawn may depend on it.

use std::sync::{Arc, Mutex, PoisonError};

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, DictionaryArray, UInt32Array, cast::AsArray},
        compute::take,
        datatypes::{DataType, Field, Int32Type, Schema, SchemaRef},
    },
    error::DataFusionError,
    logical_expr::EmitTo,
    physical_plan::aggregates::{
        group_values::{GroupValues, new_group_values},
        order::GroupOrdering,
    },
};

/// Most strata or clusters: each takes memory, and a column of more is one of identities.
pub const MOST_GROUPS: usize = 1_000_000;
/// Most memory that their values may take.
const MOST_BYTES: usize = 128 << 20;

/// Values that cannot be numbered.
#[derive(Debug, thiserror::Error)]
pub enum GroupFault {
    /// More than are kept.
    #[error("has more than {MOST_GROUPS} different values")]
    TooMany,
    /// Longer than are kept.
    #[error("has different values of more than {} MiB together", MOST_BYTES >> 20)]
    TooLong,
    /// A type that cannot be compared.
    #[error("cannot be grouped: {0}")]
    Type(String),
}

impl From<DataFusionError> for GroupFault {
    fn from(error: DataFusionError) -> Self {
        Self::Type(error.find_root().message().into_owned())
    }
}

/// The values that all threads have met, in the order of their numbers.
struct Known {
    values: Box<dyn GroupValues>,
    checked: usize,
}

/// Numbers for the rows of one set of columns.
#[derive(Clone)]
pub struct Groups {
    columns: Vec<Arc<Mutex<Known>>>,
    whole: Option<Arc<Mutex<Known>>>,
    types: Vec<DataType>,
}

impl Groups {
    /// No group yet, of columns of these types.
    ///
    /// # Errors
    /// A type cannot be compared.
    pub fn new(types: &[DataType]) -> Result<Self, GroupFault> {
        let types: Vec<DataType> = types.iter().map(plain).collect();
        let known = |types: &[DataType]| -> Result<_, GroupFault> {
            Ok(Arc::new(Mutex::new(Known { values: table_of(types)?, checked: 0 })))
        };
        let columns =
            types.iter().map(|data_type| known(std::slice::from_ref(data_type))).collect::<Result<Vec<_>, _>>()?;
        let whole = match types.len() {
            1 => None,
            count => Some(known(&vec![DataType::UInt32; count])?),
        };
        Ok(Self { columns, whole, types })
    }

    /// What one thread numbers rows with.
    ///
    /// # Errors
    /// A type cannot be compared.
    pub fn coder(&self) -> Result<Coder, GroupFault> {
        let columns = self.columns.iter().zip(&self.types);
        let columns = columns.map(|(known, data_type)| {
            Ok(ColumnCoder { numbers: Numbers::new(std::slice::from_ref(data_type), known)?, words: None })
        });
        let whole = match &self.whole {
            None => None,
            Some(known) => Some(Numbers::new(&vec![DataType::UInt32; self.types.len()], known)?),
        };
        Ok(Coder { columns: columns.collect::<Result<_, GroupFault>>()?, whole })
    }

    /// The values of all groups, one array for each column; takes them away.
    ///
    /// # Errors
    /// Never, in practice.
    pub fn into_values(self) -> Result<Vec<ArrayRef>, GroupFault> {
        let emitted =
            |known: &Mutex<Known>| known.lock().unwrap_or_else(PoisonError::into_inner).values.emit(EmitTo::All);
        let mut columns = Vec::new();
        for known in &self.columns {
            columns.extend(emitted(known)?);
        }
        let Some(whole) = &self.whole else { return Ok(columns) };
        let codes = emitted(whole)?;
        let values = columns.iter().zip(&codes).map(|(values, codes)| take(values, codes, None));
        Ok(values.collect::<Result<_, _>>().map_err(DataFusionError::from)?)
    }
}

/// Dictionaries are only a way of writing their values.
fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => values.as_ref().clone(),
        other => other.clone(),
    }
}

fn table_of(types: &[DataType]) -> Result<Box<dyn GroupValues>, GroupFault> {
    let fields = types.iter().map(|data_type| Field::new("", data_type.clone(), true));
    let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    Ok(new_group_values(schema, &GroupOrdering::None)?)
}

/// What one thread numbers rows with.
pub struct Coder {
    columns: Vec<ColumnCoder>,
    whole: Option<Numbers>,
}

impl Coder {
    /// Appends the number of each row's group.
    ///
    /// # Errors
    /// There are too many groups.
    pub fn number(&mut self, columns: &[ArrayRef], numbers: &mut Vec<u32>) -> Result<(), GroupFault> {
        let Some(whole) = &mut self.whole else {
            return self.columns[0].number(&columns[0], numbers);
        };
        let mut codes = Vec::with_capacity(columns.len());
        for (coder, column) in self.columns.iter_mut().zip(columns) {
            let mut of_column = Vec::with_capacity(column.len());
            coder.number(column, &mut of_column)?;
            codes.push(Arc::new(UInt32Array::from(of_column)) as ArrayRef);
        }
        whole.number(&codes, numbers)
    }
}

/// Numbers the values of one column. Of a dictionary, which is what text comes as, every word is looked up once.
struct ColumnCoder {
    numbers: Numbers,
    words: Option<Words>,
}

/// The numbers of a dictionary's words, as far as they were met, the last one of them for NULL.
struct Words {
    dictionary: ArrayRef,
    numbers: Vec<Option<u32>>,
}

impl ColumnCoder {
    fn number(&mut self, column: &ArrayRef, numbers: &mut Vec<u32>) -> Result<(), GroupFault> {
        match column.as_dictionary_opt::<Int32Type>() {
            Some(column) => self.number_words(column, numbers),
            None => self.numbers.number(std::slice::from_ref(column), numbers),
        }
    }

    fn number_words(&mut self, column: &DictionaryArray<Int32Type>, numbers: &mut Vec<u32>) -> Result<(), GroupFault> {
        let dictionary = column.values();
        let null = dictionary.len();
        let words = match &mut self.words {
            // The batches of a row group share their dictionary.
            Some(words) if Arc::ptr_eq(&words.dictionary, dictionary) => words,
            words => words.insert(Words { dictionary: Arc::clone(dictionary), numbers: vec![None; null + 1] }),
        };
        let word_of = |row: usize| if column.is_null(row) { null } else { column.keys().value(row) as usize };
        let unknown: Vec<usize> = {
            let mut asked = vec![false; null + 1];
            let new = (0..column.len()).map(word_of).filter(|word| words.numbers[*word].is_none());
            new.filter(|word| !std::mem::replace(&mut asked[*word], true)).collect()
        };
        if !unknown.is_empty() {
            let places = unknown.iter().map(|word| (*word < null).then_some(*word as u32));
            let values = take(dictionary, &UInt32Array::from_iter(places), None).map_err(DataFusionError::from)?;
            let mut found = Vec::with_capacity(unknown.len());
            self.numbers.number(&[values], &mut found)?;
            for (word, number) in unknown.iter().zip(found) {
                words.numbers[*word] = Some(number);
            }
        }
        numbers.extend((0..column.len()).filter_map(|row| words.numbers[word_of(row)]));
        Ok(())
    }
}

/// One thread's table of values, in front of the shared one.
struct Numbers {
    own: Box<dyn GroupValues>,
    shared: Arc<Mutex<Known>>,
    /// The shared number of each of the thread's own.
    of_own: Vec<u32>,
    found: Vec<usize>,
}

impl Numbers {
    fn new(types: &[DataType], shared: &Arc<Mutex<Known>>) -> Result<Self, GroupFault> {
        Ok(Self { own: table_of(types)?, shared: Arc::clone(shared), of_own: Vec::new(), found: Vec::new() })
    }

    fn number(&mut self, columns: &[ArrayRef], numbers: &mut Vec<u32>) -> Result<(), GroupFault> {
        self.own.intern(columns, &mut self.found)?;
        if self.of_own.len() < self.own.len() {
            self.learn(columns)?;
        }
        numbers.extend(self.found.iter().map(|own| self.of_own[*own]));
        Ok(())
    }

    /// Asks for the shared numbers of the values that this batch brought.
    fn learn(&mut self, columns: &[ArrayRef]) -> Result<(), GroupFault> {
        let learnt = self.of_own.len();
        let mut first_rows = vec![u32::MAX; self.own.len() - learnt];
        for (row, own) in self.found.iter().enumerate().rev() {
            if let Some(new) = own.checked_sub(learnt) {
                first_rows[new] = row as u32;
            }
        }
        let first_rows = UInt32Array::from(first_rows);
        let new = columns.iter().map(|column| take(column, &first_rows, None));
        let new = new.collect::<Result<Vec<_>, _>>().map_err(DataFusionError::from)?;
        let mut found = Vec::new();
        let mut known = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        known.values.intern(&new, &mut found)?;
        let count = known.values.len();
        if MOST_GROUPS < count {
            return Err(GroupFault::TooMany);
        }
        // To ask for the size costs time that grows with it.
        if known.checked + known.checked / 8 < count {
            known.checked = count;
            if MOST_BYTES < known.values.size() {
                return Err(GroupFault::TooLong);
            }
        }
        self.of_own.extend(found.into_iter().map(|number| number as u32));
        Ok(())
    }
}
