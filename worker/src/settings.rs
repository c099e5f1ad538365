//! The settings of a worker: from a TOML file, the environment and flags, the later winning, each under one name.

mod programs;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use figment::{
    Figment,
    providers::{Format, Serialized, Toml},
};
use relevo_shared::{WorkerId, secret::Secret};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use self::programs::GivenProgram;
pub use self::programs::Program;
use crate::host;

/// What was given, before it is judged. `--some-name`, `RELEVO_SOME_NAME` and `some_name` in the file are the same setting.
#[derive(Clone, Default, clap::Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Given {
    /// Base URL of the orchestrator, for example http://127.0.0.1:8080
    #[arg(long, env = "RELEVO_URL", global = true)]
    url: Option<String>,
    /// Token that the orchestrator knows workers by; better in the environment than on the command line
    #[arg(long, env = "RELEVO_WORKER_TOKEN", hide_env_values = true, global = true)]
    worker_token: Option<String>,
    /// Name of this worker: letters, digits, `_` and `-`; host and process id when absent
    #[arg(long, env = "RELEVO_WORKER_ID", global = true)]
    worker_id: Option<String>,
    /// A word for people, for example cpu or gpu
    #[arg(long, env = "RELEVO_WORKER_TYPE", global = true)]
    worker_type: Option<String>,
    /// Labels that a blueprint's requirements may name, separated by commas
    #[arg(long, env = "RELEVO_LABELS", value_delimiter = ',', global = true)]
    labels: Option<Vec<String>>,
    /// Tasks that run at the same time [default: 1]
    #[arg(long, env = "RELEVO_CONCURRENCY", global = true)]
    concurrency: Option<usize>,
    /// Seconds between heartbeats; leases last three times as long [default: 5]
    #[arg(long, env = "RELEVO_HEARTBEAT_SECONDS", global = true)]
    heartbeat_seconds: Option<u32>,
    /// Seconds that running tasks get to finish when the worker is told to stop; then they are handed back [default: 30]
    #[arg(long, env = "RELEVO_DRAIN_SECONDS", global = true)]
    drain_seconds: Option<u64>,
    /// Whether commands may come over a WebSocket, sooner than with heartbeats [default: true]
    #[arg(long, env = "RELEVO_WEBSOCKET", global = true)]
    websocket: Option<bool>,
    /// Folder for the tasks' temporary files [default: relevo-worker in the system's temporary folder]
    #[arg(long, env = "RELEVO_WORK_DIR", global = true)]
    work_dir: Option<PathBuf>,
    /// Folders that hold models, separated by colons
    #[arg(long, env = "RELEVO_MODELS", value_delimiter = ':', global = true)]
    models: Option<Vec<PathBuf>>,
    /// Folder that holds a CUDA PyTorch's libraries
    #[arg(long, env = "RELEVO_TORCH_CUDA", global = true)]
    torch_cuda: Option<PathBuf>,
    /// URL of the S3 service, reached by path style; Amazon's own when absent
    #[arg(long, env = "RELEVO_S3_ENDPOINT", global = true)]
    s3_endpoint: Option<String>,
    /// Region of the S3 service [default: us-east-1]
    #[arg(long, env = "RELEVO_S3_REGION", global = true)]
    s3_region: Option<String>,
    /// Access key of the S3 service; without it tasks cannot read or write files
    #[arg(long, env = "RELEVO_S3_ACCESS_KEY", global = true)]
    s3_access_key: Option<String>,
    /// Secret key of the S3 service
    #[arg(long, env = "RELEVO_S3_SECRET_KEY", hide_env_values = true, global = true)]
    s3_secret_key: Option<String>,
    /// Session token that goes with temporary S3 keys
    #[arg(long, env = "RELEVO_S3_SESSION_TOKEN", hide_env_values = true, global = true)]
    s3_session_token: Option<String>,
    /// What is logged: a level, or `target=level` pairs separated by commas [default: info]
    #[arg(long, env = "RELEVO_LOG", global = true)]
    log: Option<String>,
    /// How log lines look [default: human on a terminal, json elsewhere]
    #[arg(long, env = "RELEVO_LOG_FORMAT", global = true)]
    log_format: Option<LogFormat>,
    /// Programs that are skills, by name: in the file only.
    #[arg(skip)]
    skills: Option<BTreeMap<String, GivenProgram>>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For eyes.
    Human,
    /// One JSON object per line.
    Json,
}

