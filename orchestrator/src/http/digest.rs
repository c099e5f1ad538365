//! Checks a body against the digest that its sender gives: `Content-Digest` (RFC 9530) or the older `Content-MD5`.

use std::sync::{Arc, Mutex, PoisonError};

use axum::http::HeaderMap;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, future, stream};
use md5::Md5;
use sha2::{Digest, Sha256, Sha512, digest::DynDigest};

use crate::error::{Error, Result};

/// What a body must hash to.
pub(super) struct Expected {
    header: &'static str,
    digest: Vec<u8>,
    hasher: Box<dyn DynDigest + Send>,
}

impl Expected {
    /// What the headers say; `None` when they say nothing, or name only algorithms that are not known here.
    pub(super) fn read(headers: &HeaderMap) -> Result<Option<Self>> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(list) = text("content-digest") {
            return Self::of_list(list);
        }
        let Some(md5) = text("content-md5") else { return Ok(None) };
        Self::of("Content-MD5", md5, Box::new(Md5::new())).map(Some)
    }

    /// The first algorithm of a list such as `sha-256=:…:, sha-512=:…:` that is known.
    fn of_list(list: &str) -> Result<Option<Self>> {
        for member in list.split(',') {
            let (name, value) = member.trim().split_once('=').unwrap_or_default();
            let hasher: Box<dyn DynDigest + Send> = match name.to_ascii_lowercase().as_str() {
                "sha-256" => Box::new(Sha256::new()),
                "sha-512" => Box::new(Sha512::new()),
                _ => continue,
            };
            let digest = value.strip_prefix(':').and_then(|rest| rest.strip_suffix(':')).unwrap_or_default();
            return Self::of("Content-Digest", digest, hasher).map(Some);
        }
        Ok(None)
    }

    fn of(header: &'static str, digest: &str, hasher: Box<dyn DynDigest + Send>) -> Result<Self> {
        let digest = STANDARD.decode(digest).ok().filter(|digest| digest.len() == hasher.output_size());
        let wrong = || Error::invalid(header, format!("must be {} bytes in base64", hasher.output_size()));
        let digest = digest.ok_or_else(wrong)?;
        Ok(Self { header, digest, hasher })
    }

    fn check(mut self) -> Result<()> {
        if *self.hasher.finalize_reset() == *self.digest {
            return Ok(());
        }
        Err(Error::invalid(self.header, "is not the digest of the body: it was changed or cut on its way"))
    }
}

/// The chunks of a body. When it does not hash to what it must, the last thing that comes is an error.
pub(super) fn verified(
    body: impl Stream<Item = Result<Bytes>>,
    expected: Option<Expected>,
) -> impl Stream<Item = Result<Bytes>> {
    let expected = Arc::new(Mutex::new(expected));
    let at_end = Arc::clone(&expected);
    let lock = |expected: &Mutex<Option<Expected>>| expected.lock().unwrap_or_else(PoisonError::into_inner).take();
    let fed = body.inspect_ok(move |chunk| {
        if let Some(expected) = &mut *expected.lock().unwrap_or_else(PoisonError::into_inner) {
            expected.hasher.update(chunk);
        }
    });
    let end = stream::once(async move { lock(&at_end).map_or(Ok(()), Expected::check) });
    fed.chain(end.filter_map(|checked| future::ready(checked.err().map(Err))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How a body of two chunks with this header ends.
    async fn sent(name: &'static str, value: &str) -> Result<usize> {
        let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
        let chunks = ["he", "llo"].map(|chunk| Ok(Bytes::from(chunk)));
        let body = verified(stream::iter(chunks), Expected::read(&headers)?);
        let chunks: Vec<Bytes> = Box::pin(body).try_collect().await?;
        Ok(chunks.len())
    }

    #[tokio::test]
    async fn a_body_must_be_what_its_digest_says() {
        // printf hello | openssl dgst -sha256 -binary | base64, and the same with -md5.
        let sha256 = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";
        assert_eq!(sent("content-digest", sha256).await.unwrap(), 2);
        assert_eq!(sent("content-digest", &format!("unixsum=:AAA=:, {sha256}")).await.unwrap(), 2);
        assert_eq!(sent("content-md5", "XUFAKrxLKna5cZ2REBfFkg==").await.unwrap(), 2);

        for (name, value) in [
            ("content-digest", "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCU=:"),
            ("content-digest", "sha-256=nothing"),
            ("content-md5", "XUFAKrxLKna5cZ2REBfFkQ=="),
            ("content-md5", "short"),
        ] {
            assert!(matches!(sent(name, value).await, Err(Error::Invalid(..))), "{name}: {value}");
        }
    }

    #[tokio::test]
    async fn a_digest_that_is_not_known_here_says_nothing() {
        assert_eq!(sent("content-digest", "unixsum=:AAA=:").await.unwrap(), 2);
    }
}
