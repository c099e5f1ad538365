//! The way of results to the orchestrator: none is dropped, each is sent until it is answered.

use std::sync::Arc;

use bytes::Bytes;
use relevo_shared::{
    WorkerId,
    worker::{ResultReplies, TaskError, TaskResult},
};
use tokio::sync::mpsc;
use tracing::{error, warn};

use crate::{
    backoff::Backoff,
    client::{CallError, Client},
    held::{Claim, Held},
};

/// Results that may wait. When that many do, tasks keep their slots and nothing new is claimed.
const WAITING: usize = 256;
/// Bytes of results that go into one request, unless a single result is larger.
const BATCH_BYTES: usize = 1 << 20;

/// A result on its way, serialised once.
#[derive(Debug)]
pub(crate) struct Outgoing {
    claim: Claim,
    body: Vec<u8>,
}

impl Outgoing {
    /// Serialises a result.
    #[must_use]
    pub(crate) fn new(result: &TaskResult) -> Self {
        let claim = Claim { task: result.task_id, lease_token: result.lease_token };
        Self { claim, body: serde_json::to_vec(result).expect("ids, text and JSON values are JSON") }
    }
}

/// A queue of results and the work that empties it, which ends when every sender is gone and the queue is empty.
pub(crate) fn outbox(
    client: Arc<Client>,
    held: Arc<Held>,
    worker_id: WorkerId,
) -> (mpsc::Sender<Outgoing>, impl Future<Output = ()>) {
    let (sender, queue) = mpsc::channel(WAITING);
    (sender, Delivery { client, held, worker_id }.deliver(queue))
}

struct Delivery {
    client: Arc<Client>,
    held: Arc<Held>,
    worker_id: WorkerId,
}

impl Delivery {
    /// The first result goes at once; what comes while it is under way goes together after it.
    async fn deliver(self, mut queue: mpsc::Receiver<Outgoing>) {
        let mut waiting = Vec::with_capacity(WAITING);
        while queue.recv_many(&mut waiting, WAITING).await > 0 {
            let mut rest = waiting.as_slice();
            while !rest.is_empty() {
                let (batch, later) = rest.split_at(batch_length(rest));
                self.post(batch).await;
                rest = later;
            }
            waiting.clear();
        }
    }

    /// Sends results until they are answered.
    async fn post(&self, batch: &[Outgoing]) {
        match self.answered(batch).await {
            Ok(replies) => {
                for (outgoing, reply) in batch.iter().zip(replies.results) {
                    if reply.status == "lease_lost" {
                        warn!(task = %outgoing.claim.task, "the result came too late: another worker holds the task");
                    }
                    self.held.settle(outgoing.claim);
                }
            }
            // One result that cannot be accepted must not hold up the others.
            Err(_) if batch.len() > 1 => {
                for one in batch.chunks(1) {
                    Box::pin(self.post(one)).await;
                }
            }
            Err(reason) => self.replace(&batch[0], &reason).await,
        }
    }

    /// Reports, in place of a result that the orchestrator will not have, that there is none.
    async fn replace(&self, outgoing: &Outgoing, reason: &str) {
        error!(task = %outgoing.claim.task, bytes = outgoing.body.len(), reason, "the result was refused");
        let message = format!("the orchestrator refused the result of {} bytes: {reason}", outgoing.body.len());
        let failure = TaskResult {
            job_id: outgoing.claim.task.job(),
            task_id: outgoing.claim.task,
            worker_id: self.worker_id.clone(),
            status: "failure".to_owned(),
            data: None,
            error: Some(TaskError { code: "PERMANENT".to_owned(), message, details: None }),
            lease_token: outgoing.claim.lease_token,
        };
        if let Err(reason) = self.answered(&[Outgoing::new(&failure)]).await {
            error!(task = %outgoing.claim.task, reason, "nor was a failure accepted in its place; the lease will expire");
        }
        self.held.settle(outgoing.claim);
    }

    /// Repeats the request until it is answered; an error is a refusal for good.
    async fn answered(&self, batch: &[Outgoing]) -> Result<ResultReplies, String> {
        let body = Bytes::from(body_of(batch));
        let mut backoff = Backoff::default();
        loop {
            let fault = match self.client.post_results(body.clone()).await {
                Ok(replies) if replies.results.len() == batch.len() => return Ok(replies),
                Ok(replies) => CallError::Away {
                    reason: format!("it answered {} of {} results", replies.results.len(), batch.len()),
                    retry_after: None,
                },
                Err(refusal @ (CallError::Refused { .. } | CallError::LeaseLost)) => return Err(refusal.to_string()),
                Err(fault) => fault,
            };
            let delay = backoff.next(fault.retry_after());
            warn!(error = %fault, results = batch.len(), ?delay, "results not delivered yet");
            tokio::time::sleep(delay).await;
        }
    }
}

/// How many results from the front fit into one request: at least one.
fn batch_length(waiting: &[Outgoing]) -> usize {
    let mut bytes = 0;
    let fitting = waiting.iter().take_while(|outgoing| {
        bytes += outgoing.body.len();
        bytes <= BATCH_BYTES
    });
    fitting.count().max(1)
}

fn body_of(batch: &[Outgoing]) -> Vec<u8> {
    let mut body = br#"{"results":["#.to_vec();
    for (n, outgoing) in batch.iter().enumerate() {
        if n > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&outgoing.body);
    }
    body.extend_from_slice(b"]}");
    body
}

#[cfg(test)]
mod tests {
    use relevo_shared::{JobId, TaskId, worker::ResultBatch};

    use super::*;

    fn outgoing(data: &str) -> Outgoing {
        let job_id = JobId::fresh();
        Outgoing::new(&TaskResult {
            job_id,
            task_id: TaskId { branch: job_id.into(), number: 1 },
            worker_id: "w".parse().unwrap(),
            status: "success".to_owned(),
            data: Some(data.into()),
            error: None,
            lease_token: Some(4),
        })
    }

    #[test]
    fn a_body_is_a_batch_of_its_results() {
        let batch: ResultBatch = serde_json::from_slice(&body_of(&[outgoing("a"), outgoing("b")])).unwrap();

        let data: Vec<_> = batch.results.into_iter().map(|result| result.data.unwrap()).collect();
        assert_eq!(data, ["a", "b"]);
    }

    #[test]
    fn large_results_travel_apart() {
        let (small, large) = ("s", "l".repeat(BATCH_BYTES));

        assert_eq!(batch_length(&[outgoing(small), outgoing(small), outgoing(&large), outgoing(small)]), 2);
        assert_eq!(batch_length(&[outgoing(&large), outgoing(small)]), 1);
    }
}
