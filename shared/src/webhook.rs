//! Webhooks: the message that a receiver is sent, and the log of what became of it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{JobId, secret::Secret};

/// Body of a delivery. Its id and its signature are in the headers `webhook-id`, `webhook-timestamp` and
/// `webhook-signature`, as the Standard Webhooks specification has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WebhookMessage {
    /// What happened: `job.completed`, `job.failed`, `job.quarantined`, `job.cancelled` or `job.approval_wanted`.
    #[serde(rename = "type")]
    pub event: String,
    /// When it happened, RFC 3339.
    pub timestamp: String,
    /// The job.
    pub job_id: JobId,
    /// Its state when the message was sent.
    pub status: String,
    /// The job when the message was sent, as `GET /api/v1/jobs/{job_id}` shows it. Members above 64 KiB are null.
    pub data: Value,
    /// The members of `data` that were left out because of their size.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub omitted: Vec<String>,
    /// Where the job is found, whole: a path of this service.
    pub job_path: String,
}

/// How a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Not accepted yet; an attempt is due or to come.
    Pending,
    /// Accepted with a 2xx.
    Delivered,
    /// Given up after a day of attempts.
    Dead,
    /// Given up because the receiver answered 410.
    Gone,
    /// Given up because the address is not one that webhooks may call.
    Refused,
}

impl DeliveryState {
    /// The word that is stored and sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Gone => "gone",
            Self::Refused => "refused",
        }
    }

    /// The state that a word stands for.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        serde_json::from_value(Value::from(word)).ok()
    }
}

/// One attempt to deliver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryAttempt {
    /// When it began, RFC 3339.
    pub at: String,
    /// The status that came back; null when none did.
    pub status: Option<u16>,
    /// Why it does not count as delivered; null when it does.
    pub error: Option<String>,
    /// How long it took.
    pub duration_seconds: f64,
}

/// A delivery with all its attempts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryView {
    /// The `webhook-id` of every attempt.
    pub id: String,
    /// What it tells of.
    pub event: String,
    /// Where it goes, without the query, which may hold a secret.
    pub url: String,
    /// How it stands.
    pub state: DeliveryState,
    /// When what it tells of happened.
    pub created_at: String,
    /// When the next attempt is due; null when none is to come.
    pub next_attempt_at: Option<String>,
    /// The attempts, oldest first; of many, the latest.
    pub attempts: Vec<DeliveryAttempt>,
}

/// Answer of `GET /api/v1/jobs/{job_id}/deliveries`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Deliveries {
    /// The deliveries of the job, oldest first.
    pub deliveries: Vec<DeliveryView>,
}

/// Answer to a replay: 202.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplayAccepted {
    /// Always `accepted`.
    #[schema(example = "accepted")]
    pub status: String,
    /// The delivery that is sent again, under the same id.
    pub delivery_id: String,
}

/// Answer of `GET /api/v1/webhooks/secret`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookSecrets {
    /// What this client's webhooks are signed with, `whsec_` and base64. Every message carries a signature for each.
    #[schema(value_type = Vec<String>, example = json!(["whsec_bmV3LXNlY3JldC1uZXctc2VjcmV0LW5ldy1zZWNyZXQ="]))]
    pub secrets: Vec<Secret>,
}
