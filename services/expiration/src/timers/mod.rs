//! Triggers that fire due timers: wake-ups from Redis, and a sweep over MongoDB.
//!
//! # Why
//! Redis stores no timer, only one job per second in which some timer is due; the instance that takes the job fires all
//! due timers in MongoDB. So the queue stays small however many holds there are, and it may contain duplicates or be
//! lost: the sweep finds the same timers a moment later.

pub(crate) mod sweep;
pub mod wake_ups;
pub(crate) mod worker;

use std::time::Duration;

use apalis_redis::{Config as QueueConfig, RedisStorage};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use serde::{Deserialize, Serialize};

/// Job: fire the timers that are due at this second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WakeUp {
    /// Unix time.
    second: i64,
}

/// How long the queue rejects a duplicate job for the same second. Duplicates after that are harmless. It must be set:
/// by default nothing is deduplicated.
const DEDUPLICATION_TTL: Duration = Duration::from_secs(3600);
/// Interval of a worker's heartbeats; a worker that misses two of them loses its jobs to another.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Maximum time for connecting to Redis, and for one response.
const REDIS_TIMEOUT: Duration = Duration::from_secs(2);

/// The queue of wake-ups in Redis.
#[derive(Clone)]
pub struct Queue {
    connection: ConnectionManager,
    config: QueueConfig,
}

impl Queue {
    /// `prefix` is that of the queue's Redis keys. Redis need not be reachable yet.
    pub(crate) fn new(redis: &redis::Client, prefix: &str) -> anyhow::Result<Self> {
        let options = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(REDIS_TIMEOUT))
            .set_response_timeout(Some(REDIS_TIMEOUT))
            // Callers retry themselves, after a back-off that a shutdown interrupts.
            .set_number_of_retries(0);
        let connection = redis.get_connection_manager_lazy(options)?;
        let config = QueueConfig::default()
            .queue(format!("{prefix}:expiration:wake-ups"))
            .idempotency_ttl(Some(DEDUPLICATION_TTL))
            .heartbeat_interval(HEARTBEAT)
            .missed_heartbeats(2)
            // Leases are off, because a job that runs twice is harmless; notifications, because nothing listens to
            // them.
            .lock_tasks(false)
            .emit_events(false);
        Ok(Self { connection, config })
    }

    /// A handle for one producer or one worker.
    fn storage(&self) -> RedisStorage<WakeUp> {
        RedisStorage::new(self.connection.clone()).with_config(self.config.clone())
    }
}
