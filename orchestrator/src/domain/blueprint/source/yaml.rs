//! Builds a JSON value from the events of a YAML parser, within fixed limits of depth and size.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};
use serde_json::{Map, Value};

use super::Source;
use crate::domain::blueprint::fault::{Fault, Faults, Places, join_index, join_key};

/// Values nested deeper than this are refused.
const MAX_DEPTH: usize = 64;

/// Values in one file, those that an alias repeats counted again: what stops an alias of an alias of an alias.
const MAX_VALUES: usize = 100_000;

pub(super) fn read(text: &str) -> Result<Source, Vec<Fault>> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|e| vec![halt(*e.marker(), format!("this is no YAML: {}", e.info()))])?;
        builder.take(event, span).map_err(|reason| vec![halt(span.start, reason)])?;
    }
    if !builder.faults.is_empty() {
        return Err(builder.faults.located(&builder.places));
    }
    let value = builder.root.unwrap_or(Value::Null);
    Ok(Source { value, places: builder.places })
}

/// A fault after which reading stops.
fn halt(at: Marker, reason: String) -> Fault {
    Fault { path: String::new(), line: Some(at.line()), column: Some(at.col() + 1), reason }
}

#[derive(Default)]
struct Builder {
    root: Option<Value>,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    places: Places,
    faults: Faults,
    values: usize,
    documents: usize,
}

/// A mapping or sequence whose end is still to come.
struct Open {
    holder: Holder,
    path: String,
    anchor: usize,
    /// How many values had been read when it began.
    values_before: usize,
    /// Levels below it, as far as they are known.
    height: usize,
}

enum Holder {
    Mapping { entries: Map<String, Value>, key: Option<String> },
    Sequence(Vec<Value>),
}

struct Anchored {
    value: Value,
    values: usize,
    height: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), String> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err("a file holds one document: take out this `---` and what follows".to_owned());
                }
            }
            Event::Scalar(_, _, _, Some(_)) | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
                return Err("tags (`!…`) have no meaning here: take it out".to_owned());
            }
            Event::Scalar(text, style, anchor, None) => self.scalar(&text, style, anchor, span)?,
            Event::SequenceStart(anchor, None) => self.begin(Holder::Sequence(Vec::new()), anchor, span)?,
            Event::MappingStart(anchor, None) => {
                self.begin(Holder::Mapping { entries: Map::new(), key: None }, anchor, span)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(anchor, span)?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, anchor: usize, span: Span) -> Result<(), String> {
        let value = if style == ScalarStyle::Plain { plain(text) } else { Ok(text.into()) };
        if self.wants_key() {
            return self.key(text, matches!(value, Ok(Value::String(_))), span);
        }
        self.count(1)?;
        let path = self.place(span);
        let value = value.unwrap_or_else(|reason| {
            self.faults.add(path, reason);
            Value::Null
        });
        if anchor > 0 {
            self.anchors.insert(anchor, Anchored { value: value.clone(), values: 1, height: 0 });
        }
        self.put(value, 0);
        Ok(())
    }

    fn wants_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { holder: Holder::Mapping { key: None, .. }, .. }))
    }

    fn key(&mut self, text: &str, is_text: bool, span: Span) -> Result<(), String> {
        let Some(Open { holder: Holder::Mapping { entries, key }, path, .. }) = self.open.last_mut() else {
            return Err("a key stands where no mapping is open".to_owned());
        };
        let here = join_key(path, text);
        // The key's own place counts: for a value on the next line it is what one looks for.
        let first = self.places.insert(here.clone(), at(span));
        if text == "<<" {
            self.faults.add(here, "merge keys are not part of YAML 1.2: write the fields out");
        } else if !is_text {
            self.faults.add(here, "a key must be text: put it in quotes");
        } else if entries.contains_key(text) {
            let line = first.map_or(0, |(line, _)| line);
            self.faults.add(here, format!("the key is there twice: first in line {line}"));
        }
        *key = Some(text.to_owned());
        Ok(())
    }

    fn begin(&mut self, holder: Holder, anchor: usize, span: Span) -> Result<(), String> {
        if self.wants_key() {
            return Err("a key must be text, not a mapping or sequence".to_owned());
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(format!("values are nested deeper than the {MAX_DEPTH} levels allowed"));
        }
        let values_before = self.values;
        self.count(1)?;
        let path = self.place(span);
        self.open.push(Open { holder, path, anchor, values_before, height: 0 });
        Ok(())
    }

    fn end(&mut self) {
        let Some(closed) = self.open.pop() else { return };
        let value: Value = match closed.holder {
            Holder::Mapping { entries, .. } => entries.into(),
            Holder::Sequence(items) => items.into(),
        };
        let height = closed.height + 1;
        if closed.anchor > 0 {
            let values = self.values - closed.values_before;
            self.anchors.insert(closed.anchor, Anchored { value: value.clone(), values, height });
        }
        self.put(value, height);
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), String> {
        if self.wants_key() {
            return Err("a key must be text, not an alias".to_owned());
        }
        let Some(Anchored { values, height, .. }) = self.anchors.get(&anchor) else {
            return Err("the alias stands inside what it names".to_owned());
        };
        let (values, height) = (*values, *height);
        self.count(values)?;
        if self.open.len() + height > MAX_DEPTH {
            return Err(format!("values are nested deeper than the {MAX_DEPTH} levels allowed"));
        }
        self.place(span);
        // Cloned only now that it is known to be small.
        let value = self.anchors.get(&anchor).map(|anchored| anchored.value.clone()).unwrap_or_default();
        self.put(value, height);
        Ok(())
    }

    fn count(&mut self, values: usize) -> Result<(), String> {
        self.values += values;
        if self.values > MAX_VALUES {
            return Err(format!("the file holds more than the {MAX_VALUES} values allowed, aliases written out"));
        }
        Ok(())
    }

    /// The path of the value that begins now; its place is noted, unless its key's place was.
    fn place(&mut self, span: Span) -> String {
        let path = match self.open.last() {
            None => String::new(),
            Some(Open { holder: Holder::Sequence(items), path, .. }) => join_index(path, items.len()),
            Some(Open { holder: Holder::Mapping { key, .. }, path, .. }) => {
                join_key(path, key.as_deref().unwrap_or_default())
            }
        };
        self.places.entry(path.clone()).or_insert_with(|| at(span));
        path
    }

    fn put(&mut self, value: Value, height: usize) {
        match self.open.last_mut() {
            None => self.root = Some(value),
            Some(parent) => {
                parent.height = parent.height.max(height);
                match &mut parent.holder {
                    Holder::Sequence(items) => items.push(value),
                    Holder::Mapping { entries, key } => {
                        entries.insert(key.take().unwrap_or_default(), value);
                    }
                }
            }
        }
    }
}

