//! An S3 service in this process, over a folder that is gone with it.

use std::net::SocketAddr;

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use relevo_shared::secret::Secret;
use relevo_worker::{files::Files, settings::S3Settings};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use tempfile::TempDir;

/// The service, with the bucket `data`.
pub(crate) struct S3 {
    pub(crate) root: TempDir,
    pub(crate) address: SocketAddr,
}

impl S3 {
    /// Starts it on a free port.
    pub(crate) async fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("data")).unwrap();
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root.path()).unwrap());
        service.set_auth(SimpleAuth::from_single("key", "secret"));
        let service = service.build();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let service = service.clone();
                tokio::spawn(async move {
                    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { root, address }
    }
}

/// What a worker reaches the service at `address` by.
pub(crate) fn files(address: SocketAddr, secret_key: &str) -> Files {
    Files::new(Some(&S3Settings {
        endpoint: Some(format!("http://{address}/").parse().unwrap()),
        region: "us-east-1".to_owned(),
        access_key: "key".to_owned(),
        secret_key: Secret::new(secret_key.to_owned()),
        session_token: None,
    }))
}
