//! What Prometheus reads. Labels are bounded: blueprints, states, routes and so many GPUs, never ids of jobs or tokens.

mod names;

use std::time::Duration;

use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder, core::Collector, process_collector::ProcessCollector,
};
use relevo_shared::{job::JobState, schedule::FiringOutcome, webhook::DeliveryState};

use crate::domain::{task::Outcome, usage::GpuLevel};
use names::Names;

/// Seconds: from a no-op to an hour of training.
const RUN_BUCKETS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 1800.0, 3600.0];

/// Seconds: from an answer out of memory to a large upload.
const REQUEST_BUCKETS: &[f64] = &[0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 10.0, 60.0];

/// Seconds: from a task that was there to the longest poll.
const POLL_BUCKETS: &[f64] = &[0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0];

/// Blueprints that have a label of their own, and skills likewise.
const MOST_NAMES: usize = 200;

/// How full everything is, in the whole deployment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Levels {
    /// Tasks that wait for a worker, by queue.
    pub queued: Vec<(String, u64)>,
    /// Tasks that are due by some instant, most of them held by a worker.
    pub held: u64,
    /// Workers that were heard of lately.
    pub workers: u64,
    /// GPUs of which somebody told lately.
    pub gpus: Vec<GpuLevel>,
}

/// Every metric of a replica.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    jobs_created: IntCounterVec,
    jobs_ended: IntCounterVec,
    job_seconds: HistogramVec,
    tasks_ended: IntCounterVec,
    schedules_fired: IntCounterVec,
    task_queue_seconds: HistogramVec,
    task_run_seconds: HistogramVec,
    waiting_polls: IntGauge,
    queued_tasks: IntGaugeVec,
    leases: IntGaugeVec,
    workers: IntGaugeVec,
    gpu_utilization: GaugeVec,
    gpu_memory_used: GaugeVec,
    gpu_memory_total: GaugeVec,
    poll_seconds: HistogramVec,
    requests: HistogramVec,
    blueprints: Names,
    skills: Names,
    webhooks: IntCounterVec,
    webhook_seconds: HistogramVec,
    subscribers: IntGaugeVec,
    subscribers_dropped: IntCounterVec,
    reports_merged: IntCounter,
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Milliseconds as the seconds that Prometheus asks for.
#[expect(clippy::cast_precision_loss, reason = "no job runs for 285,000 years")]
fn seconds(ms: i64) -> f64 {
    ms.max(0) as f64 / 1000.0
}

