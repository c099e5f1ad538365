//! An S3 of our own: a server in this process over a folder.

use std::{fs, path::Path};

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tracing::warn;

use super::tokens::Tokens;
use crate::cli::Failure;

/// Starts it on a loopback port and says where: the port of the last start when that is still free, because workers that
/// have outlived a restart go on using it.
pub(super) async fn start(data: &Path, tokens: &Tokens) -> Result<String, Failure> {
    let folder = data.join("s3");
    fs::create_dir_all(&folder)?;
    let files =
        FileSystem::new(&folder).map_err(|error| format!("cannot keep files in {}: {error:?}", folder.display()))?;
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(tokens.s3_access_key.clone(), tokens.s3_secret_key.clone()));
    let service = builder.build();
    let remembered = data.join("s3.port");
    let last = fs::read_to_string(&remembered).ok().and_then(|port| port.trim().parse::<u16>().ok()).unwrap_or(0);
    let listener = match TcpListener::bind(("127.0.0.1", last)).await {
        Err(_) if last != 0 => TcpListener::bind(("127.0.0.1", 0)).await?,
        other => other?,
    };
    fs::write(&remembered, listener.local_addr()?.port().to_string())?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((socket, _)) => {
                    let service = service.clone();
                    tokio::spawn(async move {
                        let server = auto::Builder::new(TokioExecutor::new());
                        // A client that hangs up ends its connection; there is nobody to tell.
                        let _ = server.serve_connection(TokioIo::new(socket), service).await;
                    });
                }
                Err(error) => warn!(%error, "S3 cannot accept a connection"),
            }
        }
    });
    Ok(endpoint)
}
