//! Jobs as they are kept, for views.

use std::collections::HashMap;

use relevo_shared::{BranchId, JobId, job::LogLine};

use super::{Result, Store, script::corrupt};

/// An entry of a stream: its id, then its fields.
type StreamEntry = (String, HashMap<String, String>);

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
    fn read((id, fields): StreamEntry) -> Self {
        let at = id.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or_default();
        Self { id, at, fields }
    }
}

impl Store {
    /// A job with the states that it entered; `None` when there is none.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn read_job(&self, id: JobId) -> Result<Option<JobRecord>> {
        let (fields, events, approvals): (HashMap<String, String>, Vec<StreamEntry>, HashMap<String, String>) =
            redis::pipe()
                .cmd("HGETALL")
                .arg(self.keys.job(id))
                .cmd("XRANGE")
                .arg(self.keys.events(id))
                .arg("-")
                .arg("+")
                .cmd("HGETALL")
                .arg(self.keys.approvals(id))
                .query_async(&mut self.connections.get().await?)
                .await?;
        if fields.is_empty() {
            return Ok(None);
        }
        let mut visits = Vec::new();
        for event in events.into_iter().map(EventRecord::read) {
            let entered: Vec<String> =
                event.fields.get("entered").and_then(|names| serde_json::from_str(names).ok()).unwrap_or_default();
            visits.extend(entered.into_iter().map(|name| (name, event.at)));
        }
        Ok(Some(JobRecord { fields, visits, approvals }))
    }

    /// All events of a job that are kept, oldest first.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn read_events(&self, id: JobId) -> Result<Vec<EventRecord>> {
        let mut command = redis::cmd("XRANGE");
        command.arg(self.keys.events(id)).arg("-").arg("+");
        let events: Vec<StreamEntry> = command.query_async(&mut self.connections.get().await?).await?;
        Ok(events.into_iter().map(EventRecord::read).collect())
    }

    /// The lines that a job's tasks have written, oldest first, as many as are kept.
    ///
    /// # Errors
    /// When Redis is away, or a line cannot be read.
    pub async fn read_logs(&self, id: JobId) -> Result<Vec<LogLine>> {
        let mut command = redis::cmd("XRANGE");
        command.arg(self.keys.logs(id)).arg("-").arg("+");
        let lines: Vec<StreamEntry> = command.query_async(&mut self.connections.get().await?).await?;
        let read = |(_, mut fields): StreamEntry| {
            let line = fields.remove("line").unwrap_or_default();
            serde_json::from_str(&line).map_err(|error| corrupt(format!("a log line: {error}")))
        };
        lines.into_iter().map(read).collect()
    }

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
