//! What a task runs, and what a worker must have to run it.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use relevo_shared::SkillName;
use serde::{Deserialize, Serialize};

use crate::domain::ranking::Placement;

/// What a `Resource` URI names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Resource {
    /// `skill:<name>`: a worker that has the skill runs the task.
    Skill(SkillName),
    /// `approval:<group>`: the state waits until a person of the group has decided.
    Approval(String),
    /// `blueprint:<name>`: a job of that blueprint is the task.
    Blueprint(String),
}

impl FromStr for Resource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("skill", name)) => name.parse().map(Self::Skill).map_err(|e| format!("{e}, after `skill:`")),
            Some(("approval", group)) => word(group, "approval").map(Self::Approval),
            Some(("blueprint", name)) => word(name, "blueprint").map(Self::Blueprint),
            _ => {
                Err("write `skill:<name>`, `approval:<group>` or `blueprint:<name>`, for example `skill:echo`"
                    .to_owned())
            }
        }
    }
}

/// The name of a group or a blueprint.
fn word(text: &str, scheme: &str) -> Result<String, String> {
    if is_word(text) {
        Ok(text.to_owned())
    } else {
        Err(format!("write 1 to 64 letters, digits, `_`, `-` and `.` after `{scheme}:`"))
    }
}

/// Whether `text` can be the name of a blueprint.
pub(super) fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

impl TryFrom<String> for Resource {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Resource> for String {
    fn from(resource: Resource) -> Self {
        resource.to_string()
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skill(name) => write!(f, "skill:{name}"),
            Self::Approval(group) => write!(f, "approval:{group}"),
            Self::Blueprint(name) => write!(f, "blueprint:{name}"),
        }
    }
}

/// What a worker must have to be given a task, and how it is chosen. Equal requirements have equal JSON texts.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Requirements {
    /// Whether it needs a GPU.
    #[serde(default, skip_serializing_if = "is_false")]
    pub gpu: bool,
    /// Labels that the worker must carry, all of them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<String>,
    /// Models that the worker must have at hand, all of them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub models: BTreeSet<String>,
    /// How one of several workers is chosen, where the blueprint says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// Numbers that the worker must reach, for example `vram_gb`.
    #[serde(flatten)]
    pub at_least: BTreeMap<String, Amount>,
}

impl Requirements {
    /// Whether any worker will do, chosen as usual.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The JSON text that stands for these requirements and for no others.
    #[must_use]
    pub fn canonical(&self) -> String {
        serde_json::to_string(self).expect("sets, maps of finite numbers and strings have a JSON text")
    }
}

// The signature is serde's.
#[allow(clippy::trivially_copy_pass_by_ref)]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// A number that can be sorted.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Amount(pub f64);

impl Ord for Amount {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Amount {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Amount {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_resource_is_a_skill_an_approval_or_a_blueprint() {
        for text in ["skill:echo", "approval:board", "blueprint:beto_sentiment"] {
            assert_eq!(text.parse::<Resource>().map(|resource| resource.to_string()), Ok(text.to_owned()));
        }
        assert!("skill:".parse::<Resource>().is_err_and(|e| e.contains("1 to 128")));
        assert!("approval:a board".parse::<Resource>().is_err_and(|e| e.contains("after `approval:`")));
        assert!("blueprint:".parse::<Resource>().is_err_and(|e| e.contains("1 to 64")));
        assert!("http://x".parse::<Resource>().is_err());
    }

    #[test]
    fn equal_requirements_have_one_text() {
        let read = |value| serde_json::from_value::<Requirements>(value).expect("they are requirements");

        let one = read(json!({"vram_gb": 16, "labels": ["b", "a"], "gpu": true}));
        let other = read(json!({"gpu": true, "labels": ["a", "b", "a"], "vram_gb": 16.0}));

        assert_eq!(one.canonical(), r#"{"gpu":true,"labels":["a","b"],"vram_gb":16.0}"#);
        assert_eq!(one.canonical(), other.canonical());
        assert_eq!(read(serde_json::from_str(&one.canonical()).expect("it is JSON")), one);
        assert!(read(json!({})).is_empty());
    }
}
