//! What a running skill may do besides computing: tell how far it is, log, read and write files, notice a cancellation.

use std::{fmt, path::Path, sync::Arc};

use relevo_shared::{
    dataset::TableRef,
    file::{FILE_NAME, is_file_name},
    job::{LogLevel, LogLine},
    metric::is_metric_name,
    problem::Detail,
    worker::{MetricPoint, Task},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tracing::{Span, debug, error, info, warn};

use crate::{
    cancel::{StopReason, StopSignal},
    commit::Commits,
    files::Files,
    skills::SkillError,
    telling::{Route, Telling},
    work_folder::WorkFolder,
};

/// How a task ends that reads a file of its job which nobody has uploaded yet: its blueprint may wait, and try again.
pub const AWAITING_FILE: &str = "awaiting_file";

/// Handed to a skill with its task. Cheap to clone and at home on any thread. Telling never blocks: reports are coalesced
/// and sent in the background.
#[derive(Clone)]
pub struct TaskContext(Arc<Inner>);

struct Inner {
    stop: StopSignal,
    telling: Telling,
    folder: WorkFolder,
    files: Arc<Files>,
    files_prefix: Option<String>,
    models_prefix: Option<String>,
    checkpoint: String,
    commits: Commits,
    span: Span,
}

impl fmt::Debug for TaskContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskContext").field("span", &self.0.span).finish_non_exhaustive()
    }
}

impl TaskContext {
    /// The context of one claimed task. With no route, nobody is told anything.
    pub(crate) fn new(
        task: &Task,
        stop: StopSignal,
        route: Option<Route>,
        folder: WorkFolder,
        files: Arc<Files>,
        span: Span,
    ) -> Self {
        let (files_prefix, models_prefix) = (task.files_prefix.clone(), task.models_prefix.clone());
        let commits = Commits::new(task.datasets_prefix.clone(), route.clone());
        let checkpoint = checkpoint_name(task);
        let telling = Telling::new(route);
        Self(Arc::new(Inner { stop, telling, folder, files, files_prefix, models_prefix, checkpoint, commits, span }))
    }

    /// A context without an orchestrator, for running a skill by itself: it works in `work_dir`, its reports go nowhere, and
    /// a table that it commits is only described.
    #[must_use]
    pub fn offline(task: &Task, work_dir: &Path, files: Arc<Files>) -> Self {
        Self::new(task, StopSignal::default(), None, WorkFolder::kept(work_dir), files, Span::none())
    }

    /// Says that a named part of the work begins.
    pub fn stage_started(&self, stage: &str) {
        self.0.span.in_scope(|| info!(stage, "stage started"));
        self.0.telling.tell(|pending, now| pending.stage_started(stage, now));
    }

    /// Says how far a stage is, from 0 to 1.
    pub fn stage_progress(&self, stage: &str, progress: f64) {
        self.0.telling.tell(|pending, now| pending.stage_progress(stage, progress, now));
    }

    /// Says that a stage is done. How long it took is measured here.
    pub fn stage_completed(&self, stage: &str) {
        self.0.span.in_scope(|| info!(stage, "stage completed"));
        self.0.telling.tell(|pending, now| pending.stage_completed(stage, now));
    }

    /// Says how far the whole task is, from 0 to 1, and what is going on.
    pub fn progress(&self, progress: f64, message: impl Into<String>) {
        let message = message.into();
        self.0.telling.tell(|pending, _| pending.progress(progress, message));
    }

    /// Writes a line into the job's log, with facts beside it.
    pub fn log(&self, level: LogLevel, message: impl Into<String>, facts: Option<Value>) {
        let message = message.into();
        self.0.span.in_scope(|| match level {
            LogLevel::Debug => debug!("{message}"),
            LogLevel::Info => info!("{message}"),
            LogLevel::Warning => warn!("{message}"),
            LogLevel::Error => error!("{message}"),
        });
        let timestamp = OffsetDateTime::now_utc().format(&Rfc3339).ok();
        self.0.telling.tell(|pending, _| pending.log(LogLine { timestamp, level, message, context: facts }));
    }

