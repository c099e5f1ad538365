//! Settings of the orchestrator: file < environment < flags.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use serde::{Deserialize, Serialize};

use crate::{
    blobs::S3Settings,
    clients::{ClientEntry, WorkerEntry},
    domain::quota::{Plan, Rate},
    network::Network,
};

/// Everything that can be set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Redis, for example `redis://127.0.0.1:6379/`.
    pub redis_url: String,
    /// How many partitions the keys are spread over: 1 for a single Redis. Fixed once there are jobs.
    pub partitions: u16,
    /// Folder of the blueprints.
    pub blueprints: PathBuf,
    /// Days that a finished job is kept.
    pub retention_days: u32,
    /// Seconds after its end that a job is packed: it takes a fraction of the memory then, and looks the same.
    pub pack_after_seconds: f64,
    /// Whether history and logs of packed jobs move to S3, many jobs in one object.
    pub archive: bool,
    /// Seconds within which a worker must show that it got a task that was handed to it; then the task goes to another.
    pub confirm_seconds: u32,
    /// Seconds that workers have to stop when a job is cancelled.
    pub cancel_grace_seconds: u32,
    /// Whether `POST /_public/debug/flush_db` may delete everything: for development only.
    pub allow_flush: bool,
    /// Largest JSON body, in bytes.
    pub max_body_bytes: usize,
    /// Largest file or table, in bytes.
    pub max_upload_bytes: u64,
    /// Addresses inside that webhooks may call: networks, addresses and host names. Public ones may always be called.
    pub webhook_allow: Vec<String>,
    /// Ports that webhooks may call; all when empty.
    pub webhook_ports: Vec<u16>,
    /// Seconds that an attempt to deliver a webhook may take.
    pub webhook_timeout_seconds: u32,
    /// Seconds before a webhook is tried again, at most; three times as many each further time.
    pub webhook_first_retry_seconds: f64,
    /// Seconds that somebody who watches a job may take to take a message, before the connection is cut.
    pub subscriber_patience_seconds: u32,
    /// Jobs that one client may watch at the same time on one replica.
    pub max_subscriptions_per_client: usize,
    /// Where files are kept; without it the file routes answer 501.
    #[serde(default)]
    pub s3: Option<S3Settings>,
    /// Proxies whose word on where a request comes from is taken: networks such as `10.0.0.0/8`, or single addresses.
    #[serde(default)]
    pub trusted_proxies: Vec<Network>,
    /// Requests that one address may send in a second, whoever asks; 0 for as many as it likes.
    pub address_requests_per_second: f64,
    /// Requests that one address may send at once; 0 for those of one second.
    pub address_burst: u32,
    /// Requests with an unknown token that one address may send in a minute; 0 for as many as it likes.
    pub failed_tokens_per_minute: u32,
    /// Limits that clients have in common, by the name of the plan.
    #[serde(default)]
    pub plans: BTreeMap<String, Plan>,
    /// Who may create jobs.
    #[serde(default)]
    pub clients: Vec<ClientEntry>,
    /// Who may work.
    #[serde(default)]
    pub workers: Vec<WorkerEntry>,
    /// A file with more plans and clients, read again when it changes.
    #[serde(default)]
    pub clients_file: Option<PathBuf>,
    /// A file with more workers, read again when it changes.
    #[serde(default)]
    pub workers_file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            redis_url: "redis://127.0.0.1:6379/".to_owned(),
            partitions: 1,
            blueprints: PathBuf::from("blueprints"),
            retention_days: 7,
            pack_after_seconds: 60.0,
            archive: false,
            confirm_seconds: 8,
            cancel_grace_seconds: 10,
            allow_flush: false,
            max_body_bytes: 2 * 1024 * 1024,
            max_upload_bytes: 64 * 1024 * 1024 * 1024,
            webhook_allow: Vec::new(),
            webhook_ports: Vec::new(),
            webhook_timeout_seconds: 15,
            webhook_first_retry_seconds: 5.0,
            subscriber_patience_seconds: 10,
            max_subscriptions_per_client: 10_000,
            s3: None,
            trusted_proxies: Vec::new(),
            address_requests_per_second: 0.0,
            address_burst: 0,
            failed_tokens_per_minute: 60,
            plans: BTreeMap::new(),
            clients: Vec::new(),
            workers: Vec::new(),
            clients_file: None,
            workers_file: None,
        }
    }
}

