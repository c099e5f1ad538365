//! Latent semantic analysis: a truncated SVD of sparse rows, by the randomised range finder.
//!
//! Halko, Martinsson and Tropp, "Finding structure with randomness" (2011), algorithms 4.4 and 5.1: what scikit-learn's
//! `TruncatedSVD` does, with the same oversampling, power iterations and signs. The dense part runs in libtorch on the CPU.

use tch::{TchError, Tensor};

use super::tfidf::SparseRows;

/// Columns drawn beyond those wanted; they make the last wanted ones exact.
const OVERSAMPLES: usize = 10;
/// Times that the rows are gone through to sharpen the range.
const POWER_ITERATIONS: usize = 5;

/// The fitted components.
#[derive(Debug, Clone, PartialEq)]
pub struct Lsa {
    /// `[count, width]`, row by row. The largest number of a row is positive.
    pub components: Vec<f64>,
    /// One for each component, falling.
    pub singular_values: Vec<f64>,
    width: usize,
}

impl Lsa {
    /// Fits at most `wanted` components: fewer where the rows have not that many directions.
    ///
    /// # Errors
    /// When libtorch refuses, for want of memory.
    pub fn fit(rows: &SparseRows, wanted: usize, seed: u64) -> Result<Self, TchError> {
        let (height, width) = (rows.height(), rows.width);
        let drawn = (wanted + OVERSAMPLES).min(height).min(width);
        if drawn == 0 {
            return Ok(Self { components: Vec::new(), singular_values: Vec::new(), width });
        }
        let mut range = Tensor::f_from_slice(&signs(seed, width * drawn))?.f_view([width as i64, drawn as i64])?;
        for _ in 0..POWER_ITERATIONS {
            let left = orthonormal(&times(rows, &range)?)?;
            range = orthonormal(&transposed_times(rows, &left)?)?;
        }
        let left = orthonormal(&times(rows, &range)?)?;
        let small = transposed_times(rows, &left)?.f_transpose(0, 1)?;
        let (_, values, right) = small.f_svd(true, true)?;
        let singular_values = numbers(&values)?;
        let floor = singular_values[0] * 1e-10;
        let count = singular_values.iter().take(wanted).take_while(|&&value| floor < value).count();
        let mut components = numbers(&right.f_transpose(0, 1)?.f_narrow(0, 0, count as i64)?)?;
        components.chunks_exact_mut(width).for_each(face_up);
        Ok(Self { components, singular_values: singular_values[..count].to_vec(), width })
    }

    /// How many components there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.singular_values.len()
    }

    /// A row's place along each component.
    #[must_use]
    pub fn project(&self, row: impl Iterator<Item = (usize, f64)>) -> Vec<f64> {
        let mut place = vec![0.0; self.count()];
        for (column, value) in row {
            for (number, sum) in place.iter_mut().enumerate() {
                *sum += value * self.components[number * self.width + column];
            }
        }
        place
    }
}

/// A component and its opposite are the same direction; the one whose largest number is positive is taken.
fn face_up(component: &mut [f64]) {
    let largest =
        component.iter().copied().fold(0.0_f64, |largest, x| if largest.abs() < x.abs() { x } else { largest });
    if largest < 0.0 {
        component.iter_mut().for_each(|x| *x = -*x);
    }
}

/// Random signs, which find a range as well as normal numbers do. The generator is SplitMix64 (Steele, Lea and Flood,
/// "Fast splittable pseudorandom number generators", 2014): libtorch's own belongs to the process, not to the task.
fn signs(seed: u64, count: usize) -> Vec<f64> {
    let mut state = seed;
    let draw = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        if (bits ^ (bits >> 31)) & 1 == 0 { 1.0 } else { -1.0 }
    };
    std::iter::repeat_with(draw).take(count).collect()
}

fn orthonormal(columns: &Tensor) -> Result<Tensor, TchError> {
    Ok(Tensor::f_linalg_qr(columns, "reduced")?.0)
}

fn numbers(tensor: &Tensor) -> Result<Vec<f64>, TchError> {
    let mut numbers = vec![0.0; tensor.numel()];
    tensor.f_contiguous()?.f_copy_data(&mut numbers, tensor.numel())?;
    Ok(numbers)
}

