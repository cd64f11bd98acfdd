//! Counts requests: small quotas one by one where all instances see them, large ones here and now, settled once a
//! second.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use common::id::UserId;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use tokio::time::Instant;

use super::class::RateClass;
use super::settings::Settings;
use super::shared::{BATCH, Held, Key, Shared, WINDOW};
use crate::config::Redis;
use crate::lifecycle::{self, Tasks};

/// Up to this quota every request is counted where all instances see it at once.
pub const EXACT_UP_TO: u32 = 300;
/// How often the others learn what was counted here; and for how long Redis is not asked after a failure.
const SETTLING: Duration = Duration::from_secs(1);
/// How many counters one instance has at most; who comes when there are more is not counted here.
const MOST: usize = 200_000;

/// Who sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// An account, wherever it is.
    Account(UserId),
    /// Anybody at this address.
    Guest(IpAddr),
}

impl Who {
    /// What tells one from another; of an IPv6 address its network, since a guest has 2^64 of those.
    fn name(self) -> String {
        match self {
            Self::Account(id) => format!("account {id}"),
            Self::Guest(IpAddr::V4(address)) => format!("address {address}"),
            Self::Guest(IpAddr::V6(address)) => format!("network {:016x}", address.to_bits() >> 64),
        }
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What it was counted as.
    pub class: RateClass,
    /// Whether it is within the quota.
    pub is_allowed: bool,
    /// How many a minute.
    pub quota: u32,
    /// How many are left.
    pub remaining: u32,
    /// When the quota is whole again.
    pub resets_in: Duration,
}

/// A minute of one counter.
#[derive(Debug, Clone, Copy)]
struct Window {
    /// What all instances had counted when Redis was last asked.
    known: u64,
    /// What was counted here since.
    unsettled: u64,
    ends: Instant,
}

/// Whether Redis may already have counted a request that is now counted locally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    No,
    /// It was asked to count it and has not answered.
    Perhaps,
}

/// The counters of one instance; cheap to clone.
#[derive(Clone)]
pub struct Counters(Arc<Inner>);

struct Inner {
    settings: Settings,
    secret: SecretString,
    shared: Option<Shared>,
    windows: Mutex<HashMap<Key, Window>>,
    /// Until then Redis is not asked.
    alone_until: Mutex<Instant>,
}

impl Counters {
    /// Creates empty counters. Where the settings have no secret, a random one is used; other instances don't know it, so
    /// their counters can't be shared.
    pub(crate) fn new(settings: &Settings, redis: &Redis) -> anyhow::Result<Self> {
        let shared = redis.client.as_ref().map(|client| Shared::new(client, &redis.prefix)).transpose()?;
        let secret = settings.limit_secret.clone();
        let secret = secret.unwrap_or_else(|| SecretString::from(hex::encode(rand::random::<[u8; 32]>())));
        Ok(Self(Arc::new(Inner {
            settings: settings.clone(),
            secret,
            shared,
            windows: Mutex::default(),
            alone_until: Mutex::new(Instant::now()),
        })))
    }

    /// A keyed hash of this text, by the secret of the fleet.
    pub(crate) fn hash(&self, text: &str) -> [u8; 32] {
        // HMAC takes a key of any length.
        let mac = Hmac::<Sha256>::new_from_slice(self.0.secret.expose_secret().as_bytes());
        mac.map(|mac| mac.chain_update(text).finalize().into_bytes().into()).unwrap_or_default()
    }

    /// Counts a request. Takes [`Settings::limit_redis_timeout`] at most, and never fails.
    pub async fn count(&self, class: RateClass, who: Who) -> Decision {
        let quota = self.0.settings.quota(class);
        let hash = self.hash(&who.name());
        let mut key = Key { class, who: [0; 16] };
        key.who.copy_from_slice(hash.split_at(16).0);
        if quota <= EXACT_UP_TO
            && let Some(shared) = self.0.shared.as_ref().filter(|_| !self.is_alone())
        {
            // Who is over the limit costs Redis nothing: the count only grows until its window ends.
            if let Some(refusal) = self.refusal(key, quota) {
                return refusal;
            }
            if let Some(held) = shared.count(key, self.0.settings.limit_redis_timeout).await {
                return self.learn(key, quota, held);
            }
            self.be_alone(SETTLING);
            // Redis may have counted it, or may yet: it is not told of it again.
            return self.count_here(key, quota, Told::Perhaps);
        }
        self.count_here(key, quota, Told::No)
    }

