//! Tokens: made at random, kept as hashes.

use sha2::{Digest, Sha256};

/// SHA-256 of a token.
pub(super) type Hash = [u8; 32];

/// How the tokens of clients begin, so that people and scanners of secrets know one when they see it.
pub const CLIENT: &str = "rvc_";
/// How the tokens of workers begin.
pub const WORKER: &str = "rvw_";

/// A fresh token: 160 random bits from the operating system, in hex, after `start`.
///
/// # Errors
/// When the operating system gives no random bytes.
pub fn fresh(start: &str) -> Result<String, getrandom::Error> {
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{start}{}", hex::encode(bytes)))
}

/// SHA-256 of a token, in hex: what is kept of it.
#[must_use]
pub fn hash_hex(token: &str) -> String {
    hex::encode(hash(token))
}

pub(super) fn hash(token: &str) -> Hash {
    Sha256::digest(token).into()
}

/// Reads a hash from its 64 hex digits.
pub(super) fn read_hash(text: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    hex::decode_to_slice(text, &mut hash).ok().map(|()| hash)
}
