//! JSONPaths, compiled once: paths that name one place are walked directly, all others by a JSONPath library.

use std::borrow::Cow;

use serde_json::{Map, Value};
use serde_json_path::JsonPath;

use super::{
    failure::{Failure, RESULT_PATH_MATCH_FAILURE},
    scope::Scope,
};

/// Longer or deeper paths are refused before the library sees them.
const MAX_LENGTH: usize = 1024;
const MAX_NESTING: usize = 8;

/// A path that reads: `$…` in the state's data, `$$…` in the context object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Path {
    text: String,
    root: Root,
    route: Route,
}

/// Where a path begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    Data,
    Context,
}

#[derive(Debug, Clone, PartialEq)]
enum Route {
    /// One place, which may not be there.
    Place(Vec<Segment>),
    /// Any number of places, which come as an array.
    Query(Box<JsonPath>),
}

/// One step of a path that names one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Key(String),
    /// Counted from the end when negative.
    Index(i64),
}

impl Path {
    /// Compiles `text`, or says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (root, rest) = match (text.strip_prefix("$$"), text.strip_prefix('$')) {
            (Some(rest), _) => (Root::Context, rest),
            (None, Some(rest)) => (Root::Data, rest),
            (None, None) => return Err(format!("`{text}` is no path: a path begins with `$`")),
        };
        let route = match segments(rest) {
            Some(segments) => Route::Place(segments),
            None => Route::Query(Box::new(query(text, rest)?)),
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
            (Root::Context, Route::Query(query)) => scope.context(&[]).map(|context| Cow::Owned(all(query, &context))),
        }
    }

    /// Whether the path is `$` alone: the data as it is.
    pub(super) fn is_whole_data(&self) -> bool {
        self.root == Root::Data && self.route == Route::Place(Vec::new())
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// A misspelt field of the context object is found when the blueprint is read.
    fn check_context(&self) -> Result<(), String> {
        let (Root::Context, Route::Place(segments)) = (&self.root, &self.route) else { return Ok(()) };
        let mut keys = segments.iter().map(|segment| match segment {
            Segment::Key(key) => key.as_str(),
            Segment::Index(_) => "",
        });
        let fields: &[&str] = match keys.next() {
            None | Some("Dataset") => return Ok(()),
            Some("Execution") => &["Id", "Name", "Input", "StartTime"],
            Some("State") => &["Name", "EnteredTime", "RetryCount"],
            Some("StateMachine") => &["Id", "Name"],
            Some(_) => {
                return Err(format!(
                    "`{}`: the context has only Execution, State, StateMachine and Dataset",
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

/// Follows `segments` down from `value`.
pub(super) fn walk<'v>(value: &'v Value, segments: &[Segment]) -> Option<&'v Value> {
    segments.iter().try_fold(value, |value, segment| match segment {
        Segment::Key(key) => value.get(key),
        Segment::Index(index) => {
            let items = value.as_array()?;
            let from_end = usize::try_from(index.unsigned_abs()).ok()?;
            let index = if *index < 0 { items.len().checked_sub(from_end)? } else { from_end };
            items.get(index)
        }
    })
}

/// A path that writes: the language's Reference Path, into a state's data.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ReferencePath {
    text: String,
    segments: Vec<Segment>,
}

impl ReferencePath {
    /// Compiles `text`, or says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` cannot be written to: write `$` and then only `.name` and `[0]`");
        if text.starts_with("$$") {
            return Err(format!("`{text}` cannot be written to: the context object is for reading"));
        }
        let segments = text.strip_prefix('$').and_then(segments).ok_or_else(wrong)?;
        if segments.iter().any(|segment| matches!(segment, Segment::Index(index) if *index < 0)) {
            return Err(wrong());
        }
        Ok(Self { text: text.to_owned(), segments })
    }

    /// How many levels below the top it leads; 0 for `$` alone.
    pub(super) fn depth(&self) -> usize {
        self.segments.len()
    }

    /// Puts `value` into `data` at this path; objects on the way are made where there are none.
    ///
    /// Nothing is changed when the path does not fit the data.
    pub(super) fn put(&self, data: &mut Value, value: Value) -> Result<(), Failure> {
        self.check(data)?;
        let mut here = data;
        for segment in &self.segments {
            here = match segment {
                Segment::Key(key) => here
                    .as_object_mut()
                    .expect("checked: an object, or one made here")
                    .entry(key.as_str())
                    .or_insert_with(|| Value::Object(Map::new())),
                Segment::Index(index) => usize::try_from(*index)
                    .ok()
                    .and_then(|index| here.get_mut(index))
                    .expect("checked: an array that has the item"),
            };
        }
        *here = value;
        Ok(())
    }

    fn check(&self, data: &Value) -> Result<(), Failure> {
        let refuse = |what: String| {
            let cause = format!("ResultPath `{}` does not fit the state's input: {what}", self.text);
            Err(Failure::new(RESULT_PATH_MATCH_FAILURE, cause))
        };
        let mut here = Some(data);
        for segment in &self.segments {
            here = match (segment, here) {
                (Segment::Key(_), None) => None,
                (Segment::Key(key), Some(Value::Object(object))) => object.get(key),
                (Segment::Key(key), Some(_)) => return refuse(format!("what should hold `{key}` is no object")),
                (Segment::Index(_), Some(holder)) => match walk(holder, std::slice::from_ref(segment)) {
                    None => return refuse("there is no such item to replace".to_owned()),
                    item => item,
                },
                (Segment::Index(_), None) => return refuse("there is no array to put an item into".to_owned()),
            };
        }
        Ok(())
    }
}

/// Reads what follows the root of a path that names one place; `None` where the path may name several, or is wrong.
fn segments(text: &str) -> Option<Vec<Segment>> {
    let mut segments = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            segments.push(Segment::Key(name(&after[..end])?.to_owned()));
            rest = &after[end..];
        } else {
            let inner = rest.strip_prefix('[')?;
            let (segment, after) = match inner.chars().next()? {
                quote @ ('\'' | '"') => quoted(&inner[1..], quote)?,
                _ => {
                    let (digits, after) = inner.split_once(']')?;
                    (Segment::Index(index(digits)?), after)
                }
            };
            segments.push(segment);
            rest = after;
        }
    }
    Some(segments)
}

