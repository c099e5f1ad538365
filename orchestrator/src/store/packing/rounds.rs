//! Packs the jobs of a partition that ended a while ago, a batch at a time.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use relevo_shared::JobId;
use tokio::task::spawn_blocking;
use tracing::warn;

use super::{
    super::{
        EventRecord, Result, Store,
        archive::{Archived, object_name},
        index::part,
        keys::Keys,
        millis,
        records::{StreamEntry, visits},
        script::{PACK_JOB, Reply, corrupt},
    },
    ARCHIVED, METRICS_TOLD,
    form::Press,
};
use crate::domain::packing::{self, PastEvent};

/// Jobs that are packed in one round.
const BATCH: usize = 500;
/// Jobs that are read at once, and about how many bytes of log lines: a job may have 80 MB of them.
const PART: (usize, u64) = (50, 64 << 20);
/// Jobs that are written at the same time.
const WIDTH: usize = 16;
/// A batch of the archive that is not full waits so many times as long as a job does.
const PATIENCE: i64 = 10;
/// A round takes less; if not, another replica does the same and one of the two comes too late for each job.
const TURN: Duration = Duration::from_secs(30);

/// How jobs are packed.
#[derive(Debug, Clone, Copy)]
pub struct Packing {
    /// Jobs that have ended are left alone for so long.
    pub after: Duration,
    /// Whether their history, log lines and figures leave Redis for the archive.
    pub archive: bool,
}

/// A job as it is read to be packed.
struct LooseJob {
    id: JobId,
    fields: HashMap<String, String>,
    events: Vec<StreamEntry>,
    lines: Vec<String>,
    points: Vec<String>,
}

impl LooseJob {
    /// Whether it has ended and is not packed.
    fn is_loose(&self) -> bool {
        self.fields.contains_key("ended_at") && self.fields.contains_key("hash")
    }
}

/// A job as it will be kept.
struct Pressed {
    id: JobId,
    revision: String,
    ended_at: i64,
    open: Vec<String>,
    /// Its fields, where the record still has to hear of the place in the archive.
    fields: std::collections::BTreeMap<String, String>,
    visits: Vec<(String, i64)>,
    record: Vec<u8>,
    history: Vec<u8>,
    logs: Vec<u8>,
    metrics: Vec<u8>,
}

