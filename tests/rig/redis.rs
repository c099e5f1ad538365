//! A Redis of the test's own, in a temporary folder, that can be killed and started again.

use std::{collections::BTreeMap, net::TcpListener, path::Path, process::Command};

use tempfile::TempDir;

use crate::{Process, SOON, until};

/// What survives when Redis is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing.
    None,
    /// All but the last second: the append-only file is synced every second.
    EverySecond,
    /// All that was answered: the append-only file is synced at every write.
    Always,
}

/// A running redis-server.
#[derive(Debug)]
pub struct Redis {
    // Fields drop in this order: the process ends before its folder goes.
    process: Process,
    port: u16,
    durability: Durability,
    folder: TempDir,
}

impl Redis {
    /// Starts one on a free port that keeps nothing.
    #[must_use]
    pub fn start() -> Self {
        Self::with(Durability::None)
    }

    /// Starts one on a free port.
    #[must_use]
    pub fn with(durability: Durability) -> Self {
        let folder = TempDir::with_prefix("relevo-redis-").expect("the temporary folder is writable");
        // The port that was free a moment ago may be taken by another test: then the next one is tried.
        for _ in 0..20 {
            let port = free_port();
            let mut process = launch(folder.path(), port, durability);
            if answers(&mut process, port) {
                return Self { process, port, durability, folder };
            }
        }
        panic!("no redis-server started on any of 20 free ports");
    }

    /// Where it is reached.
    #[must_use]
    pub fn url(&self) -> String {
        url(self.port)
    }

    /// A connection of the test's own.
    #[must_use]
    pub fn connection(&self) -> redis::Connection {
        connect(self.port).expect("the test's own Redis answers")
    }

    /// How many connections it has, but for those of the test.
    #[must_use]
    pub fn connections(&self) -> usize {
        let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut self.connection()).expect("Redis answers");
        // One of them asks this.
        list.lines().count() - 1
    }

    /// How many log lines are kept of a job.
    #[must_use]
    pub fn log_lines(&self, job: &str) -> usize {
        let mut length = redis::cmd("XLEN");
        length.arg(format!("relevo:{{p00}}:logs:{job}")).query(&mut self.connection()).expect("Redis answers")
    }

    /// Kills it, as a power cut would.
    pub fn sigkill(&mut self) {
        self.process.sigkill();
    }

    /// Stops it where it stands: connections stay open and get no answer.
    pub fn freeze(&mut self) {
        self.process.freeze();
    }

    /// Lets it go on after [`Self::freeze`].
    pub fn thaw(&mut self) {
        self.process.thaw();
    }

    /// Starts it again on the same port with the data that it kept.
    pub fn restart(&mut self) {
        self.process.sigkill();
        self.process = launch(self.folder.path(), self.port, self.durability);
        assert!(answers(&mut self.process, self.port), "redis-server starts again on its port");
    }
}

/// How often each command was called since the last [`forget_calls`], by the name that `INFO commandstats` gives it.
///
/// What a script calls counts too.
pub fn calls(connection: &mut redis::Connection) -> BTreeMap<String, u64> {
    let info: String = redis::cmd("INFO").arg("commandstats").query(connection).expect("Redis tells its counts");
    info.lines()
        .filter_map(|line| {
            let (name, facts) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            Some((name.to_owned(), facts.split(',').next()?.parse().ok()?))
        })
        .collect()
}

/// Sets the counts of [`calls`] to nought.
pub fn forget_calls(connection: &mut redis::Connection) {
    redis::cmd("CONFIG").arg("RESETSTAT").exec(connection).expect("Redis resets its counts");
}

fn launch(folder: &Path, port: u16, durability: Durability) -> Process {
    let (append, sync) = match durability {
        Durability::None => ("no", "everysec"),
        Durability::EverySecond => ("yes", "everysec"),
        Durability::Always => ("yes", "always"),
    };
    let port = port.to_string();
    let mut command = Command::new("redis-server");
    command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", append]);
    command.args(["--appendfsync", sync, "--dir"]).arg(folder);
    Process::start("redis", &mut command, folder)
}

/// Whether this process, and no other on the same port, comes to answer.
fn answers(process: &mut Process, port: u16) -> bool {
    until("redis-server to answer or to give up", SOON, || {
        if !process.is_running() {
            return Some(false);
        }
        let ready = process.log().contains("Ready to accept connections");
        (ready && connect(port).is_ok()).then_some(true)
    })
}

fn connect(port: u16) -> redis::RedisResult<redis::Connection> {
    redis::Client::open(url(port))?.get_connection()
}

fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}")
}

/// A port that nobody listens on at this moment.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound listener has an address").port()
}
