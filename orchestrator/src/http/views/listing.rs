//! What lists of jobs have in common: who sees which jobs, where a page begins, and what a filter means.

use relevo_shared::job::JobState;

use super::{
    super::auth::Client,
    numbers::{OFFSETS, number_within},
};
use crate::{
    domain::{index::UnknownCursor, scope::Scope},
    error::{Error, Result},
    store::{JobFilter, PageStart},
    time::from_rfc3339,
    view::View,
};

/// Jobs of a page: when nobody says how many, and at most.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 1000;

/// A part of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    pub(super) limit: usize,
    pub(super) offset: u64,
    pub(super) start: PageStart,
}

impl Page {
    /// Reads which part is wanted. A cursor takes the place of an offset.
    pub(super) fn read(limit: Option<&str>, offset: Option<&str>, cursor: Option<&str>) -> Result<Self> {
        let limit = number_within("limit", limit, 1..=LARGEST_PAGE)?.unwrap_or(PAGE);
        let passed = number_within("offset", offset, OFFSETS)?;
        let start = match (cursor, passed) {
            (None, passed) => PageStart::Offset(passed.unwrap_or(0)),
            (Some(cursor), None) => {
                let cursor = cursor.parse();
                PageStart::After(cursor.map_err(|error: UnknownCursor| Error::invalid("cursor", error.to_string()))?)
            }
            (Some(_), Some(_)) => return Err(Error::invalid("cursor", "stands for a place; leave out the offset")),
        };
        Ok(Self { limit, offset: passed.unwrap_or(0), start })
    }
}

/// The jobs that a client may see.
pub(super) fn seen_by(client: &Client) -> JobFilter {
    let client = (!client.has(Scope::Admin)).then(|| client.name.clone());
    JobFilter { client, ..JobFilter::default() }
}

/// The states that a word means in a document.
pub(super) fn states(view: View, field: &str, word: &str) -> Result<Vec<JobState>> {
    let states = view.states(word);
    if states.is_empty() {
        return Err(Error::invalid(field, format!("must be one of {}", view.known_words().join(", "))));
    }
    Ok(states)
}

/// An instant of a query, in milliseconds since 1970.
pub(super) fn instant(field: &str, text: Option<&str>) -> Result<Option<i64>> {
    let Some(text) = text else { return Ok(None) };
    // The plus of an offset that was not written as %2B is a blank by now.
    let wrong = || Error::invalid(field, "must be an RFC 3339 instant, for example 2025-07-07T02:45:47Z");
    from_rfc3339(&text.replace(' ', "+")).map(Some).ok_or_else(wrong)
}
