//! The counters that instances share, in Redis.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};

use super::class::RateClass;

/// For how long a request counts.
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// What Redis gets of nobody's time: to connect, and to settle.
const LEISURE: Duration = Duration::from_secs(1);
/// How many counters one call of the script adds to, so that it does not hold Redis up.
pub(super) const BATCH: usize = 256;
/// After how many failures in a row a new connection takes the place of one that may lead nowhere.
const FAILURES: u32 = 3;

/// Lua script that adds to each counter and returns `[count, remaining TTL in ms]` for each. A counter's TTL starts
/// with its first count, so windows follow the Redis server's clock.
const SCRIPT: &str = "\
local answer = {}
for i, key in ipairs(KEYS) do
  local count = redis.call('INCRBY', key, ARGV[i + 1])
  local left = redis.call('PTTL', key)
  if left < 0 then
    redis.call('PEXPIRE', key, ARGV[1])
    left = tonumber(ARGV[1])
  end
  answer[i] = {count, left}
end
return answer";

/// The counter of one class of one account or address, named without telling whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) class: RateClass,
    pub(crate) who: [u8; 16],
}

/// What a counter holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) count: u64,
    /// For how much longer.
    pub(crate) left: Duration,
}

/// Redis, or the way there.
pub(crate) struct Shared {
    client: redis::Client,
    prefix: String,
    connection: Mutex<(ConnectionManager, u32)>,
}

impl Shared {
    /// The counters behind this prefix; Redis does not have to be there yet.
    pub(crate) fn new(client: &redis::Client, prefix: &str) -> anyhow::Result<Self> {
        let connection = Mutex::new((connect(client)?, 0));
        Ok(Self { client: client.clone(), prefix: prefix.to_owned(), connection })
    }

    /// Counts one request, or fails within this time.
    pub(crate) async fn count(&self, key: Key, patience: Duration) -> Option<Held> {
        let held = tokio::time::timeout(patience, self.add(&[(key, 1)])).await.ok()?;
        held.ok()?.first().copied()
    }

    /// Adds what was counted elsewhere, [`BATCH`] counters at most; also nothing at all, to see whether Redis answers.
    /// After an error it may have been added all the same.
    pub(crate) async fn settle(&self, counts: &[(Key, u64)]) -> redis::RedisResult<Vec<Held>> {
        let added = match tokio::time::timeout(LEISURE, self.add(counts)).await {
            Ok(added) => added,
            Err(_) => Err((redis::ErrorKind::Io, "no answer in time").into()),
        };
        self.connected(added.is_ok());
        added
    }

    async fn add(&self, counts: &[(Key, u64)]) -> redis::RedisResult<Vec<Held>> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner).0.clone();
        let mut call = redis::cmd("EVAL");
        call.arg(SCRIPT).arg(counts.len());
        for (Key { class, who }, _) in counts {
            call.arg(format!("{}:limit:{}:{}", self.prefix, class.name(), hex::encode(who)));
        }
        call.arg(u64::try_from(WINDOW.as_millis()).unwrap_or(u64::MAX));
        for (_, count) in counts {
            call.arg(*count);
        }
        let held: Vec<(u64, u64)> = call.query_async(&mut connection).await?;
        Ok(held.into_iter().map(|(count, left)| Held { count, left: Duration::from_millis(left) }).collect())
    }

    /// Takes another connection when this one has failed a few times: a machine that is gone without a word
    /// answers nothing for a long time.
    fn connected(&self, is_well: bool) {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        connection.1 = if is_well { 0 } else { connection.1.saturating_add(1) };
        if connection.1 >= FAILURES
            && let Ok(new) = connect(&self.client)
        {
            *connection = (new, 0);
        }
    }
}

fn connect(client: &redis::Client) -> redis::RedisResult<ConnectionManager> {
    let options = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(LEISURE))
        .set_response_timeout(Some(LEISURE))
        // Who settles tries again every second.
        .set_number_of_retries(0);
    client.get_connection_manager_lazy(options)
}
