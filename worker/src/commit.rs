//! The way of a table into a dataset: its bytes to S3, to a place that their hash names, then its description to the
//! orchestrator.

use std::path::Path;

use relevo_shared::{dataset::TableRef, worker::TableCommit};
use relevo_tables::{Description, TableError};
use tracing::{debug, info};

use crate::{
    backoff::Backoff,
    cancel::{StopReason, StopSignal},
    client::CallError,
    files::Files,
    skills::{SkillError, off_the_clock},
    telling::Route,
};

/// Where one task's tables go.
#[derive(Debug)]
pub(crate) struct Commits {
    prefix: Option<String>,
    route: Option<Route>,
}

impl Commits {
    pub(crate) const fn new(prefix: Option<String>, route: Option<Route>) -> Self {
        Self { prefix, route }
    }

    /// Uploads a Parquet file and makes it a commit. May be repeated: neither the place nor the commit depends on anything
    /// but the bytes. Without an orchestrator the file is described and stays where it is.
    pub(crate) async fn commit(
        &self,
        (dataset_id, table_key, reference): (&str, &str, &str),
        file: &Path,
        files: &Files,
        stop: &StopSignal,
    ) -> Result<TableRef, SkillError> {
        let (table, commit_id) = identify(file).await?;
        let Some(route) = &self.route else {
            return Ok(TableRef {
                dataset_id: dataset_id.to_owned(),
                dataset_name: None,
                table_key: table_key.to_owned(),
                commit_id,
                uri: file.display().to_string(),
                format: table.format,
                csv: table.csv,
                columns: table.columns,
                rows: table.rows,
                bytes: table.bytes,
                created_at: String::new(),
            });
        };
        let Some(prefix) = &self.prefix else {
            return Err(SkillError::Permanent(
                "the orchestrator offers no place for datasets: its S3 is off".to_owned(),
            ));
        };
        let uri = format!("{}/{dataset_id}/{table_key}/{commit_id}", prefix.trim_end_matches('/'));
        files.upload(file, &uri, stop).await?;
        let commit = TableCommit {
            worker_id: route.worker_id.clone(),
            lease_token: route.claim.lease_token,
            dataset_id: dataset_id.to_owned(),
            table_key: table_key.to_owned(),
            reference: Some(reference.to_owned()),
            commit_id,
            uri,
            format: table.format,
            csv: table.csv,
            columns: table.columns,
            rows: table.rows,
            bytes: table.bytes,
        };
        let kept = tokio::select! {
            kept = deliver(route, &commit) => kept?,
            () = stop.stopped() => return Err(SkillError::Cancelled),
        };
        info!(dataset = dataset_id, table = table_key, commit = kept.commit_id, rows = kept.rows, "committed");
        Ok(kept)
    }
}

async fn identify(file: &Path) -> Result<(Description, String), SkillError> {
    let path = file.to_owned();
    let told = |error: TableError| match error {
        TableError::Io(error) => SkillError::Transient(format!("the table cannot be read: {error}")),
        other => SkillError::InvalidInput { message: other.to_string(), details: Vec::new() },
    };
    off_the_clock(move || relevo_tables::identify(&path).map_err(told)).await
}

/// Repeats a commit until it is answered.
async fn deliver(route: &Route, commit: &TableCommit) -> Result<TableRef, SkillError> {
    let mut backoff = Backoff::default();
    loop {
        let fault = match route.client.commit_table(route.claim.task, commit).await {
            Ok(kept) => return Ok(kept),
            Err(fault) => fault,
        };
        match fault {
            CallError::Away { .. } => {
                let delay = backoff.next(fault.retry_after());
                debug!(error = %fault, ?delay, "commit not delivered yet");
                tokio::time::sleep(delay).await;
            }
            CallError::Cancelled => {
                route.stop.stop(StopReason::Cancelled);
                return Err(SkillError::Cancelled);
            }
            CallError::LeaseLost | CallError::Unknown(_) => {
                route.stop.stop(StopReason::LeaseLost);
                return Err(SkillError::Cancelled);
            }
            CallError::Refused { reason, .. } => {
                return Err(SkillError::InvalidInput { message: reason, details: Vec::new() });
            }
            other @ CallError::Unauthorized(_) => return Err(SkillError::Transient(other.to_string())),
        }
    }
}
