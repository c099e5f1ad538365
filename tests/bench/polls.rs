//! Measures what long polls cost while they wait: memory, connections to Redis, and processor time.

use std::{fs, time::Duration};

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
    let pid = relevo.process().id();
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
    let before = cpu_seconds(pid);
    std::thread::sleep(LOOK);
    let share = (cpu_seconds(pid) - before) / LOOK.as_secs_f64();
    println!("| {polls} | {} | {} | {:.1} % |", resident_mib(pid), connections(redis), share * 100.0);
    all.abort();
}

fn waiting(relevo: &Relevo) -> usize {
    let metrics = relevo.api().get("/_public/metrics").text();
    let line = metrics.lines().find_map(|line| line.strip_prefix("relevo_waiting_polls "));
    line.map_or(0, |count| count.parse().expect("a gauge is a number"))
}

fn connections(redis: &Redis) -> usize {
    let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut redis.connection()).expect("Redis answers");
    // One of them asks this.
    list.lines().count() - 1
}

fn resident_mib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel tells");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
}

/// Processor time of a process so far.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    let after_name = stat.rsplit(')').next().expect("the name stands in brackets");
    let ticks: f64 = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    // A tick is a hundredth of a second on every Linux that there is.
    ticks / 100.0
}
