//! The body of a delivery, and its log as clients see it.

use relevo_shared::{
    job::JobView,
    webhook::{DeliveryView, WebhookMessage},
};
use reqwest::Url;
use serde_json::Value;

use crate::{
    store::{DeliveryKey, DeliveryRecord},
    time::rfc3339,
};

/// Bytes of a member of the job, as JSON, that are sent; a larger one is left out.
const LARGEST_MEMBER: usize = 64 * 1024;

/// What is sent of a job.
pub(super) fn message(key: &DeliveryKey, created_at: i64, job: &JobView) -> WebhookMessage {
    let mut data = serde_json::to_value(job).expect("a job has string keys only");
    let mut omitted = Vec::new();
    for (name, member) in data.as_object_mut().into_iter().flatten() {
        if member.to_string().len() > LARGEST_MEMBER {
            *member = Value::Null;
            omitted.push(name.clone());
        }
    }
    WebhookMessage {
        event: key.event.clone(),
        timestamp: rfc3339(created_at),
        job_id: job.id,
        status: job.status.clone(),
        data,
        omitted,
        job_path: format!("/api/v1/jobs/{}", job.id),
    }
}

/// A delivery of a job whose webhooks go to this URL.
pub(super) fn view(record: DeliveryRecord, url: &str) -> DeliveryView {
    DeliveryView {
        id: record.key.id(),
        url: without_query(url),
        state: record.state,
        created_at: rfc3339(record.created_at),
        next_attempt_at: record.next_at.map(rfc3339),
        attempts: record.attempts,
        event: record.key.event,
    }
}

/// The part of a URL that is not likely to be a secret.
fn without_query(url: &str) -> String {
    Url::parse(url).map_or_else(
        |_| String::new(),
        |mut url| {
            url.set_query(None);
            url.set_fragment(None);
            url.into()
        },
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(result: &Value) -> JobView {
        let id = "0198c0de-0000-7000-8000-000000000000";
        serde_json::from_value(json!({
            "job_id": id, "id": id, "blueprint_name": "echo", "blueprint_hash": "", "status": "completed", "client": "c",
            "initial_data": {}, "current_state": null, "state_history": [], "progress": 1.0, "message": null, "stages": [],
            "result": result, "error": null, "approval": null, "priority": 0, "parent": null, "source": null, "created_at": "", "started_at": null, "completed_at": null,
            "finished_at": null, "duration_seconds": null,
        }))
        .unwrap()
    }

    fn key(job: &JobView) -> DeliveryKey {
        DeliveryKey { job: job.id, event: "job.completed".to_owned(), mark: "1.0.4".to_owned() }
    }

    #[test]
    fn a_message_tells_of_the_job_whole() {
        let job = job(&json!({ "n": 1 }));

        let message = message(&key(&job), 1_751_856_347_569, &job);

        assert_eq!((message.event.as_str(), message.status.as_str()), ("job.completed", "completed"));
        assert_eq!(message.timestamp, "2025-07-07T02:45:47.569Z");
        assert_eq!(message.data["result"], json!({ "n": 1 }));
        assert_eq!(message.omitted, Vec::<String>::new());
    }

    #[test]
    fn a_large_result_is_left_out_and_named() {
        let job = job(&json!("x".repeat(LARGEST_MEMBER)));

        let message = message(&key(&job), 0, &job);

        assert_eq!((message.data["result"].clone(), message.omitted), (Value::Null, vec!["result".to_owned()]));
        assert_eq!(message.job_path, "/api/v1/jobs/0198c0de-0000-7000-8000-000000000000");
    }

    #[test]
    fn an_id_has_no_full_stop() {
        assert_eq!(key(&job(&Value::Null)).id(), "msg_0198c0de000070008000000000000000_completed_1-0-4");
    }

    #[test]
    fn a_query_is_not_shown() {
        assert_eq!(without_query("https://example.com/hook?token=t#f"), "https://example.com/hook");
    }
}
