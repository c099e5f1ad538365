//! Time of a training by `beto.finetune`'s own steps on token rows that lie here: forward, backward, AdamW, without judging between.
//!
//! Meant to be driven by `tests/bench/beto_finetune.py`, which trains the same model on the same rows with transformers' Trainer in turn:
//! `cargo bench --profile dev --workspace --bench finetune -- MODEL ROWS THREADS EPOCHS BATCH plain|by_length`. `ROWS` is a JSON file
//! `[{"ids": [...], "class": 0}, ...]`. libtorch does the work, so a build without optimisations measures the same. Prints one JSON object
//! with the seconds, the loss of each step and the most memory that the process had.

use std::{error::Error, fs, path::Path, sync::Arc, time::Instant};

use relevo_worker::skills::beto::{
    config::BertConfig,
    finetune::{
        labels::Labels,
        learner::{Example, Learner, Setup},
        schedule::{Schedule, epoch},
        start,
    },
    tokens::Tokens,
};
use serde::Deserialize;
use serde_json::json;
use tch::{Device, Kind};

#[derive(Deserialize)]
struct Row {
    ids: Vec<u32>,
    class: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo puts `--bench` among the arguments.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [model, rows, threads, epochs, batch, order] = arguments.as_slice() else {
        println!("nothing measured: give a model, rows, threads, epochs, a batch size and plain or by_length");
        return Ok(());
    };
    tch::set_num_threads(threads.parse()?);
    let _no_grad = tch::no_grad_guard();
    let examples: Vec<Example> = serde_json::from_slice::<Vec<Row>>(&fs::read(rows)?)?
        .into_iter()
        .map(|row| Example { tokens: Arc::new(Tokens { ids: row.ids, truncated: false }), class: row.class })
        .collect();
    let mut learner = learner(Path::new(model))?;
    let lengths: Vec<usize> = examples.iter().map(|example| example.tokens.ids.len()).collect();
    let (epochs, batch): (u32, usize) = (epochs.parse()?, batch.parse()?);
    let per_epoch = lengths.len().div_ceil(batch) as u64;
    let schedule = Schedule::new(2e-5, 0.1, per_epoch * u64::from(epochs));
    let (began, mut step, mut losses) = (Instant::now(), 0, Vec::new());
    for number in 1..=epochs {
        for rows in epoch(&lengths, batch, order == "by_length", 42, number) {
            let rows: Vec<Example> = rows.into_iter().map(|row| examples[row].clone()).collect();
            learner.gather(&rows, learner.weight_of(&rows), step)?;
            losses.push(learner.step(schedule.at(step), 1.0)?.loss);
            step += 1;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{}", json!({ "seconds": seconds, "losses": losses, "peak_rss_bytes": peak_memory()? }));
    Ok(())
}

fn learner(model: &Path) -> Result<Learner, Box<dyn Error>> {
    let config = BertConfig::read(model)?;
    let labels = Labels(config.id2label.values().cloned().collect());
    let (weights, _) = start::weights(model, &config, &labels, 42)?;
    let setup = Setup {
        dropout: config.dropout(),
        class_weights: vec![1.0; labels.0.len()],
        config,
        kind: Kind::Float,
        weight_decay: 0.01,
        seed: 42,
    };
    Ok(Learner::new(setup, weights, Device::Cpu)?)
}

/// The high-water mark of the memory that this process had, in bytes (`man 5 proc`).
fn peak_memory() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(1024 * line.trim().trim_end_matches(" kB").parse::<u64>()?)
}
