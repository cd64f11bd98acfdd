//! What makes timers fire in time: wake-ups by way of Redis, and a sweep over MongoDB.
//!
//! # Why
//! Redis holds no timer, only one job per second in which some timer is due; whoever is woken fires
//! everything that is due in MongoDB. So the queue stays small however many holds there are, may
//! repeat itself, and may be lost: the sweep finds the same timers a moment later.

pub mod schedule;
pub mod sweep;
pub mod worker;

use std::time::Duration;

use apalis_redis::{Config as QueueConfig, RedisStorage};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use serde::{Deserialize, Serialize};

/// The job: fire what is due, as it will be in this second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WakeUp {
    /// Since the Unix epoch.
    second: i64,
}

/// How long Redis remembers that a second was asked for. A longer hold may be asked for twice, which
/// is harmless. It must be set at all: without it nothing would be remembered.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// How often a worker shows that it lives; one that misses two such loses its jobs to another.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long Redis may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where the queue is.
#[derive(Clone)]
pub struct Queue {
    connection: ConnectionManager,
    config: QueueConfig,
}

impl Queue {
    /// The queue, its keys behind this prefix; Redis does not have to be there yet.
    pub fn new(redis: &redis::Client, prefix: &str) -> anyhow::Result<Self> {
        let options = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            // Whoever uses the connection repeats by itself, with a pause that ends with the service.
            .set_number_of_retries(0);
        let connection = redis.get_connection_manager_lazy(options)?;
        let config = QueueConfig::default()
            .queue(format!("{prefix}:expiration:wake-ups"))
            .idempotency_ttl(Some(REMEMBERED))
            .heartbeat_interval(HEARTBEAT)
            .missed_heartbeats(2)
            .lock_tasks(false)
            .emit_events(false);
        Ok(Self { connection, config })
    }

    /// A handle for one producer or one worker.
    fn storage(&self) -> RedisStorage<WakeUp> {
        RedisStorage::new(self.connection.clone()).with_config(self.config.clone())
    }
}
