//! A table in a file, and the rows that rounds draw from it.

use std::{
    collections::BTreeSet,
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use datafusion::{
    arrow::array::{ArrayRef, RecordBatch},
    parquet::{arrow::ArrowWriter, file::properties::WriterProperties},
};
use relevo_worker::skills::{
    SkillError,
    sampling::{
        parameters::Request,
        round::{Ground, Report, run},
        rows::RowSet,
        source::{Cut, Source},
    },
    tabular::LocalTable,
};
use serde_json::{Value, json};

/// A Parquet file that is gone with this.
pub(crate) struct Table {
    folder: tempfile::TempDir,
    pub(crate) local: LocalTable,
}

/// What one round drew: positions of rows in the source.
pub(crate) struct Round {
    pub(crate) rows: Vec<u64>,
    pub(crate) report: Report,
}

pub(crate) const ONE: Cut = Cut { threads: 1, unit_rows: 1 << 18, batch_rows: 8192, candidates: 1 << 20 };

impl Table {
    /// A table of these columns, with so many rows in a row group.
    pub(crate) fn new(columns: Vec<(&str, ArrayRef)>, group_rows: usize) -> Self {
        let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.parquet");
        write(&path, &batch, group_rows);
        let local = LocalTable::open(&path).unwrap();
        Self { folder, local }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("table.parquet")
    }

    pub(crate) fn draw(&self, job: &Value, cut: Cut) -> Result<Vec<Round>, SkillError> {
        let request = request(job);
        self.source(cut, |source| {
            let mut drawn = RowSet::none(source.units().len());
            let seed = request.seed.unwrap_or_default();
            let mut rounds = Vec::new();
            for (before, round) in (0..).zip(&request.rounds) {
                let done = run(round, &Ground { source, drawn: &drawn, seed, before })?;
                drawn.unite(&done.rows);
                let units = source.units().iter().enumerate();
                let rows = units.flat_map(|(place, unit)| {
                    done.rows.unit(place).iter().map(|row| unit.first + u64::from(row)).collect::<Vec<_>>()
                });
                rounds.push(Round { rows: rows.collect(), report: done.report });
            }
            Ok(rounds)
        })
    }

    /// The rows of a job with one round.
    #[expect(clippy::needless_pass_by_value, reason = "stories write their JSON in place")]
    pub(crate) fn round(&self, seed: u64, method: &str, parameters: Value) -> Round {
        let round = json!({ "method": method, "parameters": parameters });
        self.draw(&json!({ "seed": seed, "rounds": [round] }), ONE).unwrap().remove(0)
    }

    /// What is wrong with a job with one round.
    #[expect(clippy::needless_pass_by_value, reason = "stories write their JSON in place")]
    pub(crate) fn fault(&self, round: Value) -> String {
        match self.draw(&json!({ "rounds": [round] }), ONE) {
            Ok(_) => panic!("it should be refused"),
            Err(fault) => format!("{} {fault}", fault.code()),
        }
    }

    pub(crate) fn source<T>(&self, cut: Cut, work: impl FnOnce(&Source<'_>) -> T) -> T {
        let stopped = || false;
        work(&Source::open(&self.local, cut, &stopped).unwrap())
    }
}

pub(crate) fn write(path: &Path, batch: &RecordBatch, group_rows: usize) {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group_rows))
        .set_data_page_row_count_limit(100)
        .set_write_batch_size(64)
        .build();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// A request as a task brings it.
pub(crate) fn request(job: &Value) -> Arc<Request> {
    let mut parameters = job.as_object().unwrap().clone();
    let source = json!({
        "dataset_id": "d", "table_key": "primary", "commit_id": "0", "uri": "s3://data/t", "format": "parquet",
        "columns": [], "rows": 0, "bytes": 0, "created_at": "",
    });
    parameters.insert("source".to_owned(), source);
    Arc::new(Request::read(&parameters).unwrap())
}

/// Whether no row is drawn twice.
pub(crate) fn are_disjoint(rounds: &[Round]) -> bool {
    let all: BTreeSet<u64> = rounds.iter().flat_map(|round| &round.rows).copied().collect();
    all.len() == rounds.iter().map(|round| round.rows.len()).sum::<usize>()
}
