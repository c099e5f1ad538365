//! What a running skill may do besides computing: tell how far it is, log, read and write files, notice a cancellation.

use std::path::{Path, PathBuf};

use relevo_shared::job::{LogLevel, Stage, StageStatus};
use serde_json::Value;

use crate::skills::SkillError;

/// Handed to a skill with its task. Telling never blocks: reports are coalesced and sent in the background.
#[derive(Debug)]
pub struct TaskContext {
    work_dir: PathBuf,
}
