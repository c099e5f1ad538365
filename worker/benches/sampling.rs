//! Time and memory of `sampling` on a Parquet file that lies here: the rounds, and the file with the rows.
//!
//! Meant to be driven by `tests/bench/sampling.py`, which does the same by hand in DuckDB and Polars in turn: `cargo
//! bench -p relevo-worker --bench sampling --no-default-features -- TABLE THREADS TIMES JOB OUTPUT`. `JOB` is the JSON
//! of a job's rounds. Prints one JSON object with the seconds of each time, the rows that were drawn and the most
//! memory that the process had.

use std::{error::Error, fs, path::Path, time::Instant};

use relevo_worker::skills::{
    sampling::{
        layout::Layout,
        parameters::Request,
        round::{Ground, run},
        rows::RowSet,
        source::{Cut, Source},
        store::write_sample,
    },
    tabular::LocalTable,
};
use serde_json::{Map, Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo puts `--bench` among the arguments.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [table, threads, times, job, output] = arguments.as_slice() else {
        println!("nothing measured: give a table, threads, times, a job and an output");
        return Ok(());
    };
    let request = Request::read(&parameters(job)?)?;
    let cut = Cut { threads: threads.parse()?, ..Cut::default() };
    let mut seconds = Vec::new();
    let mut rows = 0;
    for _ in 0..times.parse::<usize>()? {
        let began = Instant::now();
        rows = sample(Path::new(table), &request, cut, Path::new(output))?;
        seconds.push(began.elapsed().as_secs_f64());
    }
    println!("{}", json!({ "seconds": seconds, "rows": rows, "peak_rss_bytes": peak_memory()? }));
    Ok(())
}

fn sample(table: &Path, request: &Request, cut: Cut, output: &Path) -> Result<u64, Box<dyn Error>> {
    let table = LocalTable::open(table)?;
    let stopped = || false;
    let source = Source::open(&table, cut, &stopped)?;
    let mut drawn = RowSet::none(source.units().len());
    let mut rounds = Vec::new();
    for (before, round) in (0..).zip(&request.rounds) {
        let ground = Ground { source: &source, drawn: &drawn, seed: request.seed.unwrap_or_default(), before };
        let rows = run(round, &ground)?.rows;
        drawn.unite(&rows);
        rounds.push((round.number, rows));
    }
    let rounds: Vec<_> = rounds.iter().map(|(number, rows)| (*number, rows)).collect();
    let layout = Layout::new(request, table.schema())?;
    Ok(write_sample(&source, &rounds, &layout, output)?.rows)
}

fn parameters(job: &str) -> Result<Map<String, Value>, Box<dyn Error>> {
    let Value::Object(mut parameters) = serde_json::from_str(job)? else { return Err("a job is an object".into()) };
    let source = json!({
        "dataset_id": "bench", "table_key": "primary", "commit_id": "", "uri": "", "format": "parquet", "columns": [],
        "rows": 0, "bytes": 0, "created_at": "",
    });
    parameters.insert("source".to_owned(), source);
    Ok(parameters)
}

/// The high-water mark of the memory that this process had, in bytes (`man 5 proc`).
fn peak_memory() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(1024 * line.trim().trim_end_matches(" kB").parse::<u64>()?)
}
