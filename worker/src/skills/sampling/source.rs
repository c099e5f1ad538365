//! Reads units of a Parquet file, on as many threads as there are. Which rows come out never depends on how many that
//! is.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    ops::Range,
    os::unix::fs::FileExt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::sync_channel,
    },
    thread,
};

use bytes::Bytes;
use datafusion::{
    arrow::datatypes::SchemaRef,
    parquet::{
        arrow::{
            ProjectionMask,
            arrow_reader::{
                ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
                RowSelection, RowSelector,
            },
        },
        errors::ParquetError,
        file::reader::{ChunkReader, Length},
    },
};

use roaring::RoaringBitmap;

use super::{
    rows::bits_of,
    units::{UNIT_ROWS, Unit, units_of},
};
use crate::skills::{
    SkillError,
    tabular::{LocalTable, data_error},
};

/// What a batch may roughly hold in memory.
const BATCH_BYTES: u64 = 4 << 20;
const MOST_BATCH_ROWS: u64 = 32 << 10;
/// Batches of a unit that wait for their turn.
const WAITING: usize = 2;
/// Of 24 bytes each.
const MOST_CANDIDATES: u64 = 4 << 20;
/// A condition nests up to some hundred levels, and evaluating one takes a frame for each.
const STACK_BYTES: usize = 16 << 20;

/// How the work is cut up. It decides how long it takes, never what comes out.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// Threads.
    pub threads: usize,
    /// Rows of a unit at most.
    pub unit_rows: usize,
    /// Rows of a batch at most.
    pub batch_rows: u64,
    /// Rows that are held at a time for the choice among them, about; a group that needs more is gone through by itself.
    pub candidates: u64,
}

impl Default for Cut {
    fn default() -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        Self { threads, unit_rows: UNIT_ROWS, batch_rows: MOST_BATCH_ROWS, candidates: MOST_CANDIDATES }
    }
}

/// A table whose units can be read, and the word that the task is to stop.
pub struct Source<'a> {
    table: &'a LocalTable,
    file: Positioned,
    units: Vec<Unit>,
    cut: Cut,
    stopped: &'a (dyn Fn() -> bool + Sync),
}

