//! Processes that belong together: a program with all that it starts, ended as one, also when the worker is killed.

use std::{
    ffi::OsString,
    io::{self, Write},
    os::{fd::AsRawFd, unix::process::CommandExt},
    path::Path,
    process::{ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use rustix::process::{Pid, Signal, kill_process_group};
use tracing::warn;

/// Reads `+<group>` and `-<group>`, and ends what is left of the groups when its input ends, which it does with the worker
/// however that ends. A shell, because it is small and on every machine on which programs are skills.
const KEEPER: &str = r#"
groups=
while read -r word; do
    case $word in
    +*) groups="$groups ${word#+}" ;;
    -*)
        kept=
        for group in $groups; do [ "$group" = "${word#-}" ] || kept="$kept $group"; done
        groups=$kept
        ;;
    esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
"#;

/// Tells the keeper of itself before it becomes the program, so that there is no moment in which a program runs that nobody
/// would end. Opened for both, because for writing alone it would wait for a keeper that is gone.
const SHIM: &str = r#"echo "+$$" 1<>"$0" && exec "$@""#;

/// A process that outlives the worker for a moment, to end the programs that a killed worker leaves behind.
#[derive(Debug, Clone, Default)]
pub(super) struct Keeper(Arc<Mutex<Option<ChildStdin>>>);

impl Keeper {
    /// Starts it. Without it, a worker that is killed leaves its programs running.
    pub(super) fn start() -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", KEEPER]).env_clear().current_dir("/");
        // In a group of its own it is not ended by what ends the worker, such as Ctrl-C.
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        match shell.spawn() {
            Ok(mut shell) => Self(Arc::new(Mutex::new(shell.stdin.take()))),
            Err(fault) => {
                warn!(%fault, "no shell can be started: should this worker be killed, its programs run on");
                Self::default()
            }
        }
    }

    /// How a program is started that the keeper knows of: a program and the arguments before its own.
    pub(super) fn introduction(&self, program: &Path) -> Vec<OsString> {
        let keeper = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pipe) = keeper.as_ref() else { return vec![program.into()] };
        let pipe = format!("/proc/{}/fd/{}", std::process::id(), pipe.as_raw_fd());
        vec!["sh".into(), "-c".into(), SHIM.into(), pipe.into(), program.into()]
    }

    fn tell(&self, sign: char, group: Pid) {
        let mut keeper = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipe) = keeper.as_mut()
            && let Err(fault) = writeln!(pipe, "{sign}{}", group.as_raw_nonzero())
        {
            warn!(%fault, "the keeper is gone: should this worker be killed, its programs run on");
            *keeper = None;
        }
    }
}

/// The group of a program; ended when it is dropped.
#[derive(Debug)]
pub(super) struct Group {
    id: Pid,
    keeper: Keeper,
}

impl Group {
    /// The group that the process `id` leads, which has [introduced](Keeper::introduction) itself.
    pub(super) fn of(id: u32, keeper: Keeper) -> Option<Self> {
        let id = Pid::from_raw(i32::try_from(id).ok()?)?;
        Some(Self { id, keeper })
    }

    /// Asks every process of the group to stop.
    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends every process of the group.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        match kill_process_group(self.id, signal) {
            // There is nobody left.
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(fault) => warn!(fault = %io::Error::from(fault), "a program could not be signalled"),
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        self.keeper.tell('-', self.id);
    }
}
