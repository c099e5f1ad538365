//! What gets no tasks for now, at an operator's wish: workers, skills, blueprints.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use relevo_shared::WorkerId;

use super::{
    Result, Store,
    keys::Keys,
    script::UNPARK_TASKS,
    wakes::{ANY, CHANNEL},
};

/// Tasks that one script puts back into their queues.
const PART: usize = 100;

/// Something that can be paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pausable {
    /// A worker gets no more tasks; those that it has go on.
    Worker(WorkerId),
    /// No task of a skill is handed out.
    Skill(String),
    /// No task of a blueprint's jobs is handed out.
    Blueprint(String),
}

/// What is paused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pauses {
    /// Workers, with `pause` or `drain`.
    pub workers: BTreeMap<String, String>,
    /// Skills.
    pub skills: BTreeSet<String>,
    /// Blueprints.
    pub blueprints: BTreeSet<String>,
}

impl Pauses {
    /// How a worker is paused, if it is.
    #[must_use]
    pub fn worker(&self, worker: &WorkerId) -> Option<&str> {
        self.workers.get(worker.as_str()).map(String::as_str)
    }
}

impl Pausable {
    fn field(&self) -> String {
        match self {
            Self::Worker(worker) => format!("worker:{worker}"),
            Self::Skill(skill) => format!("skill:{skill}"),
            Self::Blueprint(blueprint) => format!("blueprint:{blueprint}"),
        }
    }
}

impl Store {
    /// What is paused now.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn pauses(&self) -> Result<Pauses> {
        let mut command = redis::cmd("HGETALL");
        command.arg(Keys::paused());
        let fields: HashMap<String, String> = command.query_async(&mut self.connections.get().await?).await?;
        let mut pauses = Pauses::default();
        for (field, how) in fields {
            match field.split_once(':') {
                Some(("worker", name)) => drop(pauses.workers.insert(name.to_owned(), how)),
                Some(("skill", name)) => drop(pauses.skills.insert(name.to_owned())),
                Some(("blueprint", name)) => drop(pauses.blueprints.insert(name.to_owned())),
                _ => {}
            }
        }
        Ok(pauses)
    }

    /// Pauses something; every replica hears of it at once. `how` is a word for people.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn pause(&self, what: &Pausable, how: &str) -> Result<()> {
        let mut pipe = redis::pipe();
        if let Pausable::Blueprint(blueprint) = what {
            for partition in self.partitions() {
                pipe.cmd("SADD").arg(Keys::paused_in(partition)).arg(blueprint).ignore();
            }
        }
        pipe.cmd("HSET").arg(Keys::paused()).arg(what.field()).arg(how).ignore();
        pipe.cmd("PUBLISH").arg(CHANNEL).arg(ANY).ignore();
        Ok(pipe.query_async(&mut self.connections.get().await?).await?)
    }

    /// Resumes what was paused; says whether it was.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn resume(&self, what: &Pausable) -> Result<bool> {
        let mut pipe = redis::pipe();
        pipe.cmd("HDEL").arg(Keys::paused()).arg(what.field());
        pipe.cmd("PUBLISH").arg(CHANNEL).arg(ANY).ignore();
        let (was,): (bool,) = pipe.query_async(&mut self.connections.get().await?).await?;
        if let Pausable::Blueprint(blueprint) = what {
            for partition in self.partitions() {
                self.unpark(partition, blueprint).await?;
            }
        }
        Ok(was)
    }

    /// Puts the tasks of a blueprint that was paused back into their queues.
    async fn unpark(&self, partition: u16, blueprint: &str) -> Result<()> {
        loop {
            let mut call = UNPARK_TASKS.key(Keys::paused_in(partition));
            call.key(Keys::parked_for(partition, blueprint));
            call.arg(Keys::prefix(partition)).arg(blueprint).arg(PART);
            let count: usize = call.invoke_async(&mut self.connections.get().await?).await?;
            if count < PART {
                return Ok(());
            }
        }
    }
}
