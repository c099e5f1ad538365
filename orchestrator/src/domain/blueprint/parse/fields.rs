//! Reads the fields of an object one by one, so that what nobody asked for can be refused at the end.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::domain::blueprint::{
    fault::{Faults, join_key},
    path::Path,
    suggest::did_you_mean,
    template::{Expression, Language},
};

/// An object of the file while it is being read.
pub(super) struct Fields<'v, 'f> {
    object: &'v Map<String, Value>,
    path: String,
    asked: Vec<&'static str>,
    /// What its values are computed with, where any are.
    language: Option<Language>,
    pub(super) faults: &'f mut Faults,
}

/// Fields that only states of one language have.
const OF_JSONATA: [&str; 4] = ["Arguments", "Output", "Items", "Condition"];
const OF_JSONPATH: [&str; 9] = [
    "InputPath",
    "OutputPath",
    "ResultPath",
    "ResultSelector",
    "Parameters",
    "Result",
    "ItemsPath",
    "Variable",
    "IsPresent",
];

impl<'v, 'f> Fields<'v, 'f> {
    /// Begins to read `value`, or finds fault with it when it is no object.
    pub(super) fn of(value: &'v Value, path: impl Into<String>, faults: &'f mut Faults) -> Option<Self> {
        let path = path.into();
        match value {
            Value::Object(object) => Some(Self { object, path, asked: Vec::new(), language: None, faults }),
            other => {
                faults.add(path, format!("must be an object, not {}", kind(other)));
                None
            }
        }
    }

    /// Begins to read `value`, which lies within this object and is computed with the same language.
    pub(super) fn within(&mut self, value: &'v Value, path: impl Into<String>) -> Option<Fields<'v, '_>> {
        let language = self.language;
        Fields::of(value, path, self.faults).map(|fields| Fields { language, ..fields })
    }

    /// What its values are computed with.
    pub(super) fn language(&self) -> Language {
        self.language.unwrap_or(Language::JsonPath)
    }

    /// Says what its values are computed with.
    pub(super) fn set_language(&mut self, language: Language) {
        self.language = Some(language);
    }

    /// The path of a field of this object.
    pub(super) fn at(&self, name: &str) -> String {
        join_key(&self.path, name)
    }

    /// A fault of the object as a whole.
    pub(super) fn fault(&mut self, reason: impl Into<String>) {
        self.faults.add(&self.path, reason);
    }

    /// A fault of a field that is there.
    pub(super) fn fault_at(&mut self, name: &str, reason: impl Into<String>) {
        self.faults.add(self.at(name), reason);
    }

    /// A fault of a field that should be there.
    pub(super) fn missing(&mut self, name: &str, reason: impl Into<String>) {
        self.faults.missing(&self.path, name, reason);
    }

    /// The field's value, which may be of any kind.
    pub(super) fn value(&mut self, name: &'static str) -> Option<&'v Value> {
        self.asked.push(name);
        self.object.get(name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// The field's text.
    pub(super) fn text(&mut self, name: &'static str) -> Option<&'v str> {
        let value = self.value(name)?;
        let text = value.as_str();
        if text.is_none() {
            let hint = if value.is_number() || value.is_boolean() { ": put it in quotes" } else { "" };
            self.fault_at(name, format!("must be text, not {}{hint}", kind(value)));
        }
        text
    }

    /// The field's text, compiled by `read`.
    pub(super) fn parsed<T>(&mut self, name: &'static str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(name)?;
        read(text).map_err(|reason| self.fault_at(name, reason)).ok()
    }

    /// The field's path, call or expression; the variables in it are noted.
    pub(super) fn expression(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<Expression, String>,
    ) -> Option<Expression> {
        let expression = self.parsed(name, read)?;
        let path = self.at(name);
        expression.variables(&mut |variable| self.faults.reads(&path, variable));
        Some(expression)
    }

    /// The field's path; the variable in it is noted.
    pub(super) fn path(&mut self, name: &'static str, read: fn(&str) -> Result<Path, String>) -> Option<Path> {
        let path = self.parsed(name, read)?;
        if let Some(variable) = path.variable() {
            self.faults.reads(&self.at(name), variable);
        }
        Some(path)
    }

    /// A whole number.
    pub(super) fn integer(&mut self, name: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        let value = self.value(name)?;
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|n| range.contains(n));
        if number.is_none() {
            let (least, most) = range.into_inner();
            self.fault_at(name, format!("must be a whole number from {least} to {most}, not {}", shown(value)));
        }
        number
    }

    /// An array that is not empty, or nothing where there is none.
    pub(super) fn items(&mut self, name: &'static str) -> Option<&'v [Value]> {
        let value = self.value(name)?;
        match value {
            Value::Array(items) if !items.is_empty() => Some(items),
            Value::Array(_) => {
                self.fault_at(name, "must not be empty: add an item or take the field out");
                None
            }
            other => {
                self.fault_at(name, format!("must be an array, not {}", kind(other)));
                None
            }
        }
    }

    /// Refuses fields that the language has and this machine does not.
    pub(super) fn refuse(&mut self, names: &[&'static str], reason: &str) {
        for name in names {
            self.asked.push(name);
            if self.has(name) {
                self.fault_at(name, reason);
            }
        }
    }

    /// Of several fields of which only one may be there, the one that is; more than one is a fault.
    pub(super) fn only_one_of(&mut self, names: &[&'static str]) -> Option<&'static str> {
        let there: Vec<&'static str> = names.iter().copied().filter(|name| self.has(name)).collect();
        if let [first, second, ..] = there[..] {
            self.fault_at(second, format!("excludes `{first}`: keep one of them"));
        }
        self.asked.extend(names);
        there.first().copied()
    }

    /// Ends the reading: every field that nobody asked for is a fault.
    pub(super) fn close(self) {
        for name in self.object.keys() {
            if !self.asked.iter().any(|asked| asked == name) {
                let hint = match self.language {
                    Some(Language::Jsonata)
                        if OF_JSONPATH.contains(&name.as_str()) || is_indirect(name, &self.asked) =>
                    {
                        " here: it belongs to JSONPath, and this state's language is JSONata".to_owned()
                    }
                    Some(Language::JsonPath) if OF_JSONATA.contains(&name.as_str()) => {
                        " here: it belongs to JSONata, which is chosen with `QueryLanguage: JSONata`".to_owned()
                    }
                    _ => did_you_mean(name, self.asked.iter().copied()),
                };
                self.faults.add(join_key(&self.path, name), format!("unknown field{hint}"));
            }
        }
    }
}

/// Whether the name is that of a known field with `Path` behind it: JSONPath's way to compute it.
fn is_indirect(name: &str, known: &[&str]) -> bool {
    name.strip_suffix("Path").is_some_and(|direct| known.contains(&direct))
}

/// What kind of value this is, in words.
pub(super) const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The value itself where it is short, else its kind.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => kind(value).to_owned(),
        other => {
            let text = other.to_string();
            if text.len() <= 60 { text } else { kind(value).to_owned() }
        }
    }
}
