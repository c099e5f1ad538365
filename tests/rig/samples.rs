//! The samples of the API documents, run as they stand there: only hosts, ids and tokens are put in.

use std::{env, fs, path::PathBuf, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::{Relevo, repository};

/// A sample of one of the documents.
#[derive(Debug, Clone)]
pub struct Sample {
    name: String,
    text: String,
    token: String,
    given: Value,
    after: String,
}

/// What came of it.
#[derive(Debug)]
pub struct Ran {
    /// What it printed.
    pub out: String,
    /// What it printed as an error.
    pub err: String,
    /// The status of the answer, where curl had one.
    pub status: Option<u16>,
}

impl Sample {
    /// The sample in this file, with the service in the place of its host.
    #[must_use]
    pub fn of(relevo: &Relevo, name: &str) -> Self {
        let text = fs::read_to_string(samples().join(format!("{name}.txt"))).expect("the sample is there");
        let host = relevo.url().strip_prefix("http://").expect("it is one").to_owned();
        let text = text.replace("localhost:8000", &host).replace("http://your-api-endpoint", relevo.url());
        Self { name: name.to_owned(), text, token: String::new(), given: serde_json::json!({}), after: String::new() }
    }

    /// Puts an id or a token in the place of the sample's own.
    #[must_use]
    pub fn with(mut self, placeholder: &str, value: &str) -> Self {
        assert!(self.text.contains(placeholder), "{} has no {placeholder}", self.name);
        self.text = self.text.replace(placeholder, value);
        self
    }

    /// Sends a token where the sample sends none.
    #[must_use]
    pub fn sending(mut self, token: &str) -> Self {
        token.clone_into(&mut self.token);
        self
    }

    /// Variables that the sample takes for given.
    #[must_use]
    pub fn given(mut self, given: Value) -> Self {
        self.given = given;
        self
    }

    /// What is done after a JavaScript sample, with its variables.
    #[must_use]
    pub fn then(mut self, after: &str) -> Self {
        after.clone_into(&mut self.after);
        self
    }

    /// The sample itself.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Runs it to its end.
    #[must_use]
    pub fn run(&self, relevo: &Relevo) -> Ran {
        let folder = TempDir::with_prefix("relevo-sample-").expect("the temporary folder is writable");
        let file = folder.path().join("sample");
        fs::write(&file, &self.text).expect("the temporary folder is writable");
        let mut command = match self.name.rsplit('.').next() {
            Some("curl") => {
                let header = format!("header = \"X-Client-Token: {}\"\n", self.token);
                let header = if self.token.is_empty() { "" } else { header.as_str() };
                let settings = format!("silent\nshow-error\nwrite-out = \"\\n%{{http_code}}\"\n{header}");
                fs::write(folder.path().join(".curlrc"), settings).expect("the temporary folder is writable");
                let mut command = Command::new("bash");
                command.arg(&file).env("CURL_HOME", folder.path());
                command
            }
            Some("javascript") => {
                let mut command = Command::new(installed().join("bin/node"));
                command.arg(samples().join("run.mjs"));
                command
            }
            Some("python") => {
                let mut command = Command::new("python3");
                command.arg(samples().join("run.py")).env("PYTHONPATH", installed().join("python"));
                command
            }
            _ => panic!("{} is of no known language", self.name),
        };
        command.env("SAMPLE_FILE", &file).env("SAMPLE_URL", relevo.url()).env("SAMPLE_TOKEN", &self.token);
        command.env("SAMPLE_GIVEN", self.given.to_string()).env("SAMPLE_AFTER", &self.after);
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        let output = command.output().unwrap_or_else(|error| panic!("{} does not start: {error}", self.name));
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{} failed: {err}\n{}", self.name, self.text);
        let mut out = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut status = None;
        if self.name.ends_with(".curl") {
            let (body, code) = out.rsplit_once('\n').expect("curl writes the status last");
            status = code.parse().ok();
            out = body.to_owned();
        }
        Ran { out, err, status }
    }
}

impl Ran {
    /// What it printed, as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in: {}", self.out))
    }
}

fn samples() -> PathBuf {
    repository().join("tests/samples")
}

/// The folder with what samples run on.
fn installed() -> PathBuf {
    let home = env::var_os("RELEVO_SAMPLES").map_or_else(|| repository().join(".cache/samples-1"), PathBuf::from);
    assert!(
        home.join(".complete").exists(),
        "what samples run on is not in {}: run 'make test', or '.make/samples.sh' first",
        home.display()
    );
    home
}
