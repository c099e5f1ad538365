//! A Redis of our own: a child process whose append-only file lies in the data folder.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::{
    cli::Failure,
    store::{Durations, Store},
};

const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// The child; ended when dropped.
pub(super) struct Redis {
    child: Child,
    url: String,
}

impl Redis {
    /// Starts it on a Unix socket, so that nobody else can reach it and no port is taken.
    pub(super) async fn start(data: &Path) -> Result<Self, Failure> {
        let socket = socket_path(data);
        let log = data.join("redis.log");
        let mut command = Command::new("redis-server");
        command
            .args(["--port", "0", "--save", "", "--appendonly", "yes", "--appendfsync", "everysec"])
            .arg("--unixsocket")
            .arg(&socket)
            .args(["--unixsocketperm", "600", "--dir"])
            .arg(data)
            .arg("--logfile")
            .arg(&log)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            // A signal from the terminal goes to the whole group; Redis must outlive the last request.
            .process_group(0);
        die_with_parent(&mut command);
        let child = command.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => Failure::from(
                "redis-server is not installed; run `sudo apt-get install redis-server` (Debian, Ubuntu) or \
                     `brew install redis` (macOS), then start again",
            ),
            _ => format!("cannot start redis-server: {error}").into(),
        })?;
        let mut redis = Self { child, url: format!("unix://{}", socket.display()) };
        redis.wait_until_ready(&log).await?;
        Ok(redis)
    }

    async fn wait_until_ready(&mut self, log: &Path) -> Result<(), Failure> {
        let store = Store::new(&self.url, 1, Durations::default())?;
        let deadline = Instant::now() + START_LIMIT;
        while store.ping().await.is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("redis-server ended with {status}; see {}", log.display()).into());
            }
            if Instant::now() >= deadline {
                return Err(format!("redis-server did not answer in time; see {}", log.display()).into());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Ends when the child does, which it should not; says how.
    pub(super) async fn ended(&mut self) -> String {
        self.child.wait().await.map_or_else(|error| error.to_string(), |status| format!("ended with {status}"))
    }

    /// Ends it and waits, so that the append-only file is complete.
    pub(super) async fn stop(mut self) {
        if let Some(pid) =
            self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw)
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = timeout(STOP_LIMIT, self.child.wait()).await;
    }
}

/// In the data folder, where a socket that was left behind is found and replaced; elsewhere when the path would be too long.
fn socket_path(data: &Path) -> PathBuf {
    /// What the address of a Unix socket has room for.
    const LONGEST: usize = 107;
    let socket = data.join("redis.sock");
    if socket.as_os_str().len() <= LONGEST {
        return socket;
    }
    PathBuf::from(format!("/tmp/relevo-{}.sock", std::process::id()))
}

/// Makes the child end when this process is killed: a Redis that nobody knows of would go on writing to the folder.
#[expect(
    unsafe_code,
    reason = "the closure runs between fork and exec and makes one system call, which is allowed there"
)]
fn die_with_parent(command: &mut Command) {
    // SAFETY: prctl is async-signal-safe, and nothing is allocated or locked.
    unsafe {
        command.pre_exec(|| {
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM)).map_err(Into::into)
        });
    }
}
