//! What the domain may know of a job, read once for many branches.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use relevo_shared::{BranchId, JobId};
use serde_json::{Map, Value};

use super::Engine;
use crate::{
    domain::blueprint::Facts,
    error::{Error, Result},
    store::{FanId, JobFacts, Standing},
    time::rfc3339,
};

/// Jobs whose facts a replica keeps at hand; only those with fan-outs.
const JOBS_AT_HAND: usize = 64;

/// What never changes about a job, read into values.
#[derive(Debug)]
pub(super) struct KnownJob {
    pub(super) job: JobFacts,
    id: String,
    input: Value,
    dataset: Option<Value>,
    started_at: String,
}

impl KnownJob {
    pub(super) fn read(id: JobId, job: JobFacts) -> Result<Self> {
        let parse = |text: &str| serde_json::from_str(text).map_err(|error| Error::Broken(id, error.to_string()));
        let (input, dataset) = (parse(&job.input)?, job.source.as_deref().map(parse).transpose()?);
        Ok(Self { id: id.to_string(), input, dataset, started_at: rfc3339(job.created_at), job })
    }
}

/// Jobs and variables of fan-outs that were read lately. Neither changes while branches use it.
#[derive(Debug, Default)]
pub(super) struct FactsAtHand {
    jobs: Mutex<HashMap<JobId, Arc<KnownJob>>>,
    variables: Mutex<HashMap<FanId, Arc<Map<String, Value>>>>,
}

/// Looks a key up in a small cache that is emptied when it is full.
fn known<K: std::hash::Hash + Eq, V>(cache: &Mutex<HashMap<K, Arc<V>>>, key: &K) -> Option<Arc<V>> {
    cache.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
}

fn keep<K: std::hash::Hash + Eq, V>(cache: &Mutex<HashMap<K, Arc<V>>>, key: K, value: &Arc<V>) {
    let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    if cache.len() >= JOBS_AT_HAND {
        cache.clear();
    }
    cache.insert(key, Arc::clone(value));
}

/// Owns what [`Facts`] borrows, for one step.
pub(super) struct OwnedFacts {
    pub(super) known: Arc<KnownJob>,
    outer: Option<Arc<Map<String, Value>>>,
    now_ms: i64,
    random: f64,
}

impl OwnedFacts {
    pub(super) fn new(known: Arc<KnownJob>, outer: Option<Arc<Map<String, Value>>>, now_ms: i64) -> Self {
        Self { known, outer, now_ms, random: fastrand::f64() }
    }

    pub(super) fn borrow(&self) -> Facts<'_> {
        Facts {
            job_id: &self.known.id,
            input: &self.known.input,
            outer: self.outer.as_deref(),
            dataset: self.known.dataset.as_ref(),
            started_at: &self.known.started_at,
            now_ms: self.now_ms,
            random: self.random,
        }
    }
}

impl Engine {
    /// The facts for a step of this branch.
    pub(super) async fn facts(&self, branch: BranchId, standing: &Standing) -> Result<OwnedFacts> {
        let known = match &standing.job {
            Some(job) => Arc::new(KnownJob::read(branch.job, job.clone())?),
            None => self.job_at_hand(branch.job).await?,
        };
        let outer = match branch.place {
            None => None,
            Some(place) => Some(self.variables_at_hand(FanId { job: branch.job, number: place.fan }).await?),
        };
        Ok(OwnedFacts::new(known, outer, standing.now))
    }

    /// What never changes about a job.
    pub(super) async fn job_at_hand(&self, id: JobId) -> Result<Arc<KnownJob>> {
        if let Some(job) = known(&self.at_hand.jobs, &id) {
            return Ok(job);
        }
        let job = self.store.job_facts(id).await?.ok_or_else(|| Error::Broken(id, "it is gone".to_owned()))?;
        let job = Arc::new(KnownJob::read(id, job)?);
        keep(&self.at_hand.jobs, id, &job);
        Ok(job)
    }

    async fn variables_at_hand(&self, fan: FanId) -> Result<Arc<Map<String, Value>>> {
        if let Some(variables) = known(&self.at_hand.variables, &fan) {
            return Ok(variables);
        }
        let text = self.store.fan_variables(fan).await?;
        let variables: Map<String, Value> = serde_json::from_str(text.as_deref().unwrap_or("{}"))
            .map_err(|error| Error::Broken(fan.job, format!("variables: {error}")))?;
        let variables = Arc::new(variables);
        keep(&self.at_hand.variables, fan, &variables);
        Ok(variables)
    }
}
