//! A device that has too little memory, as a process is given too little. Alone in its process: the limit is the whole process's.
#![cfg(feature = "torch")]
#![expect(clippy::unwrap_used, reason = "what a test calls may unwrap as the test itself may")]

mod bench;
mod s3;
mod tables;

use std::process::Command;

use bench::Bench;
use datafusion::arrow::array::Float64Array;
use relevo_worker::skills::SkillError;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde_json::{Value, json};
use tables::{column, of};

const ROWS: usize = 16_384;

fn address_space() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Lets the process grow by so many more bytes.
fn leave(bytes: u64) {
    let limit = Rlimit { current: Some(address_space() + bytes), maximum: None };
    setrlimit(Resource::As, limit).unwrap();
}

fn training(n_hidden: u32) -> Value {
    json!({ "n_hidden": n_hidden, "batch_size": ROWS / 2, "epochs": 1, "val_ratio": 0.5, "checkpoint_seconds": 0 })
}

/// Tells a process of this test that it is the one to run out of memory.
const ALONE: &str = "RELEVO_TEST_ALONE";

#[test]
fn half_a_batch_is_tried_once_where_a_whole_one_has_no_room() {
    if std::env::var_os(ALONE).is_some() {
        return tokio::runtime::Runtime::new().unwrap().block_on(run_out_of_memory());
    }
    // glibc takes address space for each thread that allocates: how many do so at once is for the machine's other work to say.
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["half_a_batch", "--nocapture"]).env(ALONE, "yes").env("MALLOC_ARENA_MAX", "1");
    assert!(child.status().unwrap().success());
}

async fn run_out_of_memory() {
    let bench = Bench::new().await;
    let numbers = |of: usize| column(Float64Array::from_iter_values((0..ROWS).map(|row| (row * of % 101) as f64)));
    let table = bench.table("wide", vec![("calif_1", numbers(3)), ("calif_2", numbers(7))]);
    // Threads and pools that every training makes are there before the limit is set.
    bench.run("rbm.train", &of(&table, &training(16))).await.unwrap();
    let of_a_batch = (ROWS / 2 * 8192 * 4) as u64;

    // Learning from a batch takes several tensors of its hidden layer: there is room for those of half a batch.
    leave(of_a_batch * 7 / 2);
    let halved = bench.run("rbm.train", &of(&table, &training(8192))).await.unwrap();
    leave(of_a_batch);
    let refused = bench.run("rbm.train", &of(&table, &training(8192))).await.unwrap_err();
    let after = bench.run("rbm.train", &of(&table, &training(16))).await;

    let asked = ROWS / 2;
    assert_eq!(
        (&halved["requested_batch_size"], &halved["parameters"]["batch_size"]),
        (&json!(asked), &json!(asked / 2))
    );
    assert!(matches!(&refused, SkillError::ResourceExhausted(_)), "{refused:?}");
    // The memory of what failed is free again.
    assert!(after.is_ok(), "{after:?}");
}
