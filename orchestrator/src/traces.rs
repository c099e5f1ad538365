//! Traces: W3C trace context in and out, and spans over OTLP where a collector is set. Without one, nothing is made: a
//! context that a client sends is only passed on.
//!
//! A job keeps the context of the span that created it. The span of a task has an id that follows from the task and its
//! worker, so that the worker can be told of it before it exists: it is made when the task has ended.

use std::{
    cell::Cell,
    collections::HashMap,
    time::{Duration, SystemTime},
};

use opentelemetry::{
    Context, KeyValue,
    propagation::TextMapPropagator,
    trace::{Span, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceId, Tracer, TracerProvider},
};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{IdGenerator, RandomIdGenerator, SdkTracer, SdkTracerProvider},
};
use relevo_shared::{JobId, TaskId, WorkerId};
use sha2::{Digest, Sha256};

/// The name of the header and of the member that workers read.
pub const TRACE_PARENT: &str = "traceparent";

/// Variables of OpenTelemetry that name a collector.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// Makes spans, where there is a collector for them.
#[derive(Debug)]
pub struct Traces {
    sent: Option<(SdkTracerProvider, SdkTracer)>,
}

/// A task that has ended.
#[derive(Debug, Clone, Copy)]
pub struct EndedTask<'a> {
    /// The task.
    pub task: TaskId,
    /// Who ran it.
    pub worker: &'a WorkerId,
    /// What ran.
    pub skill: &'a str,
    /// When it ended, in milliseconds since 1970.
    pub ended_at: i64,
    /// For how long it ran, in milliseconds.
    pub run_ms: i64,
    /// The name of its error, where it failed.
    pub error: Option<&'a str>,
}

impl Traces {
    /// Traces as the variables of OpenTelemetry ask for them; off when they name no collector.
    ///
    /// # Errors
    /// When they contradict each other, or cannot be read.
    pub fn from_environment() -> Result<Self, ExporterBuildError> {
        if ENDPOINTS.iter().all(|name| std::env::var(name).unwrap_or_default().is_empty()) {
            return Ok(Self { sent: None });
        }
        let named = std::env::var("OTEL_SERVICE_NAME").is_ok_and(|name| !name.is_empty());
        let resource = Resource::builder();
        let resource = if named { resource } else { resource.with_service_name("relevo") };
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(SpanExporter::builder().with_http().build()?)
            .with_id_generator(Ids::default())
            .with_resource(resource.build())
            .build();
        let tracer = provider.tracer("relevo");
        Ok(Self { sent: Some((provider, tracer)) })
    }

    /// Whether spans are made.
    #[must_use]
    pub const fn are_on(&self) -> bool {
        self.sent.is_some()
    }

    /// Sends what has not been sent. It may take some seconds, and blocks.
    pub fn close(&self) {
        if let Some((provider, _)) = &self.sent {
            let _ = provider.shutdown();
        }
    }

    /// The span of a request that creates a job, below the one that the client names, if it names any.
    #[must_use]
    pub fn creation(&self, parent: Option<&str>, endpoint: &str) -> Creating {
        let parent = parent.and_then(read);
        let span = self.sent.as_ref().map(|(_, tracer)| {
            let attributes = [KeyValue::new("relevo.endpoint", endpoint.to_owned())];
            let span = tracer.span_builder("create job").with_kind(SpanKind::Server).with_attributes(attributes);
            span.start_with_context(tracer, &below(parent.clone()))
        });
        let context = span.as_ref().map(|span| span.span_context().clone()).or(parent);
        Creating { span, context }
    }

    /// The context that a worker gets with a task: that of the task's span, or that of its job when no spans are made.
    #[must_use]
    pub fn handed_out(&self, job: String, task: TaskId, worker: &WorkerId) -> String {
        match read(&job).filter(|_| self.are_on()) {
            Some(job) => write(job.trace_id(), span_id(task, worker), job.trace_flags().to_u8()),
            None => job,
        }
    }

