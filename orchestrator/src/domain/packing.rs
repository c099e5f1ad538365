//! What is kept of a job that has ended: which of its fields stay in the open, and the rest as one run of bytes, small and
//! alike from job to job, so that it compresses well.
//!
//! A run begins with the fields, sorted by name, and goes on with the history. Numbers are in base 128, lowest digits first;
//! a text has its length before it. Instants of the history are told as what has passed since the one before.

use std::collections::{BTreeMap, HashMap};

/// The fields of a job by which scripts know it after its end: who sees it, that it has ended and how, its place in the index,
/// and what answers a worker that comes late.
const OPEN: [&str; 9] =
    ["client", "state", "revision", "ended_at", "slot", "webhook_url", "task", "task_state", "last"];
/// More of them for a job that was ended over its worker's head, which is told so with its next heartbeat.
const OPEN_WHEN_REVOKED: [&str; 3] = ["worker", "token", "digest"];

/// One event of a job's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastEvent {
    /// When it happened, in milliseconds since 1970.
    pub at: u64,
    /// Counts the events of one millisecond.
    pub count: u64,
    /// Field to value.
    pub fields: BTreeMap<String, String>,
}

/// Splits the fields of a job into those that stay in the open and those that are packed.
#[must_use]
pub fn split(fields: HashMap<String, String>) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let revoked = fields.get("task").is_some_and(|task| !task.is_empty());
    fields
        .into_iter()
        .partition(|(name, _)| OPEN.contains(&name.as_str()) || revoked && OPEN_WHEN_REVOKED.contains(&name.as_str()))
}

/// Fields and history as one run of bytes.
#[must_use]
pub fn write(fields: &BTreeMap<String, String>, history: &[PastEvent]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_fields(&mut bytes, fields);
    write_number(&mut bytes, history.len() as u64);
    let mut before = 0;
    for event in history {
        write_number(&mut bytes, event.at.wrapping_sub(before));
        write_number(&mut bytes, event.count);
        write_fields(&mut bytes, &event.fields);
        before = event.at;
    }
    bytes
}

fn write_fields(bytes: &mut Vec<u8>, fields: &BTreeMap<String, String>) {
    write_number(bytes, fields.len() as u64);
    for (name, value) in fields {
        for text in [name, value] {
            write_number(bytes, text.len() as u64);
            bytes.extend_from_slice(text.as_bytes());
        }
    }
}

fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 128 {
        bytes.push(number as u8 | 128);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Reads what [`write()`] has written; `None` when it has not.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<(HashMap<String, String>, Vec<PastEvent>)> {
    let mut left = Left(bytes);
    let fields = left.fields()?;
    let mut history = Vec::new();
    let mut at = 0_u64;
    for _ in 0..left.number()? {
        at = at.wrapping_add(left.number()?);
        history.push(PastEvent { at, count: left.number()?, fields: left.fields()? });
    }
    left.0.is_empty().then_some((fields, history))
}

/// The fields alone of what [`write()`] has written.
#[must_use]
pub fn read_fields(bytes: &[u8]) -> Option<HashMap<String, String>> {
    Left(bytes).fields()
}

/// What is left to read.
struct Left<'a>(&'a [u8]);

impl Left<'_> {
    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 127) << shift;
            if byte & 128 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    fn fields<M: FromIterator<(String, String)>>(&mut self) -> Option<M> {
        let count = self.number()?;
        (0..count).map(|_| Some((self.text()?, self.text()?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_map, prelude::*};

    use super::*;

    fn fields() -> impl Strategy<Value = BTreeMap<String, String>> {
        btree_map(".{0,12}", "(?s).{0,300}", 0..8)
    }

    fn event() -> impl Strategy<Value = PastEvent> {
        (any::<u64>(), any::<u64>(), fields()).prop_map(|(at, count, fields)| PastEvent { at, count, fields })
    }

    proptest! {
        #[test]
        fn a_job_is_read_as_it_was_written(fields in fields(), history in proptest::collection::vec(event(), 0..6)) {
            let bytes = write(&fields, &history);

            let (read_fields, read_history) = read(&bytes).expect("it was written so");

            prop_assert_eq!(super::read_fields(&bytes), Some(read_fields.clone()));
            prop_assert_eq!(read_fields.into_iter().collect::<BTreeMap<_, _>>(), fields);
            prop_assert_eq!(read_history, history);
        }

        #[test]
        fn what_was_cut_off_or_is_something_else_is_not_read(fields in fields(), keep in 0.0..1.0, noise: Vec<u8>) {
            let bytes = write(&fields, &[]);
            let part = &bytes[..(bytes.len() as f64 * keep) as usize];

            prop_assert_eq!(read(part), None);
            let _ = read(&noise);
        }
    }

    #[test]
    fn what_scripts_ask_for_stays_in_the_open() {
        let job = |task: &str| {
            ["client", "state", "input", "worker", "token", "last", "result"]
                .map(|name| (name.to_owned(), name.to_uppercase()))
                .into_iter()
                .chain([("task".to_owned(), task.to_owned())])
                .collect()
        };
        let names = |fields: BTreeMap<String, String>| fields.into_keys().collect::<Vec<_>>();

        let (open, packed) = split(job(""));
        assert_eq!(names(open), ["client", "last", "state", "task"]);
        assert_eq!(names(packed), ["input", "result", "token", "worker"]);

        let (open, _) = split(job("3"));
        assert_eq!(names(open), ["client", "last", "state", "task", "token", "worker"]);
    }
}
