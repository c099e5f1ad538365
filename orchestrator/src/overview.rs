//! What is going on, put together from the store and the catalogue for those who look.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use relevo_shared::{
    JobId, SkillName,
    blueprint::BlueprintView,
    overview::{
        Dashboard, JobTotals, QueueLength, ReplicaHealth, SkillView, StoreHealth, TaskTotals, WorkerTotals, WorkerView,
    },
    worker::Skill,
};
use serde_json::{Map, Value};

use crate::{
    catalogue::Catalogue,
    domain::blueprint::{Blueprint, Resource},
    error::Result,
    store::{LiveWorker, Pauses, Store},
    time::rfc3339,
};

/// Workers that are looked at for counts.
const MOST_WORKERS: usize = 100_000;
/// Queues that a dashboard shows.
const SHOWN_QUEUES: usize = 50;
/// What a worker is that has not said it yet.
const SILENT: &str = "idle";

/// The workers that are alive, those that were heard of last first; at most `most`.
///
/// # Errors
/// When Redis is away.
pub async fn workers(store: &Store, most: usize) -> Result<Vec<WorkerView>> {
    let pauses = store.pauses().await?;
    Ok(store.workers(most).await?.into_iter().map(|worker| worker_view(worker, &pauses)).collect())
}

fn worker_view(worker: LiveWorker, pauses: &Pauses) -> WorkerView {
    let lease_seconds = worker.record.lease().as_secs_f64();
    let loaded_models = worker.record.loaded_models().map(str::to_owned).collect();
    let reputation = worker.record.rating.share();
    let (registration, heartbeat) = (worker.record.registration, worker.record.heartbeat);
    let mut skills: Vec<SkillName> = registration.supported_skills.iter().map(|skill| skill.name().clone()).collect();
    skills.sort_unstable();
    let paused = pauses.worker(&registration.worker_id).map(str::to_owned);
    WorkerView {
        paused,
        id: registration.worker_id.clone(),
        worker_id: registration.worker_id,
        worker_type: registration.worker_type,
        skills,
        status: heartbeat.status.unwrap_or_else(|| SILENT.to_owned()),
        load: heartbeat.load.unwrap_or_default(),
        current_tasks: heartbeat.current_tasks.unwrap_or_default(),
        loaded_models,
        resources: registration.resources,
        usage: worker.record.usage,
        labels: registration.labels,
        reputation,
        lease_seconds,
        registered_at: rfc3339(worker.registered_at),
        last_seen: rfc3339(worker.seen_at),
    }
}

/// A blueprint as clients see it, without its definition.
#[must_use]
pub fn blueprint_view(blueprint: &Blueprint) -> BlueprintView {
    let language = definition(blueprint)["QueryLanguage"].as_str().map(str::to_owned);
    BlueprintView {
        name: blueprint.name.clone(),
        version: blueprint.version.clone(),
        endpoint: blueprint.endpoint.clone(),
        description: blueprint.description.clone(),
        input: blueprint.input.clone(),
        defaults: Value::Object(blueprint.defaults.clone()),
        hash: blueprint.hash().to_owned(),
        skills: skills_of(blueprint).into_iter().map(String::from).collect(),
        query_language: language.unwrap_or_else(|| "JSONPath".to_owned()),
        definition: None,
    }
}

/// The state machine of a blueprint as it was written.
#[must_use]
pub fn definition(blueprint: &Blueprint) -> Value {
    let mut file: Value = serde_json::from_str(blueprint.canonical()).expect("the canonical text is JSON");
    file["definition"].take()
}

/// A blueprint with the way that a job took through it.
#[derive(Debug, Clone)]
pub struct Way {
    /// The blueprint.
    pub blueprint: Arc<Blueprint>,
    /// The states that were entered.
    pub taken: BTreeSet<String>,
    /// The state that the job is in, unless it has ended.
    pub current: Option<String>,
}

impl Way {
    /// A blueprint that nobody goes through.
    #[must_use]
    pub const fn untaken(blueprint: Arc<Blueprint>) -> Self {
        Self { blueprint, taken: BTreeSet::new(), current: None }
    }
}

/// The way of a job through the definition that it began with; `None` when it is not a job of this blueprint, or it or its
/// definition is gone.
///
/// # Errors
/// When Redis is away.
pub async fn way_of(store: &Store, catalogue: &Catalogue, job: JobId, blueprint: &str) -> Result<Option<Way>> {
    let Some(mut record) = store.read_job(job).await? else { return Ok(None) };
    if record.fields.get("blueprint").is_none_or(|name| name != blueprint) {
        return Ok(None);
    }
    let hash = record.fields.remove("hash").unwrap_or_default();
    let Some(blueprint) = catalogue.pinned(store, &hash).await? else { return Ok(None) };
    let taken = record.visits.into_iter().map(|(state, _)| state).collect();
    Ok(Some(Way { blueprint, taken, current: record.fields.remove("current").filter(|state| !state.is_empty()) }))
}

