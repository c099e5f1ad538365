//! What a task runs, and what a worker must have to run it.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use relevo_shared::SkillName;
use serde::{Deserialize, Serialize};

/// What a `Resource` URI names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Resource {
    /// `skill:<name>`: a worker that has the skill runs the task.
    Skill(SkillName),
}

impl FromStr for Resource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("skill", name)) => name.parse().map(Self::Skill).map_err(|e| format!("{e}, after `skill:`")),
            Some((scheme @ ("approval" | "blueprint"), _)) => {
                Err(format!("`{scheme}:` is not supported yet: write `skill:` and the name of a skill"))
            }
            _ => Err("write `skill:` and the name of a skill, for example `skill:echo`".to_owned()),
        }
    }
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
        }
    }
}

/// What a worker must have to be given a task. Equal requirements have equal JSON texts.
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
    /// Numbers that the worker must reach, for example `vram_gb`.
    #[serde(flatten)]
    pub at_least: BTreeMap<String, Amount>,
}

impl Requirements {
    /// Whether any worker will do.
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
    fn a_resource_is_a_skill_and_says_what_else_is_not_supported_yet() {
        assert_eq!("skill:echo".parse::<Resource>().map(|r| r.to_string()), Ok("skill:echo".to_owned()));
        assert!("approval:board".parse::<Resource>().is_err_and(|e| e.contains("not supported yet")));
        assert!("skill:".parse::<Resource>().is_err_and(|e| e.contains("1 to 128")));
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
