//! What those see who watch a job: how it stands, then each event in order, and a word whenever there may be more.
//!
//! Events and log lines have one order. The number of each is that of its place in its stream: `1700000000000-42` is number
//! 1700000000000042.

use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::{PubSubSink, PubSubStream};
use relevo_shared::{
    JobId,
    job::{JobError, JobState, LogLine, Stage},
};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{
    Result, Store, StoreError,
    index::part,
    packing::METRICS_TOLD,
    records::StreamEntry,
    reports::{LOG_LINES, POINTS},
    script::corrupt,
};
use crate::domain::series::KeptPoint;

/// As in the prelude: events that are kept of a job, about.
const LIVE_EVENTS: u32 = 1_000;
const CHANNEL: &str = "relevo:live:";
/// After this long a connection that does not answer is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a job stands for those who begin to follow it.
#[derive(Debug, Clone)]
pub struct LiveHead {
    /// Its state.
    pub state: JobState,
    /// What its task told last: 0 to 1.
    pub progress: f64,
    /// What is going on.
    pub message: Option<String>,
    /// The stages that its task told of.
    pub stages: Vec<Stage>,
    /// The number of the latest event, line or figure; 0 when there was none.
    pub seq: u64,
    /// Whether its tasks have told figures.
    pub has_metrics: bool,
}

/// Something that happened to a job.
#[derive(Debug, Clone)]
pub struct LiveEvent {
    /// Its number: later ones have higher ones.
    pub seq: u64,
    /// What it is.
    pub what: LiveWhat,
}

/// What can happen to a job between its beginning and its end.
#[derive(Debug, Clone)]
pub enum LiveWhat {
    /// It is so far, and this is going on.
    Progress(f64, String),
    /// A stage has changed.
    Stage(Stage),
    /// Something failed and is tried again.
    Setback(JobError),
    /// A task wrote a line.
    Log(LogLine),
    /// A task measured a figure.
    Metric(KeptPoint),
}

/// What is read of a job beside its events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Beside {
    /// The lines of its log.
    pub logs: bool,
    /// Its figures.
    pub metrics: bool,
}

/// Some events of a job, in order.
#[derive(Debug, Clone, Default)]
pub struct LivePage {
    /// The events.
    pub events: Vec<LiveEvent>,
    /// Whether there are more already.
    pub more: bool,
    /// Whether no more will come: the job has ended, or is gone.
    pub over: bool,
    /// Whether none is kept any more: the job is packed.
    pub packed: bool,
    /// Whether its tasks have told figures, read or not.
    pub has_metrics: bool,
}

/// What the head is made of. A packed job has its hash out of sight.
const HEAD_FIELDS: [&str; 7] = ["state", "hash", "progress", "message", "stages", "seq", METRICS_TOLD];

