//! Blueprints: files that say how a job becomes tasks. A header of our own, and a state machine in the Amazon States
//! Language (<https://states-language.net/spec.html>) with JSONPath as its query language.
//!
//! [`Blueprint::parse`] reads a file and reports every fault at once. [`start`], [`begin_branch`] and [`resume`] run the
//! machine from one wait to the next: they get what happened and answer with what is to be done, and do nothing themselves.

#[cfg(test)]
mod branch_parse_tests;
mod choice;
#[cfg(test)]
mod drive;
mod eval;
#[cfg(test)]
mod eval_tests;
mod execution;
mod failure;
mod fan;
#[cfg(test)]
mod fan_tests;
mod fault;
mod format;
#[cfg(test)]
mod golden_tests;
mod graph;
mod intrinsic;
mod jsonata;
#[cfg(test)]
mod jsonata_tests;
mod model;
mod parse;
#[cfg(test)]
mod parse_tests;
mod path;
#[cfg(test)]
mod refused_tests;
mod resource;
#[cfg(test)]
mod sampling_tests;
mod schema;
mod scope;
mod source;
mod suggest;
mod template;
#[cfg(test)]
mod total_tests;
#[cfg(test)]
mod variable_tests;
mod work;

use relevo_shared::{dataset::Column, problem::Detail};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

pub use eval::{begin_branch, resume, retry, start};
pub use execution::{BranchStart, Event, Execution, FanOrder, Next, Setback, Step, TaskOrder};
pub use fault::Fault;
pub use model::Machine;
pub use resource::{Amount, Requirements, Resource};
pub use scope::Facts;

use fault::Faults;
use schema::InputSchema;

/// A blueprint that has been read and found sound.
#[derive(Debug, Clone)]
pub struct Blueprint {
    /// Its name, for example `beto_sentiment`.
    pub name: String,
    /// Its version, for people.
    pub version: String,
    /// Where jobs of it are created, for example `/jobs/beto_sentiment`.
    pub endpoint: String,
    /// What it does, for people.
    pub description: String,
    /// What jobs of it are called in lists: its name, unless the file says otherwise.
    pub kind: String,
    /// What a job's input must look like: a JSON Schema, draft 2020-12.
    pub input: Value,
    /// Fields of the input that a client may leave out.
    pub defaults: Map<String, Value>,
    /// How a job becomes tasks.
    pub machine: Machine,
    schema: InputSchema,
    canonical: String,
    hash: String,
}

impl PartialEq for Blueprint {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Blueprint {
    /// Reads a blueprint file, YAML or JSON.
    ///
    /// # Errors
    ///
    /// All faults of the file, in the order of its lines.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        let source = source::read(text)?;
        let mut faults = Faults::default();
        let Some(parts) = parse::read(&source.value, &mut faults) else {
            let places = if source.places.is_empty() { source::places(text) } else { source.places };
            return Err(faults.located(&places));
        };
        let mut sorted = source.value;
        sorted.sort_all_objects();
        let canonical = sorted.to_string();
        Ok(Self {
            kind: parts.kind.unwrap_or_else(|| parts.name.clone()),
            name: parts.name,
            version: parts.version,
            endpoint: parts.endpoint,
            description: parts.description,
            input: parts.input.schema.clone(),
            defaults: parts.defaults,
            machine: parts.machine,
            schema: parts.input,
            hash: hex::encode(Sha256::digest(&canonical)),
            canonical,
        })
    }

    /// The SHA-256 of [`Blueprint::canonical`], in hex: what a job is pinned to.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The file as one JSON text with sorted keys; to parse it gives an equal blueprint.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// How long a job may take, where its machine says so.
    #[must_use]
    pub const fn timeout_seconds(&self) -> Option<u32> {
        self.machine.timeout_seconds
    }

    /// Makes a job's input of what a client sent: fields it left out come from the defaults.
    ///
    /// # Errors
    ///
    /// One detail for each field that the schema refuses, named `initial_data.…`.
    pub fn fill(&self, initial_data: Map<String, Value>) -> Result<Value, Vec<Detail>> {
        let mut input = initial_data;
        for (name, value) in &self.defaults {
            if !input.contains_key(name) {
                input.insert(name.clone(), value.clone());
            }
        }
        let input = Value::Object(input);
        self.schema.check(&input)?;
        Ok(input)
    }

