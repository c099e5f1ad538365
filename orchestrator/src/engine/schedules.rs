//! Schedules: checked and kept, and their jobs created when their instants come.
//!
//! An instant is claimed by one script, which puts its firing where every replica finds it until its job is there. The id
//! of that job follows from the schedule and the instant: to create it again after a crash gives the same job.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use relevo_shared::{
    JobId, ScheduleId,
    job::CreateJob,
    problem::Detail,
    schedule::{Firing, FiringOutcome, Overlap, ScheduleEdit, ScheduleList, ScheduleSpec, ScheduleView},
};
use sha2::{Digest, Sha256};
use tracing::{info, warn};

use super::{Creation, Engine, create};
use crate::{
    domain::schedule::Timetable,
    error::{Error, Result},
    store::{FiringClaim, MOST_SCHEDULES, NextInstant, OpenFiring, SchedulePut, ScheduleRecord},
    time::rfc3339,
};

/// Schedules and firings that are taken at once.
const BATCH: usize = 100;
/// Schedules that are looked after at the same time.
const WIDTH: usize = 16;
/// Instants of one schedule that are dealt with in one round.
const INSTANTS: usize = 100;
/// Instants that a view tells of in advance.
const SHOWN: usize = 5;
/// An edit is tried again this often when the schedule fires or is edited meanwhile.
const TRIES: usize = 10;

impl Engine {
    /// Keeps a new schedule.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every field that is wrong, or when Redis is away.
    pub async fn create_schedule(&self, client: &str, spec: &ScheduleSpec) -> Result<ScheduleView> {
        let timetable = self.check_schedule(spec)?;
        let id: ScheduleId = JobId::fresh().to_string().parse().expect("a UUID has the form of a schedule's id");
        let next = first_instant(spec, &timetable, self.store.clock().await?)?;
        match self.store.put_schedule(&id, client, 0, spec, NextInstant::Set(next)).await? {
            SchedulePut::Written => {
                info!(schedule = %id, client, blueprint = %spec.blueprint, cron = %spec.cron, "schedule created");
                self.show_schedule(client, id.as_str()).await
            }
            SchedulePut::Full => {
                let reason = format!("no client may have more than {MOST_SCHEDULES} schedules");
                Err(Error::invalid("schedules", reason))
            }
            SchedulePut::Changed | SchedulePut::Missing => Err(not_found(id.as_str())),
        }
    }

    /// Changes a schedule.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`] with every field that is wrong, or when Redis is away.
    pub async fn edit_schedule(&self, client: &str, id: &str, edit: &ScheduleEdit) -> Result<ScheduleView> {
        for _ in 0..TRIES {
            let (schedule, record) = self.own_schedule(client, id).await?;
            let spec = edit.clone().apply(record.spec.clone());
            let timetable = self.check_schedule(&spec)?;
            let next = if same_instants(&record.spec, &spec) {
                NextInstant::Keep
            } else {
                NextInstant::Set(first_instant(&spec, &timetable, self.store.clock().await?)?)
            };
            match self.store.put_schedule(&schedule, client, record.revision, &spec, next).await? {
                SchedulePut::Written => return self.show_schedule(client, id).await,
                SchedulePut::Changed => {}
                SchedulePut::Missing | SchedulePut::Full => break,
            }
        }
        Err(not_found(id))
    }

    /// Forgets a schedule. Jobs that it created go on.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when Redis is away.
    pub async fn delete_schedule(&self, client: &str, id: &str) -> Result<()> {
        let (schedule, _) = self.own_schedule(client, id).await?;
        Ok(self.store.delete_schedule(&schedule, client).await?)
    }

    /// A schedule with its history.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when Redis is away.
    pub async fn show_schedule(&self, client: &str, id: &str) -> Result<ScheduleView> {
        let (schedule, record) = self.own_schedule(client, id).await?;
        let firings = self.store.firings(&schedule).await?;
        Ok(view(schedule, record, firings))
    }

