//! The name of every key. Keys of one job carry the hash tag of its partition, so its scripts run on a cluster too.

use relevo_shared::{BranchId, JobId, ScheduleId, WorkerId};

use super::branches::FanId;

/// Makes key names for a fixed number of partitions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys {
    partitions: u16,
}

impl Keys {
    pub(super) const fn new(partitions: u16) -> Self {
        Self { partitions: if partitions == 0 { 1 } else { partitions } }
    }

    pub(super) const fn partitions(self) -> u16 {
        self.partitions
    }

    /// Start of every key of this partition.
    pub(super) fn prefix(partition: u16) -> String {
        format!("relevo:{{p{partition:02}}}:")
    }

    /// Start of every key of this job's partition.
    pub(super) fn prefix_of(self, job: JobId) -> String {
        Self::prefix(job.partition(self.partitions))
    }

    pub(super) fn job(self, job: JobId) -> String {
        format!("{}job:{job}", self.prefix_of(job))
    }

    pub(super) fn events(self, job: JobId) -> String {
        format!("{}events:{job}", self.prefix_of(job))
    }

    /// What a packed job has beside the fields that scripts ask for, compressed.
    pub(super) fn packed(self, job: JobId) -> String {
        format!("{}packed:{job}", self.prefix_of(job))
    }

    /// The log lines of a packed job, compressed.
    pub(super) fn packed_logs(self, job: JobId) -> String {
        format!("{}packed_logs:{job}", self.prefix_of(job))
    }

    /// The figures of a packed job, compressed.
    pub(super) fn packed_metrics(self, job: JobId) -> String {
        format!("{}packed_metrics:{job}", self.prefix_of(job))
    }

    /// What those see who watch a job while it runs.
    pub(super) fn live(self, job: JobId) -> String {
        format!("{}live:{job}", self.prefix_of(job))
    }

    /// All other keys that a job may have, those of its fan-outs left out.
    pub(super) fn beside(self, job: JobId) -> [String; 9] {
        [
            self.packed(job),
            self.packed_logs(job),
            self.packed_metrics(job),
            self.events(job),
            self.logs(job),
            self.metrics(job),
            self.live(job),
            self.webhooks(job),
            self.approvals(job),
        ]
    }

    /// Jobs that have ended and are not packed yet, in the order of their ends.
    pub(super) fn loose(partition: u16) -> String {
        format!("{}loose", Self::prefix(partition))
    }

    /// Whose turn it is to do a duty of a partition.
    pub(super) fn turn(partition: u16, duty: &str) -> String {
        format!("{}turn:{duty}", Self::prefix(partition))
    }

    /// Objects of the archive, by the instant after which nobody needs them.
    pub(super) fn archives(partition: u16) -> String {
        format!("{}archives", Self::prefix(partition))
    }

    /// The lines that the tasks of a job wrote.
    pub(super) fn logs(self, job: JobId) -> String {
        format!("{}logs:{job}", self.prefix_of(job))
    }

    /// The figures that the tasks of a job measured.
    pub(super) fn metrics(self, job: JobId) -> String {
        format!("{}metrics:{job}", self.prefix_of(job))
    }

    /// The chunks of the index, by the instant at which the first job of each was created.
    pub(super) fn chunks(partition: u16) -> String {
        format!("{}ix:chunks", Self::prefix(partition))
    }

    /// One column of a chunk of the index: `ids` (16 bytes of a job's id and 8 of its instant), `state` (4 bits) or `values` (the
    /// slots of each value).
    pub(super) fn column(partition: u16, chunk: u64, column: &str) -> String {
        format!("{}ix:{chunk}:{column}", Self::prefix(partition))
    }

    /// The record of a branch: that of its job for the job's own.
    pub(super) fn branch(self, branch: BranchId) -> String {
        let kind = if branch.place.is_some() { "branch" } else { "job" };
        format!("{}{kind}:{branch}", self.prefix_of(branch.job))
    }

    pub(super) fn fan(self, fan: FanId) -> String {
        format!("{}fan:{fan}", self.prefix_of(fan.job))
    }

    /// Starts of the branches that have not been opened yet.
    pub(super) fn items(self, fan: FanId) -> String {
        format!("{}items:{fan}", self.prefix_of(fan.job))
    }

    /// Outputs of the branches, by index.
    pub(super) fn results(self, fan: FanId) -> String {
        format!("{}results:{fan}", self.prefix_of(fan.job))
    }

    /// The branches of a job that wait for a person.
    pub(super) fn approvals(self, job: JobId) -> String {
        format!("{}approvals:{job}", self.prefix_of(job))
    }

    /// The queue of a skill and a set of requirements; see [`crate::domain::placement::queue_name`].
    pub(super) fn queue(partition: u16, queue: &str) -> String {
        format!("{}queue:{queue}", Self::prefix(partition))
    }

    pub(super) fn leases(partition: u16) -> String {
        format!("{}leases", Self::prefix(partition))
    }

