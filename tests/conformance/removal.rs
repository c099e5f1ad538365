//! Removal: jobs that are deleted leave nothing, and the index forgets those whose retention is over.

use std::time::Duration;

use relevo::store::{Deletion, JobFilter, Packing, PageStart};
use relevo_shared::{JobId, job::JobState};

use crate::fixture::{Bench, step};

async fn listed(bench: &Bench) -> (u64, Vec<JobId>) {
    let page = bench.store.list_jobs(&JobFilter::default(), PageStart::Offset(0), 100).await.expect("Redis answers");
    (page.total, page.jobs.into_iter().map(|(id, _)| id).collect())
}

fn keys(bench: &Bench, pattern: &str) -> Vec<String> {
    redis::cmd("KEYS").arg(pattern).query(&mut bench.connection()).expect("Redis answers")
}

/// Has the next job be the first of another chunk.
fn skip_to_next_chunk(bench: &Bench) {
    let key = "relevo:{p00}:counts";
    redis::cmd("HSET").arg(key).arg("slots").arg(4096).exec(&mut bench.connection()).expect("Redis answers");
}

#[tokio::test]
async fn a_deleted_job_leaves_nothing_behind() {
    let bench = Bench::new();
    let (loose, packed, other) = (bench.submit(0).await, bench.submit(0).await, bench.submit(0).await);
    assert!(bench.advance(packed, 1, &step(JobState::Failed)).await);
    bench
        .store
        .pack_jobs(0, "replica", Packing { after: Duration::ZERO, archive: false })
        .await
        .expect("Redis answers");

    assert_eq!(bench.store.delete_job(loose).await.expect("Redis answers"), Deletion::NotEnded(JobState::Pending));
    assert!(bench.advance(loose, 1, &step(JobState::Completed)).await);
    for id in [loose, packed] {
        let Deletion::Deleted(bytes) = bench.store.delete_job(id).await.expect("Redis answers") else {
            panic!("it has ended")
        };
        assert!((200..20_000).contains(&bytes), "{bytes} bytes");
        assert_eq!(keys(&bench, &format!("*{id}*")), Vec::<String>::new());
        assert_eq!(bench.store.delete_job(id).await.expect("Redis answers"), Deletion::Missing);
    }

    assert_eq!(listed(&bench).await, (1, vec![other]));
}

#[tokio::test]
async fn a_job_whose_retention_is_over_leaves_the_index_with_the_chunk_that_was_its_own() {
    let bench = Bench::keeping(Duration::from_millis(200));
    let old = bench.submit(0).await;
    assert!(bench.advance(old, 1, &step(JobState::Completed)).await);
    skip_to_next_chunk(&bench);
    let young = bench.submit(0).await;
    assert!(bench.advance(young, 1, &step(JobState::Failed)).await);
    let open = bench.submit(0).await;

    bench
        .wait_for("both to go", async || {
            bench.store.sweep_index(0).await.expect("Redis answers");
            listed(&bench).await == (1, vec![open])
        })
        .await;

    // The newest chunk stays, and with it the job that has not ended; the other is gone.
    let mut chunks = keys(&bench, "*:ix:*");
    chunks.sort();
    let of_newest = ["1:ids", "1:state", "1:values", "chunks"].map(|name| format!("relevo:{{p00}}:ix:{name}"));
    assert_eq!(chunks, of_newest);
    assert_eq!(keys(&bench, &format!("*{old}*")), ["relevo:{p00}:loose"; 0]);
}

#[tokio::test]
async fn a_chunk_stays_while_one_of_its_jobs_does() {
    let bench = Bench::keeping(Duration::from_millis(1));
    let (ended, open) = (bench.submit(0).await, bench.submit(0).await);
    assert!(bench.advance(ended, 1, &step(JobState::Completed)).await);
    skip_to_next_chunk(&bench);
    bench.submit(0).await;

    bench.wait_for("the one to go", async || bench.store.sweep_index(0).await.expect("Redis answers") == 1).await;

    assert_eq!(bench.store.sweep_index(0).await.expect("Redis answers"), 0);
    assert_eq!(bench.store.drop_empty_chunks(0).await.expect("Redis answers"), 0);
    let (total, jobs) = listed(&bench).await;
    assert_eq!((total, jobs.last()), (2, Some(&open)));
}

#[tokio::test]
async fn chunks_of_deleted_jobs_go_before_their_time() {
    let bench = Bench::new();
    let id = bench.submit(0).await;
    assert!(bench.advance(id, 1, &step(JobState::Completed)).await);
    bench.store.delete_job(id).await.expect("Redis answers");
    assert_eq!(bench.store.drop_empty_chunks(0).await.expect("Redis answers"), 0, "it is the newest");
    skip_to_next_chunk(&bench);
    let next = bench.submit(0).await;

    assert!(bench.store.drop_empty_chunks(0).await.expect("Redis answers") > 100);

    assert_eq!(listed(&bench).await, (1, vec![next]));
    assert_eq!(keys(&bench, "*:ix:0:*"), Vec::<String>::new());
}
