//! Reads the fields by which data flows through a state, and the language that it speaks.

use serde_json::Value;

use super::{
    fields::Fields,
    values::{Sees, template},
};
use crate::domain::blueprint::{
    model::{Flow, Paths, ResultPath, Selection},
    path::{Path, ReferencePath},
    template::Language,
};

/// Reads `QueryLanguage`.
pub(super) fn language(fields: &mut Fields<'_, '_>) -> Option<Language> {
    fields.parsed("QueryLanguage", |language| match language {
        "JSONPath" => Ok(Language::JsonPath),
        "JSONata" => Ok(Language::Jsonata),
        other => Err(format!("must be `JSONPath` or `JSONata`, not `{other}`")),
    })
}

/// Reads the fields by which data comes in and goes out, as far as states of this type have them; the others are then
/// refused as unknown.
pub(super) fn read(fields: &mut Fields<'_, '_>, kind: &str, sees: Sees) -> Flow {
    let flows = kind != "Fail";
    if fields.language() == Language::Jsonata {
        return Flow::Jsonata(if flows { template(fields, "Output", sees) } else { None });
    }
    let works = sees == Sees::Result;
    Flow::JsonPath(Box::new(Paths {
        input: if flows { selection(fields, "InputPath") } else { Selection::All },
        selector: if works { template(fields, "ResultSelector", sees) } else { None },
        result: if works || kind == "Pass" { result_path(fields) } else { ResultPath::Replace },
        output: if flows { selection(fields, "OutputPath") } else { Selection::All },
    }))
}

/// Reads how data flows out by a catcher.
pub(super) fn caught(fields: &mut Fields<'_, '_>) -> Flow {
    match fields.language() {
        Language::Jsonata => Flow::Jsonata(template(fields, "Output", Sees::Error)),
        Language::JsonPath => Flow::JsonPath(Box::new(Paths {
            input: Selection::All,
            selector: None,
            result: result_path(fields),
            output: Selection::All,
        })),
    }
}

fn selection(fields: &mut Fields<'_, '_>, name: &'static str) -> Selection {
    if fields.value(name) == Some(&Value::Null) {
        return Selection::Nothing;
    }
    match fields.path(name, Path::parse) {
        Some(path) if !path.is_whole_data() => Selection::Part(path),
        _ => Selection::All,
    }
}

fn result_path(fields: &mut Fields<'_, '_>) -> ResultPath {
    if fields.value("ResultPath") == Some(&Value::Null) {
        return ResultPath::Discard;
    }
    match fields.parsed("ResultPath", ReferencePath::parse) {
        Some(path) if path.depth() > 0 => ResultPath::Into(path),
        _ => ResultPath::Replace,
    }
}