/// Settings that were judged and found right.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Base URL of the orchestrator; its path ends with `/`.
    pub url: Url,
    /// Sent with every request.
    pub worker_token: Secret,
    /// Who this worker is.
    pub worker_id: WorkerId,
    /// A word for people.
    pub worker_type: Option<String>,
    /// Labels that a blueprint's requirements may name.
    pub labels: Vec<String>,
    /// Tasks that run at the same time, at least 1.
    pub concurrency: usize,
    /// Time between heartbeats, in whole seconds.
    pub heartbeat: Duration,
    /// How long running tasks get to finish once the worker is told to stop.
    pub drain: Duration,
    /// Whether commands may come over a WebSocket.
    pub websocket: bool,
    /// Folder for the tasks' temporary files.
    pub work_dir: PathBuf,
    /// What the skills need.
    pub skills: SkillSettings,
    /// How S3 is reached; none when no keys were given.
    pub s3: Option<S3Settings>,
    /// What is logged.
    pub log: String,
    /// How log lines look; by the terminal when absent.
    pub log_format: Option<LogFormat>,
}

/// What the skills need to find on this machine.
#[derive(Debug, Clone, Default)]
pub struct SkillSettings {
    /// Folders that hold models.
    pub models: Vec<PathBuf>,
    /// Folder that holds a CUDA PyTorch's libraries.
    pub torch_cuda: Option<PathBuf>,
    /// Programs that are skills.
    pub programs: Vec<Program>,
}

/// How S3 is reached.
#[derive(Debug, Clone)]
pub struct S3Settings {
    /// URL of the service; Amazon's own when absent.
    pub endpoint: Option<Url>,
    /// Region that requests are signed for.
    pub region: String,
    /// Public half of the keys.
    pub access_key: String,
    /// Secret half of the keys.
    pub secret_key: Secret,
    /// Goes with temporary keys.
    pub session_token: Option<Secret>,
}

/// Settings that cannot be used; every fault at once.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read, is no TOML, or holds a name or type that is not expected.
    #[error("{0}")]
    Unreadable(Box<figment::Error>),
    /// Values that were read but cannot be right.
    #[error("{}", .0.join("\n"))]
    Faults(Vec<String>),
}

impl Settings {
    /// Reads `file` where there is one, puts what the environment and the flags gave above it, and judges the whole.
    ///
    /// # Errors
    /// Names every setting that is wrong or missing, and what would be right.
    pub fn load(file: Option<&Path>, given: &Given) -> Result<Self, SettingsError> {
        Given::layered(file, given)?.judged(file)
    }
}

impl SkillSettings {
    /// Reads the same layers for what the skills need, and judges nothing else.
    ///
    /// # Errors
    /// The file cannot be read, or holds a name or type that is not expected, or a program that cannot be run.
    pub fn load(file: Option<&Path>, given: &Given) -> Result<Self, SettingsError> {
        let (whole, mut faults) = (Given::layered(file, given)?, Faults::default());
        let skills = whole.skills(file, &mut faults);
        if faults.0.is_empty() { Ok(skills) } else { Err(SettingsError::Faults(faults.0)) }
    }
}

