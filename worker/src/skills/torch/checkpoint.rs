//! A checkpoint that has tensors, as a file: they, and beside them one word with all else.

use std::{collections::HashMap, path::Path};

use serde::{Serialize, de::DeserializeOwned};

use super::{Named, Packed, Unread, torch_error};
use crate::skills::{
    SkillError,
    learning::checkpoint::{Fingerprint, read, unreadable, unwritable, written},
};

/// What the word is called.
const TRAINING: &str = "relevo.training";

/// Writes a checkpoint.
///
/// # Errors
/// `ResourceExhausted` when the disk is full or the folder is gone.
pub fn save(path: &Path, tensors: &Packed, training: &Fingerprint, state: &impl Serialize) -> Result<(), SkillError> {
    let words = HashMap::from([(TRAINING.to_owned(), written(training, state))]);
    tensors.write(path, words).map_err(unwritable)
}

/// Reads the tensors of a checkpoint, on the CPU, and where the training stood.
///
/// # Errors
/// `Permanent` when it is one of another training, or none; transient when the disk fails.
pub fn load<S: DeserializeOwned>(path: &Path, training: &Fingerprint) -> Result<(Named, S), SkillError> {
    let (tensors, words) = Packed::read(path).map_err(|unread| match unread {
        Unread::File(error) => SkillError::Transient(format!("the checkpoint cannot be read: {error}")),
        Unread::Contents(reason) => unreadable(reason),
        Unread::Torch(error) => torch_error(&error),
    })?;
    let text = words.get(TRAINING).ok_or_else(|| unreadable("it does not say where the training stood"))?;
    Ok((tensors.into_tensors(), read(text, training)?))
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::*;

    #[test]
    fn what_is_no_checkpoint_is_refused_and_a_failing_disk_is_not_its_fault() {
        let folder = tempfile::tempdir().unwrap();
        let [bare, damaged, none] = ["a", "b", "c"].map(|name| folder.path().join(name));
        let mine = Fingerprint::of([("model", Vec::new())]);
        let tensors = Packed::of(vec![("weight".to_owned(), Tensor::from_slice(&[0_f32]))]).unwrap();

        tensors.write(&bare, HashMap::new()).unwrap();
        std::fs::write(&damaged, b"\x89PNG").unwrap();

        for path in [&bare, &damaged] {
            let refused = load::<u32>(path, &mine).unwrap_err();
            assert!(
                matches!(&refused, SkillError::Permanent(reason) if reason.contains("cannot be read")),
                "{refused}"
            );
        }
        assert!(matches!(load::<u32>(&none, &mine), Err(SkillError::Transient(_))));
    }
}
