//! Connections to Redis: a few lanes, each a multiplexed connection that many requests share.
//!
//! A pool checks a connection with a `PING` whenever it is taken out, which would double the round trips of a job. So
//! each lane takes one out, keeps it, and takes a fresh one when it breaks.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use deadpool_redis::{Config, Pool, PoolConfig, Runtime, Timeouts};
use redis::aio::MultiplexedConnection;

use super::{
    Result, StoreError,
    calls::{self, Calls},
};

/// Two cores of Redis traffic never needed more; each lane pipelines what its users send at the same time.
const LANES: usize = 4;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// After a failed attempt nobody tries again for this long, and whoever asks hears so at once: a thousand requests that
/// queue for a connection would each wait for an attempt of their own.
const PAUSE: Duration = Duration::from_millis(500);

/// The lanes and the pool that fills them.
pub(super) struct Connections {
    client: redis::Client,
    pool: Pool,
    lanes: [Lane; LANES],
    turn: AtomicUsize,
    calls: Calls,
}

#[derive(Default)]
struct Lane {
    open: Mutex<Option<Open>>,
    /// When an attempt last failed; held while one is made.
    failed: tokio::sync::Mutex<Option<Instant>>,
}

/// A connection with its number, so that a late error of an old one does not close a new one.
#[derive(Clone)]
struct Open {
    number: usize,
    connection: MultiplexedConnection,
}

impl Lane {
    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    pub(super) fn new(url: &str) -> Result<Self> {
        let client = redis::Client::open(url)?;
        let mut config = Config::from_url(url);
        let timeouts =
            Timeouts { wait: Some(CONNECT_TIMEOUT), create: Some(CONNECT_TIMEOUT), recycle: Some(CONNECT_TIMEOUT) };
        config.pool = Some(PoolConfig { max_size: LANES, timeouts, ..PoolConfig::default() });
        let pool = config.create_pool(Some(Runtime::Tokio1)).map_err(|error| StoreError::Away(error.to_string()))?;
        Ok(Self { client, pool, lanes: Default::default(), turn: AtomicUsize::new(0), calls: Calls::new() })
    }

    /// A share of the next lane's connection.
    pub(super) async fn get(&self) -> Result<Shared<'_>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let lane = &self.lanes[turn % LANES];
        let known = lane.open().clone();
        if let Some(open) = known {
            return Ok(Shared { lane, open, calls: &self.calls });
        }
        let mut failed = lane.failed.lock().await;
        let opened_meanwhile = lane.open().clone();
        if let Some(open) = opened_meanwhile {
            return Ok(Shared { lane, open, calls: &self.calls });
        }
        if failed.is_some_and(|at| at.elapsed() < PAUSE) {
            return Err(StoreError::Away("no connection".to_owned()));
        }
        match self.pool.get().await {
            Ok(taken) => {
                let mut connection = deadpool_redis::Connection::take(taken);
                connection.set_response_timeout(ANSWER_TIMEOUT);
                let open = Open { number: turn, connection };
                *lane.open() = Some(open.clone());
                *failed = None;
                Ok(Shared { lane, open, calls: &self.calls })
            }
            Err(error) => {
                *failed = Some(Instant::now());
                Err(StoreError::Away(error.to_string()))
            }
        }
    }

    /// What is known of all calls.
    pub(super) fn calls(&self) -> Calls {
        self.calls.clone()
    }

    /// The client, for a subscription's own connection.
    pub(super) const fn client(&self) -> &redis::Client {
        &self.client
    }
}

/// A share of one lane's connection. Empties the lane when the connection breaks under it.
pub(super) struct Shared<'a> {
    lane: &'a Lane,
    open: Open,
    calls: &'a Calls,
}

impl redis::aio::ConnectionLike for Shared<'_> {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a redis::Cmd) -> redis::RedisFuture<'a, redis::Value> {
        Box::pin(async move {
            let begun = Instant::now();
            let answer = self.open.connection.req_packed_command(cmd).await;
            self.calls.ended(&calls::name(cmd), begun, &answer);
            self.notice(answer.as_ref().err());
            answer
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a redis::Pipeline,
        offset: usize,
        count: usize,
    ) -> redis::RedisFuture<'a, Vec<redis::Value>> {
        Box::pin(async move {
            let begun = Instant::now();
            let answer = self.open.connection.req_packed_commands(pipeline, offset, count).await;
            self.calls.ended("pipeline", begun, &answer);
            self.notice(answer.as_ref().err());
            answer
        })
    }

    fn get_db(&self) -> i64 {
        self.open.connection.get_db()
    }
}

impl Shared<'_> {
    fn notice(&self, error: Option<&redis::RedisError>) {
        if error.is_some_and(|error| error.is_unrecoverable_error() || error.is_io_error()) {
            let mut open = self.lane.open();
            if open.as_ref().is_some_and(|open| open.number == self.open.number) {
                *open = None;
            }
        }
    }
}
