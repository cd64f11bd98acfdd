//! Simulated visitors, each of which makes one journey after another until it is told to stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::habits::{Habit, Journey, Violation};
use crate::load::{SCENARIO_CYCLE, Sale};
use crate::test_fleet::TestFleet;
use crate::user_client::TimedOut;

/// Bounds of a visitor's pause between two journeys, in milliseconds.
const PAUSE: std::ops::Range<u64> = 0..500;
/// Bounds of the time after which an impatient visitor reloads, in milliseconds.
const IMPATIENCE: std::ops::Range<u64> = 0..80;

/// The visitors of a run.
pub(super) struct Visitors {
    stopping: Arc<AtomicBool>,
    tasks: JoinSet<Journeys>,
}

/// How the journeys of visitors ended.
#[derive(Debug, Clone, Default)]
pub struct Journeys {
    /// The number of journeys by habit and outcome.
    pub outcomes: BTreeMap<String, usize>,
    /// Why journeys were abandoned.
    pub abandoned: Vec<String>,
    /// The pages and orders for which visitors waited in vain. `abandoned` has the same time-outs as text.
    pub(super) timed_out: Vec<TimedOut>,
    /// What visitors saw that must not happen.
    pub violations: Vec<String>,
}

impl Journeys {
    /// The number of all journeys.
    pub fn count(&self) -> usize {
        self.outcomes.values().sum::<usize>() + self.abandoned.len() + self.violations.len()
    }

    fn add(&mut self, habit: &str, outcome: Result<&'static str>) {
        match outcome {
            Ok(outcome) => *self.outcomes.entry(format!("{habit}: {outcome}")).or_default() += 1,
            Err(error) if error.is::<Violation>() => self.violations.push(format!("{habit}: {error:#}")),
            Err(error) => {
                self.timed_out.extend(error.downcast_ref::<TimedOut>().cloned());
                self.abandoned.push(format!("{habit}: {error:#}"));
            }
        }
    }

    fn merge(&mut self, other: Self) {
        for (outcome, count) in other.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
        self.abandoned.extend(other.abandoned);
        self.timed_out.extend(other.timed_out);
        self.violations.extend(other.violations);
    }
}

impl Visitors {
    /// Starts this number of visitors. Each decides by its own random generator, which is derived from the seed and the
    /// visitor's number, so that runs with adjacent seeds have no visitor in common.
    pub(super) fn start(fleet: &TestFleet, seed: u64, count: usize) -> Result<Self> {
        let (stopping, mut tasks) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        let mut seeds = StdRng::seed_from_u64(seed);
        for _ in 0..count {
            let journey = Journey {
                seller: fleet.token_user()?,
                buyer: fleet.token_user()?,
                other: fleet.token_user()?,
                fakestripe: fleet.fakestripe.clone(),
            };
            let rng = StdRng::from_rng(&mut seeds);
            let fakestripe_url = fleet.processes.fakestripe().url();
            tasks.spawn(Visitor { rng, journey, fakestripe_url }.shop(Arc::clone(&stopping)));
        }
        Ok(Self { stopping, tasks })
    }

    /// Lets the visitors finish their current journeys, and returns how all journeys ended.
    pub(super) async fn stop(mut self) -> Result<Journeys> {
        self.stopping.store(true, Ordering::SeqCst);
        let mut journeys = Journeys::default();
        while let Some(visitor) = self.tasks.join_next().await {
            journeys.merge(visitor?);
        }
        Ok(journeys)
    }
}

struct Visitor {
    rng: StdRng,
    journey: Journey,
    fakestripe_url: String,
}

impl Visitor {
    async fn shop(mut self, stopping: Arc<AtomicBool>) -> Journeys {
        let mut journeys = Journeys::default();
        while !stopping.load(Ordering::SeqCst) {
            if self.rng.random_bool(0.5) {
                let outcome = self.sale().run().await;
                journeys.add("sale", outcome);
            } else if let Some(habit) = Habit::ALL.choose(&mut self.rng) {
                let impatience = Duration::from_millis(self.rng.random_range(IMPATIENCE));
                let outcome = self.journey.take(*habit, impatience).await;
                journeys.add(habit.name(), outcome);
            }
            sleep(Duration::from_millis(self.rng.random_range(PAUSE))).await;
        }
        journeys
    }

    /// A sale in one of the scenarios of the load generator.
    fn sale(&mut self) -> Sale {
        let Journey { seller, buyer, other, .. } = self.journey.clone();
        let n = self.rng.random_range(0..100 * SCENARIO_CYCLE);
        Sale { n, seller, buyer, other, fakestripe_url: self.fakestripe_url.clone() }
    }
}
