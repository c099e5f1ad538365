//! JSONPaths, compiled once: paths that name one place are walked directly, all others by a JSONPath library.

mod query;
mod reference;
mod segment;
mod variable;

use std::borrow::Cow;

use serde_json::Value;
use serde_json_path::JsonPath;

use super::scope::Scope;

pub(super) use reference::ReferencePath;
pub(super) use segment::{Segment, walk};
pub(super) use variable::check_name;

/// A path that reads: `$…` in the state's data, `$$…` in the context object, `$name…` in a variable.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Path {
    text: String,
    root: Root,
    route: Route,
}

/// Where a path begins.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Root {
    Data,
    Context,
    Variable(String),
}

#[derive(Debug, Clone, PartialEq)]
enum Route {
    /// One place, which may not be there.
    Place(Vec<Segment>),
    /// Any number of places, which come as an array.
    Query(Box<JsonPath>),
}

impl Path {
    /// Compiles `text`, or says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (root, rest) = match (text.strip_prefix("$$"), text.strip_prefix('$')) {
            (Some(rest), _) => (Root::Context, rest),
            (None, Some(rest)) if rest.starts_with(variable::can_begin) => {
                let (name, rest) = variable::split(rest)?;
                (Root::Variable(name.to_owned()), rest)
            }
            (None, Some(rest)) => (Root::Data, rest),
            (None, None) => return Err(format!("`{text}` is no path: a path begins with `$`")),
        };
        let route = match segment::parse(rest) {
            Some(segments) => Route::Place(segments),
            None => Route::Query(Box::new(query::compile(text, rest)?)),
        };
        let path = Self { text: text.to_owned(), root, route };
        path.check_context()?;
        Ok(path)
    }

    /// Compiles a path that names exactly one place, as the language wants for most fields but templates.
    pub(super) fn parse_single(text: &str) -> Result<Self, String> {
        match Self::parse(text)? {
            Self { route: Route::Query(_), .. } => {
                Err(format!("`{text}` may name several places: here only `.name` and `[0]` are allowed"))
            }
            path => Ok(path),
        }
    }

    /// What the path finds: one value, an array of all values for a path that may find several, or nothing.
    pub(super) fn find<'v>(&self, scope: &Scope<'v>) -> Option<Cow<'v, Value>> {
        match (&self.root, &self.route) {
            (Root::Data, Route::Place(segments)) => walk(scope.data, segments).map(Cow::Borrowed),
            (Root::Data, Route::Query(query)) => Some(Cow::Owned(all(query, scope.data))),
            (Root::Context, Route::Place(segments)) => scope.context(segments),
            (Root::Variable(name), Route::Place(segments)) => walk(scope.variable(name)?, segments).map(Cow::Borrowed),
            (Root::Variable(name), Route::Query(query)) => {
                scope.variable(name).map(|value| Cow::Owned(all(query, value)))
            }
            (Root::Context, Route::Query(query)) => scope.context(&[]).map(|context| Cow::Owned(all(query, &context))),
        }
    }

    /// Whether the path is `$` alone: the data as it is.
    pub(super) fn is_whole_data(&self) -> bool {
        self.root == Root::Data && self.route == Route::Place(Vec::new())
    }

    /// The variable that it reads.
    pub(super) fn variable(&self) -> Option<&str> {
        match &self.root {
            Root::Variable(name) => Some(name),
            Root::Data | Root::Context => None,
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// A misspelt field of the context object is found when the blueprint is read.
    fn check_context(&self) -> Result<(), String> {
        let (Root::Context, Route::Place(segments)) = (&self.root, &self.route) else { return Ok(()) };
        let mut keys = segments.iter().map(|segment| segment.key().unwrap_or_default());
        let fields: &[&str] = match keys.next() {
            None | Some("Dataset") => return Ok(()),
            Some("Execution") => &["Id", "Name", "Input", "StartTime"],
            Some("State") => &["Name", "EnteredTime", "RetryCount"],
            Some("StateMachine") => &["Id", "Name"],
            Some("Map") => &["Item"],
            Some("Task") => {
                return Err(format!("`{}`: there are no task tokens: a worker answers under its lease", self.text));
            }
            Some(_) => {
                return Err(format!(
                    "`{}`: the context has only Execution, State, StateMachine, Map and Dataset",
                    self.text
                ));
            }
        };
        match keys.next() {
            Some(field) if !fields.contains(&field) => {
                Err(format!("`{}`: that part of the context has only {}", self.text, fields.join(", ")))
            }
            _ => Ok(()),
        }
    }
}

fn all(query: &JsonPath, value: &Value) -> Value {
    query.query(value).into_iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::blueprint::scope::tests::with_scope;

    fn find(path: &str, data: &Value) -> Option<Value> {
        let path = Path::parse(path).expect("it is a path");
        with_scope(data, |scope| path.find(scope).map(Cow::into_owned))
    }

    #[test]
    fn a_path_to_one_place_finds_the_value_itself() {
        let data = json!({"a": {"b-c": [10, 20, {"d e": 30}]}});

        assert_eq!(find("$", &data), Some(data.clone()));
        assert_eq!(find("$.a.b-c[1]", &data), Some(json!(20)));
        assert_eq!(find("$['a']['b-c'][2]['d e']", &data), Some(json!(30)));
        assert_eq!(find("$.a.b-c[-1]", &data), Some(json!({"d e": 30})));
        assert_eq!(find("$.a.x", &data), None);
        let odd = json!({"foo@bar": {"baz[[": {"?pretty": 1}}, "&Ж中": 2, "a.b": {"\\": 3}});
        assert_eq!(find(r"$.foo\@bar.baz\[\[.\?pretty", &odd), Some(json!(1)));
        assert_eq!(find("$.&Ж中", &odd), Some(json!(2)));
        assert_eq!(find(r"$.\a\.\b.\\", &odd), Some(json!(3)));
        assert_eq!(find("$.a.b-c[7]", &data), None);
        assert_eq!(find("$.a.b-c[-7]", &data), None);
    }

    #[test]
    fn a_path_to_several_places_finds_an_array() {
        let data = json!({"my-books": [{"t": "x", "p": 5}, {"t": "y", "p": 15}]});

        assert_eq!(find("$.my-books[*].t", &data), Some(json!(["x", "y"])));
        assert_eq!(find("$..t", &data), Some(json!(["x", "y"])));
        assert_eq!(find("$.my-books[?(@.p > 10)].t", &data), Some(json!(["y"])));
        assert_eq!(find("$.my-books[?(@.p > 99)]", &data), Some(json!([])));
        assert_eq!(find("$..my-books[0:1].p", &data), Some(json!([5])));
        assert_eq!(find("$.my-books[0,1].p", &data), Some(json!([5, 15])));
    }

    #[test]
    fn a_path_reads_variables_of_this_branch_and_of_those_around_it() {
        assert_eq!(find("$who.name", &json!({"who": 1})), Some(json!("Ana")));
        assert_eq!(find("$who['name']", &json!(null)), Some(json!("Ana")));
        assert_eq!(find("$around[1]", &json!(null)), Some(json!(2)));
        assert_eq!(find("$around[*]", &json!(null)), Some(json!([1, 2])));
        assert_eq!(find("$nobody", &json!({"nobody": 1})), None);
    }

    #[test]
    fn what_is_no_path_is_refused_when_it_is_read() {
        for wrong in [
            "a",
            "$.",
            "$..",
            "$.a[",
            "$.a[x]",
            "$a b",
            "$states.input",
            "$1",
            "$.a b",
            "$['a",
            "$[?(@.a ==)]",
            "$$.Nothing",
            "$$.State.Nmae",
        ] {
            assert!(Path::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Path::parse(&format!("$[?{}1==1{}]", "(".repeat(9), ")".repeat(9))).is_err());
        assert!(Path::parse("$..a..b").is_err());
        assert!(Path::parse_single("$.a[*]").is_err());
    }
}
