//! A job as it is kept, with each of its fields read into a type.

use std::collections::HashMap;

use relevo_shared::{
    JobId, SkillName, WorkerId,
    job::{JobError, JobState, Stage},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    error::{Error, Result},
    store::JobRecord,
};

/// Bytes of a text that counts as plain.
const LONGEST_FACT: usize = 1024;

/// A job, read. Instants are milliseconds since 1970.
#[derive(Debug, Clone)]
pub struct Job {
    /// Which one it is.
    pub id: JobId,
    /// Its canonical state.
    pub state: JobState,
    /// The name of its blueprint.
    pub blueprint: String,
    /// What it is pinned to.
    pub hash: String,
    /// What kind of job it is, as lists and views call it.
    pub kind: String,
    /// Whose it is.
    pub client: String,
    /// The user that it is recorded under.
    pub user_id: Option<String>,
    /// The same user's name in another directory.
    pub user_soeid: Option<String>,
    /// Its input, with the blueprint's defaults filled in.
    pub input: Value,
    /// The state of the blueprint that it is in.
    pub current: Option<String>,
    /// States entered, oldest first.
    pub visits: Vec<(String, i64)>,
    /// 0 to 1.
    pub progress: f64,
    /// The latest word on what is going on.
    pub message: Option<String>,
    /// The stages that the running task told of.
    pub stages: Vec<Stage>,
    /// The output of its last state, once it has completed.
    pub result: Option<Value>,
    /// Why it did not complete.
    pub error: Option<JobError>,
    /// The table that it reads, as it was pinned.
    pub source: Option<Value>,
    /// Higher goes first.
    pub priority: i32,
    /// The branch of another job that waits for it.
    pub parent: Option<String>,
    /// The skill of its latest task.
    pub skill: Option<SkillName>,
    /// The queue of its latest task, unless it will never move again.
    pub queue: Option<String>,
    /// Who holds its task, or held its last one.
    pub worker: Option<WorkerId>,
    /// When it was accepted.
    pub created_at: i64,
    /// When a worker first claimed a task of it.
    pub started_at: Option<i64>,
    /// When it ended.
    pub ended_at: Option<i64>,
}

impl Job {
    /// Reads a record.
    ///
    /// # Errors
    /// [`Error::Broken`] when a field is not what the scripts write.
    pub fn read(id: JobId, record: JobRecord) -> Result<Self> {
        let JobRecord { fields, visits, .. } = record;
        let mut fields = Fields { id, fields };
        let state: JobState = fields.must_parse("state")?;
        let blueprint = fields.must("blueprint")?;
        let reported = fields.parse("progress").unwrap_or(0.0);
        Ok(Self {
            id,
            state,
            kind: fields.text("kind").unwrap_or_else(|| blueprint.clone()),
            blueprint,
            hash: fields.must("hash")?,
            client: fields.must("client")?,
            user_id: fields.text("user_id"),
            user_soeid: fields.text("user_soeid"),
            input: fields.json("input").ok_or_else(|| fields.broken("input"))?,
            current: fields.text("current"),
            visits,
            progress: if state == JobState::Completed { 1.0 } else { reported },
            message: fields.text("message"),
            stages: fields.json("stages").unwrap_or_default(),
            result: fields.json("result"),
            error: fields.json("error"),
            source: fields.json("source"),
            priority: fields.parse("priority").unwrap_or_default(),
            parent: fields.text("parent"),
            skill: fields.parse("skill"),
            queue: fields.text("queue"),
            worker: fields.parse("worker"),
            created_at: fields.must_parse("created_at")?,
            started_at: fields.parse("started_at"),
            ended_at: fields.parse("ended_at"),
        })
    }

    /// A member of its input.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&Value> {
        self.input.get(name).filter(|value| !value.is_null())
    }

    /// The dataset that it reads, as its client named it.
    #[must_use]
    pub fn dataset_id(&self) -> Option<&Value> {
        self.parameter("dataset_id")
    }

    /// What people call its dataset, or else its client does.
    #[must_use]
    pub fn dataset_name(&self) -> Option<String> {
        let called = |id: &Value| id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        self.of_source("dataset_name").or_else(|| self.dataset_id().map(called))
    }

    /// A member of the table that it reads.
    #[must_use]
    pub fn of_source(&self, name: &str) -> Option<String> {
        self.source.as_ref()?.get(name)?.as_str().map(str::to_owned)
    }

    /// What is plain about it: the members of its input that are no lists, objects or long texts, overlaid by those of its
    /// result.
    #[must_use]
    pub fn plain_facts(&self) -> Map<String, Value> {
        let members = [Some(&self.input), self.result.as_ref()].into_iter().flatten().filter_map(Value::as_object);
        let plain = members.flatten().filter(|(_, value)| match value {
            Value::String(text) => text.len() <= LONGEST_FACT,
            Value::Number(_) | Value::Bool(_) => true,
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        });
        plain.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Milliseconds from its start to its end.
    #[must_use]
    pub fn duration_ms(&self) -> Option<i64> {
        Some(self.ended_at? - self.started_at?)
    }
}

/// The fields of a record; an empty one counts as missing.
struct Fields {
    id: JobId,
    fields: HashMap<String, String>,
}

impl Fields {
    fn text(&mut self, name: &str) -> Option<String> {
        self.fields.remove(name).filter(|value| !value.is_empty())
    }

    fn parse<T: std::str::FromStr>(&mut self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }

    fn json<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        serde_json::from_str(&self.text(name)?).ok()
    }

    fn must(&mut self, name: &str) -> Result<String> {
        self.text(name).ok_or_else(|| self.broken(name))
    }

    fn must_parse<T: std::str::FromStr>(&mut self, name: &str) -> Result<T> {
        self.parse(name).ok_or_else(|| self.broken(name))
    }

    fn broken(&self, name: &str) -> Error {
        Error::Broken(self.id, format!("field {name}"))
    }
}

/// An id as JSON: a number where it is written as one is, else text.
#[must_use]
pub fn number_or_text(id: &str) -> Value {
    let number = id.parse::<u64>().ok().filter(|number| number.to_string() == id);
    number.map_or_else(|| Value::from(id), Value::from)
}

/// Milliseconds as seconds.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "no job runs for 285,000 years")]
pub(super) fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}
