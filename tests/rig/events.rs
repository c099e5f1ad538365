//! Server-sent events, read one by one.

use std::io::{BufRead, BufReader};

use reqwest::blocking::{RequestBuilder, Response};
use serde_json::Value;

/// An open stream of events.
#[derive(Debug)]
pub struct Events(BufReader<Response>);

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its id.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// What it says.
    pub data: Value,
}

impl Events {
    /// Opens a stream with a request.
    ///
    /// # Errors
    /// The status of any other answer.
    pub fn open(request: RequestBuilder) -> Result<Self, u16> {
        let answer = request.send().expect("the orchestrator answers");
        let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok());
        if answer.status() != 200 || kind != Some("text/event-stream") {
            return Err(answer.status().as_u16());
        }
        Ok(Self(BufReader::new(answer)))
    }
}

impl Iterator for Events {
    type Item = Event;

    /// The next event; none when the other end has ended the stream.
    fn next(&mut self) -> Option<Event> {
        let (mut id, mut kind, mut data) = (String::new(), String::new(), String::new());
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).expect("the stream is whole") == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("id", value)) => value.clone_into(&mut id),
                Some(("event", value)) => value.clone_into(&mut kind),
                Some(("data", value)) => value.clone_into(&mut data),
                // A comment.
                Some(_) => {}
                None if data.is_empty() => {}
                None => {
                    let data = serde_json::from_str(&data).expect("the data of an event is JSON");
                    return Some(Event { id, kind, data });
                }
            }
        }
    }
}
