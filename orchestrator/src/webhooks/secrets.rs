//! What each client's webhooks are signed with: its own secrets, or one that is made from the deployment's.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use relevo_shared::secret::Secret;
use sha2::Sha256;
use standardwebhooks::Webhook;

use crate::{clients::Directory, error::Result, store::Store};

/// What every secret begins with, by the Standard Webhooks specification.
const START: &str = "whsec_";

/// The secrets of all clients.
#[derive(Debug, Clone)]
pub(super) struct Secrets {
    store: Store,
    directory: Arc<Directory>,
}

impl Secrets {
    pub(super) const fn new(store: Store, directory: Arc<Directory>) -> Self {
        Self { store, directory }
    }

    /// The secrets of a client, never none.
    pub(super) async fn of(&self, client: &str) -> Result<Vec<Secret>> {
        let known = self.directory.current();
        match known.by_name(client).map(|client| &client.webhook_secrets) {
            Some(secrets) if !secrets.is_empty() => Ok(secrets.clone()),
            _ => Ok(vec![derived(&self.store.secret().await?, client)]),
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

        assert!(Webhook::new(secret.reveal()).is_ok());
        assert_eq!(secret, derived(b"deployment", "a"));
        assert_ne!(secret, derived(b"deployment", "b"));
        assert_ne!(secret, derived(b"another", "a"));
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
