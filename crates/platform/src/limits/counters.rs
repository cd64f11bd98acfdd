//! Counts requests: for small quotas in Redis, for large ones locally, synchronised with Redis once a second.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common::id::UserId;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use tokio::time::Instant;

use super::class::RateClass;
use super::redis_counters::{BATCH_SIZE, CounterKey, CounterValue, RedisCounters, WINDOW};
use super::settings::Settings;
use crate::config::Redis;
use crate::lifecycle::{self, Tasks};

/// Quotas up to this size are counted in Redis.
const EXACT_UP_TO: u32 = 300;
/// Interval of synchronisation; also how long Redis is bypassed after a failure.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum number of local counters. Beyond it, new clients are not counted locally.
const MAX_COUNTERS: usize = 200_000;

/// The sender of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientIdentity {
    /// A signed-in user, at any address.
    Account(UserId),
    /// All guests at this address.
    Guest(IpAddr),
}

impl ClientIdentity {
    /// A unique name. Guests with IPv6 are named by their network, since each has 2^64 addresses.
    fn name(self) -> String {
        match self {
            Self::Account(id) => format!("account {id}"),
            Self::Guest(IpAddr::V4(address)) => format!("address {address}"),
            Self::Guest(IpAddr::V6(address)) => format!("network {:016x}", address.to_bits() >> 64),
        }
    }
}

/// The outcome of counting a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The class in which the request was counted.
    pub class: RateClass,
    /// Whether it is within the quota.
    pub is_allowed: bool,
    /// Requests per minute.
    pub quota: u32,
    /// Requests that remain in this window.
    pub remaining: u32,
    /// Time until the window ends.
    pub resets_in: Duration,
}

/// One counter in its current window.
#[derive(Debug, Clone, Copy)]
struct Window {
    /// Count of all instances when Redis last responded.
    known: u64,
    /// Local count since then.
    unsynced: u64,
    ends: Instant,
}

/// The counters of one instance; cheap to clone.
#[derive(Clone)]
pub struct Counters(Arc<Inner>);

struct Inner {
    settings: Settings,
    secret: SecretString,
    redis: Option<RedisCounters>,
    windows: Mutex<HashMap<CounterKey, Window>>,
    redis_bypassed_until: Mutex<Instant>,
}

impl Counters {
    /// Creates empty counters. The default secret is random, so the counters can't be shared with other instances.
    pub(crate) fn new(settings: &Settings, redis: &Redis) -> anyhow::Result<Self> {
        let secret = settings.limit_secret.clone();
        Ok(Self(Arc::new(Inner {
            settings: settings.clone(),
            secret: secret.unwrap_or_else(|| SecretString::from(hex::encode(rand::random::<[u8; 32]>()))),
            redis: redis.client.as_ref().map(|client| RedisCounters::new(client, &redis.prefix)).transpose()?,
            windows: Mutex::default(),
            redis_bypassed_until: Mutex::new(Instant::now()),
        })))
    }

    /// A hash of this text, keyed with the fleet's secret.
    pub(crate) fn hash(&self, text: &str) -> [u8; 32] {
        // HMAC accepts keys of any length, so there is no error.
        let mac = Hmac::<Sha256>::new_from_slice(self.0.secret.expose_secret().as_bytes());
        mac.map(|mac| mac.chain_update(text).finalize().into_bytes().into()).unwrap_or_default()
    }

    /// Counts a request. Takes [`Settings::limit_redis_timeout`] at most, and never fails.
    pub async fn count(&self, class: RateClass, client: ClientIdentity) -> Decision {
        let quota = self.0.settings.quota(class);
        let hash = self.hash(&client.name());
        let mut key = CounterKey { class, client: [0; 16] };
        key.client.copy_from_slice(hash.split_at(16).0);
        if quota <= EXACT_UP_TO
            && let Some(redis) = self.0.redis.as_ref().filter(|_| !self.is_redis_bypassed())
        {
            // A client over its quota causes no Redis call: the count only grows until the window ends.
            if let Some(rejection) = self.known_rejection(key, quota) {
                return rejection;
            }
            if let Some(value) = redis.count(key, self.0.settings.limit_redis_timeout).await {
                return self.apply(key, quota, value);
            }
            self.bypass_redis(SYNC_INTERVAL);
            return self.count_locally(key, quota, true);
        }
        self.count_locally(key, quota, false)
    }

