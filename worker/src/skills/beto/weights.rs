//! Reads a model's tensors by name and shape, from safetensors or from PyTorch's own format.

use std::{collections::HashMap, path::Path};

use tch::{Device, Kind, Tensor};

use super::{checkpoint, fault::ModelFault};
use crate::skills::torch::{Named, Packed, Unread};

/// Every tensor of a model folder, on the CPU, until it is taken.
#[derive(Debug)]
pub struct Weights {
    tensors: HashMap<String, Tensor>,
    device: Device,
    kind: Kind,
    taken: u64,
    taken_names: Vec<String>,
}

impl Weights {
    /// Reads `model.safetensors`, else `pytorch_model.bin`. Tensors are handed out as `kind` on `device`.
    ///
    /// # Errors
    /// When there is neither, or the file is damaged.
    pub fn read(folder: &Path, device: Device, kind: Kind) -> Result<Self, ModelFault> {
        let (safe, pickled) = (folder.join("model.safetensors"), folder.join("pytorch_model.bin"));
        let named = if safe.is_file() {
            read_safetensors(&safe)?
        } else if pickled.is_file() {
            checkpoint::read(&pickled).map_err(|reason| ModelFault::file("pytorch_model.bin", reason))?
        } else {
            return Err(ModelFault::NoWeights);
        };
        let tensors: HashMap<_, _> = named.into_iter().map(|(name, tensor)| (canonical(&name), tensor)).collect();
        Ok(Self::of(tensors, device, kind))
    }

    /// Tensors that are here already, by their names without `bert.`.
    #[must_use]
    pub const fn of(tensors: HashMap<String, Tensor>, device: Device, kind: Kind) -> Self {
        Self { tensors, device, kind, taken: 0, taken_names: Vec::new() }
    }

    /// The same tensors again, none of them taken. They share their memory.
    #[must_use]
    pub fn again(&self) -> Self {
        let tensors = self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone()));
        Self::of(tensors.collect(), self.device, self.kind)
    }

    /// Whether there is a tensor of that name and shape.
    #[must_use]
    pub fn has(&self, name: &str, shape: &[i64]) -> bool {
        self.tensors.get(name).is_some_and(|tensor| tensor.size() == shape)
    }

    /// Adds a tensor, or puts another in its place.
    pub fn put(&mut self, name: &str, tensor: Tensor) {
        self.tensors.insert(name.to_owned(), tensor);
    }

    /// Takes out the tensor `name`, which must have the shape `expected`.
    ///
    /// # Errors
    /// When it is missing or has another shape.
    pub fn take(&mut self, name: &str, expected: &[i64]) -> Result<Tensor, ModelFault> {
        let missing = || ModelFault::MissingTensor { name: name.to_owned(), expected: expected.to_vec() };
        let tensor = self.tensors.remove(name).ok_or_else(missing)?;
        if tensor.size() != expected {
            return Err(ModelFault::WrongShape {
                name: name.to_owned(),
                expected: expected.to_vec(),
                found: tensor.size(),
            });
        }
        let tensor = tensor.f_to_device(self.device)?.f_to_kind(self.kind)?;
        self.taken += (tensor.numel() * self.kind.elt_size_in_bytes()) as u64;
        self.taken_names.push(name.to_owned());
        Ok(tensor)
    }

    /// Takes out the tensor `name` as it is.
    pub fn remove(&mut self, name: &str) -> Option<Tensor> {
        self.tensors.remove(name)
    }

    /// Memory of all the tensors taken so far, in bytes.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// The names of the tensors taken so far, in that order.
    #[must_use]
    pub fn taken_names(&self) -> &[String] {
        &self.taken_names
    }

    /// Takes `name.weight` and `name.bias` of a linear layer, `[out, in]` and `[out]`.
    ///
    /// # Errors
    /// As [`Weights::take`].
    pub fn linear(&mut self, name: &str, out: i64, input: i64) -> Result<(Tensor, Tensor), ModelFault> {
        Ok((self.take(&format!("{name}.weight"), &[out, input])?, self.take(&format!("{name}.bias"), &[out])?))
    }
}

/// One name for each tensor: the encoder's stand with or without `bert.`, and converted TensorFlow models call a layer
/// norm's weight and bias `gamma` and `beta`.
fn canonical(name: &str) -> String {
    let name = name.strip_prefix("bert.").unwrap_or(name);
    match name.rsplit_once('.') {
        Some((stem, "gamma")) => format!("{stem}.weight"),
        Some((stem, "beta")) => format!("{stem}.bias"),
        _ => name.to_owned(),
    }
}

fn read_safetensors(path: &Path) -> Result<Named, ModelFault> {
    let (packed, _) = Packed::read(path).map_err(|unread| match unread {
        Unread::Torch(error) => ModelFault::Torch(error),
        other => ModelFault::file("model.safetensors", other),
    })?;
    // Position numbers; no weight is an integer.
    Ok(packed.into_tensors().into_iter().filter(|(_, tensor)| tensor.kind() != Kind::Int64).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_spellings_of_a_name_are_one() {
        for name in ["bert.embeddings.LayerNorm.gamma", "embeddings.LayerNorm.gamma", "embeddings.LayerNorm.weight"] {
            assert_eq!(canonical(name), "embeddings.LayerNorm.weight");
        }
        assert_eq!(canonical("bert.embeddings.LayerNorm.beta"), "embeddings.LayerNorm.bias");
        assert_eq!(canonical("classifier.bias"), "classifier.bias");
    }
}