impl Store {
    /// How a job stands for those who begin to follow it; `None` when there is no such job.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn live_head(&self, id: JobId) -> Result<Option<LiveHead>> {
        let mut command = redis::cmd("HMGET");
        command.arg(self.keys.job(id)).arg(&HEAD_FIELDS);
        let mut fields: [Option<String>; 7] = command.query_async(&mut self.connections.get().await?).await?;
        if let [Some(_), None, ..] = fields {
            // It is packed.
            let mut whole = self.read_job(id).await?.map(|record| record.fields).unwrap_or_default();
            fields = HEAD_FIELDS.map(|name| whole.remove(name));
        }
        let [Some(state), _, progress, message, stages, seq, metrics_told] = fields else { return Ok(None) };
        Ok(Some(LiveHead {
            state: JobState::from_word(&state).ok_or_else(|| corrupt(format!("state {state}")))?,
            progress: progress.and_then(|fraction| fraction.parse().ok()).unwrap_or_default(),
            message,
            stages: stages.and_then(|stages| json(&stages)).unwrap_or_default(),
            seq: seq.and_then(|seq| seq.parse().ok()).unwrap_or_default(),
            has_metrics: metrics_told.is_some(),
        }))
    }

    /// The next events of a job after a number, at most so many, with what is wanted beside them.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn read_live(&self, id: JobId, after: u64, beside: Beside, most: usize) -> Result<LivePage> {
        // All at one instant: else an event could come between the two streams and be passed over.
        let mut pipe = redis::pipe();
        pipe.atomic().cmd("HMGET").arg(self.keys.job(id)).arg(&["state", "ended_at", "hash", METRICS_TOLD]);
        for (key, _) in self.live_keys(id, beside) {
            pipe.cmd("XRANGE").arg(key).arg(format!("({}", place_of(after))).arg("+").arg("COUNT").arg(most);
        }
        let mut connection = self.connections.get().await?;
        let answers: Vec<redis::Value> = pipe.query_async(&mut connection).await?;
        let mut answers = answers.into_iter();
        let fields: [Option<String>; 4] = part(answers.next())?;
        let streams = answers.map(|answer| part(Some(answer))).collect::<Result<Vec<Vec<StreamEntry>>>>()?;
        let over = matches!(fields, [None, ..] | [_, Some(_), ..]);
        let packed = matches!(fields, [Some(_), _, None, _]);
        let has_metrics = fields[3].is_some();
        Ok(LivePage { over, packed, has_metrics, ..merged(id, streams, most) })
    }

    /// Whether events after a number may be gone, because a job keeps so many only.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn live_has_gap(&self, id: JobId, after: u64, beside: Beside) -> Result<bool> {
        let mut connection = self.connections.get().await?;
        for (key, kept) in self.live_keys(id, beside) {
            let mut pipe = redis::pipe();
            pipe.atomic().cmd("XLEN").arg(&key).cmd("XRANGE").arg(&key).arg("-").arg("+").arg("COUNT").arg(1);
            let (length, first): (u32, Vec<StreamEntry>) = pipe.query_async(&mut connection).await?;
            // None is dropped while there are fewer than are kept.
            if length >= kept && first.first().is_some_and(|(place, _)| number_of(place) > after) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The streams that are read, each with how many entries are kept of it.
    fn live_keys(&self, id: JobId, beside: Beside) -> Vec<(String, u32)> {
        let logs = beside.logs.then(|| (self.keys.logs(id), LOG_LINES));
        let metrics = beside.metrics.then(|| (self.keys.metrics(id), POINTS));
        [Some((self.keys.live(id), LIVE_EVENTS)), logs, metrics].into_iter().flatten().collect()
    }

    /// A connection on which it is heard that something has happened to a job.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn live_channel(&self) -> Result<LiveChannel> {
        let connection = in_time(self.connections.client().get_async_pubsub()).await?;
        let (sink, stream) = connection.split();
        Ok(LiveChannel { sink, stream })
    }
}

/// Brings events, lines and figures in one order. Where one stream has more, the others are not read beyond it.
fn merged(job: JobId, streams: Vec<Vec<StreamEntry>>, most: usize) -> LivePage {
    let full = streams.iter().filter(|entries| entries.len() >= most);
    let bound = full.filter_map(|entries| entries.last()).map(|(place, _)| number_of(place)).min();
    let mut events: Vec<LiveEvent> = streams.into_iter().flatten().filter_map(|entry| read_event(job, entry)).collect();
    events.retain(|event| bound.is_none_or(|bound| event.seq <= bound));
    events.sort_by_key(|event| event.seq);
    LivePage { events, more: bound.is_some(), ..LivePage::default() }
}

/// What nobody can read is left out.
fn read_event(job: JobId, (place, fields): StreamEntry) -> Option<LiveEvent> {
    let text = |name: &str| fields.get(name).map(String::as_str);
    let what = match text("event") {
        None if fields.contains_key("point") => LiveWhat::Metric(KeptPoint::read(job, text("point")?)?),
        None => LiveWhat::Log(json(text("line")?)?),
        Some("progress") => LiveWhat::Progress(text("progress")?.parse().ok()?, text("message")?.to_owned()),
        Some("stage") => LiveWhat::Stage(json(text("stage")?)?),
        Some("error") => LiveWhat::Setback(json(text("error")?)?),
        Some(_) => return None,
    };
    Some(LiveEvent { seq: number_of(&place), what })
}

fn json<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// As `place_of` in the prelude.
fn place_of(seq: u64) -> String {
    format!("{}-{}", seq / 1000, seq % 1000)
}

