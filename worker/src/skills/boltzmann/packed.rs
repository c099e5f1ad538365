//! Tensors as plain bytes, at home on any thread: how they are written to safetensors and read from it.

use std::{collections::HashMap, path::Path};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use tch::{Device, Kind, TchError, Tensor};

/// Named tensors without libtorch.
#[derive(Debug, Default)]
pub struct Packed(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    name: String,
    kind: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Packed {
    /// Copies tensors out of libtorch.
    ///
    /// # Errors
    /// A tensor of a type that is neither a float nor a 64-bit integer.
    pub fn of(tensors: &[(String, Tensor)]) -> Result<Self, TchError> {
        let entries = tensors.iter().map(|(name, tensor)| {
            let kind = match tensor.kind() {
                Kind::Float => Dtype::F32,
                Kind::Double => Dtype::F64,
                Kind::Int64 => Dtype::I64,
                other => return Err(TchError::Kind(format!("{name} is of the type {other:?}, which is not stored"))),
            };
            let tensor = tensor.f_to_device(Device::Cpu)?.f_contiguous()?;
            let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
            tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
            let shape = tensor.size().into_iter().map(|n| usize::try_from(n).unwrap_or_default()).collect();
            Ok(Entry { name: name.clone(), kind, shape, bytes })
        });
        entries.collect::<Result<_, _>>().map(Self)
    }

    /// The tensors, on the CPU.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn tensors(&self) -> Result<Vec<(String, Tensor)>, TchError> {
        let made = self.0.iter().map(|entry| {
            let kind = match entry.kind {
                Dtype::F32 => Kind::Float,
                Dtype::F64 => Kind::Double,
                _ => Kind::Int64,
            };
            let shape: Vec<i64> = entry.shape.iter().map(|&n| i64::try_from(n).unwrap_or_default()).collect();
            Tensor::f_from_data_size(&entry.bytes, &shape, kind).map(|tensor| (entry.name.clone(), tensor))
        });
        made.collect()
    }

    /// Writes a file with words beside the tensors. The same tensors and one word or none give the same bytes each time.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub fn write(&self, path: &Path, words: HashMap<String, String>) -> Result<(), String> {
        let views = self.0.iter().map(|entry| {
            let view = TensorView::new(entry.kind, entry.shape.clone(), &entry.bytes);
            view.map(|view| (entry.name.as_str(), view)).map_err(|error| error.to_string())
        });
        let views = views.collect::<Result<Vec<_>, _>>()?;
        safetensors::serialize_to_file(views, Some(words), path).map_err(|error| error.to_string())
    }

    /// Reads a file and the words in it.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn read(path: &Path) -> Result<(Self, HashMap<String, String>), String> {
        let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| error.to_string())?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| error.to_string())?;
        let entries = file.iter().map(|(name, view)| match view.dtype() {
            kind @ (Dtype::F32 | Dtype::F64 | Dtype::I64) => {
                Ok(Entry { name: name.to_owned(), kind, shape: view.shape().to_vec(), bytes: view.data().to_vec() })
            }
            other => Err(format!("the tensor {name} is of the type {other:?}, which is not expected here")),
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        Ok((Self(entries), metadata.metadata().clone().unwrap_or_default()))
    }
}

/// Puts a word before the names of tensors, so that several sets fit into one file.
#[must_use]
pub fn prefixed(prefix: &str, tensors: Vec<(String, Tensor)>) -> Vec<(String, Tensor)> {
    tensors.into_iter().map(|(name, tensor)| (format!("{prefix}.{name}"), tensor)).collect()
}

/// Takes out the tensors with such a word before their names, without it.
pub fn take(prefix: &str, tensors: &mut Vec<(String, Tensor)>) -> Vec<(String, Tensor)> {
    let of = |name: &str| name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.')).map(str::to_owned);
    let (taken, left) = std::mem::take(tensors).into_iter().partition(|(name, _)| of(name).is_some());
    *tensors = left;
    let taken: Vec<(String, Tensor)> = taken;
    taken.into_iter().filter_map(|(name, tensor)| of(&name).map(|name| (name, tensor))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_and_words_come_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let (path, again) = (folder.path().join("a"), folder.path().join("b"));
        let tensors = vec![
            ("a.w".to_owned(), Tensor::from_slice(&[1.5_f32, -2.0, 3.0, 4.0]).view([2, 2]).transpose(0, 1)),
            ("a.n".to_owned(), Tensor::from(7_i64)),
            ("b.w".to_owned(), Tensor::from_slice(&[0.1_f64])),
        ];
        let words = || HashMap::from([("epoch".to_owned(), "3".to_owned())]);

        Packed::of(&tensors).unwrap().write(&path, words()).unwrap();
        let (packed, told) = Packed::read(&path).unwrap();
        packed.write(&again, words()).unwrap();

        assert_eq!(told, words());
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&again).unwrap());
        let mut read = packed.tensors().unwrap();
        let a = take("a", &mut read);
        assert_eq!((a.len(), read.len()), (2, 1));
        let weights = &a.iter().find(|(name, _)| name == "w").unwrap().1;
        assert_eq!(Vec::<f32>::try_from(weights.flatten(0, 1)).unwrap(), [1.5, 3.0, -2.0, 4.0]);
        assert!(Packed::of(&[("half".to_owned(), Tensor::from(true))]).is_err());
    }

    #[test]
    fn a_file_that_is_none_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "no tensors").unwrap();

        assert!(Packed::read(&path).is_err());
    }
}
