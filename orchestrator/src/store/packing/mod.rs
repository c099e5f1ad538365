//! Jobs that have ended are packed: a few fields stay as they are for the scripts, all else becomes one small run of bytes.

mod form;
mod rounds;

pub use rounds::Packing;

use std::collections::HashMap;

use relevo_shared::{JobId, job::LogLine};

use super::{
    EventRecord, JobRecord, Result, Store, StoreError,
    archive::{Archived, Texts},
    millis,
    records::{StreamEntry, visits},
    script::{Reply, UNPACK_JOB, corrupt},
};
use crate::domain::{
    packing::{self, PastEvent},
    series::KeptPoint,
};

/// The field under which a packed job says where its history is, when it is in the archive.
const ARCHIVED: &str = "archived";
/// The field that counts the figures that a job's tasks told; a job that has it has some.
pub(super) const METRICS_TOLD: &str = "metrics_told";

/// A packed job, unpacked.
struct PackedJob {
    fields: HashMap<String, String>,
    history: Vec<PastEvent>,
    archived: Option<Archived>,
}

impl PackedJob {
    fn read(packed: &[u8]) -> Result<Self> {
        let (mut fields, history) = packing::read(&form::unpress(packed)?).ok_or_else(broken)?;
        let archived = fields.remove(ARCHIVED);
        let archived = archived.map(|text| serde_json::from_str(&text).map_err(|_| broken())).transpose()?;
        Ok(Self { fields, history, archived })
    }
}

fn broken() -> StoreError {
    corrupt("a packed job that cannot be read".to_owned())
}

fn past(events: Vec<PastEvent>) -> impl Iterator<Item = EventRecord> {
    events.into_iter().map(|PastEvent { at, count, fields }| EventRecord {
        id: format!("{at}-{count}"),
        at: i64::try_from(at).unwrap_or(i64::MAX),
        fields: fields.into_iter().collect(),
    })
}

/// The fields of a job, those that were packed among them.
pub(super) fn whole_fields(open: HashMap<String, String>, packed: Option<&[u8]>) -> Result<HashMap<String, String>> {
    let Some(packed) = packed else { return Ok(open) };
    let mut fields = packing::read_fields(&form::unpress(packed)?).ok_or_else(broken)?;
    fields.remove(ARCHIVED);
    fields.extend(open);
    Ok(fields)
}

