//! Traces: one from the client over the job and its tasks to the worker, and none without a collector.

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    trace::v1::{Span, status::StatusCode},
};
use prost::Message;
use relevo_shared::job::JobState;
use reqwest::Method;
use rig::{Api, Receiver, Redis, Relevo, Reply, SOON, text, until};
use serde_json::json;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// The spans that a collector has got.
fn spans(collector: &Receiver) -> Vec<Span> {
    let requests = collector.received().into_iter().inspect(|request| assert_eq!(request.path, "/v1/traces"));
    requests
        .flat_map(|request| {
            ExportTraceServiceRequest::decode(request.body.as_slice()).expect("it is OTLP").resource_spans
        })
        .flat_map(|resource| resource.scope_spans)
        .flat_map(|scope| scope.spans)
        .collect()
}

/// Creates a job as a client that traces does.
fn create_traced(relevo: &Relevo, endpoint: &str) -> String {
    let request = relevo.api().request(Method::POST, &format!("/api/v1/{endpoint}"));
    let answer = Api::send(request.header("traceparent", format!("00-{TRACE}-{CALLER}-01")).json(&json!({})));
    assert_eq!(answer.status, 202, "{}", answer.text());
    text(&answer.json()["job_id"])
}

#[test]
fn one_trace_leads_from_the_client_to_the_worker_and_back() {
    let redis = Redis::start();
    let collector = Receiver::start(|_, _| Reply::Status(200));
    let collect = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url("")), ("OTEL_BSP_SCHEDULE_DELAY", "100".to_owned())];
    let collect: Vec<_> = collect.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let relevo = Relevo::serve(&redis, &collect);
    let hand = relevo.hand("traced", &["hand"]);

    let id = create_traced(&relevo, "jobs/by_hand");
    let task = hand.claim();
    assert_eq!(hand.fail(&task, "PERMANENT").status, 200);
    relevo.api().wait(&id, JobState::Quarantined);

    let spans = until("both spans to arrive", SOON, || Some(spans(&collector)).filter(|spans| spans.len() >= 2));
    let named =
        |name: &str| spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:#?}"));
    let (creation, ran) = (named("create job"), named("task hand"));
    assert_eq!((hex::encode(&creation.trace_id), hex::encode(&creation.parent_span_id)), (TRACE.into(), CALLER.into()));
    assert_eq!((hex::encode(&ran.trace_id), &ran.parent_span_id), (TRACE.into(), &creation.span_id));
    let told = format!("00-{TRACE}-{}-01", hex::encode(&ran.span_id));
    assert_eq!(task.tracing_context.get("traceparent"), Some(&told), "the worker was told of another span");
    assert!(ran.start_time_unix_nano <= ran.end_time_unix_nano, "{ran:#?}");
    assert_eq!(ran.status.as_ref().map(|status| status.code()), Some(StatusCode::Error), "{ran:#?}");
    assert_eq!(spans.len(), 2, "{spans:#?}");
}

#[test]
fn a_trace_is_begun_where_the_client_sends_none() {
    let redis = Redis::start();
    let collector = Receiver::start(|_, _| Reply::Status(200));
    let relevo = Relevo::serve(&redis, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url(""))]);
    let hand = relevo.hand("traced", &["hand"]);

    let id = relevo.api().create("jobs/by_hand", &json!({}));
    let task = hand.claim();
    assert_eq!(hand.succeed(&task, &json!({})).status, 200);
    relevo.api().wait(&id, JobState::Completed);
    drop(relevo);

    // What was not sent yet is sent before the process ends.
    let spans = spans(&collector);
    let told = &task.tracing_context["traceparent"];
    assert_eq!(spans.len(), 2, "{spans:#?}");
    assert!(spans.iter().all(|span| told.contains(&hex::encode(&span.trace_id))), "{told}: {spans:#?}");
}

#[test]
fn without_a_collector_a_trace_is_only_passed_on() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("plain", &["hand"]);

    let _ = create_traced(&relevo, "jobs/by_hand");
    let traced = hand.claim();
    let _ = relevo.api().create("jobs/by_hand", &json!({}));
    let plain = hand.claim();

    assert_eq!(traced.tracing_context.get("traceparent"), Some(&format!("00-{TRACE}-{CALLER}-01")));
    assert!(plain.tracing_context.is_empty(), "{plain:#?}");
}
