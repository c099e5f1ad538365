//! What a program says on its output, line by line. Pure.

use relevo_shared::{
    job::LogLevel,
    metric::{LARGEST_STEP, is_metric_name},
    problem::Detail,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::skills::SkillError;

/// In characters: as long as a result's status may be.
const LONGEST_OUTCOME: usize = 128;

/// One line of a program's output.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    /// How far it is, from 0 to 1, and what it does.
    Progress(f64, String),
    /// A stage begins, goes on or is done.
    Stage { name: String, progress: Option<f64>, completed: bool },
    /// A figure of a step.
    Metric { name: String, step: u64, value: f64 },
    /// A line for the log.
    Log(LogLevel, String, Option<Value>),
    /// What the task ends with.
    Result(Value),
    /// The same, in another way than success.
    Outcome(String, Value),
    /// Why it failed.
    Error(SkillError),
}

/// The members that mean something. What does not have this form is a line for the log.
#[derive(Deserialize)]
struct Line {
    progress: Option<f64>,
    message: Option<String>,
    stage: Option<String>,
    status: Option<String>,
    metric: Option<String>,
    value: Option<f64>,
    step: Option<u64>,
    log: Option<String>,
    level: Option<String>,
    context: Option<Value>,
    // Absent and null are two things here: null is a result.
    #[serde(default, deserialize_with = "present")]
    result: Option<Value>,
    outcome: Option<String>,
    error: Option<Fault>,
}

fn present<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

#[derive(Deserialize)]
struct Fault {
    code: Option<String>,
    #[serde(default)]
    message: String,
    #[serde(default)]
    details: Value,
}

/// Reads a line of standard output; none of a blank one.
pub(super) fn on_stdout(line: &[u8]) -> Option<Said> {
    let text = String::from_utf8_lossy(line);
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let meant = text.starts_with('{').then(|| serde_json::from_str(text).ok().and_then(meaning)).flatten();
    Some(meant.unwrap_or_else(|| Said::Log(LogLevel::Info, text.to_owned(), None)))
}

fn meaning(line: Line) -> Option<Said> {
    if let Some(fault) = line.error {
        return Some(Said::Error(fault.into()));
    }
    match (line.outcome, line.result) {
        (Some(word), result) => return Some(outcome(word, result.unwrap_or_else(|| Value::Object(Map::new())))),
        (None, Some(result)) => return Some(Said::Result(result)),
        (None, None) => {}
    }
    if let Some(name) = line.stage {
        let completed = match line.status.as_deref() {
            None | Some("running") => false,
            Some("completed") => true,
            Some(_) => return None,
        };
        return Some(Said::Stage { name, progress: line.progress, completed });
    }
    if let Some(name) = line.metric {
        let (step, value) = line.step.zip(line.value)?;
        return (is_metric_name(&name) && step <= LARGEST_STEP).then_some(Said::Metric { name, step, value });
    }
    if let Some(message) = line.log {
        let level = line.level.as_deref().map_or(Some(LogLevel::Info), level)?;
        return Some(Said::Log(level, message, line.context));
    }
    match (line.progress, line.message) {
        (Some(progress), message) => Some(Said::Progress(progress, message.unwrap_or_default())),
        (None, Some(message)) => Some(Said::Log(LogLevel::Info, message, None)),
        (None, None) => None,
    }
}

fn outcome(word: String, result: Value) -> Said {
    match word.as_str() {
        "success" => Said::Result(result),
        // These mean something else on the way to the orchestrator.
        "failure" | "cancelled" | "released" => {
            Said::Error(SkillError::Permanent(format!("the program's outcome must not be `{word}`")))
        }
        _ if word.trim().is_empty() || word.chars().count() > LONGEST_OUTCOME || word.chars().any(char::is_control) => {
            let wrong = format!("the program's outcome must be a word of at most {LONGEST_OUTCOME} characters");
            Said::Error(SkillError::Permanent(wrong))
        }
        _ => Said::Outcome(word, result),
    }
}

impl From<Fault> for SkillError {
    fn from(fault: Fault) -> Self {
        let Fault { code, message, details } = fault;
        let code = code.unwrap_or_else(|| "PERMANENT".to_owned());
        let details: Vec<Detail> = serde_json::from_value(details).unwrap_or_default();
        match code.strip_suffix("_ERROR").unwrap_or(&code) {
            "INVALID_INPUT" => Self::InvalidInput { message, details },
            "TRANSIENT" => Self::Transient(message),
            "RESOURCE_EXHAUSTED" => Self::ResourceExhausted(message),
            "PERMANENT" => Self::Permanent(message),
            _ => Self::Permanent(format!("{code}: {message}")),
        }
    }
}

/// Reads a line of standard error. Its level is the word at its beginning, as most loggers write it.
pub(super) fn on_stderr(line: &[u8]) -> Option<(LogLevel, String)> {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end();
    let start = text.trim_start_matches(['[', '<', ' ']);
    let word = start.find(|c: char| !c.is_ascii_alphabetic()).map_or(start, |end| &start[..end]);
    (!text.is_empty()).then(|| (level(word).unwrap_or(LogLevel::Info), text.to_owned()))
}

