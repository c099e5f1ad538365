//! Files in S3: streamed in, presigned out. The only place that imports the S3 client.

mod archive;
mod job_files;
mod upload;

use std::time::Duration;

use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
    presigning::PresigningConfig,
};
pub use job_files::files_key;
use relevo_shared::secret::Secret;
use serde::{Deserialize, Serialize};

/// Where models lie that have a name. Workers alone write there, and nothing under it is deleted with a job.
pub const MODELS: &str = "models/";
/// Presigned links last at most this long: the limit of signature version 4.
pub const LONGEST_LINK: Duration = Duration::from_secs(7 * 24 * 3600);

/// Where files are kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Settings {
    /// Base address; the real AWS when absent.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Region that requests are signed for.
    #[serde(default = "default_region")]
    pub region: String,
    /// The one bucket for everything.
    pub bucket: String,
    /// Access key.
    pub access_key: String,
    /// Secret key.
    pub secret_key: Secret,
    /// Session token of temporary credentials.
    #[serde(default)]
    pub session_token: Option<Secret>,
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

/// Why S3 did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is no such file.
    #[error("there is no file {0}")]
    NotFound(String),
    /// It cannot be reached, or failed in passing.
    #[error("S3 is away: {0}")]
    Away(String),
    /// It refused for good: wrong keys, no such bucket.
    #[error("S3 refused: {0}")]
    Refused(String),
}

impl<E: ProvideErrorMetadata + std::fmt::Debug, R: std::fmt::Debug> From<SdkError<E, R>> for BlobError {
    fn from(error: SdkError<E, R>) -> Self {
        match &error {
            SdkError::ServiceError(service) => {
                let inner = service.err();
                let text = format!("{} {}", inner.code().unwrap_or("error"), inner.message().unwrap_or_default());
                match inner.code() {
                    Some("NoSuchKey" | "NotFound") => Self::NotFound(text),
                    Some("SlowDown" | "InternalError" | "ServiceUnavailable" | "RequestTimeout") => Self::Away(text),
                    _ => Self::Refused(text),
                }
            }
            SdkError::ConstructionFailure(_) => Self::Refused(format!("{error:?}")),
            _ => Self::Away(error.to_string()),
        }
    }
}

/// A handle on the bucket; cheap to clone.
#[derive(Debug, Clone)]
pub struct Blobs {
    client: Client,
    bucket: String,
}

impl Blobs {
    /// A handle on the bucket of these settings. Nothing is connected yet.
    #[must_use]
    pub fn new(settings: &S3Settings) -> Self {
        let credentials = Credentials::new(
            settings.access_key.clone(),
            settings.secret_key.reveal(),
            settings.session_token.as_ref().map(|token| token.reveal().to_owned()),
            None,
            "settings",
        );
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .read_timeout(Duration::from_secs(30))
            .build();
        let mut config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(settings.region.clone()))
            .credentials_provider(credentials)
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(timeouts)
            // Works with every server that speaks S3; virtual hosts need DNS that private ones lack.
            .force_path_style(true);
        if let Some(endpoint) = &settings.endpoint {
            config = config.endpoint_url(endpoint);
        }
        Self { client: Client::from_conf(config.build()), bucket: settings.bucket.clone() }
    }

    /// `s3://bucket/key`.
    #[must_use]
    pub fn uri(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    /// The key in `s3://bucket/key`, where the bucket is this one.
    #[must_use]
    pub fn key_of<'a>(&self, uri: &'a str) -> Option<&'a str> {
        uri.strip_prefix("s3://")?.strip_prefix(self.bucket.as_str())?.strip_prefix('/').filter(|key| !key.is_empty())
    }

    /// Makes the bucket if it is not there.
    ///
    /// # Errors
    /// When S3 is away or refuses.
    pub async fn ensure_bucket(&self) -> Result<(), BlobError> {
        match self.client.create_bucket().bucket(&self.bucket).send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error().and_then(ProvideErrorMetadata::code) {
                Some("BucketAlreadyOwnedByYou" | "BucketAlreadyExists") => Ok(()),
                _ => Err(error.into()),
            },
        }
    }

    /// How many bytes a file has.
    ///
    /// # Errors
    /// [`BlobError::NotFound`] when it is not there.
    pub async fn length(&self, key: &str) -> Result<u64, BlobError> {
        match self.client.head_object().bucket(&self.bucket).key(key).send().await {
            Ok(head) => Ok(head.content_length().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default()),
            // An answer to HEAD has no body, so some servers give no code but the status alone.
            Err(SdkError::ServiceError(error)) if error.raw().status().as_u16() == 404 => {
                Err(BlobError::NotFound(key.rsplit('/').next().unwrap_or(key).to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A range of a file's bytes, both ends included.
    ///
    /// # Errors
    /// When the file is not there or S3 is away.
    pub async fn read_range(&self, key: &str, first: u64, last: u64) -> Result<bytes::Bytes, BlobError> {
        let range = format!("bytes={first}-{last}");
        let answer = self.client.get_object().bucket(&self.bucket).key(key).range(range).send().await?;
        answer.body.collect().await.map(|body| body.into_bytes()).map_err(|error| BlobError::Away(error.to_string()))
    }

    /// Removes a file; it need not be there.
    ///
    /// # Errors
    /// When S3 is away.
    pub async fn remove(&self, key: &str) -> Result<(), BlobError> {
        self.client.delete_object().bucket(&self.bucket).key(key).send().await?;
        Ok(())
    }

    /// A link that lets anyone read the file for a while.
    ///
    /// # Errors
    /// When the duration is not allowed.
    pub async fn link_to_read(&self, key: &str, lasts: Duration) -> Result<String, BlobError> {
        let request = self.client.get_object().bucket(&self.bucket).key(key);
        Ok(request.presigned(presigning(lasts)?).await?.uri().to_owned())
    }

    /// A link that lets anyone write the file for a while.
    ///
    /// # Errors
    /// When the duration is not allowed.
    pub async fn link_to_write(&self, key: &str, lasts: Duration) -> Result<String, BlobError> {
        let request = self.client.put_object().bucket(&self.bucket).key(key);
        Ok(request.presigned(presigning(lasts)?).await?.uri().to_owned())
    }
}

fn presigning(lasts: Duration) -> Result<PresigningConfig, BlobError> {
    PresigningConfig::expires_in(lasts).map_err(|error| BlobError::Refused(error.to_string()))
}
