//! `relevo dev`: the same orchestrator with parts of its own, kept in one folder between starts.

mod redis;
mod s3;
mod tokens;

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use relevo_shared::secret::Secret;
use tokio::net::TcpListener;

use super::{Failure, output, serve::Service};
use crate::{
    blobs::{Blobs, S3Settings},
    clients::{ClientEntry, WorkerEntry, token::hash_hex},
    settings::Settings,
};

#[derive(Debug, clap::Args)]
pub(super) struct DevArguments {
    /// Folder for everything that is kept: jobs, files, tokens.
    #[arg(long, default_value = ".relevo/dev")]
    data: PathBuf,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Folder of the blueprints.
    #[arg(long, default_value = "blueprints")]
    blueprints: PathBuf,
    /// Offer POST /_public/debug/flush_db, which deletes every job.
    #[arg(long)]
    allow_flush: bool,
}

const BUCKET: &str = "relevo";

/// Runs until it is told to stop; then its parts stop too.
pub(super) async fn dev(arguments: DevArguments) -> Result<ExitCode, Failure> {
    fs::create_dir_all(&arguments.data)
        .map_err(|error| format!("cannot make the folder {}: {error}", arguments.data.display()))?;
    let data = arguments.data.canonicalize()?;
    let _lock = lock(&data)?;
    let tokens = tokens::Tokens::load_or_make(&data.join("tokens.json"))?;
    let listener = TcpListener::bind(arguments.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", arguments.listen))?;
    let mut redis = redis::Redis::start(&data).await?;
    let s3_endpoint = s3::start(&data, &tokens).await?;

    let s3 = S3Settings {
        endpoint: Some(s3_endpoint),
        region: "us-east-1".to_owned(),
        bucket: BUCKET.to_owned(),
        access_key: tokens.s3_access_key.clone(),
        secret_key: Secret::new(tokens.s3_secret_key.clone()),
        session_token: None,
    };
    Blobs::new(&s3).ensure_bucket().await?;
    let settings = Settings {
        listen: listener.local_addr()?,
        redis_url: redis.url().to_owned(),
        blueprints: arguments.blueprints,
        allow_flush: arguments.allow_flush,
        s3: Some(s3),
        clients: vec![ClientEntry {
            name: "dev".to_owned(),
            token_sha256: vec![hash_hex(&tokens.client)],
            ..ClientEntry::default()
        }],
        workers: vec![WorkerEntry { token_sha256: vec![hash_hex(&tokens.worker)], ..WorkerEntry::default() }],
        // Whoever tries things out makes mistakes.
        failed_tokens_per_minute: 0,
        // What is being developed runs on this machine, its receivers too.
        webhook_allow: vec!["127.0.0.0/8".to_owned(), "::1".to_owned()],
        ..Settings::default()
    };
    let service = Service::prepare(&settings).await?;
    let environment = data.join("dev.env");
    tokens::write_private(&environment, &environment_text(&settings, &tokens))?;
    output::say(&format!(
        "Relevo serves at http://{}\n  client token  {}\n  worker token  {}\n  data          {}\n  environment   {}",
        settings.listen,
        tokens.client,
        tokens.worker,
        data.display(),
        environment.display(),
    ));
    let result = tokio::select! {
        result = service.run(listener) => result,
        ended = redis.ended() => Err(format!("redis-server {ended}; see {}", data.join("redis.log").display()).into()),
    };
    // A file that names servers which are gone would mislead the next program that reads it.
    let _ = fs::remove_file(&environment);
    redis.stop().await;
    result.map(|()| ExitCode::SUCCESS)
}

/// Keeps a second server away from the folder for as long as the file is open.
fn lock(data: &Path) -> Result<File, Failure> {
    let file = File::create(data.join("lock"))?;
    file.try_lock().map_err(|_| format!("another relevo dev uses the folder {}", data.display()))?;
    Ok(file)
}

/// What clients and workers need to know, one `KEY=value` a line.
fn environment_text(settings: &Settings, tokens: &tokens::Tokens) -> String {
    let mut lines = vec![
        ("RELEVO_URL", format!("http://{}", settings.listen)),
        ("RELEVO_CLIENT_TOKEN", tokens.client.clone()),
        ("RELEVO_WORKER_TOKEN", tokens.worker.clone()),
        ("RELEVO_REDIS_URL", settings.redis_url.clone()),
    ];
    if let Some(s3) = &settings.s3 {
        lines.extend([
            ("RELEVO_S3_ENDPOINT", s3.endpoint.clone().unwrap_or_default()),
            ("RELEVO_S3_REGION", s3.region.clone()),
            ("RELEVO_S3_BUCKET", s3.bucket.clone()),
            ("RELEVO_S3_ACCESS_KEY", s3.access_key.clone()),
            ("RELEVO_S3_SECRET_KEY", s3.secret_key.reveal().to_owned()),
        ]);
    }
    lines.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
}
