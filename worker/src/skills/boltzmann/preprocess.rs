//! Brings a table's numbers to what a machine's visible units take. What it knows it learnt from the training rows alone. Pure.

use serde::{Deserialize, Serialize};

use super::{machine::Visible, matrix::Matrix};
use crate::skills::SkillError;

/// How one column is brought to scale: `(value − shift) ÷ unit`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// The column.
    pub name: String,
    /// What stands for a missing value: the mean of the training rows.
    pub fill: f64,
    /// The least value of the training rows, or their mean.
    pub shift: f64,
    /// Their range, or their standard deviation.
    pub unit: f64,
}

/// Why a column is not learnt from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// It has one value in all training rows.
    Constant,
    /// It has no value in any.
    Empty,
    /// Its values are so large that how far they spread is beyond double precision.
    Overflow,
    /// It holds texts, or something else that is no number.
    Text,
}

/// A column that is not learnt from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// The column.
    pub name: String,
    /// Why.
    pub reason: Why,
}

/// In standard deviations: what lies further from the mean of the training rows is no measurement of the same thing, and its square would
/// leave little of single precision for the others.
const FARTHEST: f64 = 1e6;

/// `preprocess.json`: everything between a row of a table and a row of visible units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preprocess {
    /// Bernoulli units take numbers from 0 to 1, Gaussian ones numbers of mean 0 and variance 1.
    pub visible: Visible,
    /// The columns, in the order of the units.
    pub columns: Vec<Scale>,
    /// Columns that were chosen and say nothing.
    pub dropped: Vec<Dropped>,
}

impl Preprocess {
    /// Learns the scales from some rows. A column that is constant or empty there is dropped: its unit would learn nothing but a
    /// bias, and it has no scale.
    ///
    /// # Errors
    /// `InvalidInput` when no column is left.
    pub fn fit(matrix: &Matrix, rows: &[usize], visible: Visible) -> Result<Self, SkillError> {
        let (mut columns, mut dropped) = (Vec::new(), Vec::new());
        for (place, name) in matrix.names.iter().enumerate() {
            let values = || rows.iter().map(|&row| matrix.row(row)[place]).filter(|value| !value.is_nan());
            match scale(values, rows.len(), visible) {
                Ok((fill, shift, unit)) => columns.push(Scale { name: name.clone(), fill, shift, unit }),
                Err(reason) => dropped.push(Dropped { name: name.clone(), reason }),
            }
        }
        if columns.is_empty() {
            let names = dropped.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
            let reason = format!(
                "must name a column that varies: {names} have one value in all training rows, none, or such that cannot be scaled"
            );
            return Err(SkillError::invalid("columns", reason));
        }
        Ok(Self { visible, columns, dropped })
    }

    /// The names of the columns, in the order of the units.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    /// The first column whose scale no training gives, where the file was changed by other hands.
    #[must_use]
    pub fn unsound(&self) -> Option<&str> {
        let sound = |scale: &Scale| scale.fill.is_finite() && scale.shift.is_finite() && scale.unit.is_normal();
        self.columns.iter().find(|scale| !sound(scale)).map(|scale| scale.name.as_str())
    }

    /// Rows for the visible units, one after the other, out of numbered rows with the columns `names`, which hold all of
    /// [`Self::names`]. Bernoulli units cannot take less than 0 or more than 1: a value beyond what the training rows had
    /// counts as the nearest that they did have.
    ///
    /// # Errors
    /// For Gaussian units, why a value is too far from the training rows', with its column and row, counted from 1.
    pub fn encode<'r>(
        &self,
        names: &[String],
        rows: impl Iterator<Item = (usize, &'r [f64])>,
    ) -> Result<Vec<f32>, String> {
        let places: Vec<usize> =
            self.columns.iter().filter_map(|column| names.iter().position(|name| *name == column.name)).collect();
        let mut encoded = Vec::with_capacity(rows.size_hint().0 * places.len());
        for (number, row) in rows {
            for (&place, scale) in places.iter().zip(&self.columns) {
                let Some(unit) = scale.encode(row[place], self.visible) else {
                    return Err(format!(
                        "column {:?} holds {:e} in row {}, more than {FARTHEST} standard deviations from the mean of the rows that were \
                         learnt from",
                        scale.name,
                        row[place],
                        number + 1
                    ));
                };
                encoded.push(unit);
            }
        }
        Ok(encoded)
    }
}

impl Scale {
    #[expect(clippy::cast_possible_truncation, reason = "units are of single precision")]
    fn encode(&self, value: f64, visible: Visible) -> Option<f32> {
        let value = if value.is_nan() { self.fill } else { value };
        let scaled = (value - self.shift) / self.unit;
        match visible {
            Visible::Bernoulli => Some(scaled.clamp(0.0, 1.0) as f32),
            Visible::Gaussian => (scaled.abs() <= FARTHEST).then_some(scaled as f32),
        }
    }
}