impl Store {
    /// A job with the states that it entered; `None` when there is none.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn read_job(&self, id: JobId) -> Result<Option<JobRecord>> {
        let mut pipe = redis::pipe();
        pipe.atomic().cmd("HGETALL").arg(self.keys.job(id)).cmd("GET").arg(self.keys.packed(id));
        pipe.cmd("XRANGE").arg(self.keys.events(id)).arg("-").arg("+").cmd("HGETALL").arg(self.keys.approvals(id));
        type Read = (HashMap<String, String>, Option<Vec<u8>>, Vec<StreamEntry>, HashMap<String, String>);
        let (mut fields, packed, events, approvals): Read =
            pipe.query_async(&mut self.connections.get().await?).await?;
        if fields.is_empty() {
            return Ok(None);
        }
        let mut entered = Vec::new();
        if let Some(packed) = packed {
            let packed = PackedJob::read(&packed)?;
            let open = std::mem::replace(&mut fields, packed.fields);
            fields.extend(open);
            entered = packed.archived.map_or_else(|| visits(past(packed.history)), |archived| archived.visits);
        }
        entered.extend(visits(events.into_iter().map(EventRecord::read)));
        Ok(Some(JobRecord { fields, visits: entered, approvals }))
    }

    /// All events of a job that are kept, oldest first.
    ///
    /// # Errors
    /// When Redis or the archive is away.
    pub async fn read_events(&self, id: JobId) -> Result<Vec<EventRecord>> {
        let mut pipe = redis::pipe();
        pipe.atomic().cmd("GET").arg(self.keys.packed(id)).cmd("XRANGE").arg(self.keys.events(id)).arg("-").arg("+");
        let (packed, events): (Option<Vec<u8>>, Vec<StreamEntry>) =
            pipe.query_async(&mut self.connections.get().await?).await?;
        let history = match packed {
            Some(packed) => self.history(PackedJob::read(&packed)?).await?,
            None => Vec::new(),
        };
        Ok(past(history).chain(events.into_iter().map(EventRecord::read)).collect())
    }

    /// The lines that a job's tasks have written, oldest first, as many as are kept.
    ///
    /// # Errors
    /// When Redis or the archive is away, or a line cannot be read.
    pub async fn read_logs(&self, id: JobId) -> Result<Vec<LogLine>> {
        let mut pipe = redis::pipe();
        pipe.atomic().cmd("GET").arg(self.keys.packed(id)).cmd("GET").arg(self.keys.packed_logs(id));
        pipe.cmd("XRANGE").arg(self.keys.logs(id)).arg("-").arg("+");
        let (packed, packed_logs, lines): (Option<Vec<u8>>, Option<Vec<u8>>, Vec<StreamEntry>) =
            pipe.query_async(&mut self.connections.get().await?).await?;
        let archived = packed.map(|packed| PackedJob::read(&packed)).transpose()?.and_then(|packed| packed.archived);
        let before = self.packed_texts(Texts::Lines, archived.as_ref(), packed_logs).await?;
        let lines = before.into_iter().chain(lines.into_iter().filter_map(|(_, mut fields)| fields.remove("line")));
        lines.map(|line| form::log_line(&line)).collect()
    }

    /// The figures that a job's tasks have measured, oldest first, as many as are kept, and how many are not.
    ///
    /// # Errors
    /// When Redis or the archive is away, or a figure cannot be read.
    pub async fn read_metrics(&self, id: JobId) -> Result<(Vec<KeptPoint>, u64)> {
        let mut pipe = redis::pipe();
        pipe.atomic().cmd("HGET").arg(self.keys.job(id)).arg(METRICS_TOLD);
        pipe.cmd("GET").arg(self.keys.packed(id)).cmd("GET").arg(self.keys.packed_metrics(id));
        pipe.cmd("XRANGE").arg(self.keys.metrics(id)).arg("-").arg("+");
        type Read = (Option<u64>, Option<Vec<u8>>, Option<Vec<u8>>, Vec<StreamEntry>);
        let (mut told, packed, packed_metrics, points): Read =
            pipe.query_async(&mut self.connections.get().await?).await?;
        let packed = packed.map(|packed| PackedJob::read(&packed)).transpose()?;
        if let Some(packed) = &packed {
            told = packed.fields.get(METRICS_TOLD).and_then(|told| told.parse().ok());
        }
        let before = self
            .packed_texts(Texts::Points, packed.and_then(|packed| packed.archived).as_ref(), packed_metrics)
            .await?;
        let points = before.into_iter().chain(points.into_iter().filter_map(|(_, mut fields)| fields.remove("point")));
        let read = |text: String| KeptPoint::read(id, &text).ok_or_else(|| corrupt(format!("a figure: {text}")));
        let points = points.map(read).collect::<Result<Vec<_>>>()?;
        let dropped = told.unwrap_or_default().saturating_sub(points.len() as u64);
        Ok((points, dropped))
    }

    /// Makes a packed job what it was before, so that it can be retried. Says whether it did: nothing is done to one that is
    /// not packed.
    ///
    /// # Errors
    /// When Redis or the archive is away.
    pub async fn unpack_job(&self, id: JobId) -> Result<bool> {
        let mut pipe = redis::pipe();
        pipe.atomic().cmd("HGET").arg(self.keys.job(id)).arg("revision");
        for key in [self.keys.packed(id), self.keys.packed_logs(id), self.keys.packed_metrics(id)] {
            pipe.cmd("GET").arg(key);
        }
        type Read = (Option<String>, Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>);
        let (revision, packed, packed_logs, packed_metrics): Read =
            pipe.query_async(&mut self.connections.get().await?).await?;
        let Some((revision, packed)) = revision.zip(packed) else { return Ok(false) };
        let mut packed = PackedJob::read(&packed)?;
        let lines = self.packed_texts(Texts::Lines, packed.archived.as_ref(), packed_logs).await?;
        let points = self.packed_texts(Texts::Points, packed.archived.as_ref(), packed_metrics).await?;
        let fields = std::mem::take(&mut packed.fields);
        let history = self.history(packed).await?;

        let mut call = UNPACK_JOB.key(self.keys.job(id));
        call.key(self.keys.packed(id)).key(self.keys.packed_logs(id)).key(self.keys.packed_metrics(id));
        call.key(super::keys::Keys::loose(id.partition(self.keys.partitions())));
        call.key(self.keys.events(id)).key(self.keys.logs(id)).key(self.keys.metrics(id));
        call.arg(id.to_string()).arg(revision).arg(millis(self.durations.retention));
        call.arg(fields.len() * 2).arg(fields).arg(lines.len()).arg(lines).arg(points.len()).arg(points);
        for PastEvent { at, count, fields } in history {
            call.arg(format!("{at}-{count}")).arg(fields.len() * 2).arg(fields);
        }
        let reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        match reply.word() {
            "ok" => Ok(true),
            "stale" => Ok(false),
            _ => Err(reply.unexpected()),
        }
    }

    /// The history of a packed job, from wherever it is.
    async fn history(&self, job: PackedJob) -> Result<Vec<PastEvent>> {
        let Some(archived) = job.archived else { return Ok(job.history) };
        let bytes = form::unpress(&self.archived_history(&archived).await?)?;
        packing::read(&bytes).map(|(_, history)| history).ok_or_else(broken)
    }

    /// Log lines or figures of a packed job, from wherever they are.
    async fn packed_texts(
        &self,
        which: Texts,
        archived: Option<&Archived>,
        packed: Option<Vec<u8>>,
    ) -> Result<Vec<String>> {
        if let Some(packed) = packed {
            return form::unpress_lines(&packed);
        }
        let Some(archived) = archived else { return Ok(Vec::new()) };
        let pressed = self.archived_texts(archived, which).await?;
        pressed.map_or_else(|| Ok(Vec::new()), |pressed| form::unpress_lines(&pressed))
    }
}
