//! What stands on the encoder where classes are told: the pooler and a linear layer.

use tch::{TchError, Tensor};

use super::{
    bert::{Dropout, Linear, drop_out},
    config::BertConfig,
    fault::ModelFault,
    weights::Weights,
};

/// The layers between a row's first token and its logits, as `BertForSequenceClassification` has them.
#[derive(Debug)]
pub struct Head {
    pooler: Linear,
    classifier: Linear,
    dropout: f64,
}

impl Head {
    /// Takes the head's tensors out of `weights`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape than `config` and the number of classes say.
    pub fn new(weights: &mut Weights, config: &BertConfig, classes: i64, dropout: Dropout) -> Result<Self, ModelFault> {
        let width = config.hidden_size;
        let pooler = Linear::new(weights, "pooler.dense", width, width)?;
        let classifier = Linear::new(weights, "classifier", classes, width)?;
        Ok(Self { pooler, classifier, dropout: dropout.head })
    }

    /// Logits of each row, `[rows, classes]`, from the vectors of the first tokens, `[rows, width]`.
    ///
    /// # Errors
    /// When libtorch refuses, for want of memory.
    pub fn logits(&self, first: &Tensor) -> Result<Tensor, TchError> {
        let pooled = self.pooler.forward(first)?.f_tanh()?;
        self.classifier.forward(&drop_out(pooled, self.dropout)?)
    }
}
