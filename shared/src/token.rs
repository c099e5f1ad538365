//! The short-lived tokens that a worker gets in exchange for its own.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::secret::Secret;

/// Answer to `POST /_worker/auth/token` and `/_worker/auth/token/refresh`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuedToken {
    /// To be sent as `X-Worker-Token` from now on.
    #[schema(value_type = String)]
    pub access_token: Secret,
    /// Gets a new pair once the access token has ended.
    #[schema(value_type = String)]
    pub refresh_token: Secret,
    /// Seconds that the access token is good for.
    pub expires_in: u64,
    /// The one worker that may use it; empty when any may.
    pub worker_id: String,
}

/// Body of `POST /_worker/auth/token/refresh`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefreshToken {
    /// The one that came with the access token.
    #[schema(value_type = String)]
    pub refresh_token: Secret,
}