fn number_of(place: &str) -> u64 {
    let (ms, counter) = place.split_once('-').unwrap_or((place, "0"));
    ms.parse::<u64>().unwrap_or_default() * 1000 + counter.parse::<u64>().unwrap_or_default().min(999)
}

async fn in_time<T>(answer: impl Future<Output = redis::RedisResult<T>>) -> Result<T> {
    match timeout(PATIENCE, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(StoreError::Away("no answer in time".to_owned())),
    }
}

/// A connection on which it is heard that something has happened to a job.
pub struct LiveChannel {
    sink: PubSubSink,
    stream: PubSubStream,
}

impl LiveChannel {
    /// Begins to listen for these jobs.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn add(&mut self, jobs: &[JobId]) -> Result<()> {
        in_time(self.sink.subscribe(channels(jobs))).await
    }

    /// Listens for these jobs no more.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn remove(&mut self, jobs: &[JobId]) -> Result<()> {
        in_time(self.sink.unsubscribe(channels(jobs))).await
    }

    /// Makes sure that the other end is there: a broken connection can look just like a silent one.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn ping(&mut self) -> Result<()> {
        in_time(self.sink.ping()).await
    }

    /// The next job that something has happened to; `None` when the connection is lost.
    pub async fn next(&mut self) -> Option<JobId> {
        loop {
            let message = self.stream.next().await?;
            if let Some(job) = message.get_channel_name().strip_prefix(CHANNEL).and_then(|id| id.parse().ok()) {
                return Some(job);
            }
        }
    }
}

impl std::fmt::Debug for LiveChannel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveChannel").finish_non_exhaustive()
    }
}

fn channels(jobs: &[JobId]) -> Vec<String> {
    jobs.iter().map(|job| format!("{CHANNEL}{job}")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn entries(numbers: &[u64], kind: &str) -> Vec<StreamEntry> {
        let fields = |_: &u64| match kind {
            "metric" => HashMap::from([("point".to_owned(), r#"["1","loss",3,0.5,0]"#.to_owned())]),
            "log" => HashMap::from([("line".to_owned(), r#"{"level":"info","message":"x"}"#.to_owned())]),
            _ => {
                let fields = [("event", "progress"), ("progress", "0.5"), ("message", "")];
                fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
            }
        };
        numbers.iter().map(|number| (place_of(*number), fields(number))).collect()
    }

    fn merged(streams: Vec<Vec<StreamEntry>>, most: usize) -> LivePage {
        super::merged("0198c0de-0000-7000-8000-000000000000".parse().unwrap(), streams, most)
    }

    fn numbers(page: &LivePage) -> Vec<u64> {
        page.events.iter().map(|event| event.seq).collect()
    }

    #[test]
    fn a_number_reads_back_from_its_place() {
        assert_eq!(place_of(1_700_000_000_000_042), "1700000000000-42");
        for seq in [0, 999, 1000, 1_700_000_000_000_042, u64::MAX / 2] {
            assert_eq!(number_of(&place_of(seq)), seq);
        }
    }

    #[test]
    fn events_lines_and_figures_come_in_one_order() {
        let streams = vec![entries(&[2, 5], "progress"), entries(&[1, 3, 4], "log"), entries(&[6, 7], "metric")];
        let page = merged(streams, 10);

        assert_eq!((numbers(&page), page.more), (vec![1, 2, 3, 4, 5, 6, 7], false));
        assert!(matches!(&page.events[6].what, LiveWhat::Metric(point) if point.step == 3));
    }

    #[test]
    fn nothing_is_passed_over_where_one_of_the_streams_has_more() {
        let page = merged(vec![entries(&[2, 9], "progress"), entries(&[1, 3, 4], "log")], 3);

        // What stands between 4 and 9 in the log has not been read.
        assert_eq!((numbers(&page), page.more), (vec![1, 2, 3, 4], true));
    }

    #[test]
    fn what_cannot_be_read_does_not_stop_the_rest() {
        let mut broken = entries(&[1, 2], "progress");
        broken[0].1.insert("progress".to_owned(), "half".to_owned());

        assert_eq!(numbers(&merged(vec![broken], 10)), [2]);
    }
}
