//! What a failed S3 call means for the task.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::{
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    operation::RequestId,
};

use tracing::warn;

use super::Address;
use crate::skills::SkillError;

/// Maps an error of the SDK, after its own retries.
pub(super) fn refusal<E>(fault: &SdkError<E, HttpResponse>, address: &Address) -> SkillError
where
    E: std::error::Error + ProvideErrorMetadata + RequestId + 'static,
{
    let status = fault.raw_response().map(|response| response.status().as_u16());
    let code = fault.code().unwrap_or("no code");
    match status {
        Some(404) => SkillError::InvalidInput { message: format!("{address} does not exist"), details: Vec::new() },
        Some(401 | 403) => SkillError::Permanent(format!("S3 refuses access to {address}: {code}")),
        Some(412) => SkillError::Transient(format!("{address} was replaced while it was read")),
        Some(status @ 400..=499) if !matches!(status, 408 | 429) => {
            SkillError::Permanent(format!("S3 refused the request for {address}: {status} {code}"))
        }
        Some(status @ 300..=599) => SkillError::Transient(format!("S3 is unreachable: {address}: {status} {code}")),
        _ => {
            // The chain of causes is for whoever runs the worker; the job's owner is told what it means.
            warn!(%address, fault = %DisplayErrorContext(fault), "S3 cannot be reached");
            unreachable(address, &"it does not answer")
        }
    }
}

/// The connection failed.
pub(super) fn unreachable(address: &Address, reason: &dyn std::fmt::Display) -> SkillError {
    SkillError::Transient(format!("S3 is unreachable: {address}: {reason}"))
}
