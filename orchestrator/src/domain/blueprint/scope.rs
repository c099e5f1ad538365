//! What a state may know: its data, the context object, random bits, and how much it may copy.

use std::{borrow::Cow, cell::Cell};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    failure::{DATA_LIMIT_EXCEEDED, Failure},
    jsonata::{Once, Shown, ShownInState},
    path::{Segment, walk},
};

/// What the machine may know about the world.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The job's id.
    pub job_id: &'a str,
    /// What the job was started with, defaults filled in; the same for every step of a job.
    pub input: &'a Value,
    /// The variables of the scopes around a branch, which it can read; nothing for the job's own branch.
    pub outer: Option<&'a Map<String, Value>>,
    /// The table that the job is pinned to, where it has one.
    pub dataset: Option<&'a Value>,
    /// When the job was started, RFC 3339.
    pub started_at: &'a str,
    /// Now, in milliseconds since 1970.
    pub now_ms: i64,
    /// A fresh random number in `[0, 1)`: the source of all jitter, `States.MathRandom` and `States.UUID` of this step.
    pub random: f64,
}

/// Values nested deeper than this are refused, as they could not be stored and read back.
const MAX_DEPTH: usize = 100;

/// Bytes of values that one step may copy. It stops a loop that doubles its data before memory runs out.
const MAX_COPIED: usize = 64 * 1024 * 1024;

/// What is the same for a whole step.
pub(super) struct World<'a> {
    pub(super) facts: &'a Facts<'a>,
    pub(super) machine_id: &'a str,
    pub(super) machine_name: &'a str,
    /// What expressions see of the job, the same in every state.
    pub(super) shown: Shown,
    copied: Cell<usize>,
    drawn: Cell<u32>,
}

impl<'a> World<'a> {
    pub(super) fn new(facts: &'a Facts<'a>, machine_id: &'a str, machine_name: &'a str) -> Self {
        Self { facts, machine_id, machine_name, shown: Shown::default(), copied: Cell::new(0), drawn: Cell::new(0) }
    }

    /// Accounts for a value that is about to become part of the data, `levels` below the top.
    pub(super) fn admit(&self, value: &Value, levels: usize) -> Result<(), Failure> {
        let bytes = MAX_DEPTH.checked_sub(levels).and_then(|levels| weigh(value, levels)).ok_or_else(|| {
            Failure::new(DATA_LIMIT_EXCEEDED, format!("the data is nested deeper than the {MAX_DEPTH} levels allowed"))
        })?;
        let copied = self.copied.get().saturating_add(bytes);
        self.copied.set(copied);
        if copied > MAX_COPIED {
            let cause = format!("the machine copied more than the {MAX_COPIED} bytes allowed without waiting");
            return Err(Failure::new(DATA_LIMIT_EXCEEDED, cause));
        }
        Ok(())
    }

    /// 32 random bytes, different at every call within a step.
    pub(super) fn draw(&self) -> [u8; 32] {
        let number = self.drawn.get();
        self.drawn.set(number + 1);
        let seed = Sha256::new()
            .chain_update(self.facts.job_id)
            .chain_update(self.facts.random.to_bits().to_le_bytes())
            .chain_update(self.facts.now_ms.to_le_bytes())
            .chain_update(number.to_le_bytes());
        seed.finalize().into()
    }
}

/// About how many bytes `value` takes in memory, or nothing when it is deeper than `levels`.
fn weigh(value: &Value, levels: usize) -> Option<usize> {
    const NODE: usize = size_of::<Value>();
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(NODE),
        Value::String(text) => Some(NODE + text.len()),
        Value::Array(items) => {
            let below = levels.checked_sub(1)?;
            items.iter().try_fold(NODE, |sum, item| Some(sum + weigh(item, below)?))
        }
        Value::Object(object) => {
            let below = levels.checked_sub(1)?;
            object.iter().try_fold(NODE, |sum, (key, item)| Some(sum + NODE + key.len() + weigh(item, below)?))
        }
    }
}

/// The state that is being evaluated.
#[derive(Clone, Copy)]
pub(super) struct Here<'a> {
    pub(super) state: &'a str,
    pub(super) entered_ms: i64,
    pub(super) retries: u32,
    /// The item of the innermost Map around it.
    pub(super) item: Option<Seen<'a>>,
}

/// An item of a Map state, as a state sees it.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) index: usize,
    pub(super) value: &'a Value,
    /// The value as expressions see it.
    pub(super) shown: &'a Once,
}

/// What a state's work has ended with.
#[derive(Clone, Copy)]
pub(super) struct Outcome<'a> {
    /// What expressions call it.
    pub(super) name: &'static str,
    pub(super) value: &'a Value,
    /// The value as expressions see it.
    pub(super) shown: &'a Once,
}

/// What a path can read: the data and the context object of one state.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) data: &'a Value,
    pub(super) world: &'a World<'a>,
    pub(super) here: Here<'a>,
    /// The variables of the branch itself.
    pub(super) variables: &'a Map<String, Value>,
    /// What the state's work has ended with.
    pub(super) outcome: Option<Outcome<'a>>,
    /// What expressions have seen in this state.
    pub(super) stay: &'a ShownInState,
}