    pub(super) fn due(partition: u16) -> String {
        format!("{}due", Self::prefix(partition))
    }

    /// Jobs that must end by an instant.
    pub(super) fn deadlines(partition: u16) -> String {
        format!("{}deadlines", Self::prefix(partition))
    }

    /// Fan-outs that are over, whose branches are to be stopped.
    pub(super) fn sweep(partition: u16) -> String {
        format!("{}sweep", Self::prefix(partition))
    }

    /// Totals of jobs: open ones by client, and ended ones by state.
    pub(super) fn counts(partition: u16) -> String {
        format!("{}counts", Self::prefix(partition))
    }

    /// Webhooks to send, by the instant at which the next attempt is due.
    pub(super) fn deliveries(partition: u16) -> String {
        format!("{}deliveries", Self::prefix(partition))
    }

    /// What became of a job's webhooks.
    pub(super) fn webhooks(self, job: JobId) -> String {
        format!("{}webhooks:{job}", self.prefix_of(job))
    }

    /// What a worker said when it registered; lives as long as its heartbeats come.
    pub(super) fn worker(worker: &WorkerId) -> String {
        format!("relevo:{{workers}}:worker:{worker}")
    }

    /// Every worker, by the instant at which it was last heard of.
    pub(super) const fn workers() -> &'static str {
        "relevo:{workers}:all"
    }

    /// Those of them that tell how busy their devices are.
    pub(super) const fn workers_with_devices() -> &'static str {
        "relevo:{workers}:with_devices"
    }

    /// Which WebSocket of a worker is open.
    pub(super) fn socket(worker: &WorkerId) -> String {
        format!("relevo:socket:{worker}")
    }

    /// A pinned blueprint, by the hash of its text.
    pub(super) fn definition(hash: &str) -> String {
        format!("relevo:blueprint:{hash}")
    }

    /// What gets no tasks for now.
    pub(super) const fn paused() -> &'static str {
        "relevo:paused"
    }

    /// The blueprints that are paused, where claims of this partition can see them.
    pub(super) fn paused_in(partition: u16) -> String {
        format!("{}paused", Self::prefix(partition))
    }

    /// Tasks of a paused blueprint that would have been handed out.
    pub(super) fn parked_for(partition: u16, blueprint: &str) -> String {
        format!("{}parked:blueprint:{blueprint}", Self::prefix(partition))
    }

    /// The deployment's secret.
    pub(super) const fn secret() -> &'static str {
        "relevo:secret"
    }

    /// How many partitions the keys are spread over.
    pub(super) const fn partition_count() -> &'static str {
        "relevo:partitions"
    }

    /// Queue name to requirements, for every set of requirements that was ever asked for.
    pub(super) const fn requirements() -> &'static str {
        "relevo:requirements"
    }

    /// How far somebody has run ahead of a rate.
    pub(super) fn allowance(who: &str) -> String {
        format!("relevo:allowance:{who}")
    }

    /// The jobs that a client has created today.
    pub(super) fn jobs_today(client: &str) -> String {
        format!("relevo:jobs_today:{client}")
    }

    /// The answer to a client's request, by the hash of its idempotency key.
    pub(super) fn answer(client: &str, key: &str) -> String {
        format!("relevo:answer:{client}:{key}")
    }

    pub(super) fn schedule(id: &ScheduleId) -> String {
        format!("relevo:{{schedules}}:schedule:{id}")
    }

    /// What became of the latest instants of a schedule.
    pub(super) fn firings(id: &ScheduleId) -> String {
        format!("relevo:{{schedules}}:firings:{id}")
    }

    pub(super) fn schedules_of(client: &str) -> String {
        format!("relevo:{{schedules}}:of:{client}")
    }

    /// Schedules by their next instant.
    pub(super) const fn schedules_due() -> &'static str {
        "relevo:{schedules}:due"
    }

    /// Firings that were claimed and have no job yet, by the instant at which another replica looks after them.
    pub(super) const fn firings_open() -> &'static str {
        "relevo:{schedules}:open"
    }

    pub(super) const fn datasets() -> &'static str {
        "relevo:{datasets}:all"
    }

    /// What people call each dataset that has another name for them.
    pub(super) const fn dataset_names() -> &'static str {
        "relevo:{datasets}:names"
    }

    /// Where the refs of a dataset point: `<table>` is the field of `main`, `<table>@<ref>` that of any other.
    pub(super) fn dataset_heads(dataset: &str) -> String {
        format!("relevo:{{datasets}}:heads:{dataset}")
    }

    /// The commits of a dataset, by the instant at which each was made.
    pub(super) fn dataset_log(dataset: &str) -> String {
        format!("relevo:{{datasets}}:log:{dataset}")
    }

    pub(super) fn dataset_commits(dataset: &str) -> String {
        format!("relevo:{{datasets}}:commits:{dataset}")
    }
}