/// `rows × right`, for a dense `[width, n]`.
fn times(rows: &SparseRows, right: &Tensor) -> Result<Tensor, TchError> {
    let n = right.size()[1] as usize;
    let dense = numbers(right)?;
    let mut product = vec![0.0; rows.height() * n];
    for (row, sums) in product.chunks_exact_mut(n).enumerate() {
        for (column, value) in rows.row(row) {
            add_scaled(sums, value, &dense[column * n..(column + 1) * n]);
        }
    }
    Tensor::f_from_slice(&product)?.f_view([rows.height() as i64, n as i64])
}

/// `rowsᵀ × right`, for a dense `[height, n]`.
fn transposed_times(rows: &SparseRows, right: &Tensor) -> Result<Tensor, TchError> {
    let n = right.size()[1] as usize;
    let dense = numbers(right)?;
    let mut product = vec![0.0; rows.width * n];
    for row in 0..rows.height() {
        for (column, value) in rows.row(row) {
            add_scaled(&mut product[column * n..(column + 1) * n], value, &dense[row * n..(row + 1) * n]);
        }
    }
    Tensor::f_from_slice(&product)?.f_view([rows.width as i64, n as i64])
}

fn add_scaled(sums: &mut [f64], factor: f64, terms: &[f64]) {
    for (sum, term) in sums.iter_mut().zip(terms) {
        *sum += factor * term;
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::skills::beto::tfidf::{TermRules, Tfidf};

    #[derive(Deserialize)]
    struct Golden {
        texts: Vec<String>,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        min_df: f64,
        max_df: f64,
        max_features: usize,
        n_components: usize,
        terms: Vec<String>,
        idf: Vec<f64>,
        rows: Vec<Vec<(usize, f64)>>,
        singular_values: Vec<f64>,
        reduced: Vec<Vec<f64>>,
    }

    fn close(found: &[f64], expected: &[f64], tolerance: f64) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < tolerance, "{found} is not {expected}");
        }
    }

    #[test]
    fn terms_weights_and_components_are_those_of_scikit_learn() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/tfidf_lsa.json");
        let golden: Golden = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let texts: Vec<&str> = golden.texts.iter().map(String::as_str).collect();

        for case in golden.cases {
            let rules = TermRules { min_df: case.min_df, max_df: case.max_df, max_features: case.max_features };
            let (fitted, rows) = Tfidf::fit(&texts, &rules);
            let lsa = Lsa::fit(&rows, case.n_components, 42).unwrap();

            assert_eq!(fitted.terms, case.terms);
            close(&fitted.idf, &case.idf, 1e-12);
            for (row, expected) in case.rows.iter().enumerate() {
                let (columns, values): (Vec<usize>, Vec<f64>) = rows.row(row).unzip();
                assert_eq!(columns, expected.iter().map(|&(column, _)| column).collect::<Vec<_>>());
                close(&values, &expected.iter().map(|&(_, value)| value).collect::<Vec<_>>(), 1e-12);
            }
            close(&lsa.singular_values, &case.singular_values, 1e-6);
            for (row, expected) in case.reduced.iter().enumerate() {
                close(&lsa.project(rows.row(row)), expected, 1e-4);
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_components() {
        let texts = ["muy bien el curso", "mal el taller", "muy mal", "bien el taller", "el curso"];
        let (_, rows) = Tfidf::fit(&texts, &TermRules { min_df: 1.0, max_df: 1.0, max_features: 100 });

        assert_eq!(Lsa::fit(&rows, 2, 42).unwrap(), Lsa::fit(&rows, 2, 42).unwrap());
    }

    #[test]
    fn there_are_no_more_components_than_directions() {
        let (_, rows) =
            Tfidf::fit(&["muy bien", "muy bien", "mal"], &TermRules { min_df: 1.0, max_df: 1.0, max_features: 100 });

        let lsa = Lsa::fit(&rows, 64, 42).unwrap();

        assert_eq!(lsa.count(), 2);
        assert_eq!(lsa.project(std::iter::empty()), [0.0, 0.0]);
    }

    #[test]
    fn without_terms_there_is_no_component() {
        let (_, rows) = Tfidf::fit(&["uno", "dos"], &TermRules { min_df: 3.0, max_df: 1.0, max_features: 100 });

        assert_eq!(Lsa::fit(&rows, 8, 42).unwrap().count(), 0);
    }
}