impl<'a> Scope<'a> {
    /// The value of a variable, where it has one.
    pub(super) fn variable(&self, name: &str) -> Option<&'a Value> {
        self.variables.get(name).or_else(|| self.world.facts.outer?.get(name))
    }

    /// What stands at `segments` in the context object; its large parts are only copied where they are asked for.
    pub(super) fn context(&self, segments: &[Segment]) -> Option<Cow<'a, Value>> {
        let facts = self.world.facts;
        let mut keys = segments.iter().map(|segment| segment.key().unwrap_or_default());
        match [keys.next(), keys.next(), keys.next()] {
            [Some("Dataset"), ..] => walk(facts.dataset?, &segments[1..]).map(Cow::Borrowed),
            [Some("Execution"), Some("Input"), _] => walk(facts.input, &segments[2..]).map(Cow::Borrowed),
            [Some("Map"), Some("Item"), Some("Value")] => {
                walk(self.here.item?.value, &segments[3..]).map(Cow::Borrowed)
            }
            [Some("Execution" | "State" | "StateMachine"), Some(_), _] => {
                walk(&self.small_context(), segments).cloned().map(Cow::Owned)
            }
            _ => walk(&self.whole_context(), segments).cloned().map(Cow::Owned),
        }
    }

    fn whole_context(&self) -> Value {
        let mut context = self.small_context();
        context["Execution"]["Input"] = self.world.facts.input.clone();
        if let Some(dataset) = self.world.facts.dataset {
            context["Dataset"] = dataset.clone();
        }
        if let Some(Seen { index, value, .. }) = self.here.item {
            context["Map"] = json!({ "Item": { "Index": index, "Value": value } });
        }
        context
    }

    /// The context object without its large parts: the job's input, its dataset and the item.
    pub(super) fn small_context(&self) -> Value {
        let World { facts, machine_id, machine_name, .. } = self.world;
        json!({
            "Execution": { "Id": facts.job_id, "Name": facts.job_id, "StartTime": facts.started_at },
            "State": {
                "Name": self.here.state,
                "EnteredTime": rfc3339(self.here.entered_ms),
                "RetryCount": self.here.retries,
            },
            "StateMachine": { "Id": machine_id, "Name": machine_name },
        })
    }
}

/// An instant as the language writes it: UTC, with milliseconds.
fn rfc3339(ms: i64) -> String {
    let instant =
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = instant.to_calendar_date();
    let (hour, minute, second, milli) = instant.to_hms_milli();
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z", u8::from(month))
}

/// An instant written as RFC 3339 with the capital `T` and `Z` that the language asks for, in nanoseconds since 1970.
pub(super) fn instant(text: &str) -> Option<i128> {
    let instant = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let capital = text.as_bytes().get(10) == Some(&b'T') && !text.ends_with('z');
    capital.then(|| instant.unix_timestamp_nanos())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Calls `act` with a scope over `data` in a state named `Here`.
    pub(in crate::domain::blueprint) fn with_scope<T>(data: &Value, act: impl FnOnce(&Scope<'_>) -> T) -> T {
        let input = json!({"given": 1});
        let dataset = json!({"uri": "s3://b/k"});
        let item = json!({"n": 5});
        let outer = json!({"around": [1, 2]});
        let facts = Facts {
            job_id: "job-1",
            input: &input,
            outer: outer.as_object(),
            dataset: Some(&dataset),
            started_at: "2026-01-02T03:04:05.678Z",
            now_ms: 1_767_323_045_678,
            random: 0.25,
        };
        let world = World::new(&facts, "hash-1", "machine-1");
        let shown = Once::default();
        let here = Here {
            state: "Here",
            entered_ms: facts.now_ms,
            retries: 2,
            item: Some(Seen { index: 4, value: &item, shown: &shown }),
        };
        let variables = json!({"who": {"name": "Ana"}, "n": 3, "names": ["a", "b"]});
        let variables = variables.as_object().expect("an object");
        act(&Scope { data, world: &world, here, variables, outcome: None, stay: &ShownInState::default() })
    }

    fn context(keys: &[&str]) -> Option<Value> {
        let segments: Vec<Segment> = keys.iter().map(|key| Segment::Key((*key).to_owned())).collect();
        with_scope(&Value::Null, |scope| scope.context(&segments).map(Cow::into_owned))
    }

    #[test]
    fn the_context_tells_of_the_job_the_state_and_the_dataset() {
        assert_eq!(context(&["Execution", "Id"]), Some(json!("job-1")));
        assert_eq!(context(&["Execution", "Input", "given"]), Some(json!(1)));
        assert_eq!(context(&["Execution", "StartTime"]), Some(json!("2026-01-02T03:04:05.678Z")));
        assert_eq!(context(&["State", "EnteredTime"]), Some(json!("2026-01-02T03:04:05.678Z")));
        assert_eq!(context(&["State", "RetryCount"]), Some(json!(2)));
        assert_eq!(context(&["StateMachine", "Name"]), Some(json!("machine-1")));
        assert_eq!(context(&["Map", "Item", "Index"]), Some(json!(4)));
        assert_eq!(context(&["Map", "Item", "Value", "n"]), Some(json!(5)));
        assert_eq!(context(&["Map", "Item"]), Some(json!({"Index": 4, "Value": {"n": 5}})));
        assert_eq!(context(&["Dataset", "uri"]), Some(json!("s3://b/k")));
        assert_eq!(context(&[]).map(|whole| whole["Dataset"]["uri"].clone()), Some(json!("s3://b/k")));
    }

    #[test]
    fn values_that_could_not_be_read_back_are_refused() {
        let deep = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));

        assert!(weigh(&deep(100), MAX_DEPTH).is_some());
        assert!(weigh(&deep(101), MAX_DEPTH).is_none());
    }

    #[test]
    fn every_draw_of_a_step_differs() {
        with_scope(&Value::Null, |scope| assert_ne!(scope.world.draw(), scope.world.draw()));
    }

    #[test]
    fn an_instant_has_capital_letters() {
        assert_eq!(instant("1970-01-01T00:00:01Z"), instant("1970-01-01T01:00:01.000+01:00"));
        assert_eq!(instant("1970-01-01t00:00:01Z"), None);
        assert_eq!(instant("1970-01-01T00:00:01z"), None);
        assert_eq!(instant("1970-01-01"), None);
    }
}
