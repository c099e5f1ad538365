//! The parameters of `beto.embed`: what may be asked for, its defaults and its ranges.

use serde::Serialize;
use serde_json::{Map, Value};

use super::encoder::{Pooling, Shape};
use crate::skills::{SkillError, beto::request::Request, fields::Fields};

/// Checked parameters. Serialised into the result as the parameters that were applied.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parameters {
    /// The rows, the text and the model.
    #[serde(flatten)]
    pub request: Request,
    /// Tokens per batch, padding included; by device when absent.
    pub batch_tokens: Option<usize>,
    /// How a row's vector is made.
    pub pooling: Pooling,
    /// Whether it is brought to length one.
    pub normalize: bool,
}

impl Parameters {
    /// Reads and checks the parameters of a task.
    ///
    /// # Errors
    /// `InvalidInput` with one detail for each field that is wrong.
    pub fn read(parameters: &Map<String, Value>) -> Result<Self, SkillError> {
        let mut fields = Fields::new(parameters);
        let read = Self {
            request: Request::read(&mut fields),
            batch_tokens: fields.optional_within("batch_tokens", &(16..=1_048_576)),
            pooling: fields.or("pooling", Pooling::Mean, "mean or cls"),
            normalize: fields.or("normalize", true, "true or false"),
        };
        fields.finish()?;
        Ok(read)
    }

    /// What a row's vector is.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        Shape { pooling: self.pooling, normalize: self.normalize }
    }
}