    /// Makes the span of a task that has ended, below the one of its job's creation.
    pub fn task_ended(&self, job: &str, ended: &EndedTask<'_>) {
        let (Some((_, tracer)), Some(parent)) = (&self.sent, read(job)) else { return };
        let instant = |ms: i64| SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap_or_default());
        let EndedTask { task, worker, skill, ended_at, run_ms, error } = *ended;
        CHOSEN.set(Some(span_id(task, worker)));
        let mut span = tracer
            .span_builder(format!("task {skill}"))
            .with_start_time(instant(ended_at - run_ms))
            .with_attributes([
                KeyValue::new("relevo.job_id", task.job().to_string()),
                KeyValue::new("relevo.task_id", task.to_string()),
                KeyValue::new("relevo.worker_id", worker.to_string()),
            ])
            .start_with_context(tracer, &below(Some(parent)));
        CHOSEN.set(None);
        if let Some(error) = error {
            span.set_status(Status::error(error.to_owned()));
        }
        span.end_with_timestamp(instant(ended_at));
    }
}

/// A job that is being created.
#[derive(Debug)]
pub struct Creating {
    span: Option<opentelemetry_sdk::trace::Span>,
    context: Option<SpanContext>,
}

impl Creating {
    /// The context that the job keeps.
    #[must_use]
    pub fn context(&self) -> Option<String> {
        let context = self.context.as_ref()?;
        Some(write(context.trace_id(), context.span_id(), context.trace_flags().to_u8()))
    }

    /// Ends the span: with the job, or with the code of the refusal.
    pub fn ended(mut self, created: Result<JobId, &'static str>) {
        let Some(span) = &mut self.span else { return };
        match created {
            Ok(job) => span.set_attribute(KeyValue::new("relevo.job_id", job.to_string())),
            Err(code) => span.set_status(Status::error(code)),
        }
    }
}

/// Reads a `traceparent`; `None` when it is not a valid one.
fn read(text: &str) -> Option<SpanContext> {
    let carrier = HashMap::from([(TRACE_PARENT.to_owned(), text.to_owned())]);
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    Some(context.span().span_context().clone()).filter(SpanContext::is_valid)
}

/// Writes a `traceparent` of version 0.
fn write(trace: TraceId, span: SpanId, flags: u8) -> String {
    format!("00-{trace}-{span}-{flags:02x}")
}

fn below(parent: Option<SpanContext>) -> Context {
    parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent))
}

/// The id of a task's span.
fn span_id(task: TaskId, worker: &WorkerId) -> SpanId {
    let hash = Sha256::digest(format!("{task} {worker}"));
    let mut id = [0; 8];
    id.copy_from_slice(&hash[..8]);
    SpanId::from_bytes(id)
}

thread_local! {
    /// The id that the next span of this thread must have. A span gets its id where and when it is started.
    static CHOSEN: Cell<Option<SpanId>> = const { Cell::new(None) };
}

/// Random ids, but where one was chosen.
#[derive(Debug, Default)]
struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        self.0.new_trace_id()
    }

    fn new_span_id(&self) -> SpanId {
        CHOSEN.take().unwrap_or_else(|| self.0.new_span_id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn without_a_collector_a_context_is_passed_on_and_none_is_made() {
        let traces = Traces { sent: None };
        let (task, worker) = (format!("{}.1", JobId::fresh()).parse().unwrap(), "w".parse().unwrap());

        assert_eq!(traces.creation(Some(PARENT), "/jobs/echo").context().as_deref(), Some(PARENT));
        assert_eq!(traces.handed_out(PARENT.to_owned(), task, &worker), PARENT);
        assert_eq!(traces.creation(None, "/jobs/echo").context(), None);
    }

    #[test]
    fn what_is_no_context_is_not_kept() {
        let zeros = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        for text in ["", "00", zeros, &PARENT.replace("4bf9", "4bxx"), "<script>", &format!("ff{}", &PARENT[2..])] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_span_of_a_task_has_the_id_that_its_worker_was_told() {
        let traces = {
            let provider = SdkTracerProvider::builder().with_id_generator(Ids::default()).build();
            let tracer = provider.tracer("test");
            Traces { sent: Some((provider, tracer)) }
        };
        let (task, worker) = (format!("{}.7", JobId::fresh()).parse().unwrap(), "w".parse().unwrap());

        let told = read(&traces.handed_out(PARENT.to_owned(), task, &worker)).unwrap();

        let parent = read(PARENT).unwrap();
        assert_eq!((told.trace_id(), told.is_sampled()), (parent.trace_id(), true));
        assert_eq!(told.span_id(), span_id(task, &worker));
        assert_ne!(told.span_id(), parent.span_id());
    }
}