    /// The schedules of a client.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn list_schedules(&self, client: &str) -> Result<ScheduleList> {
        let found = self.store.schedules(client).await?.into_iter();
        let schedules = found.map(|(id, record, latest)| view(id, record, latest.into_iter().collect())).collect();
        Ok(ScheduleList { schedules })
    }

    /// Creates a job of a schedule at once, whatever its timetable says.
    ///
    /// # Errors
    /// [`Error::NotFound`], what the creation of a job is refused with, or when Redis is away.
    pub async fn trigger_schedule(self: &Arc<Self>, client: &str, id: &str) -> Result<JobId> {
        let (schedule, record) = self.own_schedule(client, id).await?;
        let job = self.create_scheduled(&record, None).await?;
        let instant = rfc3339(self.store.clock().await?);
        let firing = Firing { instant, outcome: FiringOutcome::Triggered, job_id: Some(job), reason: None };
        self.store.settle_firing(&schedule, None, &firing).await?;
        Ok(job)
    }

    /// One round over all schedules: claims the instants that have come and creates their jobs, and those of firings that
    /// another replica did not see through. What fails is said, and looked at again soon.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn tend_schedules(self: &Arc<Self>) -> Result<()> {
        let due = self.store.take_schedules(BATCH).await?;
        let now = due.now;
        let firings = stream::iter(due.firings).for_each_concurrent(WIDTH, |firing| async move {
            if let Err(error) = self.see_through(&firing).await {
                warn!(schedule = %firing.schedule, %error, "a firing waits for its job");
            }
        });
        firings.await;
        let schedules = stream::iter(due.schedules).for_each_concurrent(WIDTH, |id| async move {
            if let Err(error) = self.fire(&id, now).await {
                warn!(schedule = %id, %error, "a schedule waits");
            }
        });
        schedules.await;
        Ok(())
    }

    /// Deals with the instants of a schedule that have come.
    async fn fire(self: &Arc<Self>, id: &ScheduleId, now: i64) -> Result<()> {
        for _ in 0..INSTANTS {
            let Some(record) = self.store.schedule(id).await? else { return Ok(()) };
            let Some(due) = record.next.filter(|next| *next <= now) else { return Ok(()) };
            let claim =
                |fire, next| FiringClaim { schedule: id, revision: record.revision, due, next, fire, passed_over: &[] };
            let Ok(timetable) = Timetable::new(&record.spec) else {
                // It was checked when it was kept, by a release that knew more.
                let passed_over = [passed_over(due, FiringOutcome::Refused, "its timetable cannot be read")];
                self.store.claim_firing(&FiringClaim { passed_over: &passed_over, ..claim(None, None) }).await?;
                return Ok(());
            };
            let turn = timetable.turn(due, now, record.spec.catch_up);
            let mut entries = Vec::new();
            if let Some(at) = turn.missed {
                entries.push(passed_over(at, FiringOutcome::Missed, "nobody could create its job within a minute"));
            }
            let mut fire = turn.fire;
            if let Some(at) = fire
                && record.spec.overlap == Overlap::Skip
                && self.overlaps(id, &record).await?
            {
                entries.push(passed_over(at, FiringOutcome::Overlapped, "an earlier job has not ended"));
                fire = None;
            }
            let claimed =
                self.store.claim_firing(&FiringClaim { passed_over: &entries, ..claim(fire, turn.next) }).await?;
            for entry in entries.iter().filter(|_| claimed) {
                self.metrics.schedule_fired(entry.outcome);
            }
            if let Some(instant) = fire.filter(|_| claimed) {
                self.see_through(&OpenFiring { schedule: id.clone(), instant }).await?;
            }
        }
        Ok(())
    }

    /// Creates the job of a firing that was claimed, and writes down what became of it.
    async fn see_through(self: &Arc<Self>, open: &OpenFiring) -> Result<()> {
        let record = self.store.schedule(&open.schedule).await?;
        let instant = rfc3339(open.instant);
        let firing = match &record {
            None => Firing { instant, outcome: FiringOutcome::Refused, job_id: None, reason: None },
            Some(record) => match self.create_scheduled(record, Some(job_of(open))).await {
                Ok(job) => Firing { instant, outcome: FiringOutcome::Created, job_id: Some(job), reason: None },
                Err(error @ (Error::Store(_) | Error::Blob(_))) => return Err(error),
                Err(error) => {
                    warn!(schedule = %open.schedule, %error, "the job of a schedule is refused");
                    Firing { instant, outcome: FiringOutcome::Refused, job_id: None, reason: Some(error.to_string()) }
                }
            },
        };
        if self.store.settle_firing(&open.schedule, Some(open), &firing).await? {
            self.metrics.schedule_fired(firing.outcome);
        }
        Ok(())
    }

    async fn create_scheduled(self: &Arc<Self>, record: &ScheduleRecord, id: Option<JobId>) -> Result<JobId> {
        let blueprint = self.catalogue.named(&record.spec.blueprint)?;
        let known = self.directory.current();
        let creation = match known.by_name(&record.client) {
            Some(client) => Creation::of(client, id),
            // Its client is known no more, and has no plan; its schedules go on until they are deleted.
            None => Creation { client: record.client.clone(), id, ..Creation::default() },
        };
        Ok(self.create_job(&creation, &blueprint.endpoint, request_of(&record.spec)).await?.id)
    }

    /// Whether a job of the schedule has not ended, or is about to be created.
    async fn overlaps(&self, id: &ScheduleId, record: &ScheduleRecord) -> Result<bool> {
        if record.open > 0 {
            return Ok(true);
        }
        let jobs: Vec<JobId> = self.store.firings(id).await?.iter().filter_map(|firing| firing.job_id).collect();
        Ok(self.store.any_unfinished(&jobs).await?)
    }

    /// Checks a schedule whole: its timetable, its blueprint, and the input against that.
    fn check_schedule(&self, spec: &ScheduleSpec) -> Result<Timetable> {
        let input = match self.catalogue.named(&spec.blueprint) {
            Ok(blueprint) => blueprint.fill(spec.initial_data.clone()).map(drop),
            Err(error) => Err(vec![Detail::new("blueprint", error.to_string())]),
        };
        let request = match create::check(&request_of(spec)) {
            Err(Error::Invalid(_, details)) => Err(details),
            _ => Ok(()),
        };
        match (Timetable::new(spec), input, request) {
            (Ok(timetable), Ok(()), Ok(())) => Ok(timetable),
            (timetable, input, request) => {
                let wrong = timetable.err().into_iter().chain(input.err()).chain(request.err());
                Err(Error::invalid_fields(wrong.flatten().collect()))
            }
        }
    }

    async fn own_schedule(&self, client: &str, id: &str) -> Result<(ScheduleId, ScheduleRecord)> {
        let schedule: ScheduleId = id.parse().map_err(|_| not_found(id))?;
        match self.store.schedule(&schedule).await? {
            Some(record) if record.client == client => Ok((schedule, record)),
            _ => Err(not_found(id)),
        }
    }
}

