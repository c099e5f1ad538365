//! A BERT without a head: token numbers in, one vector per row out.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, TchError, Tensor};

use crate::skills::beto::{
    bert::{Batch, Bert, Dropout},
    config::BertConfig,
    fault::ModelFault,
    inference::Model,
    weights::Weights,
};

/// How the vectors of a row's tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Their mean, special tokens included (Reimers & Gurevych, "Sentence-BERT", 2019).
    Mean,
    /// The first of them, without the pooler that a classifier puts behind it.
    Cls,
}

/// What a row's vector is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// How it is made.
    pub pooling: Pooling,
    /// Whether it is divided by its Euclidean length, so that a dot product is a cosine.
    pub normalize: bool,
}

/// An encoder, loaded.
#[derive(Debug)]
pub struct Encoder {
    bert: Bert,
    config: BertConfig,
    device: Device,
}

impl Model for Encoder {
    const WHAT: &'static str = "encoder";

    fn load(folder: &Path, device: Device, kind: Kind) -> Result<(Self, u64), ModelFault> {
        let config = BertConfig::read(folder)?;
        let mut weights = Weights::read(folder, device, kind)?;
        let bert = Bert::new(&mut weights, &config, Dropout::NONE)?;
        Ok((Self { bert, config, device }, weights.taken()))
    }

    fn longest_row(&self) -> usize {
        self.config.longest_row()
    }
}

impl Encoder {
    /// One vector for each row, as wide as the model. Rows keep their order.
    ///
    /// # Errors
    /// When a token is not one of the model's, or libtorch refuses for want of memory.
    pub fn vectors(&self, rows: &[&[u32]], shape: Shape) -> Result<Vec<Vec<f32>>, ModelFault> {
        self.config.check_tokens(rows)?;
        let batch = Batch::new(rows, self.config.pad_token_id, self.device)?;
        let vectors = match shape.pooling {
            Pooling::Mean => self.bert.mean(&batch)?,
            Pooling::Cls => self.bert.first(&batch)?.f_to_kind(Kind::Float)?,
        };
        let vectors = if shape.normalize { unit(&vectors)? } else { vectors };
        let width = self.config.hidden_size as usize;
        let mut flat = vec![0_f32; rows.len() * width];
        let count = flat.len();
        vectors.f_to_device(Device::Cpu)?.f_contiguous()?.f_copy_data(&mut flat, count)?;
        Ok(flat.chunks_exact(width).map(<[f32]>::to_vec).collect())
    }
}

/// Rows of length one; a row of zeros stays.
fn unit(vectors: &Tensor) -> Result<Tensor, TchError> {
    let squares = vectors.f_square()?.f_sum_dim_intlist(1, true, Kind::Float)?;
    vectors.f_div(&squares.f_sqrt()?.f_clamp_min(1e-12)?)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        rows: Vec<Row>,
    }

    #[derive(Deserialize)]
    struct Row {
        ids: Vec<u32>,
        mean: Vec<f32>,
        cls: Vec<f32>,
    }

    fn golden(name: &str) -> PathBuf {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden")).join(name)
    }

    fn encoder() -> Encoder {
        tch::no_grad(|| Encoder::load(&golden("beto"), Device::Cpu, Kind::Float)).unwrap().0
    }

    fn rows() -> Vec<Row> {
        let text = std::fs::read(golden("beto_embeddings.json")).unwrap();
        serde_json::from_slice::<Golden>(&text).unwrap().rows
    }

    fn far(a: &[Vec<f32>], b: &[&Vec<f32>]) -> f32 {
        assert_eq!((a.len(), a[0].len()), (b.len(), b[0].len()));
        let pairs = a.iter().zip(b).flat_map(|(a, b)| a.iter().zip(*b));
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn vectors_equal_those_of_transformers_in_one_batch_and_alone() {
        let (encoder, rows) = (encoder(), rows());
        let ids: Vec<&[u32]> = rows.iter().map(|row| row.ids.as_slice()).collect();

        for (pooling, of) in
            [(Pooling::Mean, (|row| &row.mean) as fn(&Row) -> &Vec<f32>), (Pooling::Cls, |row| &row.cls)]
        {
            let expected: Vec<&Vec<f32>> = rows.iter().map(of).collect();
            let shape = Shape { pooling, normalize: false };
            let together = tch::no_grad(|| encoder.vectors(&ids, shape)).unwrap();
            let alone: Vec<Vec<f32>> =
                ids.iter().map(|&row| tch::no_grad(|| encoder.vectors(&[row], shape)).unwrap().remove(0)).collect();

            assert!(far(&together, &expected) <= 1e-4, "{pooling:?}: {}", far(&together, &expected));
            assert!(far(&alone, &expected) <= 1e-4, "{pooling:?}: {}", far(&alone, &expected));
        }
    }

    #[test]
    fn normalised_vectors_have_length_one_and_their_direction() {
        let (encoder, rows) = (encoder(), rows());
        let shape = Shape { pooling: Pooling::Mean, normalize: true };

        let found = tch::no_grad(|| encoder.vectors(&[&rows[0].ids], shape)).unwrap().remove(0);

        let length = rows[0].mean.iter().map(|x| x * x).sum::<f32>().sqrt();
        let expected: Vec<f32> = rows[0].mean.iter().map(|x| x / length).collect();
        assert!(far(&[found], &[&expected]) <= 1e-5);
    }
}
