//! Measures how the work for one item of a fan-out depends on how many items there are.
//!
//! It prints, for growing fan-outs: items a second, Redis commands and scripts for each item, the longest script, and the memory of
//! the orchestrator.

use std::{fs, time::Instant};

use relevo_shared::job::JobState;
use rig::{Durability, Redis, Relevo, Worker, calls, forget_calls};
use serde_json::json;

/// Items of the fan-outs that are measured.
const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
/// Tasks that the worker runs at the same time.
const IN_FLIGHT: &str = "64";

fn main() {
    // `cargo test --all-targets` runs benchmarks too, to see that they start; this one takes a minute.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!(
        "| items | items/s | commands/item | scripts/item | longest script ms | orchestrator MiB | its most MiB |"
    );
    println!("|---|---|---|---|---|---|---|");
    let redis = Redis::with(Durability::None);
    let mut relevo = Relevo::serve(&redis, &[]);
    let _worker = Worker::start_with(&relevo, "bench", &[("RELEVO_CONCURRENCY", IN_FLIGHT)]);
    // One job first: the worker is there, and the scripts are loaded.
    run(&relevo, 1);
    for items in SIZES {
        measure(&redis, &mut relevo, items);
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts here are small")]
fn measure(redis: &Redis, relevo: &mut Relevo, items: usize) {
    let mut connection = redis.connection();
    let _: () = redis::cmd("CONFIG")
        .arg("SET")
        .arg("slowlog-log-slower-than")
        .arg(100)
        .query(&mut connection)
        .expect("Redis answers");
    let _: () = redis::cmd("SLOWLOG").arg("RESET").query(&mut connection).expect("Redis answers");
    forget_calls(&mut connection);

    let began = Instant::now();
    run(relevo, items);
    let seconds = began.elapsed().as_secs_f64();

    let calls = calls(&mut connection);
    let each = |count: u64| count as f64 / items as f64;
    let memory = memory(relevo.process().id());
    println!(
        "| {items} | {:.0} | {:.1} | {:.1} | {:.2} | {} | {} |",
        items as f64 / seconds,
        each(calls.values().sum()),
        each(calls.get("evalsha").copied().unwrap_or_default()),
        longest_script(&mut connection),
        memory.0,
        memory.1,
    );
}

fn run(relevo: &Relevo, items: usize) {
    let numbers: Vec<usize> = (0..items).collect();
    let id = relevo.api().create("jobs/echo_each", &json!({ "numbers": numbers }));
    let job = relevo.api().wait_within(&id, JobState::Completed, rig::SOON * 10);
    assert_eq!(job.result.and_then(|result| result.as_array().map(Vec::len)), Some(items));
}

/// Milliseconds of the longest script that the slow log kept.
fn longest_script(connection: &mut redis::Connection) -> f64 {
    type Entry = (u64, u64, u64, Vec<String>, String, String);
    let entries: Vec<Entry> = redis::cmd("SLOWLOG").arg("GET").arg(-1).query(connection).expect("Redis answers");
    let scripts = entries.iter().filter(|entry| entry.3.first().is_some_and(|name| name == "EVALSHA"));
    let longest = scripts.map(|entry| u32::try_from(entry.2).unwrap_or(u32::MAX)).max();
    f64::from(longest.unwrap_or_default()) / 1000.0
}

/// Resident memory of a process now and at its highest, in MiB.
fn memory(pid: u32) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
    };
    (kib("VmRSS:") / 1024, kib("VmHWM:") / 1024)
}
