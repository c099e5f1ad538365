//! The parameters of `beto.preprocess`: what may be asked for, its defaults and its ranges. Nothing is read or computed here.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::request::Request;
use crate::skills::{SkillError, fields::Fields};

/// How a row is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BetoMode {
    /// By threshold, margin and the bar for neutral.
    Probs,
    /// By threshold alone.
    Simple,
}

/// What a row without text gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EmptyTextPolicy {
    /// Neutral with certainty, accepted.
    Neutral,
    /// No probability at all, not accepted.
    Zero,
}

/// Features made from the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextFeatures {
    /// None.
    None,
    /// Tf-idf of 1-grams and 2-grams, reduced by a truncated SVD.
    TfidfLsa,
}

/// Checked parameters. Serialised into the result as the parameters that were applied.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parameters {
    /// The rows, the text and the model.
    #[serde(flatten)]
    pub request: Request,
    /// Tokens per batch, padding included; by device when absent.
    pub batch_tokens: Option<usize>,
    /// The acceptance rule.
    pub beto_mode: BetoMode,
    /// Least top probability of an accepted row.
    pub threshold: f64,
    /// Least distance between the two top probabilities of an accepted row.
    pub margin: f64,
    /// Least probability of an accepted neutral row.
    pub neu_min: f64,
    /// Whether rows without text stay in the output.
    pub keep_empty_text: bool,
    /// What rows without text get.
    pub empty_text_policy: EmptyTextPolicy,
    /// Word features.
    pub text_feats: TextFeatures,
    /// Rows that must hold a term: a count from 1 up, below 1 a fraction.
    pub tfidf_min_df: f64,
    /// Rows that may hold a term: up to 1 a fraction, above it a count.
    pub tfidf_max_df: f64,
    /// Terms kept, the most frequent first.
    pub tfidf_max_features: usize,
    /// Width of the reduced features.
    pub n_components: usize,
}

impl Parameters {
    /// Reads and checks the parameters of a task.
    ///
    /// # Errors
    /// `InvalidInput` with one detail for each field that is wrong.
    pub fn read(parameters: &Map<String, Value>) -> Result<Self, SkillError> {
        let mut fields = Fields::new(parameters);
        let unit = 0.0..=1.0;
        let read = Self {
            request: Request::read(&mut fields),
            batch_tokens: fields.optional_within("batch_tokens", &(16..=1_048_576)),
            beto_mode: fields.or("beto_mode", BetoMode::Probs, "probs or simple"),
            threshold: fields.within("threshold", 0.75, &unit),
            margin: fields.within("margin", 0.15, &unit),
            neu_min: fields.within("neu_min", 0.75, &unit),
            keep_empty_text: fields.or("keep_empty_text", true, "true or false"),
            empty_text_policy: fields.or("empty_text_policy", EmptyTextPolicy::Neutral, "neutral or zero"),
            text_feats: fields.or("text_feats", TextFeatures::None, "none or tfidf_lsa"),
            tfidf_min_df: frequency("tfidf_min_df", 3.0, &mut fields),
            tfidf_max_df: frequency("tfidf_max_df", 1.0, &mut fields),
            tfidf_max_features: fields.within("tfidf_max_features", 20_000, &(1..=1_000_000)),
            n_components: fields.within("n_components", 64, &(1..=1024)),
        };
        fields.finish()?;
        Ok(read)
    }
}

fn frequency(name: &'static str, default: f64, fields: &mut Fields) -> f64 {
    const RIGHT: &str = "a fraction above 0 and below 1, or a whole number of rows from 1 up";
    let value: f64 = fields.or(name, default, RIGHT);
    if value <= 0.0 || (1.0 < value && value.fract() != 0.0) {
        fields.fault(name, format!("must be {RIGHT}"));
    }
    value
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::skills::beto::request::DEFAULT_MODEL;

    fn read(parameters: &Value) -> Result<Parameters, SkillError> {
        Parameters::read(parameters.as_object().unwrap())
    }

    fn faults(parameters: &Value) -> Vec<String> {
        match read(parameters) {
            Err(SkillError::InvalidInput { details, .. }) => details.into_iter().map(|d| d.field).collect(),
            other => panic!("expected faults, got {other:?}"),
        }
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        let read = read(&json!({"input": "s3://b/c.csv", "max_length": 64.0, "tfidf_max_df": 1.0})).unwrap();

        let applied = serde_json::to_value(&read).unwrap();
        assert_eq!((&applied["max_length"], &applied["tfidf_max_df"]), (&json!(64), &json!(1.0)));
        assert_eq!(faults(&json!({"input": "s3://b/c.csv", "max_length": 64.5})), ["max_length"]);
    }

    #[test]
    fn defaults_are_the_documented_ones() {
        let read = read(&json!({"input": "s3://b/cursos 2024.csv"})).unwrap();

        let applied = serde_json::to_value(&read).unwrap();
        assert_eq!(
            applied,
            json!({
                "dataset_id": null, "text_col": null, "model": DEFAULT_MODEL, "max_length": null, "batch_tokens": null,
                "beto_mode": "probs", "threshold": 0.75, "margin": 0.15, "neu_min": 0.75, "keep_empty_text": true,
                "empty_text_policy": "neutral", "min_tokens": 1, "text_feats": "none", "tfidf_min_df": 3.0,
                "tfidf_max_df": 1.0, "tfidf_max_features": 20000, "n_components": 64, "normalize_text": true,
                "dtype": "auto"
            })
        );
        assert_eq!(read.request.output_stem("beto"), "cursos_2024_beto");
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let parameters = json!({
            "input": "s3://b/k.csv", "max_length": 513, "threshold": "high", "margin": -0.1, "text_col": [],
            "beto_mode": "fast", "batch_tokens": 1, "tfidf_min_df": 2.5, "colour": "red"
        });

        let mut found = faults(&parameters);

        found.sort();
        let expected =
            ["batch_tokens", "beto_mode", "colour", "margin", "max_length", "text_col", "tfidf_min_df", "threshold"];
        assert_eq!(found, expected);
    }

    #[test]
    fn exactly_one_source_is_asked_for() {
        assert_eq!(faults(&json!({})), ["dataset_id"]);
        assert_eq!(faults(&json!({"input": "/etc/passwd"})), ["input"]);
        assert_eq!(faults(&json!({"input": "s3://bucket"})), ["input"]);
    }

    #[test]
    fn a_fault_says_what_would_be_right() {
        let Err(error) = read(&json!({"input": "s3://b/k", "max_length": 9000})) else { panic!("accepted") };

        assert_eq!(error.to_string(), "max_length: must be an integer from 3 to 512");
    }

    #[test]
    fn a_dataset_name_cannot_leave_the_folder() {
        let read = read(&json!({"input": "s3://b/k", "dataset_id": "../../etc/passwd"})).unwrap();

        assert_eq!(read.request.output_stem("beto"), "_.._etc_passwd_beto");
    }
}
