//! The fault probabilities of one schedule.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// The fault probabilities; the default injects no faults.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FaultProfile {
    /// Whether this is the reference run: everything happens in order, once, on the first instance and without
    /// suspension.
    pub(super) in_order: bool,
    /// Probability that a task is suspended.
    pub(super) suspend: f64,
    /// Probability that a suspended task crashes.
    pub(super) crash: f64,
    /// Probability of a duplicate delivery or publication, because its acknowledgement was lost.
    pub(super) duplicate: f64,
    /// Probability that all messages about one entity that are on their way to a consumer are delivered together, as
    /// one group.
    pub(super) group: f64,
    /// Probability that an event is dropped.
    pub(super) drop: f64,
    /// Whether snapshots are dropped too. The announcer may then fail to repair the replicas, and a resync does.
    pub(super) drop_announcements: bool,
    /// Probability that the card network fails, before or after processing, or is slow.
    pub(super) card_faults: f64,
}

impl FaultProfile {
    /// Chooses the probabilities at random. Each kind of fault except suspension is absent from some schedules, so that
    /// it does not mask bugs that other faults reveal.
    pub(super) fn random(rng: &mut StdRng) -> Self {
        Self {
            in_order: false,
            suspend: choose(&[0.1, 0.3, 0.6], rng),
            crash: choose(&[0.0, 0.1, 0.4], rng),
            duplicate: choose(&[0.0, 0.1, 0.3], rng),
            group: choose(&[0.0, 0.3, 1.0], rng),
            drop: choose(&[0.0, 0.0, 0.05, 0.15], rng),
            drop_announcements: choose(&[false, true], rng),
            card_faults: choose(&[0.0, 0.0, 0.1], rng),
        }
    }
}

fn choose<T: Copy>(options: &[T], rng: &mut StdRng) -> T {
    *options.choose(rng).unwrap()
}
