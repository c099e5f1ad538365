//! Lists: what the index finds, in which order, and how pages follow one another.

use relevo::store::{JobFilter, NewJob, PageStart};
use relevo_shared::{JobId, job::JobState};

use crate::fixture::{Bench, job, step};

/// The ids of a page that begins so.
async fn page(bench: &Bench, filter: &JobFilter, start: PageStart, limit: usize) -> Vec<JobId> {
    let page = bench.store.list_jobs(filter, start, limit).await.expect("Redis answers");
    page.jobs.into_iter().map(|(id, _)| id).collect()
}

/// All that a filter finds.
async fn all(bench: &Bench, filter: &JobFilter) -> Vec<JobId> {
    page(bench, filter, PageStart::Offset(0), 1000).await
}

fn in_states(states: &[JobState]) -> JobFilter {
    JobFilter { states: states.to_vec(), ..JobFilter::default() }
}

fn newest_first(ids: &[JobId]) -> Vec<JobId> {
    ids.iter().rev().copied().collect()
}

/// Has a partition believe that its latest job was created at this instant.
fn set_latest(bench: &Bench, partition: u16, at: i64) {
    let key = format!("relevo:{{p{partition:02}}}:counts");
    redis::cmd("HSET").arg(key).arg("latest").arg(at).exec(&mut bench.connection()).expect("Redis answers");
}

#[tokio::test]
async fn lists_follow_a_job_through_its_states() {
    let bench = Bench::new();
    let job = bench.submit(0).await;
    let states = [JobState::Pending, JobState::Running, JobState::Waiting, JobState::Quarantined];
    let found = async || {
        let mut found = Vec::new();
        for state in states {
            if all(&bench, &in_states(&[state])).await == [job] {
                found.push(state);
            }
        }
        found
    };

    assert_eq!(found().await, [JobState::Pending]);
    assert_eq!(bench.claim("w", 1).await.len(), 1);
    assert_eq!(found().await, [JobState::Running]);
    assert!(bench.advance(job, 1, &step(JobState::Waiting)).await);
    assert_eq!(found().await, [JobState::Waiting]);
    assert!(bench.advance(job, 2, &step(JobState::Quarantined)).await);
    assert_eq!(found().await, [JobState::Quarantined]);
    bench.store.retry_job(job, "tests").await.expect("Redis answers");
    assert_eq!(found().await, [JobState::Running]);

    assert_eq!(all(&bench, &in_states(&states)).await, [job]);
    assert_eq!(all(&bench, &JobFilter::default()).await, [job]);
}

#[tokio::test]
async fn a_cancelled_job_and_one_that_was_overdue_are_listed_as_such() {
    let bench = Bench::new();
    let cancelled = bench.submit(0).await;
    let overdue = bench.submit_like(&NewJob { result_ms: Some(0), ..job() }).await;

    bench.store.cancel_job(cancelled, "tests", std::time::Duration::ZERO, "{}").await.expect("Redis answers");
    bench.store.end_job(overdue, "{}", "{}").await.expect("Redis answers").expect("its time is over");

    assert_eq!(all(&bench, &in_states(&[JobState::Cancelled])).await, [cancelled]);
    assert_eq!(all(&bench, &in_states(&[JobState::Failed])).await, [overdue]);
}

#[tokio::test]
async fn jobs_are_found_by_each_of_their_values_and_by_all_together() {
    let bench = Bench::new();
    let text = |text: &str| Some(text.to_owned());
    let long = "d".repeat(3000);
    let submit = async |client: &str, kind: &str, dataset: &str, user: &str| {
        let job = NewJob {
            client: client.to_owned(),
            kind: kind.to_owned(),
            dataset: text(dataset),
            user_id: text(user),
            user_soeid: text(&format!("x{user}")),
            ..job()
        };
        bench.submit_like(&job).await
    };
    let one = submit("a", "sampling", "48", "1").await;
    let two = submit("a", "import", &long, "2").await;
    let three = submit("b", "sampling", "48", "2").await;
    let bare = bench.submit(0).await;

    let none = JobFilter::default;
    assert_eq!(all(&bench, &JobFilter { client: text("a"), ..none() }).await, [two, one]);
    assert_eq!(all(&bench, &JobFilter { kind: text("sampling"), ..none() }).await, [three, one]);
    assert_eq!(all(&bench, &JobFilter { dataset: text("48"), ..none() }).await, [three, one]);
    assert_eq!(all(&bench, &JobFilter { dataset: Some(long), ..none() }).await, [two]);
    assert_eq!(all(&bench, &JobFilter { user_id: text("2"), ..none() }).await, [three, two]);
    assert_eq!(all(&bench, &JobFilter { user_soeid: text("x2"), client: text("b"), ..none() }).await, [three]);
    assert_eq!(
        all(&bench, &JobFilter { user_id: text("2"), dataset: text("48"), client: text("a"), ..none() }).await,
        []
    );
    assert_eq!(all(&bench, &JobFilter { user_id: text("nobody"), ..none() }).await, []);
    assert_eq!(all(&bench, &none()).await, [bare, three, two, one]);
}

#[tokio::test]
async fn a_value_that_many_jobs_share_is_found_in_each_of_its_forms() {
    // Past 256 jobs of one value in a chunk the script keeps a bit a slot.
    let bench = Bench::new();
    let of = |kind: &str| NewJob { kind: kind.to_owned(), ..job() };
    let (mut even, mut odd) = (Vec::new(), Vec::new());
    for n in 0..600 {
        if n % 2 == 0 {
            even.push(bench.submit_like(&of("even")).await);
        } else {
            odd.push(bench.submit_like(&of("odd")).await);
        }
    }

    for (kind, jobs) in [("even", even), ("odd", odd)] {
        assert_eq!(
            all(&bench, &JobFilter { kind: Some(kind.to_owned()), ..JobFilter::default() }).await,
            newest_first(&jobs)
        );
    }
}

