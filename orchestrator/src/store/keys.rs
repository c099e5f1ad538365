//! The name of every key. Keys of one job carry the hash tag of its partition, so its scripts run on a cluster too.

use relevo_shared::{JobId, TaskId, WorkerId};

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

    pub(super) fn task(self, task: TaskId) -> String {
        format!("{}task:{task}", self.prefix_of(task.job))
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

    /// What a worker said when it registered; lives as long as its heartbeats come.
    pub(super) fn worker(worker: &WorkerId) -> String {
        format!("relevo:worker:{worker}")
    }

    /// A pinned blueprint, by the hash of its text.
    pub(super) fn definition(hash: &str) -> String {
        format!("relevo:blueprint:{hash}")
    }

    /// How many partitions the keys are spread over.
    pub(super) const fn partition_count() -> &'static str {
        "relevo:partitions"
    }

    /// Queue name to requirements, for every set of requirements that was ever asked for.
    pub(super) const fn requirements() -> &'static str {
        "relevo:requirements"
    }

    pub(super) const fn datasets() -> &'static str {
        "relevo:{datasets}:all"
    }

    pub(super) fn dataset_heads(dataset: &str) -> String {
        format!("relevo:{{datasets}}:heads:{dataset}")
    }

    pub(super) fn dataset_commits(dataset: &str) -> String {
        format!("relevo:{{datasets}}:commits:{dataset}")
    }
}
