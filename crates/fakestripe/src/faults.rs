//! The switches for faults, and the decision whether one strikes.

use std::time::Duration;

use rand::Rng;
use serde::{Deserialize, Serialize};

/// How often a fault strikes.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum Chance {
    /// The next so many requests.
    Next(u64),
    /// Each request with this probability.
    Rate(f64),
}

impl Default for Chance {
    fn default() -> Self {
        Self::Next(0)
    }
}

impl Chance {
    fn strikes(&mut self) -> bool {
        match self {
            Self::Next(0) => false,
            Self::Next(left) => {
                *left -= 1;
                true
            }
            Self::Rate(rate) => rand::rng().random_bool(rate.clamp(0.0, 1.0)),
        }
    }
}

/// All switches; the default is a server without faults.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Faults {
    /// Pause before the work; the idempotency key is in use meanwhile.
    latency_ms: u64,
    /// Pause after the work, before the answer.
    latency_after_ms: u64,
    /// 429 before anything is done.
    error429: Chance,
    /// 500 before the work: nothing happened, and the key keeps the 500, as Stripe's does.
    error500_before_work: Chance,
    /// 500 after the work: it happened, and the key keeps the 500.
    error500_after_work: Chance,
    /// Only requests whose `METHOD /path` contains one of these; empty: all.
    paths: Vec<String>,
    /// Pause before each delivery.
    pub(crate) webhook_delay_ms: u64,
    /// A random pause up to this on top, which puts deliveries out of order.
    pub(crate) webhook_jitter_ms: u64,
    /// So many deliveries more than one of each event.
    pub(crate) webhook_repeat: u32,
    /// Every so manieth event is never delivered; 0: none is lost.
    webhook_drop_every: u64,
    /// No event is delivered at all.
    drop_webhooks: bool,
    #[serde(skip)]
    events: u64,
}

impl Faults {
    fn concerns(&self, place: &str) -> bool {
        self.paths.is_empty() || self.paths.iter().any(|path| place.contains(path.as_str()))
    }

    pub(crate) fn pause_before(&self, place: &str) -> Duration {
        Duration::from_millis(if self.concerns(place) { self.latency_ms } else { 0 })
    }

    pub(crate) fn pause_after(&self, place: &str) -> Duration {
        Duration::from_millis(if self.concerns(place) { self.latency_after_ms } else { 0 })
    }

    pub(crate) fn refuses(&mut self, place: &str) -> bool {
        self.concerns(place) && self.error429.strikes()
    }

    pub(crate) fn fails_before(&mut self, place: &str) -> bool {
        self.concerns(place) && self.error500_before_work.strikes()
    }

    pub(crate) fn fails_after(&mut self, place: &str) -> bool {
        self.concerns(place) && self.error500_after_work.strikes()
    }

    /// Whether the next event is lost.
    pub(crate) fn loses_event(&mut self) -> bool {
        self.events += 1;
        let every = self.webhook_drop_every;
        self.drop_webhooks || (every > 0 && self.events.is_multiple_of(every))
    }
}