impl Given {
    fn layered(file: Option<&Path>, given: &Self) -> Result<Self, SettingsError> {
        let mut layers = Figment::new();
        if let Some(file) = file {
            if !file.is_file() {
                return Err(SettingsError::Faults(vec![format!("config: {} is not a file", file.display())]));
            }
            layers = layers.merge(Toml::file_exact(file));
        }
        let above = serde_json::to_value(given).expect("strings, numbers and lists are JSON");
        let above: serde_json::Map<_, _> = above
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, value)| !value.is_null())
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let whole = layers.merge(Serialized::defaults(above));

        whole.extract().map_err(|fault| SettingsError::Unreadable(Box::new(fault)))
    }

    fn skills(self, file: Option<&Path>, faults: &mut Faults) -> SkillSettings {
        SkillSettings {
            programs: programs::judged(self.skills.unwrap_or_default(), file, faults),
            models: self.models.unwrap_or_default(),
            torch_cuda: self.torch_cuda,
        }
    }

    fn judged(mut self, file: Option<&Path>) -> Result<Settings, SettingsError> {
        let mut faults = Faults::default();
        let skills = Self {
            skills: self.skills.take(),
            models: self.models.take(),
            torch_cuda: self.torch_cuda.take(),
            ..Self::default()
        };
        let skills = skills.skills(file, &mut faults);

        let url = faults.required("url", self.url).and_then(|text| faults.http_url("url", &text));
        let worker_token = faults.required("worker_token", self.worker_token);
        if worker_token.as_deref().is_some_and(|token| !token.bytes().all(|b| b.is_ascii_graphic())) {
            faults.add("worker_token", "must be printable ASCII without spaces");
        }
        let worker_id = self.worker_id.unwrap_or_else(host::worker_name).parse::<WorkerId>();
        let worker_id = worker_id.map_err(|fault| faults.add("worker_id", &format!("must be {}", fault.form))).ok();
        let concurrency = self.concurrency.unwrap_or(1);
        if !(1..=10_000).contains(&concurrency) {
            faults.add("concurrency", "must be from 1 to 10000");
        }
        let heartbeat_seconds = self.heartbeat_seconds.unwrap_or(5);
        if !(1..=3600).contains(&heartbeat_seconds) {
            faults.add("heartbeat_seconds", "must be from 1 to 3600");
        }
        let drain_seconds = self.drain_seconds.unwrap_or(30);
        if drain_seconds > 86_400 {
            faults.add("drain_seconds", "must be at most 86400");
        }
        let s3_endpoint = self.s3_endpoint.and_then(|text| faults.http_url("s3_endpoint", &text));
        if self.s3_access_key.is_some() != self.s3_secret_key.is_some() {
            faults.add("s3_access_key, s3_secret_key", "must be given together");
        }
        let s3 = self.s3_access_key.zip(self.s3_secret_key).map(|(access_key, secret_key)| S3Settings {
            endpoint: s3_endpoint,
            region: self.s3_region.unwrap_or_else(|| "us-east-1".to_owned()),
            access_key,
            secret_key: Secret::new(secret_key),
            session_token: self.s3_session_token.map(Secret::new),
        });

        let (Some(url), Some(worker_token), Some(worker_id), []) = (url, worker_token, worker_id, faults.0.as_slice())
        else {
            return Err(SettingsError::Faults(faults.0));
        };
        Ok(Settings {
            url,
            worker_token: Secret::new(worker_token),
            worker_id,
            worker_type: self.worker_type,
            labels: self.labels.unwrap_or_default(),
            concurrency,
            heartbeat: Duration::from_secs(heartbeat_seconds.into()),
            drain: Duration::from_secs(drain_seconds),
            websocket: self.websocket.unwrap_or(true),
            work_dir: self.work_dir.unwrap_or_else(|| std::env::temp_dir().join("relevo-worker")),
            skills,
            s3,
            log: self.log.unwrap_or_else(|| "info".to_owned()),
            log_format: self.log_format,
        })
    }
}