fn at(span: Span) -> (usize, usize) {
    (span.start.line(), span.start.col() + 1)
}

/// What an unquoted scalar means: YAML 1.2, section 10.3.2 (the core schema).
fn plain(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(true.into()),
        "false" | "False" | "FALSE" => return Ok(false.into()),
        _ => {}
    }
    let unsigned = text.trim_start_matches(['+', '-']);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return Err("JSON has no infinity and no NaN: write a number, or quote it to make it text".to_owned());
    }
    if let Some(digits) = text.strip_prefix("0x")
        && let Ok(number) = u64::from_str_radix(digits, 16)
    {
        return Ok(number.into());
    }
    if let Some(digits) = text.strip_prefix("0o")
        && let Ok(number) = u64::from_str_radix(digits, 8)
    {
        return Ok(number.into());
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Ok(text.into());
    }
    if let Ok(number) = text.parse::<i64>() {
        return Ok(number.into());
    }
    if let Ok(number) = text.parse::<u64>() {
        return Ok(number.into());
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number.into()),
        Ok(_) => Err("the number is out of range".to_owned()),
        Err(_) => Ok(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(text: &str) -> Vec<String> {
        read(text).err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn scalars_mean_what_the_core_schema_says() {
        let text = "[1, -2, 0x1F, 0o17, 1.5, 1e3, .5, ~, null, yes, True, 1.0.0, 2020-01-01, '1', +7, '']";

        let value = read(text).ok().map(|source| source.value);

        let meant =
            json!([1, -2, 31, 15, 1.5, 1000.0, 0.5, null, null, "yes", true, "1.0.0", "2020-01-01", "1", 7, ""]);
        assert_eq!(value, Some(meant));
    }

    #[test]
    fn every_key_and_item_has_a_place() {
        let source = read("a:\n  b: [x, y]\n").unwrap_or_else(|faults| panic!("{faults:?}"));

        assert_eq!(source.places["a.b"], (2, 3));
        assert_eq!(source.places["a.b[1]"], (2, 10));
    }

    #[test]
    fn what_json_cannot_say_is_refused_with_its_place() {
        assert_eq!(faults("a: 1\nb: 2\na: 3"), ["3:1: a: the key is there twice: first in line 1"]);
        assert_eq!(faults("1: x"), ["1:1: ['1']: a key must be text: put it in quotes".replace("['1']", "1")]);
        assert!(faults("a: .nan")[0].starts_with("1:1: a: JSON has no infinity"));
        assert!(faults("a: !!str x")[0].contains("tags"));
        assert!(faults("? [a]\n: b")[0].contains("a key must be text"));
        assert!(faults("a: 1\n---\nb: 2")[0].contains("one document"));
        assert!(faults("<<: {a: 1}")[0].contains("merge keys"));
        assert!(faults("a: [1, 2")[0].contains("no YAML"));
    }

    #[test]
    fn an_alias_repeats_what_it_names() {
        let value = read("a: &x {n: 1}\nb: *x").ok().map(|source| source.value);

        assert_eq!(value, Some(json!({"a": {"n": 1}, "b": {"n": 1}})));
    }

    #[test]
    fn an_alias_bomb_is_stopped() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let items = vec![format!("*a{}", level - 1); 10].join(", ");
            text += &format!("a{level}: &a{level} [{items}]\n");
        }

        assert!(faults(&text)[0].contains("aliases written out"));
    }

    #[test]
    fn deep_nesting_is_stopped() {
        let flow = "[".repeat(100_000);
        let block: String = (0..200).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();

        assert!(faults(&flow)[0].contains("limit"), "{:?}", faults(&flow));
        assert!(faults(&"[".repeat(70))[0].contains("nested deeper"));
        assert!(faults(&block)[0].contains("nested deeper"));
    }
}