/// What a client would send to create such a job.
fn request_of(spec: &ScheduleSpec) -> CreateJob {
    CreateJob {
        initial_data: Some(spec.initial_data.clone()),
        webhook_url: spec.webhook_url.clone(),
        priority: Some(spec.priority),
        ..CreateJob::default()
    }
}

fn not_found(id: &str) -> Error {
    Error::NotFound(format!("there is no schedule {id:?}"))
}

/// The instant that a schedule begins with, or goes on with after an edit. One that never comes is a mistake.
fn first_instant(spec: &ScheduleSpec, timetable: &Timetable, now: i64) -> Result<Option<i64>> {
    let next = timetable.next_after(now);
    if next.is_none() {
        return Err(Error::invalid("cron", "has no instant to come, within starts_at and ends_at".to_owned()));
    }
    Ok(next.filter(|_| !spec.paused))
}

/// Whether an edit leaves the instants as they are.
fn same_instants(before: &ScheduleSpec, after: &ScheduleSpec) -> bool {
    let fields = |spec: &ScheduleSpec| {
        (spec.cron.clone(), spec.time_zone.clone(), spec.starts_at.clone(), spec.ends_at.clone(), spec.paused)
    };
    fields(before) == fields(after)
}

/// The job of a firing, the same one however often it is asked for.
fn job_of(firing: &OpenFiring) -> JobId {
    let hash = Sha256::digest(format!("{} {}", firing.schedule, firing.instant));
    let bytes = hash[..10].try_into().expect("a SHA-256 has 32 bytes");
    JobId::derived(firing.instant.unsigned_abs(), bytes)
}

fn passed_over(instant: i64, outcome: FiringOutcome, reason: &str) -> Firing {
    Firing { instant: rfc3339(instant), outcome, job_id: None, reason: Some(reason.to_owned()) }
}

fn view(id: ScheduleId, record: ScheduleRecord, firings: Vec<Firing>) -> ScheduleView {
    let timetable = Timetable::new(&record.spec).ok();
    let upcoming = record.next.zip(timetable).map(|(next, timetable)| timetable.upcoming(next - 1, SHOWN));
    ScheduleView {
        id,
        spec: record.spec,
        created_at: rfc3339(record.created_at),
        updated_at: rfc3339(record.updated_at),
        next_firings: upcoming.unwrap_or_default().into_iter().map(rfc3339).collect(),
        firings,
    }
}
