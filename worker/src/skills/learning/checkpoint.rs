//! Where a long run takes up again: one file of the task's own in S3, written anew at each checkpoint.
//!
//! A checkpoint is taken up by the very same training only. One of another training, or one that cannot be read, ends the task with the
//! reason and is never passed over: its address is the task's own, so what lies there has been lost or tampered with, or the file or the
//! model that the training began with has changed under its name, or a release of the worker that takes other parameters has come in between. Whatever it is, a person who waits for the rest of a long training
//! should know before it begins anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    path::Path,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{context::TaskContext, skills::SkillError};

/// The checkpoint of one task. Every attempt of the task has the same one; another task of the job has another.
#[derive(Debug)]
pub struct Checkpoint<'a> {
    context: &'a TaskContext,
    uri: Option<String>,
}

impl<'a> Checkpoint<'a> {
    /// The checkpoint of the task that is run. Where the orchestrator offers no place for files there is none, and the run
    /// starts from the beginning each time.
    #[must_use]
    pub fn of(context: &'a TaskContext) -> Self {
        Self { context, uri: context.checkpoint_uri() }
    }

    /// Brings the last checkpoint into a file; says whether there is one.
    ///
    /// # Errors
    /// Transient when S3 cannot be reached, cancelled when the task should stop.
    pub async fn restore(&self, to: &Path) -> Result<bool, SkillError> {
        let Some(uri) = &self.uri else { return Ok(false) };
        match self.context.download(uri, to).await {
            Ok(_) => Ok(true),
            Err(SkillError::InvalidInput { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes a file the last checkpoint; says whether there is a place for it. It takes that of the one before it whole or not at all.
    ///
    /// # Errors
    /// As [`Self::restore`].
    pub async fn keep(&self, file: &Path) -> Result<bool, SkillError> {
        let Some(uri) = &self.uri else { return Ok(false) };
        self.context.upload(file, uri).await.map(|_| true)
    }
}

/// What decides the outcome of a training, part by part, each in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(BTreeMap<String, String>);

impl Fingerprint {
    /// Of parts by the names that people have for them, such as `model`, `table` and `settings`.
    #[must_use]
    pub fn of<const PARTS: usize>(parts: [(&str, Vec<u8>); PARTS]) -> Self {
        Self(parts.into_iter().map(|(name, part)| (name.to_owned(), hex::encode(Sha256::digest(part)))).collect())
    }

    /// Parts that only one of the two has, or that are not the same in both.
    fn differences<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let names: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        names.into_iter().filter(|name| self.0.get(*name) != other.0.get(*name)).map(String::as_str).collect()
    }
}

/// What stands in a checkpoint beside its tensors, if it has any.
#[derive(Serialize, Deserialize)]
struct Kept<F, S> {
    training: F,
    state: S,
}

/// The text of a checkpoint: whose it is, and where the training stood.
pub fn written(training: &Fingerprint, state: &impl Serialize) -> String {
    serde_json::to_string(&Kept { training, state }).expect("a state has string keys only")
}

/// Where the training stood, by the text of its checkpoint.
///
/// # Errors
/// `Permanent` when it is the text of another training, or of something else.
pub fn read<S: DeserializeOwned>(text: &str, training: &Fingerprint) -> Result<S, SkillError> {
    let kept: Kept<Fingerprint, Value> = serde_json::from_str(text).map_err(unreadable)?;
    let differences = training.differences(&kept.training);
    if !differences.is_empty() {
        let reason = format!(
            "the checkpoint is of another training or of another release of the worker, and differs in its {}; this training must begin anew, as a new job",
            differences.join(" and its ")
        );
        return Err(SkillError::Permanent(reason));
    }
    serde_json::from_value(kept.state).map_err(unreadable)
}

/// A checkpoint that is there and of no use.
pub fn unreadable(reason: impl Display) -> SkillError {
    SkillError::Permanent(format!(
        "the checkpoint cannot be read: {reason}; the training must begin anew, as a new job"
    ))
}

/// A checkpoint for which there is no room.
pub fn unwritable(reason: impl Display) -> SkillError {
    SkillError::ResourceExhausted(format!("the checkpoint cannot be written: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn training(model: &str, rows: &str) -> Fingerprint {
        Fingerprint::of([("model", model.into()), ("rows", rows.into())])
    }

    #[test]
    fn a_training_goes_on_from_its_own_checkpoint() {
        let text = written(&training("m", "r"), &(3, "epochs"));

        assert_eq!(read::<(u32, String)>(&text, &training("m", "r")), Ok((3, "epochs".to_owned())));
    }

    #[test]
    fn the_checkpoint_of_another_training_is_refused_with_what_does_not_fit() {
        let text = written(&training("m", "r"), &3);

        for (mine, words) in [
            (training("n", "r"), "differs in its model;"),
            (training("n", "s"), "differs in its model and its rows;"),
            (Fingerprint::of([("model", b"m".to_vec())]), "differs in its rows;"),
        ] {
            let Err(SkillError::Permanent(reason)) = read::<u32>(&text, &mine) else { panic!("it was taken up") };
            assert!(reason.contains(words), "{reason}");
        }
    }

    #[test]
    fn what_is_no_checkpoint_is_refused_as_unreadable() {
        let mine = training("m", "r");

        for text in ["", "[1]", "{\"fingerprint\": \"1\"}", &written(&mine, &"another release's")] {
            let Err(SkillError::Permanent(reason)) = read::<u32>(text, &mine) else { panic!("{text} was taken up") };
            assert!(reason.starts_with("the checkpoint cannot be read: "), "{reason}");
        }
    }
}
