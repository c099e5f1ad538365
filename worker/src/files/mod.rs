//! The way to S3: objects to files and files to objects, streamed, with bounded memory.

mod address;
mod download;
mod refusal;
mod upload;

use std::{io, path::Path};

use aws_sdk_s3::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig},
};

use self::address::Address;
use crate::{cancel::StopSignal, settings::S3Settings, skills::SkillError};

/// How long S3 may take to accept a connection.
const CONNECT: std::time::Duration = std::time::Duration::from_secs(5);

/// A client of one S3 service, or the knowledge that there is none.
#[derive(Debug)]
pub struct Files(Option<Client>);

impl Files {
    /// Prepares the client; connects to nothing yet.
    #[must_use]
    pub fn new(settings: Option<&S3Settings>) -> Self {
        Self(settings.map(|settings| Client::from_conf(config(settings))))
    }

    /// Streams an object into a file, which is removed when that fails.
    ///
    /// # Errors
    /// Invalid input when there is no such object, permanent when access is refused, transient when S3 cannot be reached,
    /// cancelled when the task should stop.
    pub async fn download(&self, uri: &str, to: &Path, stop: &StopSignal) -> Result<u64, SkillError> {
        let (client, address) = (self.client()?, Address::read(uri)?);
        let bytes = tokio::select! {
            bytes = download::download(client, &address, to) => bytes,
            () = stop.stopped() => Err(SkillError::Cancelled),
        };
        if bytes.is_err() {
            let _ = tokio::fs::remove_file(to).await;
        }
        bytes
    }

    /// Streams a file to an object, which appears whole or not at all.
    ///
    /// # Errors
    /// As for [`Self::download`].
    pub async fn upload(&self, from: &Path, uri: &str, stop: &StopSignal) -> Result<u64, SkillError> {
        upload::upload(self.client()?, from, &Address::read(uri)?, stop).await
    }

    fn client(&self) -> Result<&Client, SkillError> {
        let missing = || {
            SkillError::Permanent("this worker has no S3: set RELEVO_S3_ACCESS_KEY and RELEVO_S3_SECRET_KEY".to_owned())
        };
        self.0.as_ref().ok_or_else(missing)
    }
}

fn config(settings: &S3Settings) -> Config {
    let token = settings.session_token.as_ref().map(|token| token.reveal().to_owned());
    let credentials = Credentials::new(&settings.access_key, settings.secret_key.reveal(), token, None, "settings");
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(settings.region.clone()))
        .credentials_provider(credentials)
        .retry_config(RetryConfig::standard().with_max_attempts(4))
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).build());
    match &settings.endpoint {
        // Services of one's own rarely have a host name per bucket.
        Some(endpoint) => config.endpoint_url(endpoint.as_str()).force_path_style(true).build(),
        None => config.build(),
    }
}

/// What a fault of the local disk means for the task.
fn disk_fault(path: &Path, fault: &io::Error) -> SkillError {
    let message = format!("{}: {fault}", path.display());
    match fault.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => SkillError::ResourceExhausted(message),
        _ => SkillError::Permanent(message),
    }
}
