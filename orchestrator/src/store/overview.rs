//! Figures of the whole deployment: each is one answer per partition, and none looks at a job.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{Result, Store, keys::Keys, script::corrupt};

/// How Redis is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisFacts {
    /// Its release.
    pub version: String,
    /// Bytes that its data take.
    pub used_memory: u64,
    /// How long it took to answer.
    pub latency: Duration,
}

impl Store {
    /// How many tasks wait in each of these queues, in their order.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn queue_lengths(&self, queues: &[String]) -> Result<Vec<u64>> {
        let mut totals = vec![0; queues.len()];
        if queues.is_empty() {
            return Ok(totals);
        }
        for partition in self.partitions() {
            let mut pipe = redis::pipe();
            for queue in queues {
                pipe.cmd("ZCARD").arg(Keys::queue(partition, queue));
            }
            let lengths: Vec<u64> = pipe.query_async(&mut self.connections.get().await?).await?;
            totals.iter_mut().zip(lengths).for_each(|(total, length)| *total += length);
        }
        Ok(totals)
    }

    /// How many tasks are held by workers.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn held_tasks(&self) -> Result<u64> {
        let mut total = 0;
        for partition in self.partitions() {
            let mut command = redis::cmd("ZCARD");
            command.arg(Keys::leases(partition));
            total += command.query_async::<u64>(&mut self.connections.get().await?).await?;
        }
        Ok(total)
    }

    /// The totals that are kept of jobs, by name, over all partitions: `open:<client>` and `ended:<state>`.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn job_counts(&self) -> Result<BTreeMap<String, i64>> {
        let mut totals = BTreeMap::new();
        for partition in self.partitions() {
            let mut command = redis::cmd("HGETALL");
            command.arg(Keys::counts(partition));
            let counts: BTreeMap<String, i64> = command.query_async(&mut self.connections.get().await?).await?;
            for (name, count) in counts {
                *totals.entry(name).or_default() += count;
            }
        }
        Ok(totals)
    }

    /// How Redis is.
    ///
    /// # Errors
    /// When it is away.
    pub async fn redis_facts(&self) -> Result<RedisFacts> {
        let asked = Instant::now();
        let mut connection = self.connections.get().await?;
        let (server, memory): (String, String) =
            redis::pipe().cmd("INFO").arg("server").cmd("INFO").arg("memory").query_async(&mut connection).await?;
        let latency = asked.elapsed();
        let fact = |text: &str, name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.map(|value| value.trim().to_owned()).ok_or_else(|| corrupt(format!("INFO without {name}")))
        };
        let used_memory = fact(&memory, "used_memory")?;
        Ok(RedisFacts {
            version: fact(&server, "redis_version")?,
            used_memory: used_memory.parse().map_err(|_| corrupt(format!("used_memory {used_memory}")))?,
            latency,
        })
    }
}
