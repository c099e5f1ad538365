//! Connections to Redis: a few lanes, each a multiplexed connection that many requests share.
//!
//! A pool checks a connection with a `PING` whenever it is taken out, which would double the round trips of a job. So
//! each lane takes one out, keeps it, and takes a fresh one when it breaks.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use deadpool_redis::{Config, Pool, PoolConfig, Runtime, Timeouts};
use redis::aio::MultiplexedConnection;
use tokio::sync::Mutex;

use super::{Result, StoreError};

/// Two cores of Redis traffic never needed more; each lane pipelines what its users send at the same time.
const LANES: usize = 4;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The lanes and the pool that fills them.
pub(super) struct Connections {
    client: redis::Client,
    pool: Pool,
    lanes: [Mutex<Option<MultiplexedConnection>>; LANES],
    turn: AtomicUsize,
}

impl Connections {
    pub(super) fn new(url: &str) -> Result<Self> {
        let client = redis::Client::open(url)?;
        let mut config = Config::from_url(url);
        config.pool = Some(PoolConfig {
            max_size: LANES,
            timeouts: Timeouts {
                wait: Some(CONNECT_TIMEOUT),
                create: Some(CONNECT_TIMEOUT),
                recycle: Some(CONNECT_TIMEOUT),
            },
            ..PoolConfig::default()
        });
        let pool = config.create_pool(Some(Runtime::Tokio1)).map_err(|error| StoreError::Away(error.to_string()))?;
        Ok(Self { client, pool, lanes: Default::default(), turn: AtomicUsize::new(0) })
    }

    /// A connection of the next lane.
    pub(super) async fn get(&self) -> Result<Lane<'_>> {
        let number = self.turn.fetch_add(1, Ordering::Relaxed) % LANES;
        let mut lane = self.lanes[number].lock().await;
        if lane.is_none() {
            let taken = self.pool.get().await.map_err(|error| StoreError::Away(error.to_string()))?;
            let mut connection = deadpool_redis::Connection::take(taken);
            connection.set_response_timeout(ANSWER_TIMEOUT);
            *lane = Some(connection);
        }
        let connection = lane.clone().ok_or_else(|| StoreError::Away("no connection".to_owned()))?;
        Ok(Lane { connections: self, number, connection })
    }

    /// The client, for a subscription's own connection.
    pub(super) const fn client(&self) -> &redis::Client {
        &self.client
    }
}

/// A share of one lane's connection. Empties the lane when the connection breaks under it.
pub(super) struct Lane<'a> {
    connections: &'a Connections,
    number: usize,
    connection: MultiplexedConnection,
}

impl redis::aio::ConnectionLike for Lane<'_> {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a redis::Cmd) -> redis::RedisFuture<'a, redis::Value> {
        Box::pin(async move {
            let answer = self.connection.req_packed_command(cmd).await;
            self.notice(answer.as_ref().err()).await;
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
            let answer = self.connection.req_packed_commands(pipeline, offset, count).await;
            self.notice(answer.as_ref().err()).await;
            answer
        })
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}

impl Lane<'_> {
    async fn notice(&self, error: Option<&redis::RedisError>) {
        if error.is_some_and(|error| error.is_unrecoverable_error() || error.is_io_error()) {
            *self.connections.lanes[self.number].lock().await = None;
        }
    }
}