    /// Judges the columns that a filled input names and the conditions that it sets, given the columns of its table.
    ///
    /// # Errors
    ///
    /// One detail for each that is wrong, named `initial_data.…`.
    pub fn check_columns(&self, input: &Value, columns: &[Column]) -> Result<(), Vec<Detail>> {
        self.schema.check_columns(input, columns)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SHIPPED: [(&str, &str); 4] = [
        ("echo", include_str!("../../../../blueprints/echo.yaml")),
        ("sleep", include_str!("../../../../blueprints/sleep.yaml")),
        ("beto_sentiment", include_str!("../../../../blueprints/beto_sentiment.yaml")),
        ("sampling", include_str!("../../../../blueprints/sampling.yaml")),
    ];

    fn shipped(name: &str) -> Blueprint {
        let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == name).expect("it ships");
        Blueprint::parse(text).unwrap_or_else(|faults| panic!("{name}: {faults:#?}"))
    }

    fn fields(input: Value) -> Map<String, Value> {
        match input {
            Value::Object(fields) => fields,
            other => panic!("{other} is no object"),
        }
    }

    /// The details of a refusal, one a line.
    fn refusals(blueprint: &Blueprint, input: Value) -> Vec<String> {
        let details = blueprint.fill(fields(input)).expect_err("it should be refused");
        details.into_iter().map(|detail| format!("{}: {}", detail.field, detail.reason)).collect()
    }

    #[test]
    fn shipped_blueprints_are_sound_and_named_like_their_files() {
        for (name, _) in SHIPPED {
            let blueprint = shipped(name);

            assert_eq!(blueprint.name, name);
            assert_eq!(blueprint.endpoint, format!("/jobs/{name}"));
        }
    }

    #[test]
    fn the_canonical_text_gives_an_equal_blueprint() {
        for (name, _) in SHIPPED {
            let blueprint = shipped(name);

            let again = Blueprint::parse(blueprint.canonical()).expect("it is sound");

            assert_eq!((again.hash(), again.canonical()), (blueprint.hash(), blueprint.canonical()));
            assert_eq!(again.defaults.len(), blueprint.defaults.len());
        }
    }

    #[test]
    fn layout_and_order_do_not_change_the_hash() {
        let one = "{name: a, version: '1', endpoint: /a, definition: {StartAt: S, States: {S: {Type: Succeed}}}}";
        let other =
            "endpoint: /a\ndefinition:\n  States: {S: {Type: Succeed}}\n  StartAt: S\nversion: '1'\nname: a # b\n";

        let hash = |text| Blueprint::parse(text).map(|blueprint| blueprint.hash().to_owned());

        assert_eq!(hash(one), hash(other));
        assert_ne!(hash(one), hash(&one.replace("'1'", "'2'")));
    }

    #[test]
    fn defaults_are_filled_in_and_the_client_wins() {
        let filled = shipped("beto_sentiment").fill(fields(json!({"dataset_id": 48, "margin": 0.5}))).expect("sound");

        assert_eq!(filled["margin"], 0.5);
        assert_eq!(filled["threshold"], 0.75);
        assert_eq!(filled["dataset_id"], 48);
        assert_eq!(filled["table_key"], "primary");
    }

    #[test]
    fn every_wrong_field_is_named_with_what_would_be_right() {
        let wrong = json!({
            "dataset_id": "d", "threshold": 1.5, "text_feats": "bow", "max_length": "long", "tresholds": 1, "text_col": [],
            "tfidf_min_df": 0
        });

        let mut refusals = refusals(&shipped("beto_sentiment"), wrong);
        refusals.sort();

        let told = [
            "initial_data.max_length: must be of type integer",
            "initial_data.text_col: must be of type string, or must have 1 items or more",
            r#"initial_data.text_feats: must be one of "none", "tfidf_lsa""#,
            "initial_data.tfidf_min_df: must be 1 or more, or must be more than 0",
            "initial_data.threshold: must be 1 or less",
            "initial_data.tresholds: unknown field (did you mean `threshold`?)",
        ];
        assert_eq!(refusals, told);
    }

    #[test]
    fn a_source_is_needed_and_only_one() {
        let blueprint = shipped("beto_sentiment");

        assert_eq!(refusals(&blueprint, json!({})), ["initial_data: needs `dataset_id` or `input`"]);
        let both = json!({"dataset_id": "d", "input": "s3://b/k"});
        assert_eq!(refusals(&blueprint, both), ["initial_data: give only one of `dataset_id`, `input`"]);
        let no_uri = refusals(&blueprint, json!({"input": "/etc/passwd"}));
        assert_eq!(no_uri, ["initial_data.input: must match the pattern `^s3://[^/]+/.+$`"]);
    }
}
