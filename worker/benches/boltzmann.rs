//! Time of an epoch of a restricted Boltzmann machine that learns by contrastive divergence.
//!
//! Meant to be driven by `tests/bench/boltzmann.py`, which trains the same machine with scikit-learn and in a plain PyTorch loop in turn:
//! `cargo bench --workspace --bench boltzmann -- ROWS VISIBLE HIDDEN BATCH EPOCHS THREADS SAMPLER DTYPE`. `ROWS` is a file of fp32 numbers.
//! Prints one JSON object with the seconds of each epoch and the mean reconstruction error of the last one. libtorch does the work, so
//! the profile that this program is built with hardly matters.

use std::{error::Error, fs, time::Instant};

use relevo_worker::skills::boltzmann::machine::{Family, Sampler, Settings, Trainer, Visible};
use serde_json::json;
use tch::{Device, Kind, Tensor};

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo puts `--bench` among the arguments.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [rows, visible, hidden, batch, epochs, threads, sampler, dtype] = arguments.as_slice() else {
        println!(
            "nothing measured: give rows, visible units, hidden units, a batch size, epochs, threads, a sampler and a dtype"
        );
        return Ok(());
    };
    tch::set_num_threads(threads.parse()?);
    let settings = Settings {
        family: Family::Rbm,
        visible: Visible::Bernoulli,
        n_visible: visible.parse()?,
        n_hidden: vec![hidden.parse()?],
        lr: 0.05,
        cd_k: 1,
        sampler: if sampler == "pcd" { Sampler::Pcd } else { Sampler::Cd },
        n_chains: batch.parse()?,
        momentum: 0.0,
        momentum_final: None,
        weight_decay: 0.0,
        sparsity: None,
        epochs: epochs.parse()?,
        batch_size: batch.parse()?,
        seed: 42,
        dtype: serde_json::from_value(dtype.as_str().into())?,
    };
    let bytes = fs::read(rows)?;
    let rows =
        Tensor::f_from_data_size(&bytes, &[bytes.len() as i64 / 4], Kind::Float)?.f_view([-1, settings.n_visible])?;
    let mean = rows.f_mean_dim(0, false, None)?;
    let mut trainer = Trainer::new(settings.clone(), &mean, Device::Cpu)?;
    let batches = rows.f_split(settings.batch_size, 0)?;
    let mut seconds = Vec::new();
    let mut error = 0.0;
    for epoch in 1..=settings.epochs {
        let began = Instant::now();
        trainer.begin_epoch(epoch)?;
        error = 0.0;
        for (number, batch) in (0..).zip(&batches) {
            error += trainer.batch(batch, epoch, number)?.reconstruction_error / batches.len() as f64;
        }
        seconds.push(began.elapsed().as_secs_f64());
    }
    println!("{}", json!({ "seconds": seconds, "reconstruction_error": error }));
    Ok(())
}
