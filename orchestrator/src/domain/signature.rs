//! Signed claims: short texts that only this deployment can have written, with an end date.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// What its holder may do.
    pub claim: String,
    /// Until when, in milliseconds since 1970; for ever when `None`.
    pub expires_at: Option<i64>,
}

/// Writes a token: the claim, its end and an HMAC-SHA256 over both, in the alphabet of URLs.
#[must_use]
pub fn sign(secret: &[u8], signed: &Signed) -> String {
    let body = format!("{}\n{}", signed.expires_at.map(|at| at.to_string()).unwrap_or_default(), signed.claim);
    let seal = seal(secret, &body).finalize().into_bytes();
    format!("{}.{}", URL_SAFE_NO_PAD.encode(&body), URL_SAFE_NO_PAD.encode(seal))
}

/// Reads a token; `None` when it was not written with this secret, or has ended.
#[must_use]
pub fn read(secret: &[u8], token: &str, now_ms: i64) -> Option<Signed> {
    let (body, mark) = token.split_once('.')?;
    let body = String::from_utf8(URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
    // Compared in constant time.
    seal(secret, &body).verify_slice(&URL_SAFE_NO_PAD.decode(mark).ok()?).ok()?;
    let (expires_at, claim) = body.split_once('\n')?;
    let expires_at = if expires_at.is_empty() { None } else { Some(expires_at.parse().ok()?) };
    if expires_at.is_some_and(|at| at <= now_ms) {
        return None;
    }
    Some(Signed { claim: claim.to_owned(), expires_at })
}

fn seal(secret: &[u8], body: &str) -> Hmac<Sha256> {
    let mut seal = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length will do");
    seal.update(body.as_bytes());
    seal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed() -> Signed {
        Signed { claim: "approval j.1".to_owned(), expires_at: Some(1000) }
    }

    #[test]
    fn a_token_reads_back_until_its_end() {
        let token = sign(b"secret", &signed());

        assert_eq!(read(b"secret", &token, 999), Some(signed()));
        assert_eq!(read(b"secret", &token, 1000), None);
        assert!(read(b"secret", &sign(b"secret", &Signed { expires_at: None, ..signed() }), i64::MAX).is_some());
    }

    #[test]
    fn a_token_of_another_secret_or_with_another_text_is_refused() {
        let token = sign(b"secret", &signed());
        let other = sign(b"secret", &Signed { claim: "approval j.2".to_owned(), ..signed() });
        let mixed = format!("{}.{}", other.split_once('.').unwrap().0, token.split_once('.').unwrap().1);

        for wrong in [mixed.as_str(), "", ".", "a.b", &token[..token.len() - 1]] {
            assert_eq!(read(b"secret", wrong, 0), None, "{wrong}");
        }
        assert_eq!(read(b"other", &token, 0), None);
    }
}
