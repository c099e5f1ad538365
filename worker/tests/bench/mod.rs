//! A worker's skills beside an S3 service of their own, without an orchestrator.

use std::sync::Arc;

use relevo_shared::{JobId, TaskId, worker::Task};
use relevo_worker::{
    context::TaskContext,
    settings::SkillSettings,
    skills::{Registry, SkillError, registry},
};
use serde_json::{Value, json};

use crate::s3::{S3, files};

/// All that a task works with; the folders are gone with it.
pub(crate) struct Bench {
    pub(crate) s3: S3,
    registry: Registry,
    pub(crate) folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::with(&SkillSettings::default()).await
    }

    pub(crate) async fn with(settings: &SkillSettings) -> Self {
        let registry = registry(settings).unwrap();
        Self { s3: S3::start().await, registry, folder: tempfile::tempdir().unwrap() }
    }

    /// A task as it is handed out.
    pub(crate) fn task(skill: &str, params: &Value) -> Task {
        let job_id = JobId::fresh();
        let task = json!({
            "job_id": job_id, "task_id": TaskId { branch: job_id.into(), number: 1 }, "type": skill, "params": params,
            "files_prefix": format!("s3://data/jobs/{job_id}/"),
        });
        serde_json::from_value(task).unwrap()
    }

    pub(crate) fn context(&self, task: &Task) -> TaskContext {
        TaskContext::offline(task, self.folder.path(), Arc::new(files(self.s3.address, "secret")))
    }

    /// Runs a task of a skill with these parameters.
    pub(crate) async fn run(&self, skill: &str, params: &Value) -> Result<Value, SkillError> {
        let task = Self::task(skill, params);
        self.run_in(&task, &self.context(&task)).await
    }

    pub(crate) async fn run_in(&self, task: &Task, context: &TaskContext) -> Result<Value, SkillError> {
        self.registry.get(&task.skill).unwrap().run(task, context).await
    }
}
