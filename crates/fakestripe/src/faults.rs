//! Fault-injection settings, and whether a fault fires for a request.

use std::time::Duration;

use rand::Rng;
use serde::{Deserialize, Serialize};

/// When a fault fires.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Trigger {
    /// For the next n requests.
    NextN(u64),
    /// For each request with this probability.
    Probability(f64),
}

impl Default for Trigger {
    fn default() -> Self {
        Self::NextN(0)
    }
}

impl Trigger {
    fn fires(&mut self) -> bool {
        match self {
            Self::NextN(0) => false,
            Self::NextN(left) => {
                *left -= 1;
                true
            }
            Self::Probability(probability) => rand::rng().random_bool(probability.clamp(0.0, 1.0)),
        }
    }
}

/// The fault configuration; the default injects none.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Faults {
    /// Pause before processing, after the idempotency key was recorded.
    pub latency_ms: u64,
    /// Pause between processing and the response.
    pub latency_after_ms: u64,
    /// 429 without any effect.
    pub error429: Trigger,
    /// 400 before processing, such as a refund that the balance does not cover: no effect, and the 400 is stored under
    /// the idempotency key.
    pub error400_before_processing: Trigger,
    /// 500 before processing: no effect, and the 500 is stored under the idempotency key, as at Stripe.
    pub error500_before_processing: Trigger,
    /// 500 after processing: the effect remains, and the 500 is stored under the idempotency key.
    pub error500_after_processing: Trigger,
    /// Restricts the faults above to requests whose `METHOD /path` contains one of these; empty: all requests.
    pub paths: Vec<String>,
    /// Pause before each delivery.
    pub webhook_delay_ms: u64,
    /// Maximum of a random additional pause, which reorders deliveries.
    pub webhook_jitter_ms: u64,
    /// Extra deliveries per event.
    pub webhook_duplicates: u32,
    /// Every nth event is never delivered; 0: none is dropped.
    pub webhook_drop_every: u64,
    /// Drops all events.
    pub drop_webhooks: bool,
    /// Number of events so far.
    #[serde(skip)]
    pub events: u64,
}

impl Faults {
    /// `target` is the `METHOD /path` of a request.
    fn applies_to(&self, target: &str) -> bool {
        self.paths.is_empty() || self.paths.iter().any(|path| target.contains(path.as_str()))
    }

    pub(crate) fn pause_before(&self, target: &str) -> Duration {
        Duration::from_millis(if self.applies_to(target) { self.latency_ms } else { 0 })
    }

    pub(crate) fn pause_after(&self, target: &str) -> Duration {
        Duration::from_millis(if self.applies_to(target) { self.latency_after_ms } else { 0 })
    }

    pub(crate) fn injects_429(&mut self, target: &str) -> bool {
        self.applies_to(target) && self.error429.fires()
    }

    pub(crate) fn injects_400_before(&mut self, target: &str) -> bool {
        self.applies_to(target) && self.error400_before_processing.fires()
    }

    pub(crate) fn injects_500_before(&mut self, target: &str) -> bool {
        self.applies_to(target) && self.error500_before_processing.fires()
    }

    pub(crate) fn injects_500_after(&mut self, target: &str) -> bool {
        self.applies_to(target) && self.error500_after_processing.fires()
    }

    /// Whether to drop the next event; counts it.
    pub(crate) fn drops_event(&mut self) -> bool {
        self.events += 1;
        let every = self.webhook_drop_every;
        self.drop_webhooks || (every > 0 && self.events.is_multiple_of(every))
    }
}
