//! Blueprints as clients see them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A blueprint that jobs can be created of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BlueprintView {
    /// Its name.
    #[schema(example = "beto_sentiment")]
    pub name: String,
    /// Its version, for people.
    pub version: String,
    /// Where jobs of it are created, below `/api/v1`.
    #[schema(example = "/jobs/beto_sentiment")]
    pub endpoint: String,
    /// What it does.
    pub description: String,
    /// What a job's input must look like: a JSON Schema, draft 2020-12.
    #[schema(value_type = Object)]
    pub input: Value,
    /// Fields of the input that may be left out.
    #[schema(value_type = Object)]
    pub defaults: Value,
    /// SHA-256 of the definition, in hex: what a job is pinned to.
    pub hash: String,
    /// Skills that its tasks need, in alphabetical order.
    pub skills: Vec<String>,
    /// `JSONPath` or `JSONata`.
    pub query_language: String,
    /// Its state machine in the Amazon States Language; left out of lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub definition: Option<Value>,
}

/// Answer to a list of blueprints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BlueprintList {
    /// In the order of their names.
    pub blueprints: Vec<BlueprintView>,
    /// When this replica last read its folder.
    pub reload: Reload,
}

/// What came of reading the folder of blueprints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reload {
    /// When it was read; RFC 3339 in UTC with milliseconds.
    pub at: String,
    /// Whether it was sound. Otherwise the set from before is still served.
    pub ok: bool,
    /// Every fault of every file.
    pub faults: Vec<BlueprintFault>,
}

/// A fault of a blueprint file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlueprintFault {
    /// The file, without its folder.
    pub file: String,
    /// Where in its structure; empty for the file as a whole.
    #[schema(example = "definition.States.Embed.Next")]
    pub path: String,
    /// From 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// From 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// What is wrong, and what would be right.
    pub reason: String,
}