/// Collects what is wrong, so that a person mends a file once and not line by line.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, setting: &str, reason: &str) {
        self.0.push(format!("{setting}: {reason}"));
    }

    fn required(&mut self, setting: &str, value: Option<String>) -> Option<String> {
        let value = value.filter(|text| !text.is_empty());
        if value.is_none() {
            let (flag, variable) = (setting.replace('_', "-"), setting.to_uppercase());
            self.add(
                setting,
                &format!("is missing: set RELEVO_{variable}, pass --{flag}, or write `{setting}` in the file"),
            );
        }
        value
    }

    fn http_url(&mut self, setting: &str, text: &str) -> Option<Url> {
        let wrong = "must be an http:// or https:// URL without a query";
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none());
        let Some(mut url) = url else {
            self.add(setting, wrong);
            return None;
        };
        // Without the slash, joining a path would replace the last segment of a base like `https://host/relevo`.
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Some(url)
    }
}

#[cfg(test)]
#[expect(clippy::result_large_err, reason = "the jail wants closures that give figment's own error")]
mod tests {
    use clap::Parser;
    use figment::Jail;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        given: Given,
    }

    fn load(file: Option<&str>, line: &[&str]) -> Result<Settings, SettingsError> {
        let line = Line::try_parse_from(std::iter::once("relevo-worker").chain(line.iter().copied())).unwrap();
        Settings::load(file.map(Path::new), &line.given)
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_file() {
        Jail::expect_with(|jail| {
            jail.create_file(
                "worker.toml",
                "url = 'http://file'\nworker_token = 'file'\nconcurrency = 2\nheartbeat_seconds = 7\ndrain_seconds = 9\nmodels = ['/m']",
            )?;
            jail.set_env("RELEVO_CONCURRENCY", "3");
            jail.set_env("RELEVO_HEARTBEAT_SECONDS", "8");

            let settings = load(Some("worker.toml"), &["--concurrency", "4"]).unwrap();

            assert_eq!(settings.concurrency, 4);
            assert_eq!(settings.heartbeat, Duration::from_secs(8));
            assert_eq!(settings.drain, Duration::from_secs(9));
            assert_eq!(settings.skills.models, [PathBuf::from("/m")]);
            Ok(())
        });
    }

    #[test]
    fn model_folders_in_the_environment_are_separated_by_colons() {
        Jail::expect_with(|jail| {
            jail.set_env("RELEVO_MODELS", "/a:/b");

            let settings = load(None, &["--url", "http://x/base", "--worker-token", "123"]).unwrap();

            assert_eq!(settings.skills.models, [PathBuf::from("/a"), PathBuf::from("/b")]);
            assert_eq!(settings.url.as_str(), "http://x/base/");
            Ok(())
        });
    }

    #[test]
    fn every_fault_is_told_at_once_by_the_name_of_its_setting() {
        Jail::expect_with(|_| {
            let line = ["--url", "ftp://x", "--worker-id", "a b", "--concurrency", "0", "--s3-access-key", "k"];

            let told = load(None, &line).unwrap_err().to_string();

            for setting in ["url:", "worker_token:", "worker_id:", "concurrency:", "s3_access_key, s3_secret_key:"] {
                assert!(told.contains(setting), "{setting} is not in: {told}");
            }
            assert!(told.contains("RELEVO_WORKER_TOKEN"), "{told}");
            Ok(())
        });
    }

    #[test]
    fn an_unknown_name_in_the_file_is_refused_by_name() {
        Jail::expect_with(|jail| {
            jail.create_file("worker.toml", "concurency = 2")?;

            let told = load(Some("worker.toml"), &[]).unwrap_err().to_string();

            assert!(told.contains("concurency"), "{told}");
            Ok(())
        });
    }

    #[test]
    fn printed_settings_hold_no_secret() {
        Jail::expect_with(|_| {
            let line =
                ["--url", "http://x", "--worker-token", "hush1", "--s3-access-key", "k", "--s3-secret-key", "hush2"];

            let printed = format!("{:?}", load(None, &line).unwrap());

            assert!(!printed.contains("hush"), "{printed}");
            Ok(())
        });
    }
}
