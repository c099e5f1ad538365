//! BERT's forward pass in libtorch: token numbers in, one vector per row out.
//!
//! Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers" (2019), with post-layer-norm and absolute
//! positions, as published checkpoints have it.

use tch::{Device, Kind, TchError, Tensor};

use super::{
    config::{Activation, BertConfig},
    fault::ModelFault,
    weights::Weights,
};

/// Rows of token numbers, padded to the longest.
#[derive(Debug)]
pub struct Batch {
    /// `[rows, longest]`, padding included.
    ids: Tensor,
    /// `[rows, 1, 1, longest]`, true where there is a token; absent when nothing is padding.
    mask: Option<Tensor>,
}

impl Batch {
    /// Lays rows side by side on a device.
    ///
    /// # Errors
    /// When libtorch refuses, for want of memory.
    pub fn new(rows: &[&[u32]], pad: i64, device: Device) -> Result<Self, TchError> {
        let longest = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        let mut ids = Vec::with_capacity(rows.len() * longest);
        let mut mask = Vec::with_capacity(rows.len() * longest);
        for row in rows {
            ids.extend(row.iter().map(|&id| i64::from(id)));
            ids.extend(std::iter::repeat_n(pad, longest - row.len()));
            mask.extend((0..longest).map(|place| place < row.len()));
        }
        let (count, longest) = (rows.len() as i64, longest as i64);
        let padded = mask.contains(&false);
        let ids = Tensor::f_from_slice(&ids)?.f_view([count, longest])?.f_to_device(device)?;
        let mask = if padded {
            Some(Tensor::f_from_slice(&mask)?.f_view([count, 1, 1, longest])?.f_to_device(device)?)
        } else {
            None
        };
        Ok(Self { ids, mask })
    }
}

/// What is dropped at random while a model learns, as probabilities. A model that answers drops nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Dropout {
    /// Of the embeddings and of what each part of a layer adds.
    pub hidden: f64,
    /// Of the weights by which tokens attend to each other.
    pub attention: f64,
    /// Of the pooled vector.
    pub head: f64,
}

impl Dropout {
    /// None at all.
    pub const NONE: Self = Self { hidden: 0.0, attention: 0.0, head: 0.0 };
}

/// Drops numbers of `input` with the probability `p`, and scales up the others.
pub(super) fn drop_out(input: Tensor, p: f64) -> Result<Tensor, TchError> {
    if p == 0.0 { Ok(input) } else { input.f_dropout(p, true) }
}

/// The encoder.
///
/// Gradients flow to the tensors that it is made of where these ask for them, and to those that they were made from: one that
/// is made of `weights` for a single batch trains them.
#[derive(Debug)]
pub struct Bert {
    words: Tensor,
    /// Positions with token type 0 added: one comment is one segment.
    places: Tensor,
    norm: Norm,
    layers: Vec<Layer>,
    /// The token whose vector does not learn.
    pad: i64,
    dropout: f64,
}

impl Bert {
    /// Takes the encoder's tensors out of `weights`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape than `config` says.
    pub fn new(weights: &mut Weights, config: &BertConfig, dropout: Dropout) -> Result<Self, ModelFault> {
        let width = config.hidden_size;
        let words = weights.take("embeddings.word_embeddings.weight", &[config.vocab_size, width])?;
        let positions =
            weights.take("embeddings.position_embeddings.weight", &[config.max_position_embeddings, width])?;
        let types = weights.take("embeddings.token_type_embeddings.weight", &[config.type_vocab_size, width])?;
        let norm = Norm::new(weights, "embeddings.LayerNorm", config)?;
        let layers = (0..config.num_hidden_layers)
            .map(|number| Layer::new(weights, number, config, dropout))
            .collect::<Result<_, _>>()?;
        let places = positions.f_add(&types.f_get(0)?)?;
        Ok(Self { words, places, norm, layers, pad: config.pad_token_id, dropout: dropout.hidden })
    }

    /// The vector of each row's first token, `[rows, width]`.
    ///
    /// # Errors
    /// When libtorch refuses, for want of memory.
    pub fn first(&self, batch: &Batch) -> Result<Tensor, TchError> {
        let (hidden, last) = self.up_to_last(batch)?;
        // The last layer computes no other token.
        last.forward(&hidden, &hidden.f_narrow(1, 0, 1)?, batch.mask.as_ref())?.f_squeeze_dim(1)
    }

    /// The mean of the vectors of each row's tokens, special ones included, `[rows, width]`, in `f32`.
    ///
    /// # Errors
    /// As [`Bert::first`].
    pub fn mean(&self, batch: &Batch) -> Result<Tensor, TchError> {
        let (hidden, last) = self.up_to_last(batch)?;
        let all = last.forward(&hidden, &hidden, batch.mask.as_ref())?.f_to_kind(Kind::Float)?;
        let Some(mask) = &batch.mask else { return all.f_mean_dim(1, false, Kind::Float) };
        let mask = mask.f_view([all.size()[0], -1, 1])?.f_to_kind(Kind::Float)?;
        let sum = all.f_mul(&mask)?.f_sum_dim_intlist(1, false, Kind::Float)?;
        sum.f_div(&mask.f_sum_dim_intlist(1, false, Kind::Float)?)
    }

