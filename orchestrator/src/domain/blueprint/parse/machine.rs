//! Reads a state machine: its states, and whether each can be reached and can end.

use std::collections::HashMap;

use serde_json::Value;

use super::{fields::Fields, flow, reach, state, variables::Scopes};
use crate::domain::blueprint::{
    eval::MAX_SECONDS,
    fault::{Faults, join_key},
    model::{Machine, State, StateIndex},
    suggest::did_you_mean,
    template::Language,
};

/// Characters in a state's name, as the language has it.
const MAX_NAME: usize = 80;

/// Parallel and Map states within each other.
const MAX_NESTING: usize = 16;

/// The states of the whole machine, those of its branches among them, as they are read.
pub(super) struct Book {
    /// What a state speaks that does not say.
    language: Language,
    states: Vec<Option<State>>,
    index: HashMap<String, StateIndex>,
    paths: Vec<String>,
    variables: Scopes,
}

impl Book {
    fn new(language: Language) -> Self {
        Self { language, states: Vec::new(), index: HashMap::new(), paths: Vec::new(), variables: Scopes::default() }
    }

    /// Makes room for states that are about to be read, so that each can be named before it is known.
    fn reserve(&mut self, name: &str, path: String, faults: &mut Faults) -> StateIndex {
        let index = self.states.len();
        if let Some(other) = self.index.insert(name.to_owned(), index) {
            let other = &self.paths[other];
            faults.add(&path, format!("there is a state of this name at {other}: a name is used once in a machine"));
        }
        self.states.push(None);
        self.paths.push(path);
        index
    }
}

/// One `States` object while its states are read.
pub(super) struct Level<'l> {
    targets: HashMap<&'l str, StateIndex>,
    /// Parallel and Map states around it.
    nesting: usize,
    book: &'l mut Book,
}

impl Level<'_> {
    /// What a state speaks that does not say.
    pub(super) const fn language(&self) -> Language {
        self.book.language
    }

    /// The state that a field names.
    pub(super) fn target(&self, fields: &mut Fields<'_, '_>, name: &'static str) -> Option<StateIndex> {
        let target = fields.text(name)?;
        let found = self.targets.get(target).copied();
        if found.is_none() {
            let mut known: Vec<&str> = self.targets.keys().copied().collect();
            known.sort_unstable();
            let hint = did_you_mean(target, known);
            let elsewhere = self.book.index.get(target).map(|index| &self.book.paths[*index]);
            let elsewhere = elsewhere.map(|path| format!(" here, only {path}")).unwrap_or_default();
            fields.fault_at(name, format!("there is no state `{target}`{elsewhere}{hint}"));
        }
        found
    }

    /// Reads the `States` and `StartAt` of a branch, and gives its first state.
    pub(super) fn branch(&mut self, fields: &mut Fields<'_, '_>) -> Option<StateIndex> {
        if self.nesting == MAX_NESTING {
            fields.fault(format!("branches are nested deeper than the {MAX_NESTING} levels allowed"));
            return None;
        }
        states(fields, self.book, self.nesting + 1)
    }
}

/// Reads the machine in `value`; `None` when it cannot be run, with at least one fault to say why.
pub(super) fn read(value: &Value, path: &str, faults: &mut Faults) -> Option<Machine> {
    let mut fields = Fields::of(value, path, faults)?;
    fields.text("Comment");
    fields.parsed("Version", |version| match version {
        "1.0" => Ok(()),
        other => Err(format!("must be `1.0`, the only version of the language, not `{other}`")),
    });
    let language = flow::language(&mut fields).unwrap_or(Language::JsonPath);
    let timeout_seconds = fields.integer("TimeoutSeconds", 1..=MAX_SECONDS);
    let mut book = Book::new(language);
    let start = states(&mut fields, &mut book, 0);
    book.variables.check(fields.faults);
    fields.close();

    let Book { states, index, .. } = book;
    let states = states.into_iter().collect::<Option<Vec<State>>>()?;
    Some(Machine { start: start?, states, index, timeout_seconds })
}

/// Reads `States` and `StartAt`, and gives the first state.
fn states(fields: &mut Fields<'_, '_>, book: &mut Book, nesting: usize) -> Option<StateIndex> {
    let path = fields.at("States");
    let Some(states) = fields.value("States") else {
        fields.value("StartAt");
        fields.missing("States", "is missing: write the states of the machine here, by name");
        return None;
    };
    let Some(states) = states.as_object().filter(|states| !states.is_empty()) else {
        fields.value("StartAt");
        fields.fault_at("States", "must be an object with at least one state");
        return None;
    };
    let met = fields.faults.met();
    let mut targets = HashMap::with_capacity(states.len());
    for name in states.keys() {
        targets.insert(name.as_str(), book.reserve(name, join_key(&path, name), fields.faults));
    }
    let mut level = Level { targets, nesting, book };
    if !fields.has("StartAt") {
        fields.missing("StartAt", "is missing: name the state that comes first");
    }
    let start = level.target(fields, "StartAt");
    for (name, value) in states {
        let at = join_key(&path, name);
        if name.is_empty() || name.chars().count() > MAX_NAME {
            fields.faults.add(&at, format!("a state's name must have 1 to {MAX_NAME} characters"));
        }
        let index = level.targets[name.as_str()];
        level.book.states[index] = state::read(name, value, &at, &mut level, fields.faults);
    }
    let first = start.and_then(|start| states.keys().find(|name| level.targets[name.as_str()] == start));
    level.book.variables.end(nesting, fields.faults.take_uses(met));
    reach::check(states, first.map(String::as_str), &path, fields.faults);
    start
}
