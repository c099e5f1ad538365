//! Measures lists and memory with many finished jobs in a Redis of its own: bytes of a job, and the time of filtered pages.
//!
//!   cargo bench -p relevo-tests --bench index -- [JOBS]        1,000,000 when it is not said
//!   cargo bench -p relevo-tests --bench index -- dictionary    writes the dictionary that packed jobs are compressed with

mod records;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use records::{KINDS, Numbers, finished};
use relevo::{
    domain::packing,
    store::{Durations, End, JobFilter, NewJob, Packing, PageStart, StepWrite, Store, Wants},
};
use relevo_shared::{JobId, job::JobState};
use rig::{Durability, Redis};

/// Pages of each kind.
const SAMPLES: usize = 200;
/// Jobs that are really packed; the others get what was packed of one of these.
const PACKED: usize = 2_000;
/// Jobs that are written at the same time.
const WIDTH: usize = 64;
const PREFIX: &str = "relevo:{p00}:";

fn main() {
    // `cargo test --all-targets` runs benchmarks too, to see that they start; this one takes minutes.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    if std::env::args().any(|argument| argument == "dictionary") {
        return write_dictionary();
    }
    let jobs = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(1_000_000);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    for skewed in [false, true] {
        println!(
            "\n### {jobs} finished jobs, {}\n",
            if skewed { "one value of each has half of all" } else { "spread evenly" }
        );
        let redis = Redis::with(Durability::None);
        runtime.block_on(measure(&redis, jobs, skewed));
    }
}

/// A job as the bench makes it.
fn new_job(numbers: &mut Numbers, skewed: bool) -> (NewJob, JobState) {
    let mut pick = |count: u64| if skewed && numbers.below(2) == 0 { 0 } else { numbers.below(count) };
    let (client, kind, dataset, user) = (pick(4), pick(12), pick(1000), pick(200));
    let state = match numbers.below(100) {
        0..90 => JobState::Completed,
        90..95 => JobState::Failed,
        95..98 => JobState::Cancelled,
        _ => JobState::Quarantined,
    };
    let job = NewJob {
        client: format!("client-{client}"),
        blueprint: format!("blueprint_{kind}"),
        kind: KINDS[usize::try_from(kind).expect("there are twelve")].to_owned(),
        dataset: Some(format!("evaluaciones-{dataset}")),
        user_id: Some(user.to_string()),
        user_soeid: Some(format!("bg{:05}", user * 271)),
        hash: "0".repeat(64),
        input: "{}".to_owned(),
        ..NewJob::default()
    };
    (job, state)
}

fn ended(state: JobState) -> StepWrite {
    StepWrite {
        state,
        execution: String::new(),
        current: String::new(),
        entered: "[]".to_owned(),
        due_in_ms: None,
        end: Some(End::Result("{}".to_owned())),
        setback: None,
        wants: Wants::Nothing,
    }
}

async fn measure(redis: &Redis, jobs: usize, skewed: bool) {
    let store = Store::new(&redis.url(), 1, Durations::default()).expect("the URL is Redis's own");
    let mut connection = redis.connection();
    store.settle().await.expect("Redis answers");
    let empty = memory(&mut connection);

    let began = Instant::now();
    let patterns = pack_some(&store, &mut connection, skewed).await;
    let mut numbers = Numbers::new(7);
    let mut left = jobs.saturating_sub(PACKED);
    while left > 0 {
        let part: Vec<_> = (0..left.min(2_000)).map(|_| (JobId::fresh(), new_job(&mut numbers, skewed))).collect();
        left -= part.len();
        let submit = |(id, (job, state)): &(JobId, (NewJob, JobState))| {
            let (store, id, job, step) = (store.clone(), *id, job.clone(), ended(*state));
            async move { store.submit_job(id, &job, None, &step).await.expect("Redis answers") }
        };
        let submissions: Vec<_> = part.iter().map(submit).collect();
        stream::iter(submissions).buffer_unordered(WIDTH).collect::<Vec<_>>().await;
        replace(&mut connection, &part, &patterns, &mut numbers);
    }
    eprintln!("{jobs} jobs were written in {:.0} s", began.elapsed().as_secs_f64());

    let used = memory(&mut connection) - empty;
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let each = |bytes: u64| bytes as f64 / jobs as f64;
    println!("| part | bytes a job |\n|---|---|");
    let all = usage(&mut connection, &format!("{PREFIX}ix:*"));
    println!("| the index: ids, states, values | {:.0} |", each(all));
    for kind in ["job", "packed"] {
        println!("| `{kind}:<id>`, of {} looked at | {:.0} |", patterns.len(), sampled(&mut connection, kind));
    }
    println!("| everything, as used_memory grew | {:.0} |\n", each(used));

    pages(&store, &mut connection, jobs).await;
}

