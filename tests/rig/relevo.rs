//! A running orchestrator: `relevo dev` with parts of its own, or `relevo serve` on a Redis of the test's.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{Api, Hand, Process, Redis, SOON, Socket, program, redis::free_port, until};

/// The root of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the repository").to_owned()
}

const CLIENT_TOKEN: &str = "a-client-of-the-tests";
const STRANGER_TOKEN: &str = "another-client-of-the-tests";
const WORKER_TOKEN: &str = "a-worker-of-the-tests";

/// The environment that clients and workers need, as `relevo dev` writes it.
type Environment = BTreeMap<String, String>;

/// A running orchestrator.
#[derive(Debug)]
pub struct Relevo {
    // Fields drop in this order: the process ends before its folder goes.
    process: Process,
    environment: Environment,
    home: Home,
}

#[derive(Debug)]
enum Home {
    Own(TempDir),
    Lent(PathBuf),
}

impl Home {
    fn path(&self) -> &Path {
        match self {
            Self::Own(folder) => folder.path(),
            Self::Lent(path) => path,
        }
    }
}

impl Relevo {
    /// `relevo dev` on an empty folder with the blueprints of the tests.
    #[must_use]
    pub fn dev() -> Self {
        Self::start_dev(Home::Own(temporary()), Some(&blueprints()))
    }

    /// `relevo dev` on a folder that outlives it.
    #[must_use]
    pub fn dev_in(folder: &Path) -> Self {
        Self::start_dev(Home::Lent(folder.to_owned()), Some(&blueprints()))
    }

    /// `relevo dev` on an empty folder with the blueprints of any folder of the repository.
    #[must_use]
    pub fn dev_with(blueprints: &str) -> Self {
        Self::start_dev(Home::Own(temporary()), Some(&repository().join(blueprints)))
    }

    /// `relevo dev` on an empty folder with the blueprints that ship.
    #[must_use]
    pub fn shipped() -> Self {
        Self::start_dev(Home::Own(temporary()), None)
    }

    fn start_dev(home: Home, blueprints: Option<&Path>) -> Self {
        let file = home.path().join("dev.env");
        // A file of the start before would name a port that is closed now.
        let _ = fs::remove_file(&file);
        let mut command = Command::new(program("relevo"));
        command.args(["dev", "--listen", "127.0.0.1:0", "--data"]).arg(home.path());
        if let Some(folder) = blueprints {
            command.arg("--blueprints").arg(folder);
        }
        command.current_dir(repository());
        let mut process = Process::start("relevo", &mut command, home.path());
        let environment = until("relevo dev to be ready", SOON, || {
            assert!(process.is_running(), "relevo dev ended: {}", process.log());
            // The last line is the last to be written.
            let text = fs::read_to_string(&file).ok()?;
            text.ends_with('\n').then(|| parse(&text))
        });
        Self { process, environment, home }
    }

    /// `relevo serve` on a Redis of the test's, with more variables in its environment; S3 is off unless they name one.
    #[must_use]
    pub fn serve(redis: &Redis, variables: &[(&str, &str)]) -> Self {
        Self::serve_with(redis, variables, "", "")
    }

