//! The secrets of a development server: made once, kept in the data folder, readable by its owner alone.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::{cli::Failure, clients::token};

#[derive(Serialize, Deserialize)]
pub(super) struct Tokens {
    pub(super) client: String,
    pub(super) worker: String,
    pub(super) s3_access_key: String,
    pub(super) s3_secret_key: String,
}

impl Tokens {
    pub(super) fn load_or_make(path: &Path) -> Result<Self, Failure> {
        match fs::read_to_string(path) {
            Ok(text) => {
                serde_json::from_str(&text).map_err(|error| format!("{} is damaged: {error}", path.display()).into())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let tokens = Self {
                    client: random(token::CLIENT)?,
                    worker: random(token::WORKER)?,
                    s3_access_key: random("AK")?[..20].to_owned(),
                    s3_secret_key: random("")?,
                };
                write_private(path, &serde_json::to_string_pretty(&tokens)?)?;
                Ok(tokens)
            }
            Err(error) => Err(format!("cannot read {}: {error}", path.display()).into()),
        }
    }
}

fn random(start: &str) -> Result<String, Failure> {
    Ok(token::fresh(start).map_err(|error| format!("the operating system gives no random bytes: {error}"))?)
}

/// Writes a file that only its owner can read, whole or not at all.
pub(super) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(text.as_bytes())?;
    fs::rename(fresh, path)
}
