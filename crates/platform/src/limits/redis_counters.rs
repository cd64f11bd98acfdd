//! The counters that instances share, in Redis.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};

use super::class::RateClass;

/// Length of a rate limit's window.
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// Timeout of background work, which no request waits for: connecting and synchronising.
const BACKGROUND_TIMEOUT: Duration = Duration::from_secs(1);
/// Maximum number of counters per script call, so that a call does not block Redis.
pub(super) const BATCH_SIZE: usize = 256;
/// Number of consecutive failures after which the connection is replaced.
const MAX_FAILURES: u32 = 3;

/// Lua script that adds to each counter and returns `[count, remaining TTL in ms]` for each. A counter's TTL starts
/// with its first count, so windows follow the Redis server's clock.
const SCRIPT: &str = "\
local response = {}
for i, key in ipairs(KEYS) do
  local count = redis.call('INCRBY', key, ARGV[i + 1])
  local left = redis.call('PTTL', key)
  if left < 0 then
    redis.call('PEXPIRE', key, ARGV[1])
    left = tonumber(ARGV[1])
  end
  response[i] = {count, left}
end
return response";

/// Identifies the counter of a client and a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CounterKey {
    pub(crate) class: RateClass,
    /// Keyed hash of the client's identity.
    pub(crate) client: [u8; 16],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CounterValue {
    pub(crate) count: u64,
    /// Time until the window ends.
    pub(crate) ttl: Duration,
}

pub(crate) struct RedisCounters {
    client: redis::Client,
    prefix: String,
    /// The connection, and its consecutive failures.
    connection: Mutex<(ConnectionManager, u32)>,
}

impl RedisCounters {
    /// Counters with this key prefix. Connects on first use.
    pub(crate) fn new(client: &redis::Client, prefix: &str) -> anyhow::Result<Self> {
        let connection = Mutex::new((connect(client)?, 0));
        Ok(Self { client: client.clone(), prefix: prefix.to_owned(), connection })
    }

    /// Counts one request. Returns `None` on an error or after the timeout.
    pub(crate) async fn count(&self, key: CounterKey, timeout: Duration) -> Option<CounterValue> {
        let values = tokio::time::timeout(timeout, self.add(&[(key, 1)])).await.ok()?;
        values.ok()?.first().copied()
    }

    /// Adds local counts, [`BATCH_SIZE`] at most, and returns the new values. Without counts, only checks that Redis
    /// responds. After an error, the counts may have been added nevertheless.
    pub(crate) async fn sync(&self, counts: &[(CounterKey, u64)]) -> redis::RedisResult<Vec<CounterValue>> {
        let added = match tokio::time::timeout(BACKGROUND_TIMEOUT, self.add(counts)).await {
            Ok(added) => added,
            Err(_) => Err((redis::ErrorKind::Io, "no response in time").into()),
        };
        self.record_outcome(added.is_ok());
        added
    }

    async fn add(&self, counts: &[(CounterKey, u64)]) -> redis::RedisResult<Vec<CounterValue>> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner).0.clone();
        let mut call = redis::cmd("EVAL");
        call.arg(SCRIPT).arg(counts.len());
        for (CounterKey { class, client }, _) in counts {
            call.arg(format!("{}:limit:{}:{}", self.prefix, class.name(), hex::encode(client)));
        }
        call.arg(u64::try_from(WINDOW.as_millis()).unwrap_or(u64::MAX));
        for (_, count) in counts {
            call.arg(*count);
        }
        let values: Vec<(u64, u64)> = call.query_async(&mut connection).await?;
        Ok(values.into_iter().map(|(count, ttl)| CounterValue { count, ttl: Duration::from_millis(ttl) }).collect())
    }

    /// Replaces the connection after several failures in a row: a vanished host does not close its connections.
    fn record_outcome(&self, is_ok: bool) {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        connection.1 = if is_ok { 0 } else { connection.1.saturating_add(1) };
        if connection.1 >= MAX_FAILURES
            && let Ok(new) = connect(&self.client)
        {
            *connection = (new, 0);
        }
    }
}

fn connect(client: &redis::Client) -> redis::RedisResult<ConnectionManager> {
    let options = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(BACKGROUND_TIMEOUT))
        .set_response_timeout(Some(BACKGROUND_TIMEOUT))
        // The next synchronisation is the retry.
        .set_number_of_retries(0);
    client.get_connection_manager_lazy(options)
}
