//! Word features of a whole table: tf-idf, reduced by a truncated SVD; and the file that keeps what was fitted.

use std::{collections::HashMap, path::Path};

use tch::{TchError, Tensor};

use super::{
    lsa::Lsa,
    parameters::Parameters,
    tfidf::{TermRules, Tfidf},
};
use crate::skills::{
    SkillError,
    torch::{Named, Packed, torch_error},
};

/// Decides the random part of the fit.
pub const SEED: u64 = 42;

/// The fitted features and each row's numbers.
#[derive(Debug)]
pub struct WordFeatures {
    tfidf: Tfidf,
    lsa: Lsa,
    /// One for each text, as wide as there are components; zeros where there was no text.
    pub rows: Vec<Vec<f64>>,
}

impl WordFeatures {
    /// Fits the features on the texts that are there, and reduces them. A text is its lower-cased words, separated by a space.
    ///
    /// # Errors
    /// When libtorch refuses, for want of memory.
    pub fn fit(texts: &[Option<String>], parameters: &Parameters) -> Result<Self, TchError> {
        let rules = TermRules {
            min_df: parameters.tfidf_min_df,
            max_df: parameters.tfidf_max_df,
            max_features: parameters.tfidf_max_features,
        };
        let present: Vec<&str> = texts.iter().flatten().map(String::as_str).collect();
        let (tfidf, weighed) = Tfidf::fit(&present, &rules);
        let lsa = Lsa::fit(&weighed, parameters.n_components, SEED)?;
        let mut reduced = (0..weighed.height()).map(|row| lsa.project(weighed.row(row)));
        let nothing = vec![0.0; lsa.count()];
        let rows =
            texts.iter().map(|text| text.as_ref().and_then(|_| reduced.next()).unwrap_or_else(|| nothing.clone()));
        let rows = rows.collect();
        Ok(Self { tfidf, lsa, rows })
    }

    /// How many numbers a row has.
    #[must_use]
    pub fn width(&self) -> usize {
        self.lsa.count()
    }

    /// How many terms are counted.
    #[must_use]
    pub fn terms(&self) -> usize {
        self.tfidf.terms.len()
    }

    /// Writes what was fitted as a safetensors file: `idf` `[terms]`, `components` `[width, terms]`, `singular_values`
    /// `[width]`, and the terms as a JSON list in the metadata.
    ///
    /// # Errors
    /// `ResourceExhausted` when the file cannot be written, or libtorch lacks memory.
    pub fn save(&self, path: &Path) -> Result<(), SkillError> {
        let (terms, width) = (self.terms() as i64, self.width() as i64);
        let parts: [(&str, &[f64], &[i64]); 3] = [
            ("idf", &self.tfidf.idf, &[terms]),
            ("components", &self.lsa.components, &[width, terms]),
            ("singular_values", &self.lsa.singular_values, &[width]),
        ];
        let tensors = parts
            .iter()
            .map(|(name, numbers, shape)| Ok(((*name).to_owned(), Tensor::f_from_slice(numbers)?.f_view(*shape)?)));
        let tensors = tensors.collect::<Result<Named, TchError>>().and_then(Packed::of);
        let words = HashMap::from([
            ("terms".to_owned(), serde_json::to_string(&self.tfidf.terms).expect("a list of strings is JSON")),
            ("ngram_range".to_owned(), "1,2".to_owned()),
            ("seed".to_owned(), SEED.to_string()),
        ]);
        let unwritable =
            |reason| SkillError::ResourceExhausted(format!("the word features cannot be written: {reason}"));
        tensors.map_err(|error| torch_error(&error))?.write(path, words).map_err(unwritable)
    }
}

#[cfg(test)]
mod tests {
    use safetensors::SafeTensors;
    use serde_json::json;

    use super::*;

    fn fitted(texts: &[Option<&str>]) -> WordFeatures {
        let parameters = json!({"input": "s3://b/k", "tfidf_min_df": 1, "n_components": 3});
        let parameters = Parameters::read(parameters.as_object().unwrap()).unwrap();
        let texts: Vec<Option<String>> = texts.iter().map(|text| text.map(str::to_owned)).collect();
        WordFeatures::fit(&texts, &parameters).unwrap()
    }

    #[test]
    fn rows_without_text_are_zero_and_do_not_count() {
        let with = fitted(&[Some("muy bien"), None, Some("muy mal"), Some("bien")]);
        let without = fitted(&[Some("muy bien"), Some("muy mal"), Some("bien")]);

        assert_eq!(with.rows[1], [0.0; 3]);
        assert_eq!(
            [&with.rows[0], &with.rows[2], &with.rows[3]],
            [&without.rows[0], &without.rows[1], &without.rows[2]]
        );
    }

    #[test]
    fn the_file_gives_a_row_again() {
        let features = fitted(&[Some("muy bien"), Some("muy mal"), Some("bien")]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.safetensors");

        features.save(&path).unwrap();

        let bytes = std::fs::read(&path).unwrap();
        let numbers = |name: &str| -> Vec<f64> {
            let file = SafeTensors::deserialize(&bytes).unwrap();
            file.tensor(name)
                .unwrap()
                .data()
                .chunks_exact(8)
                .map(|b| f64::from_le_bytes(b.try_into().unwrap()))
                .collect()
        };
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let terms: Vec<String> = serde_json::from_str(&header.metadata().as_ref().unwrap()["terms"]).unwrap();
        let place = terms.iter().position(|term| term == "bien").unwrap();
        assert_eq!(numbers("idf").len(), terms.len());
        for (component, expected) in numbers("components").chunks_exact(terms.len()).zip(&features.rows[2]) {
            assert!((component[place] - expected).abs() < 1e-12);
        }
    }
}
