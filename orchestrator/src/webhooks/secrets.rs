//! What each client's webhooks are signed with: its own secrets, or one that is made from the deployment's.

use std::collections::HashMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use relevo_shared::secret::Secret;
use sha2::Sha256;
use standardwebhooks::Webhook;

use crate::{error::Result, settings::Settings, store::Store};

/// What every secret begins with, by the Standard Webhooks specification.
const START: &str = "whsec_";
/// Bytes of a secret, by the same.
const LENGTH: std::ops::RangeInclusive<usize> = 24..=64;

/// The secrets of all clients.
#[derive(Debug, Clone)]
pub(super) struct Secrets {
    store: Store,
    configured: HashMap<String, Vec<Secret>>,
}

impl Secrets {
    pub(super) fn new(store: Store, settings: &Settings) -> Self {
        let clients = settings.clients.iter().filter(|client| !client.webhook_secrets.is_empty());
        let configured = clients.map(|client| (client.name.clone(), client.webhook_secrets.clone())).collect();
        Self { store, configured }
    }

    /// The secrets of a client, never none.
    pub(super) async fn of(&self, client: &str) -> Result<Vec<Secret>> {
        match self.configured.get(client) {
            Some(secrets) => Ok(secrets.clone()),
            None => Ok(vec![derived(&self.store.secret().await?, client)]),
        }
    }
}

/// The secret of a client that has none of its own: the same in every replica, and of no use for finding another's.
fn derived(deployment: &[u8], client: &str) -> Secret {
    let mut mac = Hmac::<Sha256>::new_from_slice(deployment).expect("a key of any length will do");
    mac.update(b"webhooks of ");
    mac.update(client.as_bytes());
    Secret::new(format!("{START}{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
}

/// Whether a text of the settings can be a secret.
#[must_use]
pub fn is_secret(text: &str) -> bool {
    let bytes = text.strip_prefix(START).and_then(|text| BASE64_STANDARD.decode(text).ok());
    bytes.is_some_and(|bytes| LENGTH.contains(&bytes.len()))
}

/// The value of `webhook-signature`: one signature for each secret, so that a receiver may know the old one or the new one.
pub(super) fn signatures(secrets: &[Secret], id: &str, seconds: i64, body: &[u8]) -> String {
    let sign = |secret: &Secret| {
        let signer = Webhook::new(secret.reveal()).expect("secrets are checked when they are read");
        signer.sign(id, seconds, body).expect("JSON is UTF-8")
    };
    secrets.iter().map(sign).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_gets_a_secret_of_its_own_that_stays() {
        let secret = derived(b"deployment", "a");

        assert!(is_secret(secret.reveal()));
        assert_eq!(secret, derived(b"deployment", "a"));
        assert_ne!(secret, derived(b"deployment", "b"));
        assert_ne!(secret, derived(b"another", "a"));
    }

    #[test]
    fn a_secret_has_the_form_of_the_specification() {
        assert!(is_secret("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"));
        for wrong in ["C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_", "whsec_C2FV", "whsec_not base64 at all, in no way"]
        {
            assert!(!is_secret(wrong), "{wrong}");
        }
    }

    /// A delivery as a receiver got it, which the libraries of other languages have verified; see the scripts beside it.
    #[test]
    fn a_delivery_that_other_libraries_accept_is_signed_alike() {
        let golden = include_str!("../../../tests/golden/webhook.json");
        let golden: serde_json::Value = serde_json::from_str(golden).unwrap();
        let text = |name: &str| golden[name].as_str().unwrap();
        let secrets: Vec<Secret> = serde_json::from_value(golden["secrets"].clone()).unwrap();

        let seconds = text("webhook-timestamp").parse().unwrap();
        let signed = signatures(&secrets, text("webhook-id"), seconds, text("body").as_bytes());

        assert_eq!(signed, text("webhook-signature"));
    }
}