impl Store {
    /// Packs a batch of the jobs that ended a while ago, unless another replica does. Says how many; a full batch
    /// means that there may be more.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn pack_jobs(&self, partition: u16, replica: &str, how: Packing) -> Result<usize> {
        let mut command = redis::cmd("LRANGE");
        command.arg(Keys::loose(partition)).arg(0).arg(BATCH - 1);
        let loose: Vec<String> = command.query_async(&mut self.connections.get().await?).await?;
        if loose.is_empty() || !self.take_turn(partition, "packing", replica, TURN).await? {
            return Ok(0);
        }
        let (quiet, longest_ms) = self.quiet(loose, how.after).await?;
        let archives = how.archive && self.archive.is_some();
        let patience = i64::try_from(millis(how.after)).unwrap_or(i64::MAX).saturating_mul(PATIENCE);
        if archives && quiet.len() < BATCH && longest_ms < patience {
            return Ok(0);
        }
        let mut pressed = Vec::with_capacity(quiet.len());
        for part in parts(&quiet) {
            let (jobs, others): (Vec<_>, Vec<_>) =
                self.read_loose(&part).await?.into_iter().partition(LooseJob::is_loose);
            self.strike_off(partition, &others).await?;
            let done = spawn_blocking(move || press(jobs, archives)).await;
            pressed.extend(done.map_err(|error| corrupt(format!("packing: {error}")))??);
        }
        if archives && let Err(error) = self.archive_batch(partition, &mut pressed).await {
            // They would fill Redis until S3 comes back, if it does.
            warn!(partition, %error, jobs = pressed.len(), "packed without the archive");
        }
        let writes = stream::iter(pressed).map(async |job| self.pack_job(&job).await).buffer_unordered(WIDTH);
        writes.try_collect::<()>().await?;
        Ok(quiet.len())
    }

    /// The first of these jobs that ended long enough ago, with the bytes of their log lines, and for how long the first has ended by now. They
    /// come in the order of their ends, so the first that has not is the last to look at. Those that are gone, or go on, are among them: they leave
    /// the list too.
    async fn quiet(&self, loose: Vec<String>, after: Duration) -> Result<(Vec<(JobId, u64)>, i64)> {
        let now = self.clock().await?;
        let ids: Vec<JobId> = loose.iter().filter_map(|id| id.parse().ok()).collect();
        let mut pipe = redis::pipe();
        for id in &ids {
            pipe.cmd("HGET").arg(self.keys.job(*id)).arg("ended_at");
            pipe.cmd("MEMORY").arg("USAGE").arg(self.keys.logs(*id));
        }
        let read: Vec<Option<i64>> = pipe.query_async(&mut self.connections.get().await?).await?;
        let before = now - i64::try_from(millis(after)).unwrap_or(i64::MAX);
        let jobs = ids.into_iter().zip(read.chunks_exact(2));
        let quiet: Vec<_> = jobs.take_while(|(_, read)| read[0].is_none_or(|end| end <= before)).collect();
        let longest = quiet.iter().filter_map(|(_, read)| read[0]).map(|end| now - end).max();
        let bytes = |lines: Option<i64>| lines.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default();
        let quiet = quiet.into_iter().map(|(id, read)| (id, bytes(read[1])));
        Ok((quiet.collect(), longest.unwrap_or_default()))
    }

    /// Takes jobs off the list that are gone, go on, or are packed already.
    async fn strike_off(&self, partition: u16, jobs: &[LooseJob]) -> Result<()> {
        if jobs.is_empty() {
            return Ok(());
        }
        let mut pipe = redis::pipe();
        for job in jobs {
            pipe.cmd("LREM").arg(Keys::loose(partition)).arg(1).arg(job.id.to_string()).ignore();
        }
        Ok(pipe.query_async(&mut self.connections.get().await?).await?)
    }

    async fn read_loose(&self, ids: &[JobId]) -> Result<Vec<LooseJob>> {
        let mut pipe = redis::pipe();
        for id in ids {
            pipe.cmd("HGETALL").arg(self.keys.job(*id));
            pipe.cmd("XRANGE").arg(self.keys.events(*id)).arg("-").arg("+");
            pipe.cmd("XLEN").arg(self.keys.logs(*id));
        }
        let read: Vec<redis::Value> = pipe.query_async(&mut self.connections.get().await?).await?;
        let mut read = read.into_iter();
        let mut jobs = Vec::with_capacity(ids.len());
        for id in ids {
            let (fields, events): (HashMap<String, String>, _) = (part(read.next())?, part(read.next())?);
            let lines =
                if part::<u64>(read.next())? > 0 { self.texts(self.keys.logs(*id), "line").await? } else { Vec::new() };
            let points = match fields.contains_key(METRICS_TOLD) {
                true => self.texts(self.keys.metrics(*id), "point").await?,
                false => Vec::new(),
            };
            jobs.push(LooseJob { id: *id, fields, events, lines, points });
        }
        Ok(jobs)
    }

    /// One field of each entry of a stream.
    async fn texts(&self, stream: String, field: &str) -> Result<Vec<String>> {
        let mut command = redis::cmd("XRANGE");
        command.arg(stream).arg("-").arg("+");
        let entries: Vec<StreamEntry> = command.query_async(&mut self.connections.get().await?).await?;
        Ok(entries.into_iter().filter_map(|(_, mut fields)| fields.remove(field)).collect())
    }

    /// Moves the histories, log lines and figures of a batch into one object.
    async fn archive_batch(&self, partition: u16, batch: &mut [Pressed]) -> Result<()> {
        let mut bytes = Vec::new();
        let object = object_name(partition, JobId::fresh());
        let mut places = Vec::with_capacity(batch.len());
        for job in batch.iter() {
            places.push(bytes.len() as u64);
            bytes.extend_from_slice(&job.history);
            bytes.extend_from_slice(&job.logs);
            bytes.extend_from_slice(&job.metrics);
        }
        let Some(last) = batch.iter().map(|job| job.ended_at).max() else { return Ok(()) };
        let ends_at = last.saturating_add(i64::try_from(millis(self.durations.retention)).unwrap_or(i64::MAX));
        self.write_archive(partition, &object, ends_at, Bytes::from(bytes)).await?;
        let mut press = Press::new()?;
        for (job, offset) in batch.iter_mut().zip(places) {
            let [history, logs, metrics] = [&job.history, &job.logs, &job.metrics].map(|part| part.len() as u64);
            let visits = std::mem::take(&mut job.visits);
            let archived = Archived { object: object.clone(), offset, history, logs, metrics, visits };
            let archived = serde_json::to_string(&archived).map_err(|error| corrupt(error.to_string()))?;
            job.fields.insert(ARCHIVED.to_owned(), archived);
            job.record = press.press(&packing::write(&job.fields, &[]))?;
            job.logs.clear();
            job.metrics.clear();
        }
        Ok(())
    }

    async fn pack_job(&self, job: &Pressed) -> Result<()> {
        let id = job.id;
        let mut call = PACK_JOB.key(self.keys.job(id));
        call.key(self.keys.packed(id)).key(self.keys.packed_logs(id)).key(self.keys.packed_metrics(id));
        call.key(Keys::loose(id.partition(self.keys.partitions())));
        call.key(self.keys.events(id)).key(self.keys.logs(id)).key(self.keys.metrics(id)).key(self.keys.live(id));
        call.arg(id.to_string()).arg(&job.revision).arg(millis(self.durations.retention));
        call.arg(&job.record).arg(&job.logs).arg(&job.metrics).arg(&job.open);
        let reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        match reply.word() {
            "ok" | "stale" => Ok(()),
            _ => Err(reply.unexpected()),
        }
    }
}

