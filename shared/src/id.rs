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

    /// A fresh id in the same partition as `other`, whatever the number of partitions: what one script must write
    /// together has to lie together.
    #[must_use]
    pub fn fresh_beside(other: Self) -> Self {
        let mut bytes = *Self::fresh().0.as_bytes();
        bytes[14..].copy_from_slice(&other.0.as_bytes()[14..]);
        Self(Uuid::from_bytes(bytes))
    }

    /// This id with a partition that follows from `seed`, for jobs that must meet.
    #[must_use]
    pub fn placed(self, seed: u16) -> Self {
        let mut bytes = *self.0.as_bytes();
        bytes[14..].copy_from_slice(&seed.to_be_bytes());
        Self(Uuid::from_bytes(bytes))
    }

    /// The id that always comes of an instant, in milliseconds since 1970, and of these bytes: a job that is made of the
    /// same cause twice is one job.
    #[must_use]
    pub const fn derived(ms: u64, bytes: &[u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(ms, bytes).into_uuid())
    }

    /// The job with these 16 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes of the id.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
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
        let wrong = InvalidId { what: "job_id", form: "a hyphenated lower-case UUID of version 7" };
        let id = Uuid::try_parse(text).map_err(|_| wrong.clone())?;
        // Other spellings of the same UUID would be second names for one job.
        if id.get_version_num() == 7 && id.hyphenated().to_string() == text { Ok(Self(id)) } else { Err(wrong) }
    }
}

/// A branch of a job: the job's own way through its blueprint, written `<job>`, or that of one item of a fan-out, written
/// `<job>.<fan>.<index>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BranchId {
    /// The job that it belongs to.
    pub job: JobId,
    /// Where it stands in a fan-out; `None` for the job's own branch.
    pub place: Option<Place>,
}

/// One place of a fan-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Counts the fan-outs of the job from 1.
    pub fan: u32,
    /// Counts the branches of the fan-out from 0.
    pub index: u32,
}

impl From<JobId> for BranchId {
    fn from(job: JobId) -> Self {
        Self { job, place: None }
    }
}

impl fmt::Display for BranchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            None => self.job.fmt(f),
            Some(Place { fan, index }) => write!(f, "{}.{fan}.{index}", self.job),
        }
    }
}

/// A number as ids write it: without a sign or leading zeros, so that each id has one spelling.
fn number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

impl FromStr for BranchId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let read = || {
            let mut parts = text.split('.');
            let job = parts.next()?.parse().ok()?;
            let place = match (parts.next(), parts.next(), parts.next()) {
                (None, ..) => None,
                (Some(fan), Some(index), None) => Some(Place { fan: number(fan)?, index: number(index)? }),
                _ => return None,
            };
            Some(Self { job, place })
        };
        read().ok_or(InvalidId { what: "branch", form: "a job id, or one with the numbers of a fan-out and an index" })
    }
}

/// A task: its branch and its number within the branch, written with a full stop between the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId {
    /// The branch that the task belongs to.
    pub branch: BranchId,
    /// Grows with each task of the branch.
    pub number: u32,
}

impl TaskId {
    /// The job that it belongs to.
    #[must_use]
    pub const fn job(self) -> JobId {
        self.branch.job
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.branch, self.number)
    }
}

impl FromStr for TaskId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let read = || {
            let (branch, last) = text.rsplit_once('.')?;
            Some(Self { branch: branch.parse().ok()?, number: number(last).filter(|number| *number > 0)? })
        };
        read().ok_or(InvalidId { what: "task_id", form: "the id of a branch, a full stop and a number" })
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
        let pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}((\\.(0|[1-9][0-9]{0,8})){2})?\\.[1-9][0-9]{0,8}$";
        let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).examples([example]);
        text.pattern(Some(pattern)).description(Some("A task: its branch and its number within that.")).into()
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
    /// A schedule, as it was named when it was created.
    ScheduleId,
    "schedule_id",
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
        let job = JobId::fresh();
        for place in [None, Some(Place { fan: 3, index: 0 })] {
            let task = TaskId { branch: BranchId { job, place }, number: 7 };

            assert_eq!(task.to_string().parse(), Ok(task));
        }
    }

    #[test]
    fn a_job_has_one_spelling() {
        let id = JobId::fresh().to_string();

        assert!(id.to_uppercase().parse::<JobId>().is_err());
        assert!(id.replace('-', "").parse::<JobId>().is_err());
        assert!("e6d7f3c0-9c9f-4b8a-b7c3-f0e3c9f6b9d7".parse::<JobId>().is_err(), "of version 4");
        for wrong in [".07", ".0", ".", ".1.2", ".1.2.3.4", ".+1", "..1"] {
            assert!(format!("{id}{wrong}").parse::<TaskId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_worker_id_is_safe_in_a_key_and_in_a_path() {
        assert!("gpu-node_7".parse::<WorkerId>().is_ok());
        for hostile in ["", "../x", "a b", "a{b}", "a\n", &"x".repeat(129)] {
            assert!(hostile.parse::<WorkerId>().is_err(), "{hostile:?}");
        }
    }
}