/// What is kept of a packed job: the fields in the open that every job has alike, and the packed bytes.
struct Pattern {
    open: BTreeMap<String, String>,
    packed: Vec<u8>,
}

/// Runs some jobs through all that a job goes through, and takes what is left of each as the pattern of others.
async fn pack_some(store: &Store, connection: &mut redis::Connection, skewed: bool) -> Vec<Pattern> {
    let mut numbers = Numbers::new(3);
    let mut ids = Vec::new();
    for _ in 0..PACKED {
        let (job, state) = new_job(&mut numbers, skewed);
        let id = JobId::fresh();
        store.submit_job(id, &job, None, &ended(state)).await.expect("Redis answers");
        let (fields, history) = finished(&id.to_string(), &job.kind, state.as_str(), &mut numbers);
        let mut pipe = redis::pipe();
        pipe.cmd("HSET").arg(key("job", id)).arg(&fields).ignore().cmd("DEL").arg(key("events", id)).ignore();
        for event in history {
            pipe.cmd("XADD")
                .arg(key("events", id))
                .arg(format!("{}-{}", event.at, event.count))
                .arg(event.fields)
                .ignore();
        }
        pipe.query::<()>(connection).expect("Redis answers");
        ids.push(id);
    }
    let how = Packing { after: Duration::ZERO, archive: false };
    while store.pack_jobs(0, "bench", how).await.expect("Redis answers") > 0 {}
    ids.into_iter()
        .filter_map(|id| {
            let open: BTreeMap<String, String> =
                redis::cmd("HGETALL").arg(key("job", id)).query(connection).expect("Redis answers");
            let packed: Option<Vec<u8>> =
                redis::cmd("GET").arg(key("packed", id)).query(connection).expect("Redis answers");
            Some(Pattern { open, packed: packed? })
        })
        .collect()
}

/// Gives jobs what is kept of packed ones, with the same commands as packing.
fn replace(
    connection: &mut redis::Connection,
    part: &[(JobId, (NewJob, JobState))],
    patterns: &[Pattern],
    numbers: &mut Numbers,
) {
    let mut pipe = redis::pipe();
    for (id, _) in part {
        pipe.cmd("HGET").arg(key("job", *id)).arg("slot");
    }
    let slots: Vec<String> = pipe.query(connection).expect("Redis answers");
    let mut pipe = redis::pipe();
    for ((id, (job, state)), slot) in part.iter().zip(slots) {
        let pattern = &patterns[usize::try_from(numbers.below(patterns.len() as u64)).expect("it is an index")];
        let mut open = pattern.open.clone();
        for (name, value) in [("client", job.client.as_str()), ("state", state.as_str()), ("slot", &slot)] {
            open.insert(name.to_owned(), value.to_owned());
        }
        pipe.cmd("UNLINK").arg(key("job", *id)).arg(key("events", *id)).ignore();
        pipe.cmd("HSET").arg(key("job", *id)).arg(open).ignore();
        pipe.cmd("PEXPIRE").arg(key("job", *id)).arg(600_000_000).ignore();
        pipe.cmd("SET").arg(key("packed", *id)).arg(&pattern.packed).arg("PX").arg(600_000_000).ignore();
    }
    pipe.cmd("DEL").arg(format!("{PREFIX}loose")).ignore();
    pipe.query::<()>(connection).expect("Redis answers");
}

fn key(kind: &str, id: JobId) -> String {
    format!("{PREFIX}{kind}:{id}")
}

fn memory(connection: &mut redis::Connection) -> u64 {
    let info: String = redis::cmd("INFO").arg("memory").query(connection).expect("Redis answers");
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).expect("INFO tells it");
    line.trim().parse().expect("it is a number")
}

fn usage(connection: &mut redis::Connection, pattern: &str) -> u64 {
    let keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query(connection).expect("Redis answers");
    let of = |key: &String| {
        let usage: Option<u64> =
            redis::cmd("MEMORY").arg("USAGE").arg(key).arg("SAMPLES").arg(0).query(connection).expect("Redis answers");
        usage.unwrap_or_default()
    };
    keys.iter().map(of).sum()
}

/// The mean of some keys of a kind.
#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
fn sampled(connection: &mut redis::Connection, kind: &str) -> f64 {
    let (mut bytes, mut seen) = (0, 0);
    while seen < PACKED {
        let key: String = redis::cmd("RANDOMKEY").query(connection).expect("Redis answers");
        if key.starts_with(&format!("{PREFIX}{kind}:")) {
            let usage: u64 = redis::cmd("MEMORY").arg("USAGE").arg(&key).query(connection).expect("Redis answers");
            bytes += usage;
            seen += 1;
        }
    }
    bytes as f64 / seen as f64
}

