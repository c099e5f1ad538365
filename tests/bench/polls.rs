//! Measures what long polls cost while they wait: memory, connections to Redis, and processor time.

use std::time::Duration;

use rig::{Durability, Redis, Relevo, SOON, until};

/// Numbers of polls that wait at once.
const SIZES: [usize; 3] = [0, 1_000, 5_000];
/// How long each number of polls is looked at.
const LOOK: Duration = Duration::from_secs(10);

fn main() {
    // `cargo test --all-targets` runs benchmarks too, to see that they start; this one takes a minute.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!("| polls that wait | orchestrator MiB | connections to Redis | share of a core |");
    println!("|---|---|---|---|");
    for polls in SIZES {
        let redis = Redis::with(Durability::None);
        let mut relevo = Relevo::serve(&redis, &[]);
        measure(&redis, &mut relevo, polls);
    }
}

fn measure(redis: &Redis, relevo: &mut Relevo, polls: usize) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let (url, token) = (relevo.url().to_owned(), relevo.environment()["RELEVO_WORKER_TOKEN"].clone());
    for number in 0..polls {
        let _registered = relevo.hand(&format!("w{number}"), &["hand"]);
    }
    let http = reqwest::Client::new();
    let lanes = (0..polls).map(|number| {
        let url = format!("{url}/_worker/workers/w{number}/tasks/next?wait=60");
        http.get(url).header("x-worker-token", &token).send()
    });
    let all = runtime.spawn(futures_util::future::join_all(lanes.collect::<Vec<_>>()));
    until("all polls to wait", SOON, || (waiting(relevo) == polls).then_some(()));
    let before = relevo.process().cpu_seconds();
    std::thread::sleep(LOOK);
    let share = (relevo.process().cpu_seconds() - before) / LOOK.as_secs_f64();
    let memory = relevo.process().resident_mib();
    println!("| {polls} | {memory} | {} | {:.1} % |", redis.connections(), share * 100.0);
    all.abort();
}

fn waiting(relevo: &Relevo) -> usize {
    let metrics = relevo.api().get("/_public/metrics").text();
    let line = metrics.lines().find_map(|line| line.strip_prefix("relevo_waiting_polls "));
    line.map_or(0, |count| count.parse().expect("a gauge is a number"))
}