impl Metrics {
    /// Fresh metrics in a registry of their own.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let include = |collector: Box<dyn Collector>| registry.register(collector).expect("the names differ");
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let metric = IntCounterVec::new(Opts::new(name, help), labels).expect("the names are valid");
            include(Box::new(metric.clone()));
            metric
        };
        let histogram = |name: &str, help: &str, labels: &[&str], buckets: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            let metric = HistogramVec::new(options, labels).expect("the names are valid");
            include(Box::new(metric.clone()));
            metric
        };
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            let metric = IntGaugeVec::new(Opts::new(name, help), labels).expect("the names are valid");
            include(Box::new(metric.clone()));
            metric
        };
        let of_gpus = |name: &str, help: &str| {
            let metric = GaugeVec::new(Opts::new(name, help), &["worker", "gpu"]).expect("the names are valid");
            include(Box::new(metric.clone()));
            metric
        };
        let waiting_polls =
            IntGauge::new("relevo_waiting_polls", "Long polls that wait for a task.").expect("the name is valid");
        include(Box::new(waiting_polls.clone()));
        let reports_merged =
            IntCounter::new("relevo_reports_merged_total", "Reports of tasks that were stored as one with others.");
        let reports_merged = reports_merged.expect("the name is valid");
        include(Box::new(reports_merged.clone()));
        let build = IntGauge::with_opts(
            Opts::new("relevo_build_info", "Always 1; the label says what runs.")
                .const_label("version", env!("CARGO_PKG_VERSION")),
        );
        let build = build.expect("the names are valid");
        build.set(1);
        include(Box::new(build));
        include(Box::new(ProcessCollector::for_self()));
        Self {
            jobs_created: counter("relevo_jobs_created_total", "Jobs accepted.", &["blueprint"]),
            jobs_ended: counter("relevo_jobs_ended_total", "Jobs that ended, by their last state.", &["state"]),
            job_seconds: histogram(
                "relevo_job_duration_seconds",
                "From acceptance to the end.",
                &["state"],
                RUN_BUCKETS,
            ),
            tasks_ended: counter("relevo_tasks_ended_total", "Results accepted.", &["skill", "outcome"]),
            schedules_fired: counter(
                "relevo_schedules_fired_total",
                "Instants of schedules, by what became of them.",
                &["outcome"],
            ),
            task_queue_seconds: histogram("relevo_task_queue_seconds", "From queue to claim.", &["skill"], RUN_BUCKETS),
            task_run_seconds: histogram(
                "relevo_task_run_seconds",
                "From claim to result.",
                &["skill", "outcome"],
                RUN_BUCKETS,
            ),
            requests: histogram(
                "relevo_http_request_seconds",
                "Requests but for long polls.",
                &["route", "status"],
                REQUEST_BUCKETS,
            ),
            webhooks: counter(
                "relevo_webhook_deliveries_total",
                "Attempts to deliver a webhook, by what became of the delivery.",
                &["outcome"],
            ),
            webhook_seconds: histogram(
                "relevo_webhook_delivery_seconds",
                "How long an attempt to deliver a webhook took.",
                &["outcome"],
                REQUEST_BUCKETS,
            ),
            subscribers: gauge("relevo_subscribers", "Those who watch jobs.", &["transport"]),
            subscribers_dropped: counter(
                "relevo_subscribers_dropped_total",
                "Those who watched jobs and were cut off, because they did not take what there was for them.",
                &["transport"],
            ),
            reports_merged,
            waiting_polls,
            queued_tasks: gauge(
                "relevo_queued_tasks",
                "Tasks that wait for a worker; every replica tells all.",
                &["skill"],
            ),
            workers: gauge("relevo_workers", "Workers heard of within a minute; every replica tells all.", &[]),
            gpu_utilization: of_gpus(
                "relevo_gpu_utilization_ratio",
                "Share of the time in which a GPU computed, 0 to 1; every replica tells all.",
            ),
            gpu_memory_used: of_gpus("relevo_gpu_memory_used_bytes", "Memory of a GPU that is in use; likewise."),
            gpu_memory_total: of_gpus("relevo_gpu_memory_total_bytes", "Memory of a GPU; likewise."),
            leases: gauge(
                "relevo_leases",
                "Tasks that are due by some instant, most of them held by a worker; likewise.",
                &[],
            ),
            poll_seconds: histogram(
                "relevo_poll_seconds",
                "Long polls, by whether they ended with a task.",
                &["outcome"],
                POLL_BUCKETS,
            ),
            blueprints: Names::at_most(MOST_NAMES),
            skills: Names::at_most(MOST_NAMES),
            registry,
        }
    }

    /// Gives out what another part counts, too.
    ///
    /// # Panics
    /// When it uses a name that is in use.
    pub fn include(&self, collector: Box<dyn Collector>) {
        self.registry.register(collector).expect("the names differ");
    }

    /// A job was accepted.
    pub fn job_created(&self, blueprint: &str) {
        self.jobs_created.with_label_values(&[self.blueprints.label(blueprint)]).inc();
    }

    /// A job ended after this many milliseconds.
    pub fn job_ended(&self, state: JobState, ms: i64) {
        self.jobs_ended.with_label_values(&[state.as_str()]).inc();
        self.job_seconds.with_label_values(&[state.as_str()]).observe(seconds(ms));
    }

    /// A task was claimed after this many milliseconds in its queue.
    pub fn task_claimed(&self, skill: &str, queued_ms: i64) {
        self.task_queue_seconds.with_label_values(&[self.skills.label(skill)]).observe(seconds(queued_ms));
    }

    /// A task of this skill ended after it ran this many milliseconds.
    pub fn task_ended(&self, skill: &str, outcome: &Outcome, run_ms: i64) {
        let word = match outcome {
            Outcome::Succeeded { .. } => "succeeded",
            Outcome::Failed { .. } => "failed",
        };
        self.tasks_ended.with_label_values(&[self.skills.label(skill), word]).inc();
        self.task_run_seconds.with_label_values(&[self.skills.label(skill), word]).observe(seconds(run_ms));
    }

    /// An instant of a schedule was dealt with.
    pub fn schedule_fired(&self, outcome: FiringOutcome) {
        self.schedules_fired.with_label_values(&[outcome.as_str()]).inc();
    }

    /// A request was answered.
    pub fn request_ended(&self, route: &str, status: u16, took: Duration) {
        self.requests.with_label_values(&[route, &status.to_string()]).observe(took.as_secs_f64());
    }

    /// A long poll ended, with a task or without.
    pub fn poll_ended(&self, found: bool, took: Duration) {
        let outcome = if found { "task" } else { "empty" };
        self.poll_seconds.with_label_values(&[outcome]).observe(took.as_secs_f64());
    }

    /// How full everything is; `None` while nobody can tell.
    pub fn set_levels(&self, levels: Option<Levels>) {
        self.queued_tasks.reset();
        self.leases.reset();
        self.workers.reset();
        let of_gpus = [&self.gpu_utilization, &self.gpu_memory_used, &self.gpu_memory_total];
        of_gpus.iter().for_each(|gauge| gauge.reset());
        let Some(Levels { queued, held, workers, gpus }) = levels else { return };
        for GpuLevel { worker, gpu, utilization, memory_used, memory_total } in gpus {
            for (gauge, value) in of_gpus.into_iter().zip([Some(utilization), memory_used, memory_total]) {
                if let Some(value) = value {
                    gauge.with_label_values(&[worker.as_str(), gpu.as_str()]).set(value);
                }
            }
        }
        for (queue, tasks) in queued {
            // What a task asks of a worker stands behind its skill.
            let skill = self.skills.label(queue.split('|').next().unwrap_or_default());
            self.queued_tasks.with_label_values(&[skill]).add(whole(tasks));
        }
        self.leases.with_label_values::<&str>(&[]).set(whole(held));
        self.workers.with_label_values::<&str>(&[]).set(whole(workers));
    }

    /// An attempt to deliver a webhook ended, with its delivery in this state.
    pub fn webhook_attempted(&self, state: DeliveryState, took: Duration) {
        let outcome = if state == DeliveryState::Pending { "retried" } else { state.as_str() };
        self.webhooks.with_label_values(&[outcome]).inc();
        self.webhook_seconds.with_label_values(&[outcome]).observe(took.as_secs_f64());
    }

    /// A report of a task was made one with others.
    pub fn report_merged(&self) {
        self.reports_merged.inc();
    }

    /// The gauge of those who watch jobs in this way.
    #[must_use]
    pub fn watchers(&self, transport: &str) -> IntGauge {
        self.subscribers.with_label_values(&[transport])
    }

    /// One of them was cut off.
    pub fn watcher_dropped(&self, transport: &str) {
        self.subscribers_dropped.with_label_values(&[transport]).inc();
    }

    /// The gauge of long polls that wait.
    #[must_use]
    pub const fn waiting_polls(&self) -> &IntGauge {
        &self.waiting_polls
    }

    /// Everything in Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