/// A name after a full stop. Hyphens are allowed here, as in the language's own examples, though RFC 9535 has none.
fn name(text: &str) -> Option<&str> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-') || !c.is_ascii();
    (!text.is_empty() && text.chars().all(allowed)).then_some(text)
}

fn index(digits: &str) -> Option<i64> {
    let unsigned = digits.strip_prefix('-').unwrap_or(digits);
    (!unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// The key up to the closing quote and bracket, and what follows them.
fn quoted(text: &str, quote: char) -> Option<(Segment, &str)> {
    let mut key = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next()?.1 {
                escaped @ ('\\' | '\'' | '"') => key.push(escaped),
                _ => return None,
            },
            c if c == quote => return Some((Segment::Key(key), text[at + 1..].strip_prefix(']')?)),
            c => key.push(c),
        }
    }
    None
}

/// Compiles a path that may find several places.
fn query(text: &str, rest: &str) -> Result<JsonPath, String> {
    if text.len() > MAX_LENGTH {
        return Err(format!("the path has more than the {MAX_LENGTH} bytes allowed"));
    }
    if nesting(rest) > MAX_NESTING {
        return Err(format!("`{text}`: brackets are nested deeper than the {MAX_NESTING} levels allowed"));
    }
    if rest.matches("..").count() > 1 {
        return Err(format!("`{text}`: at most one `..` is allowed"));
    }
    JsonPath::parse(&format!("${}", with_hyphens_quoted(rest)))
        .map_err(|e| format!("`{text}` is no JSONPath: {}", e.message()))
}

fn nesting(text: &str) -> usize {
    let mut depth = 0usize;
    let mut deepest = 0;
    for c in text.chars() {
        match c {
            '[' | '(' => depth += 1,
            ']' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Writes names with a hyphen in brackets, as RFC 9535 wants them, outside of filters.
fn with_hyphens_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '[' {
            // To the end: filters have a grammar of their own.
            let end = closing(rest).unwrap_or(rest.len());
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        let after = &rest[c.len_utf8()..];
        let end = after.find(['.', '[']).unwrap_or(after.len());
        let word = &after[..end];
        if c == '.' && word.contains('-') && name(word).is_some() {
            if out.ends_with('.') {
                out.push_str(&format!(".['{word}']"));
            } else {
                out.push_str(&format!("['{word}']"));
            }
        } else {
            out.push(c);
            out.push_str(word);
        }
        rest = &after[end..];
    }
    out
}

/// Where the bracket that opens `text` is closed, quotes taken into account.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') if depth == 1 => return Some(at + 1),
            (None, ']') => depth -= 1,
            (None, _) => {}
        }
    }
    None
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
    fn what_is_no_path_is_refused_when_it_is_read() {
        for wrong in
            ["a", "$.", "$..", "$.a[", "$.a[x]", "$a", "$.a b", "$['a", "$[?(@.a ==)]", "$$.Nothing", "$$.State.Nmae"]
        {
            assert!(Path::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Path::parse(&format!("$[?{}1==1{}]", "(".repeat(9), ")".repeat(9))).is_err());
        assert!(Path::parse("$..a..b").is_err());
        assert!(Path::parse_single("$.a[*]").is_err());
    }

    #[test]
    fn a_reference_path_names_one_place_in_the_data() {
        for wrong in ["a", "$.a[*]", "$..a", "$.a[0:1]", "$.a[-1]", "$$.State.Name", "$[?(@.a)]"] {
            assert!(ReferencePath::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_value_is_put_where_the_path_says() {
        let put = |path: &str, mut data: Value| {
            let path = ReferencePath::parse(path).expect("it is a reference path");
            path.put(&mut data, json!(1)).map(|()| data)
        };

        assert_eq!(put("$", json!({"a": 0})), Ok(json!(1)));
        assert_eq!(put("$.a", json!({"a": 0, "b": 0})), Ok(json!({"a": 1, "b": 0})));
        assert_eq!(put("$.x.y", json!({})), Ok(json!({"x": {"y": 1}})));
        assert_eq!(put("$.l[1]", json!({"l": [0, 0]})), Ok(json!({"l": [0, 1]})));
        for (path, data) in
            [("$.a.b", json!({"a": 0})), ("$.l[2]", json!({"l": [0]})), ("$.x[0]", json!({})), ("$.a", json!(null))]
        {
            assert_eq!(put(path, data).expect_err(path).error, RESULT_PATH_MATCH_FAILURE);
        }
    }

    #[test]
    fn data_is_untouched_when_a_path_does_not_fit() {
        let mut data = json!({"a": {}});

        let refused = ReferencePath::parse("$.a.b.c[0]").expect("a path").put(&mut data, json!(1));

        assert!(refused.is_err());
        assert_eq!(data, json!({"a": {}}));
    }
}
