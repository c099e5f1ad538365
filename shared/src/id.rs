//! Ids as they travel: strings that were checked once, at the edge.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema,
        schema::{SchemaType, Type},
    },
};
use uuid::Uuid;

/// An id or name that does not have the form it must have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {form}")]
pub struct InvalidId {
    /// What was being read, for example `worker_id`.
    pub what: &'static str,
    /// The form that would have been right.
    pub form: &'static str,
}

/// A job: a UUID of version 7, so ids sort by the time they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, format = Uuid, example = "0198c0de-0000-7000-8000-000000000000")]
pub struct JobId(Uuid);

impl JobId {
    /// A fresh id.
    #[must_use]
    pub fn fresh() -> Self {
        Self(Uuid::now_v7())
    }

    /// The partition of this job among `partitions`: the random tail of the id, so that jobs made together spread.
    #[must_use]
    pub fn partition(self, partitions: u16) -> u16 {
        let bytes = self.0.as_bytes();
        u16::from_be_bytes([bytes[14], bytes[15]]) % partitions.max(1)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for JobId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let wrong = InvalidId { what: "job_id", form: "a hyphenated lower-case UUID" };
        let id = Uuid::try_parse(text).map_err(|_| wrong.clone())?;
        // Other spellings of the same UUID would be second names for one job.
        if id.hyphenated().to_string() == text { Ok(Self(id)) } else { Err(wrong) }
    }
}

/// A task: its job and its number within the job, written `<job>.<number>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId {
    /// The job that the task belongs to.
    pub job: JobId,
    /// Counts the tasks of the job from 1, in the order in which they were queued.
    pub number: u32,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.job, self.number)
    }
}

impl FromStr for TaskId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let wrong = InvalidId { what: "task_id", form: "a job id, a full stop and a number" };
        let (job, number) = text.split_once('.').ok_or(wrong.clone())?;
        if number.starts_with('0') || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong);
        }
        Ok(Self { job: job.parse().map_err(|_| wrong.clone())?, number: number.parse().map_err(|_| wrong)? })
    }
}

impl Serialize for TaskId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TaskId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl PartialSchema for TaskId {
    fn schema() -> RefOr<Schema> {
        let example = "0198c0de-0000-7000-8000-000000000000.1";
        let pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\\.[1-9][0-9]{0,8}$";
        let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).examples([example]);
        text.pattern(Some(pattern)).description(Some("A task: its job and its number within the job.")).into()
    }
}

impl ToSchema for TaskId {}

/// Makes a checked string type: 1 to 128 of the characters that the predicate allows.
macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $form:literal, $pattern:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schema(value_type = String, pattern = $pattern)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let allowed: fn(char) -> bool = $allowed;
                if (1..=128).contains(&text.len()) && text.chars().all(allowed) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidId { what: $what, form: $form })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked_name!(
    /// A worker, as it names itself when it registers.
    WorkerId,
    "worker_id",
    "1 to 128 letters, digits, `_` and `-`",
    "^[A-Za-z0-9_-]{1,128}$",
    |c| c.is_ascii_alphanumeric() || c == '_' || c == '-'
);
checked_name!(
    /// A skill, for example `beto.preprocess`.
    SkillName,
    "skill",
    "1 to 128 letters, digits, `_`, `-` and `.`",
    "^[A-Za-z0-9_.-]{1,128}$",
    |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn task_id_reads_back_as_it_was_written() {
        let task = TaskId { job: JobId::fresh(), number: 7 };

        assert_eq!(task.to_string().parse(), Ok(task));
    }

    #[test]
    fn a_job_has_one_spelling() {
        let id = JobId::fresh().to_string();

        assert!(id.to_uppercase().parse::<JobId>().is_err());
        assert!(id.replace('-', "").parse::<JobId>().is_err());
        assert!(format!("{id}.07").parse::<TaskId>().is_err());
    }

    #[test]
    fn a_worker_id_is_safe_in_a_key_and_in_a_path() {
        assert!("gpu-node_7".parse::<WorkerId>().is_ok());
        for hostile in ["", "../x", "a b", "a{b}", "a\n", &"x".repeat(129)] {
            assert!(hostile.parse::<WorkerId>().is_err(), "{hostile:?}");
        }
    }
}