impl<'a> Source<'a> {
    /// Opens a table for reading.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(table: &'a LocalTable, cut: Cut, stopped: &'a (dyn Fn() -> bool + Sync)) -> Result<Self, SkillError> {
        let file = Positioned::open(table)?;
        Ok(Self { table, file, units: units_of(table.metadata().metadata(), cut.unit_rows), cut, stopped })
    }

    /// The table.
    #[must_use]
    pub const fn table(&self) -> &LocalTable {
        self.table
    }

    /// Its units, in the order of the rows.
    #[must_use]
    pub fn units(&self) -> &[Unit] {
        &self.units
    }

    /// Threads that work on it.
    #[must_use]
    pub const fn threads(&self) -> usize {
        self.cut.threads
    }

    /// Rows that may be held at a time for the choice among them.
    #[must_use]
    pub const fn candidates(&self) -> u64 {
        self.cut.candidates
    }

    /// Fails when the task is to stop.
    ///
    /// # Errors
    /// `Cancelled`.
    pub fn go_on(&self) -> Result<(), SkillError> {
        if (self.stopped)() { Err(SkillError::Cancelled) } else { Ok(()) }
    }

    /// The columns at these places, in types of the reader's choosing.
    ///
    /// # Errors
    /// The file does not hold what its footer says.
    pub fn columns(&self, places: &[usize], schema: Option<SchemaRef>) -> Result<Columns, SkillError> {
        let metadata = match schema {
            None => self.table.metadata().clone(),
            Some(schema) => {
                let options = ArrowReaderOptions::new().with_schema(schema);
                ArrowReaderMetadata::try_new(Arc::clone(self.table.metadata().metadata()), options).map_err(broken)?
            }
        };
        let mask = ProjectionMask::roots(metadata.parquet_schema(), places.iter().copied());
        let batch_rows = self.batch_rows(places);
        Ok(Columns { metadata, mask, batch_rows })
    }

    /// Fewer rows where they are wide: what counts is the size in memory.
    fn batch_rows(&self, places: &[usize]) -> usize {
        let metadata = self.table.metadata();
        let leaves = metadata.parquet_schema();
        let wanted: Vec<usize> =
            (0..leaves.num_columns()).filter(|leaf| places.contains(&leaves.get_column_root_idx(*leaf))).collect();
        let groups = metadata.metadata().row_groups();
        let bytes: u64 = groups
            .iter()
            .flat_map(|group| wanted.iter().map(|leaf| group.column(*leaf).uncompressed_size().unsigned_abs()))
            .sum();
        let row_bytes = (bytes / self.table.rows().max(1)).max(1);
        (BATCH_BYTES / row_bytes).clamp(1, self.cut.batch_rows) as usize
    }

    /// Reads one unit, or some rows of it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(
        &self,
        unit: &Unit,
        columns: &Columns,
        rows: Option<&RoaringBitmap>,
    ) -> Result<ParquetRecordBatchReader, SkillError> {
        let Range { start, end } = unit.within;
        let selection = match rows {
            Some(rows) => Some(RowSelection::from_boolean_buffer(bits_of(rows, start, end))),
            None if 0 < start || end < self.group_rows(unit) => {
                Some(vec![RowSelector::skip(start), RowSelector::select(unit.rows())].into())
            }
            None => None,
        };
        let mut reader =
            ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), columns.metadata.clone())
                .with_row_groups(vec![unit.group])
                .with_projection(columns.mask.clone())
                .with_batch_size(columns.batch_rows);
        if let Some(selection) = selection {
            reader = reader.with_row_selection(selection);
        }
        reader.build().map_err(broken)
    }

    fn group_rows(&self, unit: &Unit) -> usize {
        self.table.metadata().metadata().row_group(unit.group).num_rows().unsigned_abs() as usize
    }

    /// Reads every unit on all threads, and takes what they give in the order of the rows, on this one. No more than a
    /// few batches of each thread wait to be taken.
    ///
    /// # Errors
    /// The first fault in the order of the rows, of reading or of taking.
    pub fn in_order<T: Send>(
        &self,
        read: impl Fn(usize, &Unit, &mut dyn FnMut(T) -> bool) -> Result<(), SkillError> + Sync,
        mut take: impl FnMut(T) -> Result<(), SkillError>,
    ) -> Result<(), SkillError> {
        let (senders, receivers): (Vec<_>, Vec<_>) = self.units.iter().map(|_| sync_channel(WAITING)).unzip();
        let senders: Vec<_> = senders.into_iter().map(|sender| Mutex::new(Some(sender))).collect();
        let next = AtomicUsize::new(0);
        let run = || {
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(unit) = self.units.get(place) else { break };
                let sender = senders[place].lock().unwrap_or_else(PoisonError::into_inner).take();
                let Some(sender) = sender else { break };
                // Nobody listens any more when something went wrong elsewhere.
                let done = self.go_on().and_then(|()| read(place, unit, &mut |item| sender.send(Ok(item)).is_ok()));
                if done.is_err_and(|fault| sender.send(Err(fault)).is_err()) {
                    break;
                }
            }
        };
        let take_all = move || {
            for receiver in receivers {
                for item in receiver {
                    take(item?)?;
                }
            }
            Ok(())
        };
        on_threads(self.cut.threads.min(self.units.len()).max(1), &run, take_all)?
    }

    /// Does some work on every unit, on all threads, each with a state of its own. Answers with these states.
    ///
    /// # Errors
    /// The first fault that any thread meets; the others stop at their next unit.
    pub fn each_unit<S: Send>(
        &self,
        begin: impl Fn() -> S + Sync,
        work: impl Fn(&mut S, usize, &Unit) -> Result<(), SkillError> + Sync,
    ) -> Result<Vec<S>, SkillError> {
        let next = AtomicUsize::new(0);
        let failed = AtomicBool::new(false);
        let fault = Mutex::new(None);
        let states = Mutex::new(Vec::new());
        let run = || {
            let mut state = begin();
            while !failed.load(Ordering::Relaxed) {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(unit) = self.units.get(place) else { break };
                if let Err(error) = self.go_on().and_then(|()| work(&mut state, place, unit)) {
                    failed.store(true, Ordering::Relaxed);
                    fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            }
            states.lock().unwrap_or_else(PoisonError::into_inner).push(state);
        };
        on_threads(self.cut.threads.min(self.units.len()).max(1), &run, || ())?;
        match fault.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(states.into_inner().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

/// Runs one piece of code on several threads with deep stacks, another one here meanwhile, and waits for all of them.
fn on_threads<T>(count: usize, run: &(dyn Fn() + Sync), meanwhile: impl FnOnce() -> T) -> Result<T, SkillError> {
    let (ended, here) = thread::scope(|scope| {
        let spawn =
            |_| thread::Builder::new().name("sampling".to_owned()).stack_size(STACK_BYTES).spawn_scoped(scope, run);
        let threads: Vec<_> = (0..count).map(spawn).collect();
        // Without a single thread nothing would ever come.
        let here = threads.iter().any(Result::is_ok).then(meanwhile);
        (threads.into_iter().map(|thread| thread.map(thread::ScopedJoinHandle::join)).collect::<Vec<_>>(), here)
    });
    for thread in ended {
        match thread {
            Ok(Ok(())) => {}
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(error) => return Err(no_thread(&error)),
        }
    }
    here.ok_or_else(|| SkillError::ResourceExhausted("no thread can be started".to_owned()))
}

fn no_thread(error: &io::Error) -> SkillError {
    SkillError::ResourceExhausted(format!("a thread cannot be started: {error}"))
}

/// Columns to be read.
#[derive(Debug)]
pub struct Columns {
    metadata: ArrowReaderMetadata,
    mask: ProjectionMask,
    batch_rows: usize,
}

/// What is wrong with a file whose pages cannot be read.
pub fn broken(error: ParquetError) -> SkillError {
    data_error("source", &error.into())
}

/// A file that several threads read at places of their own; the standard way shares one place among them.
#[derive(Debug, Clone)]
struct Positioned {
    file: Arc<File>,
    length: u64,
}

impl Positioned {
    fn open(table: &LocalTable) -> Result<Self, SkillError> {
        let open = || -> io::Result<Self> {
            let file = File::open(table.path())?;
            Ok(Self { length: file.metadata()?.len(), file: Arc::new(file) })
        };
        open().map_err(|error| SkillError::Transient(format!("the table cannot be read: {error}")))
    }
}

impl Length for Positioned {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Positioned {
    type T = BufReader<From>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::new(From { file: Arc::clone(&self.file), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        // A broken page may claim any length.
        if self.length.saturating_sub(start) < length as u64 {
            return Err(ParquetError::EOF(format!("{length} bytes from {start} on are beyond the end of the file")));
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

/// The bytes from a place on.
struct From {
    file: Arc<File>,
    at: u64,
}

impl Read for From {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(bytes, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