/// Settings that flags may override; those that are `None` leave the rest as it is.
#[derive(Debug, Clone, Default, Serialize, clap::Args)]
pub struct Flags {
    /// Where to listen, for example 127.0.0.1:8080.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Redis, for example `redis://127.0.0.1:6379/`.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis_url: Option<String>,
    /// Folder of the blueprints.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blueprints: Option<PathBuf>,
}

/// Settings that cannot be used; the text names the setting.
#[derive(Debug, thiserror::Error)]
#[error("settings: {0}")]
pub struct BadSettings(String);

/// Settings that the environment may set, each as `RELEVO_` and its name in capitals. Other variables with that start
/// are left alone: Kubernetes makes some for every service, and clients and workers have theirs.
const IN_ENVIRONMENT: &[&str] = &[
    "listen",
    "redis_url",
    "partitions",
    "blueprints",
    "retention_days",
    "pack_after_seconds",
    "archive",
    "confirm_seconds",
    "cancel_grace_seconds",
    "allow_flush",
    "max_body_bytes",
    "max_upload_bytes",
    "trusted_proxies",
    "address_requests_per_second",
    "address_burst",
    "failed_tokens_per_minute",
    "clients_file",
    "workers_file",
    "webhook_allow",
    "webhook_ports",
    "webhook_timeout_seconds",
    "webhook_first_retry_seconds",
    "subscriber_patience_seconds",
    "max_subscriptions_per_client",
];
/// The same for S3, under `RELEVO_S3_`. Always text: a secret of digits is no number.
const S3_IN_ENVIRONMENT: &[&str] = &["endpoint", "region", "bucket", "access_key", "secret_key", "session_token"];

impl Settings {
    /// Reads the file, then the environment, then the flags, each over the one before.
    ///
    /// # Errors
    /// When a value has the wrong type or makes no sense, or the file has a name that is unknown.
    pub fn load(file: Option<PathBuf>, flags: &Flags) -> Result<Self, BadSettings> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(file) = file {
            figment = figment.merge(Toml::file_exact(file));
        }
        figment = figment.merge(Env::prefixed("RELEVO_").only(IN_ENVIRONMENT));
        for name in S3_IN_ENVIRONMENT {
            if let Ok(value) = std::env::var(format!("RELEVO_S3_{}", name.to_ascii_uppercase())) {
                figment = figment.merge((format!("s3.{name}"), value));
            }
        }
        let settings: Self =
            figment.merge(Serialized::defaults(flags)).extract().map_err(|error| BadSettings(error.to_string()))?;
        settings.check()
    }

    fn check(self) -> Result<Self, BadSettings> {
        let wrong = |what: String| Err(BadSettings(what));
        if !(1..=4096).contains(&self.partitions) {
            return wrong(format!("partitions is {}, but must be 1 to 4096", self.partitions));
        }
        if self.retention_days == 0 {
            return wrong("retention_days is 0, but must be at least 1".to_owned());
        }
        if !(0.0..=86_400.0).contains(&self.pack_after_seconds) {
            return wrong(format!("pack_after_seconds is {}, but must be 0 to 86400", self.pack_after_seconds));
        }
        if self.archive && self.s3.is_none() {
            return wrong("archive is true, but there is no S3: set s3.bucket and its companions".to_owned());
        }
        if !(1..=60).contains(&self.confirm_seconds) {
            return wrong(format!("confirm_seconds is {}, but must be 1 to 60", self.confirm_seconds));
        }
        let rate = self.address_requests_per_second;
        if rate != 0.0 && !Rate::ALLOWED.contains(&rate) {
            let (least, most) = (Rate::ALLOWED.start(), Rate::ALLOWED.end());
            return wrong(format!("address_requests_per_second is {rate}, but must be 0, or {least} to {most}"));
        }
        if !(1..=60).contains(&self.webhook_timeout_seconds) {
            return wrong(format!("webhook_timeout_seconds is {}, but must be 1 to 60", self.webhook_timeout_seconds));
        }
        if !(1..=3600).contains(&self.subscriber_patience_seconds) {
            let given = self.subscriber_patience_seconds;
            return wrong(format!("subscriber_patience_seconds is {given}, but must be 1 to 3600"));
        }
        if self.max_subscriptions_per_client == 0 {
            return wrong("max_subscriptions_per_client is 0, but must be at least 1".to_owned());
        }
        if !(0.01..=3600.0).contains(&self.webhook_first_retry_seconds) {
            let given = self.webhook_first_retry_seconds;
            return wrong(format!("webhook_first_retry_seconds is {given}, but must be 0.01 to 3600"));
        }
        Ok(self)
    }
}
