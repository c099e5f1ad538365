//! Jobs: submitted once, moved one step at a time, never moved after their end.

use relevo_shared::job::JobState;

use crate::fixture::{Bench, end_step, job, task_step};

#[tokio::test]
async fn a_job_submitted_twice_is_one_job() {
    let bench = Bench::new();
    let job = job(0);
    let step = task_step(job.id, 1, 0);

    // The first answer was lost on its way, so the orchestrator asks again.
    bench.store.submit_job(&job, &step).await.unwrap();
    bench.store.submit_job(&job, &step).await.unwrap();

    assert_eq!(bench.claim("w", 10).await.len(), 1);
    assert_eq!(bench.field(job.id, "revision").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_step_that_starts_from_an_old_revision_is_not_written() {
    let bench = Bench::new();
    let job = bench.submit(0).await;
    assert!(bench.store.advance_job(job.id, 1, None, &task_step(job.id, 2, 0)).await.unwrap());

    let written = bench.store.advance_job(job.id, 1, None, &end_step(JobState::Failed)).await.unwrap();

    assert!(!written);
    assert_eq!(bench.field(job.id, "state").await.as_deref(), Some("pending"));
    assert_eq!(bench.field(job.id, "revision").await.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_job_that_has_ended_stays_as_it_is() {
    for end in [JobState::Completed, JobState::Failed, JobState::Cancelled, JobState::Quarantined] {
        let bench = Bench::new();
        let job = bench.submit(0).await;
        assert!(bench.store.advance_job(job.id, 1, None, &end_step(end)).await.unwrap());

        // Neither a step that knows the newest revision nor one of the past changes it.
        for revision in [1, 2] {
            assert!(!bench.store.advance_job(job.id, revision, None, &task_step(job.id, 3, 0)).await.unwrap());
        }

        assert_eq!(bench.field(job.id, "state").await.as_deref(), Some(end.as_str()));
    }
}

#[tokio::test]
async fn a_job_whose_time_has_come_is_held_back_from_other_replicas() {
    let bench = Bench::new();
    let job = bench.submit(0).await;
    let mut waits = end_step(JobState::Waiting);
    waits.due_in_ms = Some(0);
    assert!(bench.store.advance_job(job.id, 1, None, &waits).await.unwrap());

    let first = bench.store.take_due(0, 10).await.unwrap();
    let second = bench.store.take_due(0, 10).await.unwrap();

    assert_eq!(first, [job.id]);
    assert_eq!(second, []);
}