    /// The same with more settings for the client and for the token of the workers, both as lines of TOML.
    #[must_use]
    pub fn serve_with(redis: &Redis, variables: &[(&str, &str)], of_client: &str, of_worker_token: &str) -> Self {
        let home = Home::Own(temporary());
        let listen = format!("127.0.0.1:{}", free_port());
        let config = home.path().join("relevo.toml");
        fs::write(&config, settings(of_client) + of_worker_token).expect("the temporary folder is writable");
        let environment: Environment = [
            ("RELEVO_URL", format!("http://{listen}")),
            ("RELEVO_LISTEN", listen),
            ("RELEVO_REDIS_URL", redis.url()),
            ("RELEVO_CLIENT_TOKEN", CLIENT_TOKEN.to_owned()),
            ("RELEVO_WORKER_TOKEN", WORKER_TOKEN.to_owned()),
            ("RELEVO_BLUEPRINTS", blueprints().display().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .chain(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
        .collect();
        let mut command = Command::new(program("relevo"));
        command.arg("serve").arg("--config").arg(&config).envs(&environment).current_dir(home.path());
        let process = Process::start("relevo", &mut command, home.path());
        let mut relevo = Self { process, environment, home };
        until("relevo serve to be ready", SOON, || {
            assert!(relevo.process.is_running(), "relevo serve ended: {}", relevo.process.log());
            relevo.api().is_up().then_some(())
        });
        relevo
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.environment["RELEVO_URL"]
    }

    /// What clients and workers need to know.
    #[must_use]
    pub const fn environment(&self) -> &Environment {
        &self.environment
    }

    /// A client of it.
    #[must_use]
    pub fn api(&self) -> Api {
        Api::client(self.url(), &self.environment["RELEVO_CLIENT_TOKEN"])
    }

    /// A WebSocket to one of its routes for clients.
    ///
    /// # Errors
    /// The status with which it was refused.
    pub fn socket(&self, path: &str) -> Result<Socket, u16> {
        Socket::open(self.url(), path, ("x-client-token", &self.environment["RELEVO_CLIENT_TOKEN"]))
    }

    /// Every sample of its metrics, by its name with its labels.
    #[must_use]
    pub fn samples(&self) -> BTreeMap<String, f64> {
        let text = self.api().get("/_public/metrics").text();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| {
                let (name, value) = line.rsplit_once(' ').expect("a sample has a value");
                (name.to_owned(), value.parse().expect("a value is a number"))
            })
            .collect()
    }

    /// Another client of it, where the test started it with [`Self::serve`].
    #[must_use]
    pub fn stranger(&self) -> Api {
        Api::client(self.url(), STRANGER_TOKEN)
    }

    /// A connection of the test's own to its Redis.
    #[must_use]
    pub fn redis(&self) -> redis::Connection {
        let client = redis::Client::open(self.environment["RELEVO_REDIS_URL"].as_str());
        client.and_then(|client| client.get_connection()).expect("its Redis answers")
    }

    /// The file in which the S3 of `relevo dev` keeps the object at an `s3://` address.
    #[must_use]
    pub fn object(&self, uri: &str) -> PathBuf {
        let path = uri.strip_prefix("s3://").unwrap_or_else(|| panic!("{uri} is no address of an object"));
        self.home.path().join("s3").join(path)
    }

    /// A worker that the test plays itself; it registers at once.
    #[must_use]
    pub fn hand(&self, id: &str, skills: &[&str]) -> Hand {
        Hand::register(Api::worker(self.url(), &self.environment["RELEVO_WORKER_TOKEN"]), id, skills)
    }

    /// The token that workers come with.
    #[must_use]
    pub fn worker_token(&self) -> &str {
        &self.environment["RELEVO_WORKER_TOKEN"]
    }

    /// A worker that says what the test wants it to, under any token.
    #[must_use]
    pub fn worker_api(&self, token: &str) -> Api {
        Api::worker(self.url(), token)
    }

    /// Runs the command-line client against it.
    #[must_use]
    pub fn cli(&self, arguments: &[&str]) -> Output {
        Command::new(program("relevo"))
            .args(arguments)
            .envs(&self.environment)
            .current_dir(repository())
            .output()
            .expect("the command-line client starts")
    }

    /// The process itself.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// The tokens as `relevo serve` is told of them, by their hashes alone, with more lines about the client.
fn settings(client: &str) -> String {
    let hash = |token: &str| hex::encode(Sha256::digest(token));
    format!(
        "[[clients]]\nname = \"tests\"\ntoken_sha256 = \"{}\"\n{client}\n\n[[clients]]\nname = \"stranger\"\n\
         token_sha256 = \"{}\"\n\n[[workers]]\ntoken_sha256 = \"{}\"\n",
        hash(CLIENT_TOKEN),
        hash(STRANGER_TOKEN),
        hash(WORKER_TOKEN)
    )
}

fn temporary() -> TempDir {
    TempDir::with_prefix("relevo-").expect("the temporary folder is writable")
}

fn blueprints() -> PathBuf {
    repository().join("tests/scenarios/blueprints")
}

fn parse(text: &str) -> Environment {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()))
        .collect()
}
