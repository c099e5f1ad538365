//! Jobs as they are kept, for views.

use std::collections::HashMap;

use relevo_shared::{BranchId, JobId};

use super::{Result, Store};

/// An entry of a stream: its id, then its fields.
pub(super) type StreamEntry = (String, HashMap<String, String>);

/// A job as it is kept.
#[derive(Debug, Clone)]
pub struct JobRecord {
    /// Field to value.
    pub fields: HashMap<String, String>,
    /// States entered, with the instant in milliseconds since 1970.
    pub visits: Vec<(String, i64)>,
    /// Branches that wait for a person, each with its record as JSON.
    pub approvals: HashMap<String, String>,
}

/// One event of a job's history.
#[derive(Debug, Clone)]
pub struct EventRecord {
    /// Its id in the stream: milliseconds and a counter, so that ids grow with time.
    pub id: String,
    /// Milliseconds since 1970.
    pub at: i64,
    /// Field to value.
    pub fields: HashMap<String, String>,
}

impl JobRecord {
    /// Whose it is.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.fields.get("client").map(String::as_str)
    }
}

impl EventRecord {
    pub(super) fn read((id, fields): StreamEntry) -> Self {
        let at = id.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or_default();
        Self { id, at, fields }
    }
}

/// The states that were entered in these events, each with its instant.
pub(super) fn visits(events: impl IntoIterator<Item = EventRecord>) -> Vec<(String, i64)> {
    let mut visits = Vec::new();
    for event in events {
        let entered: Vec<String> =
            event.fields.get("entered").and_then(|names| serde_json::from_str(names).ok()).unwrap_or_default();
        visits.extend(entered.into_iter().map(|name| (name, event.at)));
    }
    visits
}

impl Store {
    /// A branch as it is kept, field by field; empty when there is none.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn read_branch(&self, branch: BranchId) -> Result<HashMap<String, String>> {
        let mut command = redis::cmd("HGETALL");
        command.arg(self.keys.branch(branch));
        Ok(command.query_async(&mut self.connections.get().await?).await?)
    }

    /// Who a job belongs to; `None` when there is no such job.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn job_client(&self, id: JobId) -> Result<Option<String>> {
        let mut command = redis::cmd("HGET");
        command.arg(self.keys.job(id)).arg("client");
        Ok(command.query_async(&mut self.connections.get().await?).await?)
    }
}
