//! Jobs: submitted once, moved one step at a time, never moved after their end.

use relevo::store::{NewJob, Submission};
use relevo_shared::{JobId, job::JobState};

use crate::fixture::{Bench, job, step, task_step};

#[tokio::test]
async fn a_job_submitted_twice_is_one_job() {
    let bench = Bench::new();
    let id = JobId::fresh();

    // The first answer was lost on its way, so the orchestrator asks again.
    for _ in 0..2 {
        let submission = bench.store.submit_job(id, &job(), None, &task_step(1)).await.unwrap();
        assert_eq!(submission, Submission::Stored);
    }

    assert_eq!(bench.claim("w", 10).await.len(), 1);
    assert_eq!(bench.field(id, "revision").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_step_that_starts_from_an_old_revision_is_not_written() {
    let bench = Bench::new();
    let job = bench.submit(0).await;
    assert!(bench.advance(job, 1, &task_step(2)).await);

    let written = bench.advance(job, 1, &step(JobState::Failed)).await;

    assert!(!written);
    assert_eq!(bench.field(job, "state").await.as_deref(), Some("pending"));
    assert_eq!(bench.field(job, "revision").await.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_job_that_has_ended_stays_as_it_is() {
    for end in [JobState::Completed, JobState::Failed, JobState::Cancelled, JobState::Quarantined] {
        let bench = Bench::new();
        let job = bench.submit(0).await;
        assert!(bench.advance(job, 1, &step(end)).await);

        // Neither a step that knows the newest revision nor one of the past changes it.
        for revision in [1, 2] {
            assert!(!bench.advance(job, revision, &task_step(3)).await);
        }

        assert_eq!(bench.field(job, "state").await.as_deref(), Some(end.as_str()));
    }
}

#[tokio::test]
async fn a_job_that_will_not_move_again_keeps_nothing_to_move_with() {
    for (end, keeps) in [
        (JobState::Completed, false),
        (JobState::Cancelled, false),
        (JobState::Failed, true),
        (JobState::Quarantined, true),
    ] {
        let bench = Bench::new();
        let job = bench.submit(0).await;
        assert!(bench.advance(job, 1, &step(end)).await);

        for moving in ["execution", "params", "queue"] {
            assert_eq!(bench.field(job, moving).await.is_some(), keeps, "{moving} of a job that is {}", end.as_str());
        }
        for shown in ["state", "hash", "input", "result", "ended_at"] {
            assert!(bench.field(job, shown).await.is_some(), "{shown} of a job that is {}", end.as_str());
        }
    }
}

#[tokio::test]
async fn a_job_whose_time_has_come_is_held_back_from_other_replicas() {
    let bench = Bench::new();
    let job = bench.submit(0).await;
    let mut waits = step(JobState::Waiting);
    waits.due_in_ms = Some(0);
    assert!(bench.advance(job, 1, &waits).await);

    let first = bench.store.take_due(0, 10).await.unwrap();
    let second = bench.store.take_due(0, 10).await.unwrap();

    assert_eq!(first, [job.into()]);
    assert_eq!(second, []);
}

#[tokio::test]
async fn an_unfinished_job_is_the_only_one_with_its_key() {
    let bench = Bench::new();
    let unique = NewJob { unique: Some("key".to_owned()), ..job() };
    let first = bench.submit_like(&unique).await;

    let again = bench.store.submit_job(JobId::fresh(), &unique, None, &task_step(1)).await.unwrap();
    assert!(bench.advance(first, 1, &step(JobState::Completed)).await);
    let after = bench.store.submit_job(JobId::fresh(), &unique, None, &task_step(1)).await.unwrap();

    assert_eq!(again, Submission::NotUnique(first));
    assert_eq!(after, Submission::Stored);
}

#[tokio::test]
async fn a_client_has_no_more_unfinished_jobs_than_it_may() {
    let bench = Bench::new();
    let submit = async || bench.store.submit_job(JobId::fresh(), &job(), Some(2), &task_step(1)).await.unwrap();
    let first = bench.submit(0).await;

    assert_eq!(submit().await, Submission::Stored);
    assert_eq!(submit().await, Submission::TooMany);
    assert!(bench.advance(first, 1, &step(JobState::Completed)).await);
    assert_eq!(submit().await, Submission::Stored);
}