/// Jobs with the bytes of their log lines, in parts that can be held at once.
fn parts(jobs: &[(JobId, u64)]) -> Vec<Vec<JobId>> {
    let (mut parts, mut part, mut held) = (Vec::new(), Vec::new(), 0);
    for (id, bytes) in jobs {
        if part.len() == PART.0 || (!part.is_empty() && PART.1 < held + bytes) {
            parts.push(std::mem::take(&mut part));
            held = 0;
        }
        part.push(*id);
        held += bytes;
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// Presses jobs; with an archive the history, the log lines and the figures of each apart.
fn press(jobs: Vec<LooseJob>, archives: bool) -> Result<Vec<Pressed>> {
    let mut press = Press::new()?;
    let press_one = |LooseJob { id, fields, events, lines: texts, points }: LooseJob| {
        let text = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let (revision, ended_at) = (text("revision"), text("ended_at").parse().unwrap_or_default());
        let (open, fields) = packing::split(fields);
        let history: Vec<PastEvent> = events.iter().filter_map(past_event).collect();
        let mut lines = |lines: &[String]| if lines.is_empty() { Ok(Vec::new()) } else { press.press_lines(lines) };
        let (logs, metrics) = (lines(&texts)?, lines(&points)?);
        // Without the archive it says so much only if the archive cannot be written.
        let record = press.press(&packing::write(&fields, &history))?;
        let (pressed_history, visits) = if archives {
            let none = std::collections::BTreeMap::new();
            (press.press(&packing::write(&none, &history))?, visits(events.into_iter().map(EventRecord::read)))
        } else {
            (Vec::new(), Vec::new())
        };
        let open = open.into_iter().flat_map(|(name, value)| [name, value]).collect();
        Ok(Pressed { id, revision, ended_at, open, fields, visits, record, history: pressed_history, logs, metrics })
    };
    jobs.into_iter().map(press_one).collect()
}

fn past_event((id, fields): &StreamEntry) -> Option<PastEvent> {
    let (at, count) = id.split_once('-')?;
    let fields = fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    Some(PastEvent { at: at.parse().ok()?, count: count.parse().ok()?, fields })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_bounded_in_jobs_and_in_bytes() {
        let sizes = |bytes: &[u64]| -> Vec<usize> {
            let jobs: Vec<_> = bytes.iter().map(|bytes| (JobId::fresh(), *bytes)).collect();
            parts(&jobs).iter().map(Vec::len).collect()
        };

        assert_eq!(sizes(&[0; 120]), [50, 50, 20]);
        assert_eq!(sizes(&[40 << 20, 20 << 20, 20 << 20, 100 << 20, 1]), [2, 1, 1, 1]);
        assert_eq!(sizes(&[]), [0; 0]);
    }
}