    /// What the last layer works on, and that layer.
    fn up_to_last(&self, batch: &Batch) -> Result<(Tensor, &Layer), TchError> {
        let longest = batch.ids.size()[1];
        let words = Tensor::f_embedding(&self.words, &batch.ids, self.pad, false, false)?;
        let embedded = self.norm.forward(&words.f_add(&self.places.f_narrow(0, 0, longest)?)?)?;
        let mut hidden = drop_out(embedded, self.dropout)?;
        let (last, others) = self.layers.split_last().expect("a checked config has a layer at least");
        for layer in others {
            hidden = layer.forward(&hidden, &hidden, batch.mask.as_ref())?;
        }
        Ok((hidden, last))
    }
}

#[derive(Debug)]
struct Layer {
    /// Query, key and value in one multiplication, `[3 × width, width]`.
    qkv: Linear,
    output: Linear,
    output_norm: Norm,
    widen: Linear,
    narrow: Linear,
    narrow_norm: Norm,
    heads: i64,
    activation: Activation,
    dropout: Dropout,
}

impl Layer {
    fn new(weights: &mut Weights, number: i64, config: &BertConfig, dropout: Dropout) -> Result<Self, ModelFault> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let name = |part: &str| format!("encoder.layer.{number}.{part}");
        let mut parts = Vec::with_capacity(3);
        for part in ["query", "key", "value"] {
            parts.push(weights.linear(&name(&format!("attention.self.{part}")), width, width)?);
        }
        let (weight, bias): (Vec<Tensor>, Vec<Tensor>) = parts.into_iter().unzip();
        Ok(Self {
            qkv: Linear { weight: Tensor::f_cat(&weight, 0)?, bias: Tensor::f_cat(&bias, 0)? },
            output: Linear::new(weights, &name("attention.output.dense"), width, width)?,
            output_norm: Norm::new(weights, &name("attention.output.LayerNorm"), config)?,
            widen: Linear::new(weights, &name("intermediate.dense"), inner, width)?,
            narrow: Linear::new(weights, &name("output.dense"), width, inner)?,
            narrow_norm: Norm::new(weights, &name("output.LayerNorm"), config)?,
            heads: config.num_attention_heads,
            activation: config.hidden_act,
            dropout,
        })
    }

    /// `tokens` is `all` or a leading part of it: those whose new vectors are wanted. Each attends to all tokens.
    fn forward(&self, all: &Tensor, tokens: &Tensor, mask: Option<&Tensor>) -> Result<Tensor, TchError> {
        let (query, key, value) = self.project(all, tokens)?;
        let dropped = self.dropout.attention;
        let mixed = Tensor::f_scaled_dot_product_attention(&query, &key, &value, mask, dropped, false, None, false)?;
        let mixed = mixed.f_transpose(1, 2)?.f_flatten(2, 3)?;
        let output = drop_out(self.output.forward(&mixed)?, self.dropout.hidden)?;
        let attended = self.output_norm.forward(&output.f_add(tokens)?)?;
        let wide = self.widen.forward(&attended)?;
        let wide = match self.activation {
            Activation::Gelu => wide.f_gelu("none")?,
            Activation::GeluTanh => wide.f_gelu("tanh")?,
            Activation::Relu => wide.f_relu()?,
        };
        let narrow = drop_out(self.narrow.forward(&wide)?, self.dropout.hidden)?;
        self.narrow_norm.forward(&narrow.f_add(&attended)?)
    }

    /// Query of `tokens`, key and value of `all`, each `[rows, heads, length, width / heads]`.
    fn project(&self, all: &Tensor, tokens: &Tensor) -> Result<(Tensor, Tensor, Tensor), TchError> {
        let width = self.output.bias.size()[0];
        let split = |fused: &Tensor, count: i64| -> Result<Vec<Tensor>, TchError> {
            fused
                .f_chunk(count, -1)?
                .iter()
                .map(|part| part.f_unflatten(2, [self.heads, -1])?.f_transpose(1, 2))
                .collect()
        };
        let parts = if tokens.size()[1] == all.size()[1] {
            split(&self.qkv.forward(all)?, 3)?
        } else {
            let mut parts = split(&self.qkv.slice(0, width)?.forward(tokens)?, 1)?;
            parts.extend(split(&self.qkv.slice(width, 2 * width)?.forward(all)?, 2)?);
            parts
        };
        let [query, key, value] = <[Tensor; 3]>::try_from(parts).expect("both ways give three parts");
        Ok((query, key, value))
    }
}

/// A linear layer.
#[derive(Debug)]
pub(super) struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    pub(super) fn new(weights: &mut Weights, name: &str, out: i64, input: i64) -> Result<Self, ModelFault> {
        let (weight, bias) = weights.linear(name, out, input)?;
        Ok(Self { weight, bias })
    }

    pub(super) fn forward(&self, input: &Tensor) -> Result<Tensor, TchError> {
        input.f_linear(&self.weight, Some(&self.bias))
    }

    /// The layer that gives `length` of the outputs, from `start` on; it shares this one's memory.
    fn slice(&self, start: i64, length: i64) -> Result<Self, TchError> {
        Ok(Self { weight: self.weight.f_narrow(0, start, length)?, bias: self.bias.f_narrow(0, start, length)? })
    }
}

#[derive(Debug)]
struct Norm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl Norm {
    fn new(weights: &mut Weights, name: &str, config: &BertConfig) -> Result<Self, ModelFault> {
        let weight = weights.take(&format!("{name}.weight"), &[config.hidden_size])?;
        let bias = weights.take(&format!("{name}.bias"), &[config.hidden_size])?;
        Ok(Self { weight, bias, eps: config.layer_norm_eps })
    }

    fn forward(&self, input: &Tensor) -> Result<Tensor, TchError> {
        input.f_layer_norm(self.weight.size(), Some(&self.weight), Some(&self.bias), self.eps, true)
    }
}