#[tokio::test]
async fn pages_by_offset_and_by_cursor_are_parts_of_one_order_in_every_partition() {
    let bench = Bench::spread(3);
    let mut jobs = Vec::new();
    for _ in 0..100 {
        jobs.push(bench.submit(0).await);
    }
    let filter = JobFilter::default();

    let whole = bench.store.list_jobs(&filter, PageStart::Offset(0), 1000).await.expect("Redis answers");
    let order: Vec<JobId> = whole.jobs.iter().map(|(id, _)| *id).collect();
    assert_eq!((whole.total, whole.next), (100, None));
    let instants: Vec<i64> = whole.jobs.iter().map(|(_, job)| job.fields["created_at"].parse().unwrap()).collect();
    assert!(instants.is_sorted_by(|one, other| one >= other), "{instants:?}");
    assert_eq!(
        {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            sorted
        },
        {
            jobs.sort_unstable();
            jobs
        }
    );

    for (offset, limit) in [(0, 7), (7, 7), (50, 1), (93, 7), (95, 10), (100, 5), (u64::MAX, 5)] {
        let got = page(&bench, &filter, PageStart::Offset(offset), limit).await;
        let wanted: Vec<JobId> = order.iter().copied().skip(usize::try_from(offset).unwrap()).take(limit).collect();
        assert_eq!(got, wanted, "{limit} after {offset}");
    }

    let (mut told, mut start) = (Vec::new(), PageStart::Offset(0));
    loop {
        // Jobs that come meanwhile are before the first page.
        bench.submit(0).await;
        let page = bench.store.list_jobs(&filter, start, 9).await.expect("Redis answers");
        told.extend(page.jobs.into_iter().map(|(id, _)| id));
        match page.next {
            Some(next) => start = PageStart::After(next.to_string().parse().unwrap()),
            None => break,
        }
    }
    assert_eq!(told[told.len() - order.len()..], order);
    assert!(told.len() <= order.len() + 1);
}

#[tokio::test]
async fn lists_are_cut_at_an_instant() {
    let bench = Bench::spread(2);
    for n in 0..40 {
        // Each is created a millisecond after the one before, whatever the partition.
        for partition in 0..2 {
            set_latest(&bench, partition, 4_000_000_000_000 + n);
        }
        bench.submit(0).await;
    }
    let whole =
        bench.store.list_jobs(&JobFilter::default(), PageStart::Offset(0), 1000).await.expect("Redis answers").jobs;
    let jobs: Vec<(JobId, i64)> =
        whole.iter().map(|(id, job)| (*id, job.fields["created_at"].parse().unwrap())).collect();
    let (newest, oldest) = (jobs[10].1, jobs[30].1);

    let between = JobFilter { created_after: Some(oldest), created_before: Some(newest), ..JobFilter::default() };
    let found = bench.store.list_jobs(&between, PageStart::Offset(0), 1000).await.expect("Redis answers");

    let wanted: Vec<JobId> = jobs.iter().filter(|(_, at)| *at > oldest && *at < newest).map(|(id, _)| *id).collect();
    assert!(wanted.len() > 5, "{jobs:?}");
    assert_eq!(found.jobs.iter().map(|(id, _)| *id).collect::<Vec<_>>(), wanted);
    assert_eq!(found.total, wanted.len() as u64);
    for nothing in [
        JobFilter { created_after: Some(i64::MAX), ..JobFilter::default() },
        JobFilter { created_before: Some(i64::MIN), ..JobFilter::default() },
        JobFilter { created_after: Some(newest), created_before: Some(oldest), ..JobFilter::default() },
    ] {
        assert_eq!(bench.store.list_jobs(&nothing, PageStart::Offset(0), 10).await.expect("Redis answers").total, 0);
    }
}

#[tokio::test]
async fn the_order_of_jobs_outlives_a_clock_that_was_set_back() {
    let bench = Bench::new();
    let first = bench.submit(0).await;
    let ahead = 4_000_000_000_000;
    set_latest(&bench, 0, ahead);

    let (second, third) = (bench.submit(0).await, bench.submit(0).await);

    assert_eq!(all(&bench, &JobFilter::default()).await, [third, second, first]);
    let after = JobFilter { created_after: Some(ahead - 1), ..JobFilter::default() };
    assert_eq!(all(&bench, &after).await, [third, second]);
}

#[tokio::test]
async fn lists_go_on_over_chunks_and_past_jobs_that_are_gone() {
    let bench = Bench::new();
    let first = bench.submit(0).await;
    // The next ones are the last of the first chunk, and the first two of the third.
    let number = |slots: u64| {
        redis::cmd("HSET")
            .arg("relevo:{p00}:counts")
            .arg("slots")
            .arg(slots)
            .exec(&mut bench.connection())
            .expect("Redis answers");
    };
    number(4095);
    let second = bench.submit(0).await;
    number(2 * 4096);
    let (third, fourth) = (bench.submit(0).await, bench.submit(0).await);
    assert_eq!(all(&bench, &JobFilter::default()).await, [fourth, third, second, first]);

    redis::cmd("DEL").arg(format!("relevo:{{p00}}:job:{third}")).exec(&mut bench.connection()).unwrap();

    assert_eq!(all(&bench, &JobFilter::default()).await, [fourth, second, first]);
    let page = bench.store.list_jobs(&JobFilter::default(), PageStart::Offset(0), 2).await.expect("Redis answers");
    let next = bench
        .store
        .list_jobs(&JobFilter::default(), PageStart::After(page.next.unwrap()), 2)
        .await
        .expect("Redis answers");
    assert_eq!(next.jobs.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), [second, first]);
}
