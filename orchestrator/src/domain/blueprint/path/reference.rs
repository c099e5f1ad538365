//! Paths that write: the language's Reference Paths, into a state's data.

use serde_json::{Map, Value};

use super::segment::{self, Segment, walk};
use crate::domain::blueprint::failure::{Failure, RESULT_PATH_MATCH_FAILURE};

/// A path that writes: the language's Reference Path, into a state's data.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::domain::blueprint) struct ReferencePath {
    text: String,
    segments: Vec<Segment>,
}

impl ReferencePath {
    /// Compiles `text`, or says what is wrong with it.
    pub(in crate::domain::blueprint) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` cannot be written to: write `$` and then only `.name` and `[0]`");
        if text.starts_with("$$") {
            return Err(format!("`{text}` cannot be written to: the context object is for reading"));
        }
        let segments = text.strip_prefix('$').and_then(segment::parse).ok_or_else(wrong)?;
        if segments.iter().any(|segment| matches!(segment, Segment::Index(index) if *index < 0)) {
            return Err(wrong());
        }
        Ok(Self { text: text.to_owned(), segments })
    }

    /// How many levels below the top it leads; 0 for `$` alone.
    pub(in crate::domain::blueprint) fn depth(&self) -> usize {
        self.segments.len()
    }

    /// Puts `value` into `data` at this path; objects on the way are made where there are none.
    ///
    /// Nothing is changed when the path does not fit the data.
    pub(in crate::domain::blueprint) fn put(&self, data: &mut Value, value: Value) -> Result<(), Failure> {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
