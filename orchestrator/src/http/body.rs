//! Reads what a request says: JSON bodies, queries and path parts, with errors that name the field.

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, header, request::Parts},
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use super::App;
use crate::error::{Error, Result};

/// A JSON body.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

/// A JSON body; none, or `null`, is `None`.
#[derive(Debug)]
pub(super) struct MaybeJson<T>(pub(super) Option<T>);

/// A query.
#[derive(Debug)]
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let (parts, body) = request.into_parts();
        Ok(Self(parse(&read(&parts.headers, body, app).await?)?))
    }
}

impl<T: DeserializeOwned> FromRequest<App> for MaybeJson<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let (parts, body) = request.into_parts();
        let body = read(&parts.headers, body, app).await?;
        Ok(Self(if body.is_empty() { None } else { parse(&body)? }))
    }
}

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let query = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        query.map(|query| Self(query.0)).map_err(|error| {
            let text = error.body_text();
            let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
            let (path, reason) = text.split_once(": ").unwrap_or((".", text));
            let field = match field_name(path, reason) {
                field if field == "body" => "query".to_owned(),
                field => field,
            };
            Error::invalid(field, in_plain_words(reason))
        })
    }
}

/// What Rust says of a number that is none, as clients are told it.
fn in_plain_words(reason: &str) -> &str {
    match reason {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            "must be a whole number, without a sign"
        }
        "number too large to fit in target type" => "must be a smaller number",
        reason => reason,
    }
}

/// The parts of a path that are named in its route.
#[derive(Debug)]
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Sync + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(path) => Ok(Self(path.0)),
            // A part that is no text names nothing that there is.
            Err(_) => Err(Error::NotFound(format!("nothing is served at {} {}", parts.method, parts.uri.path()))),
        }
    }
}

/// A body that is too large is read on up to this many times its limit, and thrown away: a client that is still sending
/// would see a broken connection instead of the answer.
const DRAIN: usize = 16;

/// Reads a JSON body whole, up to the limit. What type an empty one is said to have does not matter.
pub(super) async fn read(headers: &HeaderMap, body: Body, app: &App) -> Result<Bytes> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let other = media.filter(|media| !is_json(media));
    let limit = app.limits.json;
    let mut body = body.into_data_stream();
    let mut kept = BytesMut::new();
    let mut length = 0;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| Error::invalid("body", format!("ended before it was complete: {error}")))?;
        if let Some(media) = other.filter(|_| !chunk.is_empty()) {
            return Err(Error::UnsupportedType(format!("the body must be application/json, not {media}")));
        }
        length += chunk.len();
        if length <= limit {
            kept.extend_from_slice(&chunk);
        } else if length > limit.saturating_mul(DRAIN) {
            break;
        }
    }
    if length <= limit { Ok(kept.freeze()) } else { Err(Error::TooLarge(limit as u64)) }
}

fn is_json(media: &str) -> bool {
    let essence = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

/// Reads the JSON in a body.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    // A list would be taken for the fields of a structure in their order.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|first| *first == b'[') {
        return Err(Error::invalid("body", "must be a JSON object, not a list"));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let reason = without_type_names(error.inner().to_string());
        Error::invalid(field_name(&path, &reason), reason)
    })?;
    reader.end().map_err(|error| Error::invalid("body", error.to_string()))?;
    Ok(value)
}

/// A client knows nothing of the structures in this program.
fn without_type_names(reason: String) -> String {
    match reason.split_once("expected struct ") {
        Some((before, after)) => {
            let rest = after.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
            format!("{before}expected an object{rest}")
        }
        None => reason,
    }
}

/// The field to blame. For an unknown or missing one the reason has its name, and the path that of its parent.
fn field_name(path: &str, reason: &str) -> String {
    // What stands for the whole body, and for a place that cannot be named.
    let parent = if matches!(path, "." | "?") { "" } else { path };
    let named = ["unknown field `", "missing field `", "duplicate field `"]
        .iter()
        .find_map(|start| reason.strip_prefix(start)?.split('`').next());
    match (parent, named) {
        ("", None) => "body".to_owned(),
        ("", Some(name)) => name.to_owned(),
        (parent, None) => parent.to_owned(),
        (parent, Some(name)) if parent == name || parent.ends_with(&format!(".{name}")) => parent.to_owned(),
        (parent, Some(name)) => format!("{parent}.{name}"),
    }
}

#[cfg(test)]
mod tests {
    use relevo_shared::job::CreateJob;

    use super::*;

    fn blamed(body: &str) -> String {
        match parse::<CreateJob>(body.as_bytes()) {
            Err(Error::Invalid(_, details)) => details[0].field.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_error_names_the_field() {
        assert_eq!(blamed(r#"{"initial_data": 3}"#), "initial_data");
        assert_eq!(blamed(r#"{"initial_dada": {}}"#), "initial_dada");
        assert_eq!(blamed(r#"{"dispatch_timeout": -1}"#), "dispatch_timeout");
        assert_eq!(blamed("{"), "body");
        assert_eq!(blamed("{} {}"), "body");
        assert_eq!(blamed(" []"), "body");
    }
}
