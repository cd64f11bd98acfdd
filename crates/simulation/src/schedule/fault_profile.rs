//! The fault probabilities of one schedule.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// The default injects no faults.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FaultProfile {
    /// The reference run: everything happens in order, once, on the first instance and without suspension.
    pub(super) in_order: bool,
    /// Probability that a task is suspended.
    pub(super) suspend: f64,
    /// Probability that a suspended task crashes.
    pub(super) crash: f64,
    /// Probability of a duplicate delivery or publication, because its acknowledgement was lost.
    pub(super) duplicate: f64,
    /// Probability that all messages about one entity that are on their way to a consumer are delivered together.
    pub(super) group: f64,
    /// Probability that an event is dropped.
    pub(super) drop: f64,
    /// Whether announcements are dropped too. Anti-entropy may then fail, and a resync repairs the replicas.
    pub(super) drop_announcements: bool,
    /// Probability that the card network fails, before or after processing, or is slow.
    pub(super) card_faults: f64,
}

impl FaultProfile {
    /// Each kind of fault except suspension is absent from some schedules, so that it does not mask what the others
    /// reveal.
    pub(super) fn random(rng: &mut StdRng) -> Self {
        let mut one = |of: &[f64]| *of.choose(rng).unwrap();
        Self {
            in_order: false,
            suspend: one(&[0.1, 0.3, 0.6]),
            crash: one(&[0.0, 0.1, 0.4]),
            duplicate: one(&[0.0, 0.1, 0.3]),
            group: one(&[0.0, 0.3, 1.0]),
            drop: one(&[0.0, 0.0, 0.05, 0.15]),
            drop_announcements: one(&[0.0, 1.0]) > 0.5,
            card_faults: one(&[0.0, 0.0, 0.1]),
        }
    }
}