/// Fill, shift and unit of a column whose present values in the training rows these are.
fn scale<I: Iterator<Item = f64>>(
    values: impl Fn() -> I,
    rows: usize,
    visible: Visible,
) -> Result<(f64, f64, f64), Why> {
    let count = values().count();
    if count == 0 {
        return Err(Why::Empty);
    }
    let (low, high) = values().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
    let mean = values().sum::<f64>() / count as f64;
    // With the missing values in place: that is what the units see. Two values that are too near to be told apart are one.
    let spread = (values().map(|value| (value - mean).powi(2)).sum::<f64>() / rows as f64).sqrt();
    if low == high {
        return Err(Why::Constant);
    }
    if !(high - low).is_finite() || !spread.is_finite() {
        return Err(Why::Overflow);
    }
    if spread <= f64::EPSILON * mean.abs() {
        return Err(Why::Constant);
    }
    Ok(match visible {
        Visible::Bernoulli => (mean, low, high - low),
        Visible::Gaussian => (mean, mean, spread),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> Matrix {
        let names = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        let nan = f64::NAN;
        #[rustfmt::skip]
        let values = vec![
            1.0, nan, 5.0, nan,
            3.0, 4.0, 5.0, nan,
            nan, 8.0, 5.0, nan,
            9.0, 0.0, 7.0, 1.0,
        ];
        Matrix { names, values }
    }

    fn encoded(preprocess: &Preprocess) -> Vec<f32> {
        let matrix = matrix();
        preprocess.encode(&matrix.names, (0..matrix.rows()).map(|row| (row, matrix.row(row)))).unwrap()
    }

    #[test]
    fn scales_come_from_the_training_rows_alone() {
        let preprocess = Preprocess::fit(&matrix(), &[0, 1, 2], Visible::Bernoulli).unwrap();

        assert_eq!(preprocess.names(), ["a", "b"]);
        assert_eq!(
            (preprocess.columns[0].fill, preprocess.columns[0].shift, preprocess.columns[0].unit),
            (2.0, 1.0, 2.0)
        );
        // The last row lies beyond both: it counts as the nearest that was seen.
        assert_eq!(encoded(&preprocess), [0.0, 0.5, 1.0, 0.0, 0.5, 1.0, 1.0, 0.0]);
        assert_eq!(
            preprocess.dropped,
            [
                Dropped { name: "c".to_owned(), reason: Why::Constant },
                Dropped { name: "d".to_owned(), reason: Why::Empty }
            ]
        );
    }

    #[test]
    fn gaussian_units_see_mean_zero_and_variance_one() {
        let preprocess = Preprocess::fit(&matrix(), &[0, 1, 2, 3], Visible::Gaussian).unwrap();

        // `d` has one value, where it has any.
        assert_eq!(preprocess.names(), ["a", "b", "c"]);
        let encoded = encoded(&preprocess);
        for place in 0..3 {
            let column: Vec<f32> = encoded.iter().skip(place).step_by(3).copied().collect();
            let mean = column.iter().sum::<f32>() / 4.0;
            let variance = column.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / 4.0;
            assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-5, "{column:?}");
        }
    }

    #[test]
    fn a_value_far_from_all_that_was_learnt_from_is_told_with_its_place() {
        let [bernoulli, gaussian] = [Visible::Bernoulli, Visible::Gaussian]
            .map(|visible| Preprocess::fit(&matrix(), &[0, 1, 3], visible).unwrap());
        let row = [1e300, 1.0, 5.0, 1.0];
        let encode = |preprocess: &Preprocess| preprocess.encode(&matrix().names, std::iter::once((4, &row[..])));

        assert_eq!(encode(&bernoulli).unwrap()[0], 1.0);
        let told = encode(&gaussian).unwrap_err();
        assert!(told.starts_with("column \"a\" holds 1e300 in row 5,"), "{told}");
    }

    #[test]
    fn a_column_whose_spread_is_beyond_all_numbers_is_not_called_constant() {
        let names = ["a", "b", "c"].map(str::to_owned).to_vec();
        let matrix = Matrix { names, values: vec![1.7e308, 1.0, 1.7e308, -1.7e308, 2.0, 1.6e308] };

        let dropped = Preprocess::fit(&matrix, &[0, 1], Visible::Bernoulli).unwrap().dropped;

        assert_eq!(dropped, ["a", "c"].map(|name| Dropped { name: name.to_owned(), reason: Why::Overflow }));
    }

    #[test]
    fn a_table_in_which_nothing_varies_is_refused() {
        let told = Preprocess::fit(&matrix(), &[0], Visible::Bernoulli).unwrap_err().to_string();

        assert!(told.starts_with("columns:") && told.contains("a, b, c, d"), "{told}");
    }
}
