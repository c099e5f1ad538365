//! The names of a table's columns: each has one, and no two the same.

use std::collections::HashMap;

use crate::TableError;

/// Refuses column names that do not tell every column apart.
pub fn check<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<(), TableError> {
    let mut positions = HashMap::new();
    for (position, name) in (1..).zip(names) {
        if name.is_empty() {
            return Err(TableError::UnnamedColumn { position });
        }
        if let Some(first) = positions.insert(name, position) {
            return Err(TableError::DuplicateColumn { name: name.to_owned(), first, second: position });
        }
    }
    if positions.is_empty() { Err(TableError::NoColumns) } else { Ok(()) }
}