    fn windows(&self) -> MutexGuard<'_, HashMap<CounterKey, Window>> {
        self.0.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_redis_bypassed(&self) -> bool {
        Instant::now() < *self.0.redis_bypassed_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bypass_redis(&self, pause: Duration) {
        *self.0.redis_bypassed_until.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + pause;
    }

    fn known_rejection(&self, key: CounterKey, quota: u32) -> Option<Decision> {
        let now = Instant::now();
        let window = self.windows().get(&key).copied().filter(|window| window.ends > now)?;
        let is_over = window.known + window.unsynced >= u64::from(quota);
        is_over.then(|| decision(key.class, quota, u64::from(quota) + 1, window.ends - now))
    }

    /// Applies Redis' count of a request.
    fn apply(&self, key: CounterKey, quota: u32, value: CounterValue) -> Decision {
        let now = Instant::now();
        let mut windows = self.windows();
        if windows.len() < MAX_COUNTERS || windows.contains_key(&key) {
            windows.entry(key).or_insert(Window { known: 0, unsynced: 0, ends: now }).apply(value, now);
        }
        decision(key.class, quota, value.count, value.ttl)
    }

    /// Counts a request locally. If `is_sent`, Redis may have counted it already, so it is not synchronised.
    fn count_locally(&self, key: CounterKey, quota: u32, is_sent: bool) -> Decision {
        let now = Instant::now();
        let mut windows = self.windows();
        if windows.len() >= MAX_COUNTERS && !windows.contains_key(&key) {
            return decision(key.class, quota, 1, WINDOW);
        }
        let window = windows.entry(key).or_insert(Window { known: 0, unsynced: 0, ends: now });
        if window.ends <= now {
            *window = Window { known: 0, unsynced: 0, ends: now + WINDOW };
        }
        // Rejected requests are not counted: they would have to be synchronised too.
        let count = window.known + window.unsynced + 1;
        if count <= u64::from(quota) {
            *(if is_sent { &mut window.known } else { &mut window.unsynced }) += 1;
        }
        decision(key.class, quota, count, window.ends - now)
    }

    /// Synchronises the counts with Redis once a second until shutdown.
    pub(crate) async fn run_sync(self, tasks: Tasks) {
        let mut is_up = true;
        while tasks.sleep_unless_stopping(lifecycle::jittered(SYNC_INTERVAL)).await {
            let Some(redis) = &self.0.redis else {
                // Called only because it removes the windows that have ended.
                self.unsynced_counts();
                continue;
            };
            let synced = tokio::select! {
                synced = self.sync(redis) => synced,
                () = tasks.stop_token().cancelled() => return,
            };
            if let Err(error) = &synced {
                // Logged once per outage.
                if is_up {
                    tracing::warn!(error = %error, "Redis is unavailable; this instance counts requests on its own");
                }
                // Lasts until the next synchronisation has ended.
                self.bypass_redis(SYNC_INTERVAL * 2);
            }
            is_up = synced.is_ok();
            metrics::gauge!("rate_limit_redis_up").set(f64::from(is_up));
        }
    }

    /// Sends each unsynchronised count to Redis at most once: a call that timed out may still have been executed, and
    /// sending it again would count a request twice.
    async fn sync(&self, redis: &RedisCounters) -> redis::RedisResult<()> {
        let counts = self.unsynced_counts();
        if counts.is_empty() {
            return redis.sync(&[]).await.map(drop);
        }
        for batch in counts.chunks(BATCH_SIZE) {
            let values = redis.sync(batch).await;
            self.apply_sync(batch, values.as_deref().unwrap_or_default());
            values?;
        }
        Ok(())
    }

    /// The counts that Redis does not have. Also removes the windows that have ended.
    fn unsynced_counts(&self) -> Vec<(CounterKey, u64)> {
        let now = Instant::now();
        let mut windows = self.windows();
        windows.retain(|_, window| window.ends > now);
        windows.iter().filter(|(_, it)| it.unsynced > 0).map(|(key, it)| (*key, it.unsynced)).collect()
    }

    /// Marks counts as sent, and applies the values that Redis returned; none after an error.
    fn apply_sync(&self, counts: &[(CounterKey, u64)], values: &[CounterValue]) {
        let now = Instant::now();
        let mut windows = self.windows();
        for (index, (key, count)) in counts.iter().enumerate() {
            let Some(window) = windows.get_mut(key) else { continue };
            let sent = window.unsynced.min(*count);
            window.unsynced -= sent;
            match values.get(index) {
                Some(value) => window.apply(*value, now),
                None => window.known += sent,
            }
        }
    }
}

impl Window {
    /// Applies the count in Redis. A count below the known one is ignored: Redis lost its data during the window.
    fn apply(&mut self, value: CounterValue, now: Instant) {
        if self.ends <= now || value.count >= self.known {
            self.known = value.count;
            self.ends = now + value.ttl;
        }
    }
}

fn decision(class: RateClass, quota: u32, count: u64, resets_in: Duration) -> Decision {
    let remaining = u64::from(quota).saturating_sub(count);
    Decision {
        class,
        is_allowed: count <= u64::from(quota),
        quota,
        remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
        resets_in,
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::*;

    fn counters(arguments: &[&str]) -> Counters {
        let command = Settings::augment_args(Command::new("test"));
        let matches = command.get_matches_from(std::iter::once("test").chain(arguments.iter().copied()));
        let redis = Redis { client: None, prefix: String::new() };
        Counters::new(&Settings::from_arg_matches(&matches).unwrap(), &redis).unwrap()
    }

    #[test]
    fn ipv6_guests_are_counted_by_network() {
        let name = |address: &str| ClientIdentity::Guest(address.parse().unwrap()).name();
        assert_eq!(name("2001:db8:1:2::1"), name("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(name("2001:db8:1:2::1"), name("2001:db8:1:3::1"));
        assert_ne!(name("192.0.2.1"), name("192.0.2.2"));
    }

    #[tokio::test(start_paused = true)]
    async fn window_ends_a_minute_after_its_first_request() {
        let counters = counters(&["--orders-per-minute=3"]);
        let (one, other) = (ClientIdentity::Account(UserId::new()), ClientIdentity::Account(UserId::new()));
        for remaining in [2, 1, 0] {
            let decision = counters.count(RateClass::Orders, one).await;
            assert!(decision.is_allowed && decision.remaining == remaining, "{decision:?}");
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        let rejected = counters.count(RateClass::Orders, one).await;
        assert!(!rejected.is_allowed && rejected.remaining == 0, "{rejected:?}");
        assert_eq!(rejected.resets_in, Duration::from_secs(30));
        assert!(counters.count(RateClass::Orders, other).await.is_allowed, "another account");
        assert!(counters.count(RateClass::Reads, one).await.is_allowed, "another class");
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(counters.count(RateClass::Orders, one).await.remaining, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn ended_windows_are_removed() {
        let counters = counters(&[]);
        for _ in 0..100 {
            counters.count(RateClass::Reads, ClientIdentity::Account(UserId::new())).await;
        }
        assert_eq!(counters.unsynced_counts().len(), 100);
        tokio::time::advance(WINDOW).await;
        assert_eq!(counters.unsynced_counts().len(), 0);
        assert_eq!(counters.windows().len(), 0);
    }
}