    fn windows(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Window>> {
        self.0.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_alone(&self) -> bool {
        Instant::now() < *self.0.alone_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn be_alone(&self, pause: Duration) {
        *self.0.alone_until.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + pause;
    }

    fn refusal(&self, key: Key, quota: u32) -> Option<Decision> {
        let now = Instant::now();
        let window = self.windows().get(&key).copied().filter(|window| window.ends > now)?;
        let is_over = window.known + window.unsettled >= u64::from(quota);
        is_over.then(|| decision(key.class, quota, u64::from(quota) + 1, window.ends - now))
    }

    /// What Redis said of a request that it has counted.
    fn learn(&self, key: Key, quota: u32, held: Held) -> Decision {
        let now = Instant::now();
        let mut windows = self.windows();
        if windows.len() < MOST || windows.contains_key(&key) {
            windows.entry(key).or_insert(Window { known: 0, unsettled: 0, ends: now }).learn(held, now);
        }
        decision(key.class, quota, held.count, held.left)
    }

    fn count_here(&self, key: Key, quota: u32, told: Told) -> Decision {
        let now = Instant::now();
        let mut windows = self.windows();
        if windows.len() >= MOST && !windows.contains_key(&key) {
            return decision(key.class, quota, 1, WINDOW);
        }
        let window = windows.entry(key).or_insert(Window { known: 0, unsettled: 0, ends: now });
        if window.ends <= now {
            *window = Window { known: 0, unsettled: 0, ends: now + WINDOW };
        }
        // What is refused is not counted: it would have to be settled too.
        let count = window.known + window.unsettled + 1;
        if count <= u64::from(quota) {
            match told {
                Told::No => window.unsettled += 1,
                Told::Perhaps => window.known += 1,
            }
        }
        decision(key.class, quota, count, window.ends - now)
    }

    /// Tells the others once a second what was counted here, and learns what they did, until the service ends.
    pub(crate) async fn settle(self, tasks: Tasks) {
        let mut is_well = true;
        while tasks.sleep_unless_stopping(lifecycle::jittered(SETTLING)).await {
            let Some(shared) = &self.0.shared else {
                self.unsettled();
                continue;
            };
            let settled = tokio::select! {
                settled = self.settle_all(shared) => settled,
                () = tasks.stop().cancelled() => return,
            };
            if let Err(error) = &settled {
                // Said once, however long it lasts.
                if is_well {
                    tracing::warn!(error = %error, "Redis counts no requests; this instance counts alone");
                }
                self.be_alone(SETTLING * 2);
            }
            is_well = settled.is_ok();
            metrics::gauge!("rate_limit_redis_up").set(if is_well { 1.0 } else { 0.0 });
        }
    }

    /// Sends every unsettled count to Redis, each at most once: a call that timed out may still have been executed, and
    /// sending it again would count a visitor twice.
    async fn settle_all(&self, shared: &Shared) -> redis::RedisResult<()> {
        let unsettled = self.unsettled();
        if unsettled.is_empty() {
            return shared.settle(&[]).await.map(drop);
        }
        for batch in unsettled.chunks(BATCH) {
            let held = shared.settle(batch).await;
            self.settled(batch, held.as_deref().unwrap_or_default());
            held?;
        }
        Ok(())
    }

    /// What no other instance knows of; windows that have ended are forgotten.
    fn unsettled(&self) -> Vec<(Key, u64)> {
        let now = Instant::now();
        let mut windows = self.windows();
        windows.retain(|_, window| window.ends > now);
        windows.iter().filter(|(_, it)| it.unsettled > 0).map(|(key, it)| (*key, it.unsettled)).collect()
    }

    /// Marks counts as sent and applies Redis' answer, which is empty when none came.
    fn settled(&self, counts: &[(Key, u64)], held: &[Held]) {
        let now = Instant::now();
        let mut windows = self.windows();
        for (place, (key, count)) in counts.iter().enumerate() {
            let Some(window) = windows.get_mut(key) else { continue };
            let sent = window.unsettled.min(*count);
            window.unsettled -= sent;
            match held.get(place) {
                Some(held) => window.learn(*held, now),
                None => window.known += sent,
            }
        }
    }
}

impl Window {
    /// Applies the count that Redis holds. A smaller one than is known here means that Redis lost its data during the
    /// window, and is ignored.
    fn learn(&mut self, held: Held, now: Instant) {
        if self.ends <= now || held.count >= self.known {
            self.known = held.count;
            self.ends = now + held.left;
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
    fn a_guest_with_ipv6_is_a_network() {
        let name = |address: &str| Who::Guest(address.parse().unwrap()).name();
        assert_eq!(name("2001:db8:1:2::1"), name("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(name("2001:db8:1:2::1"), name("2001:db8:1:3::1"));
        assert_ne!(name("192.0.2.1"), name("192.0.2.2"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_quota_is_whole_again_a_minute_after_its_first_request() {
        let counters = counters(&["--orders-per-minute=3"]);
        let (one, other) = (Who::Account(UserId::new()), Who::Account(UserId::new()));
        for remaining in [2, 1, 0] {
            let decision = counters.count(RateClass::Orders, one).await;
            assert!(decision.is_allowed && decision.remaining == remaining, "{decision:?}");
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        let refused = counters.count(RateClass::Orders, one).await;
        assert!(!refused.is_allowed && refused.remaining == 0, "{refused:?}");
        assert_eq!(refused.resets_in, Duration::from_secs(30));
        assert!(counters.count(RateClass::Orders, other).await.is_allowed, "another account");
        assert!(counters.count(RateClass::Reads, one).await.is_allowed, "another class");
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(counters.count(RateClass::Orders, one).await.remaining, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn counters_end() {
        let counters = counters(&[]);
        for _ in 0..100 {
            counters.count(RateClass::Reads, Who::Account(UserId::new())).await;
        }
        assert_eq!(counters.unsettled().len(), 100);
        tokio::time::advance(WINDOW).await;
        assert_eq!(counters.unsettled().len(), 0);
        assert_eq!(counters.windows().len(), 0);
    }
}
