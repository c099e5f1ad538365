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

/// Starts it on a free loopback port and says where.
pub(super) async fn start(folder: &Path, tokens: &Tokens) -> Result<String, Failure> {
    fs::create_dir_all(folder)?;
    let files =
        FileSystem::new(folder).map_err(|error| format!("cannot keep files in {}: {error:?}", folder.display()))?;
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(tokens.s3_access_key.clone(), tokens.s3_secret_key.clone()));
    let service = builder.build();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
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
