//! `sampling` from a task to its result: load, the rounds, write, upload.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use relevo_shared::{job::LogLevel, worker::Task};
use relevo_tables::Written;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    layout::Layout,
    parameters::Request,
    report::{round_summary, summary},
    round::{Drawn, Ground, run},
    rows::RowSet,
    sorted::sort_sample,
    source::{Cut, Source},
    store::{write_residual, write_sample},
};
use crate::{
    context::TaskContext,
    skills::{Running, Skill, SkillError, off_the_clock, stage, tabular::LocalTable},
};

/// Draws rows of a table, round by round.
#[derive(Debug)]
pub struct Sampling;

impl Skill for Sampling {
    fn name(&self) -> &str {
        "sampling"
    }

    fn run<'a>(&'a self, task: &'a Task, context: &'a TaskContext) -> Running<'a> {
        Box::pin(sample(task, context))
    }
}

/// How far the task is when a stage ends; the rounds share what lies between the first two.
const LOADED: f64 = 0.2;
const DRAWN: f64 = 0.6;
const WRITTEN: f64 = 0.85;

async fn sample(task: &Task, context: &TaskContext) -> Result<Value, SkillError> {
    let began = Instant::now();
    let request = Arc::new(Request::read(&task.params)?);
    let seed = request.seed.unwrap_or_else(|| seed_of(&task.job_id.to_string()));

    let table = stage(context, ("load", LOADED), LocalTable::fetch(context, &request.table)).await?;
    let layout = Arc::new(Layout::new(&request, table.schema())?);
    let work = Work { table, request, layout, context: context.clone() };

    let mut rounds = Vec::new();
    let mut drawn = None;
    let count = work.request.rounds.len();
    for place in 0..count {
        let ends_at = LOADED + (DRAWN - LOADED) * (place + 1) as f64 / count as f64;
        let name = format!("round_{}", work.request.rounds[place].number);
        let (round, all) = stage(context, (&name, ends_at), work.draw(place, seed, drawn.take())).await?;
        let told = round_summary(&work.request.rounds[place], &round.report)?;
        context.log(LogLevel::Info, format!("round {} drew {} rows", told["round_number"], told["sampled"]), None);
        rounds.push((round, told));
        drawn = Some(all);
    }
    let drawn = Arc::new(drawn.unwrap_or_default());
    let (rounds, told): (Vec<_>, Vec<_>) = rounds.into_iter().unzip();
    let files = stage(context, ("write", WRITTEN), work.write(rounds, Arc::clone(&drawn))).await?;
    let mut result = summary(&work.request, seed, work.table.rows(), &files, &told);
    stage(context, ("upload", 1.0), work.upload(&mut result, &files)).await?;
    result.insert("seconds".to_owned(), json!(began.elapsed().as_secs_f64()));
    Ok(Value::Object(result))
}

/// A seed for a job that was given none. Made from the job's id, so that an attempt that takes over draws the same
/// rows, and short enough for every JSON reader.
fn seed_of(job: &str) -> u64 {
    const BITS: u32 = 53;
    let hash = Sha256::digest(job);
    hash.iter().take(8).fold(0_u64, |seed, byte| seed << 8 | u64::from(*byte)) >> (u64::BITS - BITS)
}

/// What was written.
pub(super) struct Files {
    /// The sample.
    pub(super) sample: (PathBuf, Written),
    /// The rest, where it was asked for.
    pub(super) residual: Option<(PathBuf, Written)>,
}

struct Work {
    table: LocalTable,
    request: Arc<Request>,
    layout: Arc<Layout>,
    context: TaskContext,
}

impl Work {
    /// Runs a round. Answers with what it drew, and all that was drawn so far.
    async fn draw(&self, place: usize, seed: u64, before: Option<RowSet>) -> Result<(Drawn, RowSet), SkillError> {
        let request = Arc::clone(&self.request);
        self.on_source(move |source| {
            let mut drawn = before.unwrap_or_else(|| RowSet::none(source.units().len()));
            let ground = Ground { source, drawn: &drawn, seed, before: place as u64 };
            let round = run(&request.rounds[place], &ground)?;
            drawn.unite(&round.rows);
            Ok((round, drawn))
        })
        .await
    }

    async fn write(&self, rounds: Vec<Drawn>, drawn: Arc<RowSet>) -> Result<Files, SkillError> {
        let sample = self.context.work_dir().join("sample.parquet");
        let first = match self.layout.is_sorted() {
            true => self.context.work_dir().join("unsorted.parquet"),
            false => sample.clone(),
        };
        let residual = self.request.export_residual.then(|| self.context.work_dir().join("residual.parquet"));
        let (request, layout, unsorted) = (Arc::clone(&self.request), Arc::clone(&self.layout), first.clone());
        let (mut written, residual) = self
            .on_source(move |source| {
                let numbers = request.rounds.iter().map(|round| round.number);
                let rounds: Vec<_> = numbers.zip(rounds.iter().map(|round| &round.rows)).collect();
                let written = write_sample(source, &rounds, &layout, &unsorted)?;
                let residual = match residual {
                    None => None,
                    Some(path) => {
                        let written = write_residual(source, &drawn, &path)?;
                        Some((path, written))
                    }
                };
                Ok((written, residual))
            })
            .await?;
        if self.layout.is_sorted() {
            written = sort_sample(&self.context, &first, &self.layout, self.table.schema(), &sample).await?;
        }
        Ok(Files { sample: (sample, written), residual })
    }

    /// Puts the files where clients find them, and makes them commits of the source's dataset.
    async fn upload(&self, result: &mut Map<String, Value>, files: &Files) -> Result<(), SkillError> {
        self.put(result, "sample", "output_commit_id", &files.sample.0).await?;
        if let Some((path, _)) = &files.residual {
            self.put(result, "residual", "residual_commit_id", path).await?;
        }
        Ok(())
    }

    async fn put(
        &self,
        result: &mut Map<String, Value>,
        name: &str,
        commit: &str,
        path: &Path,
    ) -> Result<(), SkillError> {
        let uri = self.context.job_file_uri(&format!("{name}.parquet"))?;
        self.context.upload(path, &uri).await?;
        let kept = self.context.commit_table(&self.request.table.dataset_id, name, path).await?;
        result.insert(format!("{name}_uri"), json!(uri));
        result.insert(commit.to_owned(), json!(kept.commit_id));
        Ok(())
    }

    async fn on_source<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Source<'_>) -> Result<T, SkillError> + Send + 'static,
    ) -> Result<T, SkillError> {
        let (table, context) = (self.table.clone(), self.context.clone());
        off_the_clock(move || {
            let stopped = || context.is_cancelled();
            work(&Source::open(&table, Cut::default(), &stopped)?)
        })
        .await
    }
}
