//! `relevo watch`: follows a job until it ends, with a bar for each stage.

use std::{collections::HashMap, process::ExitCode, time::Duration};

use futures_util::StreamExt;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use relevo_shared::{
    JobId,
    job::{JobState, JobView, Stage, StageStatus},
};
use reqwest::Method;
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::{
    Failure,
    client::{ApiClient, Connection},
    output::{self, harmless},
};

/// What is not told in an event, such as that a worker has begun, is seen after this long.
const PERIOD: Duration = Duration::from_secs(1);
/// Steps of a bar.
const STEPS: u64 = 1000;

#[derive(Debug, clap::Args)]
pub(super) struct WatchArguments {
    /// The job.
    job: JobId,
    /// Print each change as one line of JSON, the whole job at the end.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn watch(arguments: WatchArguments) -> Result<ExitCode, Failure> {
    let client = ApiClient::new(&arguments.connection)?;
    let mut screen = Screen::new(arguments.json);
    let events = client.request(Method::GET, &format!("/api/jobs/{}/events", arguments.job));
    let mut events = client.send(events).await?.bytes_stream();
    loop {
        let job = client.job(&arguments.job).await?;
        let state = job.state().ok_or_else(|| format!("unknown state {}", job.status))?;
        screen.show(&job)?;
        if state.is_terminal() {
            return screen.finish(&job, state);
        }
        // An event says that there is something to see, not what. Where the stream has broken off, time alone says so.
        if let Ok(None | Some(Err(_))) = timeout(PERIOD, events.next()).await {
            sleep(PERIOD).await;
        }
    }
}

/// Where changes are shown: bars for a person, lines for anything else.
struct Screen {
    json: bool,
    bars: Option<(MultiProgress, HashMap<String, ProgressBar>)>,
    last: String,
}

impl Screen {
    fn new(json: bool) -> Self {
        let bars = (!json && output::is_watched()).then(|| (MultiProgress::new(), HashMap::new()));
        Self { json, bars, last: String::new() }
    }

    fn show(&mut self, job: &JobView) -> Result<(), Failure> {
        if let Some((screen, bars)) = &mut self.bars {
            for stage in &job.stages {
                draw(screen, bars, stage)?;
            }
            return Ok(());
        }
        let message = job.message.as_deref().unwrap_or_default();
        let line = if self.json {
            let change = json!({"status": job.status, "current_state": job.current_state, "progress": job.progress,
                "message": job.message, "stages": job.stages});
            change.to_string()
        } else {
            format!("{:>3.0} %  {}  {}", job.progress * 100.0, job.status, harmless(message))
        };
        if line != self.last {
            output::say(&line);
            self.last = line;
        }
        Ok(())
    }

    fn finish(&mut self, job: &JobView, state: JobState) -> Result<ExitCode, Failure> {
        if let Some((_, bars)) = &self.bars {
            bars.values().for_each(ProgressBar::abandon);
        }
        if self.json {
            output::say(&serde_json::to_string(job)?);
        } else {
            let seconds = job.duration_seconds.map(|seconds| format!(" after {seconds:.1} s")).unwrap_or_default();
            output::say(&format!("{}{seconds}", job.status));
        }
        if state == JobState::Completed {
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(error) = &job.error {
            output::complain(&format!("{}: {}", error.code, harmless(&error.message)));
        }
        Ok(ExitCode::FAILURE)
    }
}

fn draw(screen: &MultiProgress, bars: &mut HashMap<String, ProgressBar>, stage: &Stage) -> Result<(), Failure> {
    let name = harmless(&stage.name);
    let bar = match bars.get(&name) {
        Some(bar) => bar,
        None => {
            let style = ProgressStyle::with_template("{prefix:>14} {bar:32} {percent:>3} % {elapsed_precise}")?;
            let bar = screen.add(ProgressBar::new(STEPS).with_style(style).with_prefix(name.clone()));
            bars.entry(name).or_insert(bar)
        }
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=STEPS")]
    let position = (stage.progress.clamp(0.0, 1.0) * STEPS as f64) as u64;
    match stage.status {
        StageStatus::Completed if !bar.is_finished() => {
            bar.set_position(STEPS);
            bar.abandon();
        }
        StageStatus::Completed => {}
        _ => bar.set_position(position),
    }
    Ok(())
}
