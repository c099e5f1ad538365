//! Takes the texts and the grades out of a table. Reads a local file, writes none.

use std::path::Path;

use arrow_array::{Array, ArrayRef, Float64Array, StringArray, cast::AsArray, types::Float64Type};
use arrow_cast::cast;
use arrow_schema::DataType;
use relevo_tables::{Description, TableError};

use super::{
    columns::{grade_columns, text_columns},
    request::TextColumns,
};
use crate::skills::{SkillError, tabular::table_error};

/// Between the texts of several columns.
const JOINT: &str = " . ";

/// What is judged, row by row.
#[derive(Debug, Default)]
pub struct Rows {
    /// Names of the text columns, in the order in which they are joined.
    pub text_columns: Vec<String>,
    /// One for each row.
    pub texts: Vec<String>,
    /// Names and grades of the grade columns.
    pub grades: Vec<(String, Vec<Option<f64>>)>,
}

impl Rows {
    /// Reads a table.
    ///
    /// # Errors
    /// `InvalidInput` when the text column is missing or the table cannot be read.
    pub fn read(path: &Path, description: &Description, asked: Option<&TextColumns>) -> Result<Self, SkillError> {
        let names: Vec<String> = description.columns.iter().map(|column| column.name.clone()).collect();
        let places = text_columns(&names, asked)?;
        let graded: Vec<usize> = grade_columns(&names).into_iter().filter(|place| !places.contains(place)).collect();
        let mut rows = Self {
            text_columns: places.iter().map(|&place| names[place].clone()).collect(),
            texts: Vec::new(),
            grades: graded.iter().map(|&place| (names[place].clone(), Vec::new())).collect(),
        };
        // A column that turns out to hold anything but grades is no grade column.
        let mut foreign = vec![false; graded.len()];
        for batch in relevo_tables::open(path, description).map_err(unreadable)? {
            let batch = batch.map_err(unreadable)?;
            let columns: Vec<StringArray> =
                places.iter().map(|&place| as_text(batch.column(place))).collect::<Result<_, _>>()?;
            rows.texts.extend((0..batch.num_rows()).map(|row| join(&columns, row)));
            for (number, &place) in graded.iter().enumerate() {
                match as_grades(batch.column(place)) {
                    Some(grades) => rows.grades[number].1.extend(grades),
                    None => foreign[number] = true,
                }
            }
        }
        let mut foreign = foreign.into_iter();
        rows.grades.retain(|(_, grades)| foreign.next() == Some(false) && grades.iter().any(Option::is_some));
        Ok(rows)
    }

    /// The highest grade of all; `None` where there is none.
    #[must_use]
    pub fn highest_grade(&self) -> Option<f64> {
        self.grades.iter().flat_map(|(_, grades)| grades).flatten().copied().reduce(f64::max)
    }

    /// The grades of one row.
    pub fn grades_of(&self, row: usize) -> impl Iterator<Item = Option<f64>> {
        self.grades.iter().map(move |(_, grades)| grades[row])
    }
}

/// What a table's fault means for the task.
pub fn unreadable(error: TableError) -> SkillError {
    table_error("input", error)
}

fn as_text(column: &ArrayRef) -> Result<StringArray, SkillError> {
    let text = cast(column, &DataType::Utf8)
        .map_err(|error| SkillError::invalid("text_col", format!("must hold text: {error}")))?;
    Ok(text.as_string::<i32>().clone())
}

fn join(columns: &[StringArray], row: usize) -> String {
    let parts = columns.iter().filter(|column| column.is_valid(row)).map(|column| column.value(row).trim());
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(JOINT)
}

/// Numbers, also those written as text and with a decimal comma; `None` where there is anything else.
fn as_grades(column: &ArrayRef) -> Option<Vec<Option<f64>>> {
    let type_of = column.data_type();
    if type_of.is_numeric() {
        let numbers: Float64Array = cast(column, &DataType::Float64).ok()?.as_primitive::<Float64Type>().clone();
        return Some(numbers.iter().map(|number| number.filter(|number| number.is_finite())).collect());
    }
    if *type_of != DataType::Utf8 {
        return None;
    }
    let read = |text: Option<&str>| match text.map(str::trim) {
        None | Some("") => Some(None),
        Some(text) => text.replace(',', ".").parse::<f64>().ok().filter(|number| number.is_finite()).map(Some),
    };
    column.as_string::<i32>().iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(csv: &str, asked: Option<&TextColumns>) -> Result<Rows, SkillError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, csv).unwrap();
        Rows::read(&path, &relevo_tables::describe(&path, None).unwrap(), asked)
    }

    #[test]
    fn texts_of_several_columns_are_joined_without_the_empty_ones() {
        let asked = TextColumns::Many(vec!["gusto".to_owned(), "mejorar".to_owned()]);

        let rows = rows("mejorar,gusto\nel ruido,todo\n,nada\n,\n", Some(&asked)).unwrap();

        assert_eq!(rows.texts, ["todo . el ruido", "nada", ""]);
        assert_eq!(rows.text_columns, ["gusto", "mejorar"]);
    }

    #[test]
    fn grades_with_a_decimal_comma_are_grades() {
        let rows = rows("comentario;nota;calificacion\nbien;4,5;alta\nmal;;baja\n", None).unwrap();

        assert_eq!(rows.grades, [("nota".to_owned(), vec![Some(4.5), None])]);
        assert_eq!(rows.highest_grade(), Some(4.5));
    }

    #[test]
    fn a_column_without_a_grade_is_no_grade_column() {
        let rows = rows("comentario,calif_1,calif_2\nbien,,5\nmal,,3\n", None).unwrap();

        assert_eq!(rows.grades, [("calif_2".to_owned(), vec![Some(5.0), Some(3.0)])]);
    }
}
