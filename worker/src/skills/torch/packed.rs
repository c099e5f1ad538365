//! Tensors in files: one writer and one reader of safetensors.

use std::{borrow::Cow, collections::HashMap, io, path::Path};

use safetensors::{Dtype, SafeTensors, View};
use tch::{Device, Kind, TchError, Tensor};

/// Tensors by name.
pub type Named = Vec<(String, Tensor)>;

/// Tensors on the CPU, each in one stretch of memory, so that any thread can write them.
///
/// They may share that memory with a learner, which must not take a step until they are written.
#[derive(Debug, Default)]
pub struct Packed(Named);

/// Why a file gives no tensors.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// It could not be read from the disk.
    #[error(transparent)]
    File(#[from] io::Error),
    /// What it holds is none, or not the ones that are kept here.
    #[error("{0}")]
    Contents(String),
    /// libtorch refused, for want of memory.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

impl Packed {
    /// Brings tensors to the CPU. To be called on the device's thread.
    ///
    /// # Errors
    /// A tensor of a type that no file keeps, or libtorch refuses.
    pub fn of(tensors: Named) -> Result<Self, TchError> {
        let packed = tensors.into_iter().map(|(name, tensor)| {
            if dtype(tensor.kind()).is_none() {
                let kind = tensor.kind();
                return Err(TchError::Kind(format!("{name} is of the type {kind:?}, which is not stored")));
            }
            Ok((name, tensor.f_to_device(Device::Cpu)?.f_contiguous()?))
        });
        packed.collect::<Result<_, _>>().map(Self)
    }

    /// The tensors.
    #[must_use]
    pub fn into_tensors(self) -> Named {
        self.0
    }

    /// Writes a file with words beside the tensors. The same tensors and one word or none give the same bytes each time.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub fn write(&self, path: &Path, words: HashMap<String, String>) -> Result<(), String> {
        let views = self.0.iter().map(|(name, tensor)| (name.as_str(), Bytes::of(tensor)));
        safetensors::serialize_to_file(views, Some(words), path).map_err(|error| error.to_string())
    }

    /// Reads a file and the words in it.
    ///
    /// # Errors
    /// When there is no such file, or it holds something else.
    pub fn read(path: &Path) -> Result<(Self, HashMap<String, String>), Unread> {
        let strange = |error: safetensors::SafeTensorError| Unread::Contents(error.to_string());
        let bytes = std::fs::read(path)?;
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(strange)?;
        let file = SafeTensors::deserialize(&bytes).map_err(strange)?;
        let tensors = file.iter().map(|(name, view)| {
            let Some(kind) = kind(view.dtype()) else {
                let reason = format!("the tensor {name} has the type {:?}, which is not one of these", view.dtype());
                return Err(Unread::Contents(reason));
            };
            let shape = view.shape().iter().map(|&n| i64::try_from(n)).collect::<Result<Vec<_>, _>>();
            let shape = shape.map_err(|_| Unread::Contents(format!("the tensor {name} is too large")))?;
            Ok((name.to_owned(), Tensor::f_from_data_size(view.data(), &shape, kind)?))
        });
        Ok((Self(tensors.collect::<Result<_, _>>()?), metadata.metadata().clone().unwrap_or_default()))
    }
}

/// The types that files keep, as both sides call them.
const TYPES: [(Kind, Dtype); 5] = [
    (Kind::Float, Dtype::F32),
    (Kind::Double, Dtype::F64),
    (Kind::Half, Dtype::F16),
    (Kind::BFloat16, Dtype::BF16),
    (Kind::Int64, Dtype::I64),
];

fn dtype(kind: Kind) -> Option<Dtype> {
    TYPES.iter().find(|(known, _)| *known == kind).map(|&(_, dtype)| dtype)
}

fn kind(dtype: Dtype) -> Option<Kind> {
    TYPES.iter().find(|(_, known)| *known == dtype).map(|&(kind, _)| kind)
}

/// A tensor whose bytes are copied when they are asked for, so that one copy exists at a time.
struct Bytes<'a> {
    tensor: &'a Tensor,
    shape: Vec<usize>,
}

impl<'a> Bytes<'a> {
    fn of(tensor: &'a Tensor) -> Self {
        let size = |n| usize::try_from(n).expect("no side of a tensor is below zero");
        Self { tensor, shape: tensor.size().into_iter().map(size).collect() }
    }
}

impl View for Bytes<'_> {
    fn dtype(&self) -> Dtype {
        dtype(self.tensor.kind()).expect("a packed tensor is of a type that is kept")
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut bytes = vec![0; self.data_len()];
        self.tensor.copy_data_u8(&mut bytes, self.tensor.numel());
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        self.tensor.numel() * self.tensor.kind().elt_size_in_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_and_words_come_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let (path, again) = (folder.path().join("a"), folder.path().join("b"));
        let tensors = vec![
            ("w".to_owned(), Tensor::from_slice(&[1.5_f32, -2.0, 3.0, 4.0]).view([2, 2]).transpose(0, 1)),
            ("n".to_owned(), Tensor::from(7_i64)),
            ("d".to_owned(), Tensor::from_slice(&[0.1_f64])),
            ("h".to_owned(), Tensor::from_slice(&[0.5_f32]).to_kind(Kind::BFloat16)),
        ];
        let words = || HashMap::from([("epoch".to_owned(), "3".to_owned())]);

        Packed::of(tensors).unwrap().write(&path, words()).unwrap();
        let (packed, told) = Packed::read(&path).unwrap();
        packed.write(&again, words()).unwrap();

        assert_eq!(told, words());
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&again).unwrap());
        let read: HashMap<String, Tensor> = packed.into_tensors().into_iter().collect();
        assert_eq!(Vec::<f32>::try_from(read["w"].flatten(0, 1)).unwrap(), [1.5, 3.0, -2.0, 4.0]);
        assert_eq!((read["n"].size(), read["n"].int64_value(&[])), (vec![], 7));
        assert_eq!((read["d"].kind(), read["h"].kind()), (Kind::Double, Kind::BFloat16));
        assert!(Packed::of(vec![("flag".to_owned(), Tensor::from(true))]).is_err());
    }

    #[test]
    fn a_file_that_is_none_is_told_apart_from_one_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "no tensors").unwrap();

        assert!(matches!(Packed::read(&path), Err(Unread::Contents(_))));
        assert!(matches!(Packed::read(&folder.path().join("b")), Err(Unread::File(_))));
    }
}
