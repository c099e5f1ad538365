//! The clients and workers as the settings and their files have them now. A file that has changed is read again.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tracing::{error, info};

use super::{Clients, lists::Lists};
use crate::settings::Settings;

/// How late a change of a file may be noticed.
const PERIOD: Duration = Duration::from_secs(2);

const CLIENTS_TABLES: &[&str] = &["plans", "clients"];
const WORKERS_TABLES: &[&str] = &["workers"];

/// Lists of clients and workers that cannot be used, with every fault.
#[derive(Debug, thiserror::Error)]
#[error("clients and workers: {}", .0.join("; "))]
pub struct BadClients(pub Vec<String>);

/// Who may ask, now and after every change of the files.
#[derive(Debug)]
pub struct Directory {
    inline: Lists,
    files: Vec<File>,
    /// The files as they were before they were first read.
    first: Vec<Stamp>,
    current: watch::Sender<Arc<Clients>>,
}

/// A file, with the tables that belong into it.
type File = (PathBuf, &'static [&'static str]);

/// What of a file changes when its text does. A file that is put in place of another has another inode.
type Stamp = Option<(SystemTime, u64, u64)>;

impl Directory {
    /// Reads the lists of the settings and of the files that they name.
    ///
    /// # Errors
    /// When any entry is wrong, or a file cannot be read.
    pub fn load(settings: &Settings) -> Result<Self, BadClients> {
        let place = |list: &str, index: usize| format!("settings: {list}[{index}]");
        let mut inline = Lists::default();
        let plans = settings.plans.iter();
        inline.plans.extend(plans.map(|(name, plan)| (format!("settings: plans.{name}"), name.clone(), plan.clone())));
        let clients = settings.clients.iter().enumerate();
        inline.clients.extend(clients.map(|(index, entry)| (place("clients", index), entry.clone())));
        let workers = settings.workers.iter().enumerate();
        inline.workers.extend(workers.map(|(index, entry)| (place("workers", index), entry.clone())));
        let clients_file = settings.clients_file.iter().map(|path| (path.clone(), CLIENTS_TABLES));
        let workers_file = settings.workers_file.iter().map(|path| (path.clone(), WORKERS_TABLES));
        let files: Vec<File> = clients_file.chain(workers_file).collect();
        let first = stamps(&files);
        let clients = read(inline.clone(), &files).map_err(BadClients)?;
        Ok(Self { inline, files, first, current: watch::Sender::new(Arc::new(clients)) })
    }

    /// Who may ask at this moment.
    #[must_use]
    pub fn current(&self) -> Arc<Clients> {
        Arc::clone(&self.current.borrow())
    }

    /// Runs for ever: reads the files again when one has changed, and when this process gets SIGHUP.
    pub async fn run(self: Arc<Self>) {
        let mut told = signal(SignalKind::hangup()).expect("SIGHUP can be listened for on Unix");
        let mut tick = interval(PERIOD);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut known = self.first.clone();
        loop {
            let asked = tokio::select! {
                _ = told.recv() => true,
                _ = tick.tick() => false,
            };
            // Before the files are read: a change while they are is noticed by the next look.
            let stamps = stamps(&self.files);
            if asked || stamps != known {
                known = stamps;
                self.reload();
            }
        }
    }

    fn reload(&self) {
        match read(self.inline.clone(), &self.files) {
            Ok(clients) => {
                let (clients_count, worker_tokens) = clients.counts();
                self.current.send_replace(Arc::new(clients));
                info!(clients = clients_count, worker_tokens, "clients and workers read again");
            }
            Err(faults) => {
                for fault in &faults {
                    error!(fault, "clients and workers have a fault");
                }
                error!(faults = faults.len(), "clients and workers stay as they were");
            }
        }
    }
}

fn stamps(files: &[File]) -> Vec<Stamp> {
    let stamp = |(path, _): &File| {
        let about = fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len(), about.ino()))
    };
    files.iter().map(stamp).collect()
}

fn read(mut lists: Lists, files: &[File]) -> Result<Clients, Vec<String>> {
    for (path, expected) in files {
        let shown = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => lists.add_file(&shown, &text, expected),
            Err(error) => lists.faults.push(format!("{shown}: cannot be read: {error}")),
        }
    }
    lists.finish()
}