fn level(word: &str) -> Option<LogLevel> {
    Some(match word.to_ascii_lowercase().as_str() {
        "debug" | "trace" => LogLevel::Debug,
        "info" | "notice" => LogLevel::Info,
        "warn" | "warning" => LogLevel::Warning,
        "error" | "critical" | "fatal" | "panic" => LogLevel::Error,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(line: &str) -> Said {
        on_stdout(line.as_bytes()).unwrap()
    }

    #[test]
    fn each_form_is_understood() {
        assert_eq!(said(r#"{"progress":0.4,"message":"half"}"#), Said::Progress(0.4, "half".to_owned()));
        let stage = |progress, completed| Said::Stage { name: "read".to_owned(), progress, completed };
        assert_eq!(said(r#"{"stage":"read"}"#), stage(None, false));
        assert_eq!(said(r#"{"stage":"read","status":"running","progress":0.5}"#), stage(Some(0.5), false));
        assert_eq!(said(r#"{"stage":"read","status":"completed"}"#), stage(None, true));
        assert_eq!(
            said(r#"{"log":"slow","level":"WARNING","context":{"n":1}}"#),
            Said::Log(LogLevel::Warning, "slow".to_owned(), Some(json!({ "n": 1 })))
        );
        let metric = Said::Metric { name: "val/loss".to_owned(), step: 7, value: 0.3 };
        assert_eq!(said(r#"{"metric":"val/loss","value":0.3,"step":7}"#), metric);
        assert_eq!(said(r#" {"result":[1,2]} "#), Said::Result(json!([1, 2])));
        assert_eq!(said(r#"{"result":null}"#), Said::Result(Value::Null));
        assert_eq!(
            said(r#"{"outcome":"needs_review","result":{"n":1}}"#),
            Said::Outcome("needs_review".to_owned(), json!({ "n": 1 }))
        );
        assert_eq!(said(r#"{"outcome":"success","result":1}"#), Said::Result(json!(1)));
    }

    #[test]
    fn anything_else_is_a_line_of_the_log() {
        for line in [
            "hello",
            "{broken",
            "[1]",
            "42",
            "null",
            r#"{"progress":"half"}"#,
            r#"{"metric":{"loss":1}}"#,
            r#"{"metric":"loss","value":0.3}"#,
            r#"{"metric":"loss","step":7}"#,
            r#"{"metric":"loss","value":NaN,"step":7}"#,
            r#"{"metric":"a loss","value":0.3,"step":7}"#,
            r#"{"metric":"loss","value":0.3,"step":-1}"#,
            r#"{"stage":"x","status":"odd"}"#,
            "{}",
        ] {
            assert_eq!(said(line), Said::Log(LogLevel::Info, line.to_owned(), None), "{line}");
        }
        assert_eq!(on_stdout(b" \r"), None);
        assert_eq!(on_stdout(b"\xff\xfe"), Some(Said::Log(LogLevel::Info, "\u{FFFD}\u{FFFD}".to_owned(), None)));
    }

    #[test]
    fn an_error_says_its_code_and_fields() {
        let details = vec![Detail::new("text", "is empty")];

        let wrong = said(
            r#"{"error":{"code":"INVALID_INPUT","message":"no","details":[{"field":"text","reason":"is empty"}]}}"#,
        );

        assert_eq!(wrong, Said::Error(SkillError::InvalidInput { message: "no".to_owned(), details }));
        let of = |code: &str| said(&format!(r#"{{"error":{{"code":"{code}","message":"m"}}}}"#));
        assert_eq!(of("TRANSIENT_ERROR"), Said::Error(SkillError::Transient("m".to_owned())));
        assert_eq!(of("E42"), Said::Error(SkillError::Permanent("E42: m".to_owned())));
    }

    #[test]
    fn an_outcome_cannot_pose_as_something_else() {
        for word in ["failure", "cancelled", "released", "", "a\\nb", &"x".repeat(129)] {
            let said = said(&format!(r#"{{"outcome":"{word}"}}"#));
            assert!(matches!(said, Said::Error(SkillError::Permanent(_))), "{word:?}: {said:?}");
        }
    }

    #[test]
    fn the_level_is_the_word_at_the_beginning() {
        for (line, level) in [
            ("WARNING:root:slow", LogLevel::Warning),
            ("[ERROR] no", LogLevel::Error),
            ("error: no", LogLevel::Error),
            ("  debug x", LogLevel::Debug),
            ("Errors were found", LogLevel::Info),
            ("Traceback (most recent call last):", LogLevel::Info),
            ("añadido", LogLevel::Info),
        ] {
            assert_eq!(on_stderr(line.as_bytes()), Some((level, line.to_owned())), "{line}");
        }
        assert_eq!(on_stderr(b""), None);
    }
}
