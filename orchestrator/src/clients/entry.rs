//! Clients and workers as files write them.

use std::fmt;

use relevo_shared::secret::Secret;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{SeqAccess, Visitor, value::SeqAccessDeserializer},
};

use crate::domain::quota::Plan;

/// A client: one entry of the list `clients`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientEntry {
    /// Its name; jobs belong to it.
    pub name: String,
    /// SHA-256 of its token in hex, or a list of such: while tokens change, the old and the new one.
    #[serde(deserialize_with = "one_or_several")]
    pub token_sha256: Vec<String>,
    /// Name of its plan; `default` when absent, where there is a plan of that name.
    #[serde(default)]
    pub plan: Option<String>,
    /// Limits of its own, over those of its plan.
    #[serde(default)]
    pub limits: Plan,
    /// What its tokens are for; all but `admin` when absent.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// The user that its jobs are recorded under.
    #[serde(default)]
    pub user_id: Option<String>,
    /// The same user's name in another directory.
    #[serde(default)]
    pub user_soeid: Option<String>,
    /// What its webhooks are signed with, `whsec_` and base64: the first signs, all are accepted.
    #[serde(default)]
    pub webhook_secrets: Vec<Secret>,
}

/// A token that workers come with: one entry of the list `workers`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerEntry {
    /// The one worker that may use it; any worker when absent.
    #[serde(default)]
    pub worker_id: Option<String>,
    /// SHA-256 of the token in hex, or a list of such.
    #[serde(deserialize_with = "one_or_several")]
    pub token_sha256: Vec<String>,
    /// What is asked of the signatures in what comes with it.
    #[serde(default)]
    pub signatures: Signatures,
}

/// What is asked of the signatures that workers may put into bodies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signatures {
    /// They are not looked at.
    Off,
    /// One that is there must be right.
    #[default]
    WhenPresent,
    /// Every body must have one that is right.
    Required,
}

fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct OneOrSeveral;

    impl<'de> Visitor<'de> for OneOrSeveral {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a hash or a list of hashes")
        }

        fn visit_str<E>(self, text: &str) -> Result<Vec<String>, E> {
            Ok(vec![text.to_owned()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Vec<String>, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(list))
        }
    }

    deserializer.deserialize_any(OneOrSeveral)
}