async fn pages(store: &Store, connection: &mut redis::Connection, jobs: usize) {
    println!(
        "| page of 50 | jobs found | in Redis, median ms | most ms | round trip, median ms | most ms |\n|---|---|---|---|---|---|"
    );
    let text = |text: &str| Some(text.to_owned());
    let by_client = JobFilter { client: text("client-0"), ..JobFilter::default() };
    let deep = (jobs / 8) as u64;
    let filtered = JobFilter {
        client: text("client-0"),
        states: vec![JobState::Completed],
        kind: text(KINDS[0]),
        dataset: text("evaluaciones-0"),
        user_id: text("0"),
        ..JobFilter::default()
    };
    let without_client = JobFilter { client: None, ..filtered.clone() };
    for (name, filter, offset) in [
        ("status, kind, dataset and user", &without_client, 0),
        ("the same of one client", &filtered, 0),
        ("one client", &by_client, 0),
        ("one client, far down", &by_client, deep),
        ("all", &JobFilter::default(), 0),
    ] {
        let (mut in_redis, mut trips, mut total) = (Vec::new(), Vec::new(), 0);
        for _ in 0..SAMPLES {
            let () = redis::cmd("CONFIG").arg("RESETSTAT").query(connection).expect("Redis answers");
            let began = Instant::now();
            total = store.list_jobs(filter, PageStart::Offset(offset), 50).await.expect("Redis answers").total;
            trips.push(began.elapsed().as_secs_f64() * 1000.0);
            in_redis.push(busy_ms(connection));
        }
        let (redis_median, redis_most) = median_and_most(&mut in_redis);
        let (trip_median, trip_most) = median_and_most(&mut trips);
        println!("| {name} | {total} | {redis_median:.2} | {redis_most:.2} | {trip_median:.1} | {trip_most:.1} |");
    }
}

/// Milliseconds that Redis has spent in commands of lists since its counts were reset.
fn busy_ms(connection: &mut redis::Connection) -> f64 {
    let info: String = redis::cmd("INFO").arg("commandstats").query(connection).expect("Redis answers");
    let of_lists = ["get", "hmget", "hgetall", "zrange", "getrange", "evalsha"];
    let usec = |line: &str| {
        let (name, facts) = line.strip_prefix("cmdstat_")?.split_once(':')?;
        let usec = facts.split(',').find_map(|fact| fact.strip_prefix("usec="))?;
        of_lists.contains(&name).then(|| usec.parse::<f64>().ok()).flatten()
    };
    info.lines().filter_map(usec).sum::<f64>() / 1000.0
}

fn median_and_most(samples: &mut [f64]) -> (f64, f64) {
    samples.sort_by(f64::total_cmp);
    (samples[samples.len() / 2], samples[samples.len() - 1])
}

/// Makes the dictionary of jobs of every kind, none of which the measurement sees, and says what it is worth.
fn write_dictionary() {
    let mut numbers = Numbers::new(99);
    let mut sample = || {
        let id = JobId::fresh().to_string();
        let (job, state) = new_job(&mut numbers, false);
        let (mut fields, history) = finished(&id, &job.kind, state.as_str(), &mut numbers);
        for (name, value) in [
            ("blueprint", Some(job.blueprint)),
            ("kind", Some(job.kind)),
            ("dataset", job.dataset),
            ("user_id", job.user_id),
            ("user_soeid", job.user_soeid),
        ] {
            fields.insert(name.to_owned(), value.unwrap_or_default());
        }
        let (_, packed) = packing::split(fields);
        packing::write(&packed, &history)
    };
    let samples: Vec<Vec<u8>> = std::iter::repeat_with(&mut sample).take(20_000).collect();
    let dictionary = zstd::dict::from_samples(&samples, 16 * 1024).expect("there is enough to learn from");
    let file = rig::repository().join("orchestrator/src/store/packing/first.dict");
    std::fs::write(&file, &dictionary).expect("the repository is writable");
    let fresh: Vec<Vec<u8>> = std::iter::repeat_with(&mut sample).take(2_000).collect();
    let plain: usize = fresh.iter().map(Vec::len).sum();
    println!("{} bytes a job before compression", plain / fresh.len());
    for level in [3, 9, 12, 19] {
        for (name, dictionary) in [("without", &[][..]), ("with", &dictionary)] {
            let mut press = zstd::bulk::Compressor::with_dictionary(level, dictionary).expect("zstd starts");
            let began = Instant::now();
            let bytes: usize = fresh.iter().map(|sample| press.compress(sample).expect("it compresses").len()).sum();
            let micros = began.elapsed().as_micros() / fresh.len() as u128;
            println!("level {level}, {name} the dictionary: {} bytes a job, {micros} µs", bytes / fresh.len());
        }
    }
}
