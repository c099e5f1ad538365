//! A child process with its output in a log file; it ends with its value.

use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::until;

/// How long a process has to end after a SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// Where one of the workspace's programs lies: beside the folder of the test that is running.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a running test has a path");
    let profile = test.ancestors().nth(2).expect("a test lies in target/<profile>/deps");
    let program = profile.join(name);
    assert!(program.exists(), "{} is missing: run 'make test', or 'cargo build --workspace' first", program.display());
    program
}

/// A running program.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program; what it prints goes to `<folder>/<name>.log`.
    #[must_use]
    pub fn start(name: &str, command: &mut Command, folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log).expect("the folder of a test is writable");
        let errors = output.try_clone().expect("a file has a second handle");
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self { name: name.to_owned(), child, log }
    }

    /// All that it has printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its resident memory, in MiB.
    #[must_use]
    pub fn resident_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel tells");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
    }

    /// Its processor time so far, in seconds.
    #[must_use]
    pub fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("the process runs");
        let after_name = stat.rsplit(')').next().expect("the name stands in brackets");
        let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
        // A tick is a hundredth of a second on every Linux that there is.
        ticks.sum::<f64>() / 100.0
    }

    /// Whether it has not ended yet.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_none()
    }

    /// Asks it to end.
    pub fn sigterm(&mut self) {
        self.signal(Signal::TERM);
    }

    /// Asks it to read its files again.
    pub fn sighup(&mut self) {
        self.signal(Signal::HUP);
    }

    /// Ends it at once, without a chance to tidy up.
    pub fn sigkill(&mut self) {
        self.signal(Signal::KILL);
        self.child.wait().expect("a child can be waited for");
    }

    /// Stops it where it stands, as a machine that hangs would.
    pub fn freeze(&mut self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after [`Self::freeze`].
    pub fn thaw(&mut self) {
        self.signal(Signal::CONT);
    }

    /// Waits until it has ended by itself.
    pub fn ended(&mut self, within: Duration) -> ExitStatus {
        let what = format!("{} to end", self.name);
        until(&what, within, || self.child.try_wait().expect("a child can be asked"))
    }

    fn signal(&mut self, signal: Signal) {
        if self.is_running() {
            let pid = Pid::from_child(&self.child);
            kill_process(pid, signal).expect("a child that was not waited for can be signalled");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.log();
            let tail = log.lines().rev().take(40).collect::<Vec<_>>();
            eprintln!("--- last lines of {}", self.name);
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
        self.thaw();
        self.sigterm();
        let deadline = std::time::Instant::now() + GRACE;
        while self.is_running() && std::time::Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        self.sigkill();
    }
}