/// The skills that a blueprint needs, each once.
fn skills_of(blueprint: &Blueprint) -> Vec<SkillName> {
    let mut skills: Vec<SkillName> = blueprint
        .machine
        .tasks()
        .filter_map(|(resource, _)| match resource {
            Resource::Skill(skill) => Some(skill.clone()),
            Resource::Approval(_) | Resource::Blueprint(_) => None,
        })
        .collect();
    skills.sort_unstable();
    skills.dedup();
    skills
}

/// Every skill that a worker has or a blueprint needs, in alphabetical order.
///
/// # Errors
/// When Redis is away.
pub async fn skills(store: &Store, catalogue: &Catalogue) -> Result<Vec<SkillView>> {
    let mut known: BTreeMap<SkillName, SkillView> = BTreeMap::new();
    for worker in store.workers(MOST_WORKERS).await? {
        for skill in worker.record.registration.supported_skills {
            let view = known.entry(skill.name().clone()).or_insert_with(|| bare(skill.name()));
            view.workers += 1;
            if let Skill::Described { facts, .. } = skill
                && view.facts.is_empty()
            {
                view.facts = facts;
            }
        }
    }
    for blueprint in catalogue.offered().iter() {
        for skill in skills_of(blueprint) {
            known.entry(skill.clone()).or_insert_with(|| bare(&skill)).blueprints.push(blueprint.name.clone());
        }
    }
    let queues = queues(store, known.keys()).await?;
    for (queue, length) in queues {
        let skill = queue.split('|').next().unwrap_or_default();
        if let Some(view) = skill.parse().ok().and_then(|skill: SkillName| known.get_mut(&skill)) {
            view.queued += length;
        }
    }
    for skill in store.pauses().await?.skills {
        if let Some(view) = skill.parse().ok().and_then(|skill: SkillName| known.get_mut(&skill)) {
            view.paused = true;
        }
    }
    Ok(known.into_values().collect())
}

fn bare(name: &SkillName) -> SkillView {
    SkillView { name: name.clone(), workers: 0, queued: 0, paused: false, blueprints: Vec::new(), facts: Map::new() }
}

/// The queues of these skills with their lengths.
async fn queues(store: &Store, skills: impl Iterator<Item = &SkillName>) -> Result<Vec<(String, u64)>> {
    let special = store.requirements().await?.into_keys();
    let queues: Vec<String> = skills.map(ToString::to_string).chain(special).collect();
    let lengths = store.queue_lengths(&queues).await?;
    Ok(queues.into_iter().zip(lengths).collect())
}

/// The figures of the whole deployment.
///
/// # Errors
/// When Redis is away.
pub async fn dashboard(store: &Store, catalogue: &Catalogue, replica: ReplicaHealth) -> Result<Dashboard> {
    let redis = store.redis_facts().await?;
    let workers = store.workers(MOST_WORKERS).await?;
    let mut by_status: BTreeMap<String, u64> = BTreeMap::new();
    let mut skills: Vec<SkillName> = catalogue.offered().iter().flat_map(|blueprint| skills_of(blueprint)).collect();
    let alive = workers.len() as u64;
    for worker in workers {
        let status = worker.record.heartbeat.status.unwrap_or_else(|| SILENT.to_owned());
        *by_status.entry(status).or_default() += 1;
        skills.extend(worker.record.registration.supported_skills.iter().map(|skill| skill.name().clone()));
    }
    skills.sort_unstable();
    skills.dedup();
    let mut lengths = queues(store, skills.iter()).await?;
    let queued = lengths.iter().map(|(_, length)| length).sum();
    lengths.retain(|(_, length)| *length > 0);
    lengths.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    lengths.truncate(SHOWN_QUEUES);
    let counts = store.job_counts().await?;
    let totals = |start: &'static str| {
        let named = counts.iter().filter_map(move |(name, total)| Some((name.strip_prefix(start)?, *total)));
        named.map(|(name, total)| (name.to_owned(), total.max(0).unsigned_abs()))
    };
    Ok(Dashboard {
        jobs: JobTotals { open: totals("open:").map(|(_, open)| open).sum(), ended: totals("ended:").collect() },
        tasks: TaskTotals { queued, held: store.held_tasks().await? },
        workers: WorkerTotals { alive, by_status },
        queues: lengths.into_iter().map(|(queue, queued)| QueueLength { queue, queued }).collect(),
        blueprints: catalogue.offered().len() as u64,
        replica,
        store: StoreHealth {
            version: redis.version,
            used_memory_bytes: redis.used_memory,
            latency_ms: redis.latency.as_secs_f64() * 1000.0,
        },
    })
}
