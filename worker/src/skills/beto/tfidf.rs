//! Tf-idf of 1-grams and 2-grams, number for number as scikit-learn's `TfidfVectorizer` has it by default. Pure.

use std::collections::HashMap;

/// Rows of few non-zero numbers: compressed sparse rows.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseRows {
    /// Where each row begins in `columns` and `values`, and one past the last.
    pub starts: Vec<usize>,
    /// Column of each number, rising within a row.
    pub columns: Vec<usize>,
    /// The numbers.
    pub values: Vec<f64>,
    /// How many columns there are.
    pub width: usize,
}

impl SparseRows {
    /// How many rows there are.
    #[must_use]
    pub fn height(&self) -> usize {
        self.starts.len() - 1
    }

    /// Columns and numbers of one row.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (usize, f64)> {
        let span = self.starts[row]..self.starts[row + 1];
        self.columns[span.clone()].iter().copied().zip(self.values[span].iter().copied())
    }
}

/// Which terms are counted.
#[derive(Debug, Clone, Copy)]
pub struct TermRules {
    /// Least number of texts that hold a term; below 1 a fraction of them.
    pub min_df: f64,
    /// Greatest number of texts that may hold a term; up to 1 a fraction of them.
    pub max_df: f64,
    /// How many terms are kept, the most frequent first.
    pub max_features: usize,
}

/// The fitted terms and their weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Tfidf {
    /// In the order of their code points, which is the order of the columns.
    pub terms: Vec<String>,
    /// Inverse document frequency of each.
    pub idf: Vec<f64>,
}

impl Tfidf {
    /// Fits the terms of texts whose words are separated by a space, and gives the texts' rows.
    ///
    /// Words of one character do not count. `idf = ln((1 + n) / (1 + df)) + 1`; rows have length 1, or 0 without a term.
    #[must_use]
    pub fn fit(texts: &[&str], rules: &TermRules) -> (Self, SparseRows) {
        let counted: Vec<HashMap<String, f64>> = texts.iter().map(|text| count(text)).collect();
        let mut spread: HashMap<&str, (f64, f64)> = HashMap::new();
        for row in &counted {
            for (term, times) in row {
                let (texts, uses) = spread.entry(term).or_default();
                *texts += 1.0;
                *uses += times;
            }
        }
        let size = texts.len() as f64;
        let least = if rules.min_df < 1.0 { rules.min_df * size } else { rules.min_df };
        let most = if rules.max_df <= 1.0 { rules.max_df * size } else { rules.max_df };
        spread.retain(|_, (texts, _)| (least..=most).contains(texts));
        let mut kept: Vec<(&str, f64, f64)> =
            spread.into_iter().map(|(term, (texts, uses))| (term, texts, uses)).collect();
        // Among terms of equal use the first by code point stays, so that the same texts always give the same columns.
        kept.sort_by(|(a, _, a_uses), (b, _, b_uses)| b_uses.total_cmp(a_uses).then_with(|| a.cmp(b)));
        kept.truncate(rules.max_features);
        kept.sort_by_key(|&(term, ..)| term);
        let fitted = Self {
            terms: kept.iter().map(|&(term, ..)| term.to_owned()).collect(),
            idf: kept.iter().map(|(_, texts, _)| ((1.0 + size) / (1.0 + texts)).ln() + 1.0).collect(),
        };
        let rows = fitted.weigh(&counted);
        (fitted, rows)
    }

    fn weigh(&self, counted: &[HashMap<String, f64>]) -> SparseRows {
        let places: HashMap<&str, usize> =
            self.terms.iter().enumerate().map(|(place, term)| (term.as_str(), place)).collect();
        let mut rows = SparseRows { starts: vec![0], columns: Vec::new(), values: Vec::new(), width: self.terms.len() };
        for counts in counted {
            let mut row: Vec<(usize, f64)> = counts
                .iter()
                .filter_map(|(term, times)| places.get(term.as_str()).map(|&place| (place, times * self.idf[place])))
                .collect();
            row.sort_by_key(|&(place, _)| place);
            let length = row.iter().map(|(_, value)| value * value).sum::<f64>().sqrt();
            for (place, value) in row {
                rows.columns.push(place);
                rows.values.push(value / length);
            }
            rows.starts.push(rows.columns.len());
        }
        rows
    }
}

/// How often each term stands in a text.
fn count(text: &str) -> HashMap<String, f64> {
    let words: Vec<&str> = text.split(' ').filter(|word| 1 < word.chars().count()).collect();
    let pairs = words.windows(2).map(|pair| pair.join(" "));
    let mut counts = HashMap::new();
    for term in words.iter().map(|&word| word.to_owned()).chain(pairs) {
        *counts.entry(term).or_default() += 1.0;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: TermRules = TermRules { min_df: 1.0, max_df: 1.0, max_features: 100 };

    #[test]
    fn terms_are_words_and_pairs_of_two_letters_or_more() {
        let (fitted, _) = Tfidf::fit(&["muy a bien", ""], &ALL);

        assert_eq!(fitted.terms, ["bien", "muy", "muy bien"]);
    }

    #[test]
    fn rows_have_length_one_or_none() {
        let (_, rows) = Tfidf::fit(&["muy bien", "", "muy mal mal"], &ALL);

        let lengths: Vec<f64> = (0..rows.height()).map(|row| rows.row(row).map(|(_, v)| v * v).sum()).collect();
        assert!((lengths[0] - 1.0).abs() < 1e-12 && lengths[1] == 0.0 && (lengths[2] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn rare_and_common_terms_are_left_out() {
        let texts = ["el curso", "el taller", "el curso", "el examen"];

        let (fitted, _) = Tfidf::fit(&texts, &TermRules { min_df: 2.0, max_df: 0.9, max_features: 100 });

        assert_eq!(fitted.terms, ["curso", "el curso"]);
    }

    #[test]
    fn no_term_left_gives_rows_without_numbers() {
        let (fitted, rows) = Tfidf::fit(&["uno", "dos"], &TermRules { min_df: 3.0, ..ALL });

        assert!(fitted.terms.is_empty());
        assert_eq!((rows.height(), rows.width, rows.values.len()), (2, 0, 0));
    }
}
