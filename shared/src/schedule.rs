//! Schedules: jobs that are created at the instants of a cron expression.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{JobId, ScheduleId};

/// What becomes of instants that passed while nobody could create their jobs. An instant is missed when a minute has gone
/// by since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// They are passed over.
    #[default]
    Skip,
    /// The latest of them gets its job.
    One,
    /// The latest 100 of them get their jobs, oldest first.
    All,
}

/// What happens at an instant while a job of the schedule has not ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// Another job is created beside it.
    #[default]
    Allow,
    /// The instant is passed over.
    Skip,
}

/// What a schedule creates and when; the body of `POST /api/v1/schedules`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSpec {
    /// A name for people.
    #[schema(min_length = 1, max_length = 200, example = "nightly reindex")]
    pub name: String,
    /// The blueprint whose jobs are created.
    #[schema(example = "beto_sentiment")]
    pub blueprint: String,
    /// Their input; an empty object when absent.
    #[serde(default)]
    pub initial_data: Map<String, Value>,
    /// Minute, hour, day of the month, month and day of the week; a field of seconds may stand before them.
    #[schema(max_length = 256, example = "30 2 * * MON-FRI")]
    pub cron: String,
    /// The time zone in which the expression is read, by its IANA name.
    #[serde(default = "utc")]
    #[schema(example = "Europe/Madrid")]
    pub time_zone: String,
    /// What becomes of instants that were missed.
    #[serde(default)]
    pub catch_up: CatchUp,
    /// What happens while a job of the schedule has not ended.
    #[serde(default)]
    pub overlap: Overlap,
    /// No instant before this one counts; RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<String>,
    /// No instant after this one counts; RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<String>,
    /// A paused schedule creates nothing by itself, and what passes meanwhile is not missed.
    #[serde(default)]
    pub paused: bool,
    /// The priority of its jobs: higher goes first.
    #[serde(default)]
    #[schema(minimum = -1000, maximum = 1000)]
    pub priority: i32,
    /// Told of the end of its jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_url: Option<String>,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// Body of `PATCH /api/v1/schedules/{id}`: members that are left out stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleEdit {
    /// See [`ScheduleSpec::name`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// See [`ScheduleSpec::blueprint`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blueprint: Option<String>,
    /// The whole input, in place of the former.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_data: Option<Map<String, Value>>,
    /// See [`ScheduleSpec::cron`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// See [`ScheduleSpec::time_zone`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// See [`ScheduleSpec::catch_up`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catch_up: Option<CatchUp>,
    /// See [`ScheduleSpec::overlap`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
    /// See [`ScheduleSpec::starts_at`]; null takes it away.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub starts_at: Option<Option<String>>,
    /// See [`ScheduleSpec::ends_at`]; null takes it away.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub ends_at: Option<Option<String>>,
    /// See [`ScheduleSpec::paused`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// See [`ScheduleSpec::priority`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// See [`ScheduleSpec::webhook_url`]; null takes it away.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub webhook_url: Option<Option<String>>,
}

/// Tells a member that is null from one that is left out.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl ScheduleEdit {
    /// The schedule as it is after this edit.
    #[must_use]
    pub fn apply(self, spec: ScheduleSpec) -> ScheduleSpec {
        ScheduleSpec {
            name: self.name.unwrap_or(spec.name),
            blueprint: self.blueprint.unwrap_or(spec.blueprint),
            initial_data: self.initial_data.unwrap_or(spec.initial_data),
            cron: self.cron.unwrap_or(spec.cron),
            time_zone: self.time_zone.unwrap_or(spec.time_zone),
            catch_up: self.catch_up.unwrap_or(spec.catch_up),
            overlap: self.overlap.unwrap_or(spec.overlap),
            starts_at: self.starts_at.unwrap_or(spec.starts_at),
            ends_at: self.ends_at.unwrap_or(spec.ends_at),
            paused: self.paused.unwrap_or(spec.paused),
            priority: self.priority.unwrap_or(spec.priority),
            webhook_url: self.webhook_url.unwrap_or(spec.webhook_url),
        }
    }
}

/// A schedule as `GET /api/v1/schedules/{id}` answers it. Times are RFC 3339 in UTC with milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ScheduleView {
    /// Its id.
    pub id: ScheduleId,
    /// What it creates and when.
    #[serde(flatten)]
    pub spec: ScheduleSpec,
    /// When it was created.
    pub created_at: String,
    /// When it was last changed.
    pub updated_at: String,
    /// The next five instants; none while it is paused or when it is over.
    pub next_firings: Vec<String>,
    /// What became of its latest instants, the newest first: at most 50, in a list of schedules only one.
    pub firings: Vec<Firing>,
}

/// What became of one instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Firing {
    /// The instant; for one by hand, when that was.
    pub instant: String,
    /// What became of it.
    pub outcome: FiringOutcome,
    /// The job that was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What became of an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FiringOutcome {
    /// Its job was created.
    Created,
    /// A job was created by hand.
    Triggered,
    /// The job could not be created: `reason` says why.
    Refused,
    /// A job of the schedule had not ended.
    Overlapped,
    /// It, and those up to the next entry, passed while nobody could create their jobs.
    Missed,
}

impl FiringOutcome {
    /// The word that is stored and sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Triggered => "triggered",
            Self::Refused => "refused",
            Self::Overlapped => "overlapped",
            Self::Missed => "missed",
        }
    }
}

/// Answer to a list of schedules.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ScheduleList {
    /// The client's schedules, the newest first.
    pub schedules: Vec<ScheduleView>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn edit(body: Value) -> ScheduleEdit {
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn an_edit_changes_what_it_names_and_null_takes_away() {
        let spec: ScheduleSpec = serde_json::from_value(json!({
            "name": "n", "blueprint": "b", "cron": "* * * * *", "starts_at": "2030-01-01T00:00:00Z", "ends_at": "2031-01-01T00:00:00Z"
        }))
        .unwrap();

        let edited = edit(json!({ "paused": true, "starts_at": null })).apply(spec.clone());

        assert_eq!(edited, ScheduleSpec { paused: true, starts_at: None, ..spec.clone() });
        assert_eq!(edit(json!({})).apply(spec.clone()), spec);
    }
}
