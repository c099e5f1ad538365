//! The short-lived tokens that workers get in exchange for their own: made and read without asking anybody.
//!
//! A token names the settings' token that it was made from, so that removing that one takes back all that came of it.

use relevo_shared::WorkerId;

use super::signature::{self, Signed};

/// How long an access token opens doors, in seconds.
pub const ACCESS_SECONDS: i64 = 3600;
/// How long after its making a token of either kind can be exchanged for new ones: some releases know no refresh token,
/// and come with the access token that has ended.
pub const EXCHANGE_SECONDS: i64 = 7 * 24 * 3600;
/// Start of every such token; those of the settings hardly have it.
const MARK: &str = "rvs1.";

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// To be sent with every request.
    Access,
    /// To be exchanged for new tokens, and for nothing else.
    Refresh,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Access => "worker-access",
            Self::Refresh => "worker-refresh",
        }
    }
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// What it is good for.
    pub kind: Kind,
    /// The one worker that may use it; any when `None`.
    pub worker: Option<WorkerId>,
    /// The first bytes of the hash of the token that it was made from.
    pub parent: [u8; 8],
    /// When it was made, in seconds since 1970.
    pub made_at: i64,
}

impl Claims {
    /// Whether it opens doors at this instant, in seconds since 1970.
    #[must_use]
    pub fn is_fresh(&self, now: i64) -> bool {
        self.kind == Kind::Access && now < self.made_at + ACCESS_SECONDS
    }

    /// The token, signed with the secret of this deployment.
    #[must_use]
    pub fn sign(&self, secret: &[u8]) -> String {
        let worker = self.worker.as_ref().map_or("", WorkerId::as_str);
        let claim = [self.kind.word(), worker, &hex::encode(self.parent), &self.made_at.to_string()].join(" ");
        let expires_at = Some((self.made_at + EXCHANGE_SECONDS) * 1000);
        format!("{MARK}{}", signature::sign(secret, &Signed { claim, expires_at }))
    }

    /// What a token says; `None` unless it was signed with this secret and can still be exchanged at this instant, in
    /// seconds since 1970.
    #[must_use]
    pub fn read(token: &str, secret: &[u8], now: i64) -> Option<Self> {
        let Signed { claim, .. } = signature::read(secret, token.strip_prefix(MARK)?, now * 1000)?;
        let parts: [&str; 4] = claim.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let [kind, worker, parent, made_at] = parts;
        let mut fingerprint = [0; 8];
        hex::decode_to_slice(parent, &mut fingerprint).ok()?;
        Some(Self {
            kind: [Kind::Access, Kind::Refresh].into_iter().find(|known| known.word() == kind)?,
            worker: if worker.is_empty() { None } else { Some(worker.parse().ok()?) },
            parent: fingerprint,
            made_at: made_at.parse().ok()?,
        })
    }
}

/// Whether a token has the form of these, and asking for the secret may be worth it.
#[must_use]
pub fn is_one(token: &str) -> bool {
    token.starts_with(MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(kind: Kind) -> Claims {
        Claims { kind, worker: Some("w-1".parse().unwrap()), parent: [7; 8], made_at: 1_000 }
    }

    #[test]
    fn a_token_reads_back_as_it_was_made_until_it_can_be_exchanged_no_more() {
        for claims in [claims(Kind::Access), Claims { worker: None, ..claims(Kind::Refresh) }] {
            let token = claims.sign(b"secret");

            assert!(is_one(&token), "{token}");
            assert_eq!(Claims::read(&token, b"secret", 1_000 + EXCHANGE_SECONDS - 1), Some(claims));
            assert_eq!(Claims::read(&token, b"secret", 1_000 + EXCHANGE_SECONDS), None);
            assert_eq!(Claims::read(&token, b"another", 1_000), None);
        }
    }

    #[test]
    fn what_was_signed_for_another_purpose_is_no_token() {
        let link = signature::sign(b"secret", &Signed { claim: "approval j.1 x y".to_owned(), expires_at: None });

        assert_eq!(Claims::read(&format!("{MARK}{link}"), b"secret", 0), None);
    }

    #[test]
    fn an_access_token_ends_and_a_refresh_token_opens_nothing() {
        let (access, refresh) = (claims(Kind::Access), claims(Kind::Refresh));

        assert!(access.is_fresh(1_000 + ACCESS_SECONDS - 1) && !access.is_fresh(1_000 + ACCESS_SECONDS));
        assert!(!refresh.is_fresh(1_000));
    }
}