    /// Tells figures of a step, such as the losses of an epoch: each becomes a point of the job's series of that name. A
    /// figure that is no number is left out, and so is one of a name that no series may have.
    pub fn metrics<'a>(&self, step: u64, figures: impl IntoIterator<Item = (&'a str, f64)>) {
        let timestamp = OffsetDateTime::now_utc().format(&Rfc3339).ok();
        let good = figures.into_iter().filter(|(name, value)| value.is_finite() && is_metric_name(name));
        let points =
            good.map(|(name, value)| MetricPoint { name: name.to_owned(), step, value, timestamp: timestamp.clone() });
        let points: Vec<_> = points.collect();
        self.0.telling.tell(|pending, _| pending.metrics(points));
    }

    /// Whether the task should stop: cancelled, past its deadline, or not this worker's any more. To be asked between batches.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.stop.reason().is_some()
    }

    /// Waits until the task should stop.
    pub async fn cancelled(&self) {
        self.0.stop.stopped().await;
    }

    /// Tells the skill to stop; what is reported of the task depends on the reason.
    pub fn stop(&self, reason: StopReason) {
        self.0.stop.stop(reason);
    }

    /// A folder of the task's own, removed with everything in it when the task ends.
    #[must_use]
    pub fn work_dir(&self) -> &Path {
        self.0.folder.path()
    }

    /// Streams the object at an `s3://` address into a file and gives its length in bytes.
    ///
    /// # Errors
    /// Invalid input when there is no such object, permanent when access is refused, transient when S3 cannot be reached,
    /// cancelled when the task should stop.
    pub async fn download(&self, uri: &str, to: &Path) -> Result<u64, SkillError> {
        self.0.files.download(uri, to, &self.0.stop).await
    }

    /// Streams a file to an `s3://` address and gives its length in bytes. The object appears whole or not at all.
    ///
    /// # Errors
    /// As for [`Self::download`].
    pub async fn upload(&self, from: &Path, uri: &str) -> Result<u64, SkillError> {
        self.0.files.upload(from, uri, &self.0.stop).await
    }

    /// Brings a file here that a client named: an object by its `s3://` address, or a file of this job by its name. Gives its
    /// length in bytes.
    ///
    /// # Errors
    /// Invalid input with `field` when the name is neither; the outcome `awaiting_file` when it names a file of the job that
    /// was not uploaded yet; else as for [`Self::download`].
    pub async fn bring(&self, named: &str, field: &str, to: &Path) -> Result<u64, SkillError> {
        if named.starts_with("s3://") {
            return self.download(named, to).await.map_err(|error| match error {
                SkillError::InvalidInput { message, .. } => SkillError::invalid(field, message),
                other => other,
            });
        }
        if !is_file_name(named) {
            let right = "must be an S3 URI such as s3://bucket/key, or the name of a file of the job";
            return Err(SkillError::invalid(field, right));
        }
        self.download(&self.job_file_uri(named)?, to).await.map_err(|error| match error {
            SkillError::InvalidInput { .. } => {
                SkillError::Outcome { word: AWAITING_FILE.to_owned(), result: json!({ "filename": named }) }
            }
            other => other,
        })
    }

    /// The address of a file of this job, from which clients can download it by name.
    ///
    /// # Errors
    /// Invalid input unless `name` is a file name such as `notes.txt` or `model/config.json`; permanent when the orchestrator offers no place for files.
    pub fn job_file_uri(&self, name: &str) -> Result<String, SkillError> {
        if !is_file_name(name) {
            let details = vec![Detail::new("file name", FILE_NAME)];
            return Err(SkillError::InvalidInput { message: format!("file name {name:?} {FILE_NAME}"), details });
        }
        let Some(prefix) = &self.0.files_prefix else {
            return Err(SkillError::Permanent(
                "the orchestrator offers no place for the job's files: its S3 is off".to_owned(),
            ));
        };
        Ok(format!("{}/{name}", prefix.trim_end_matches('/')))
    }

    /// Where models lie that have a name; none where the orchestrator offers no place for them.
    pub(crate) fn models_prefix(&self) -> Option<&str> {
        self.0.models_prefix.as_deref()
    }

    /// The address of the task's checkpoint; none where the orchestrator offers no place for files. Every attempt with the same
    /// parameters has the same one.
    pub(crate) fn checkpoint_uri(&self) -> Option<String> {
        self.0.files_prefix.as_ref().map(|prefix| format!("{}/{}", prefix.trim_end_matches('/'), self.0.checkpoint))
    }

    /// Makes a Parquet file a commit of a dataset, which `main` points at from then on. The dataset and the table are made
    /// when they are new; the same bytes again give the commit that they gave before.
    ///
    /// # Errors
    /// Invalid input when a name is not allowed or the file is no table, permanent when there is no S3, transient when S3 cannot be
    /// reached, cancelled when the task should stop or is not this worker's any more.
    pub async fn commit_table(&self, dataset_id: &str, table_key: &str, file: &Path) -> Result<TableRef, SkillError> {
        self.commit_table_as(dataset_id, table_key, "main", file).await
    }

    /// The same for another ref than `main`.
    ///
    /// # Errors
    /// As for [`Self::commit_table`].
    pub async fn commit_table_as(
        &self,
        dataset_id: &str,
        table_key: &str,
        reference: &str,
        file: &Path,
    ) -> Result<TableRef, SkillError> {
        let table = (dataset_id, table_key, reference);
        self.0.commits.commit(table, file, &self.0.files, &self.0.stop).await
    }

    pub(crate) fn stop_signal(&self) -> &StopSignal {
        &self.0.stop
    }

    pub(crate) async fn finish(&self, failed: bool) {
        self.0.telling.finish(failed).await;
    }
}

/// A task that is tried again may have another number, so its branch and its parameters tell it from the job's others.
fn checkpoint_name(task: &Task) -> String {
    let parameters = serde_json::to_vec(&task.params).expect("a JSON object is JSON");
    let digest = Sha256::new().chain_update(task.skill.as_str()).chain_update([0]).chain_update(parameters).finalize();
    format!("checkpoints/{}.{}", task.task_id.branch, hex::encode(&digest[..8]))
}
