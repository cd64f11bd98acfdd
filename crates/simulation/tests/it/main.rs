//! Every scenario under random schedules. A failure prints its seed: `SIMULATION_SEED=<seed>` runs it again.
//! `SIMULATION_RUNS=<n>` sets the number of schedules.

mod nats_users;
mod shards;
mod stores;

use simulation::runner::{Campaign, run};
use simulation::scenarios::{deterministic, racing};

/// The regression seed: a webhook saw an intent that a handler on the other instance had just cancelled at the provider
/// for a closed order, and recorded the payment as declined instead of voided.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deterministic_scenarios_end_like_their_reference_run() {
    let regression_seeds = &[3_763_887_529];
    run(Campaign { scenarios: deterministic::ALL, deterministic: true, schedules: 200, regression_seeds }).await;
}

/// The schedule decides who wins, but nobody is charged without a ticket or gets a ticket without being charged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_scenarios_keep_the_invariants() {
    run(Campaign { scenarios: racing::ALL, deterministic: false, schedules: 120, regression_seeds: &[] }).await;
}
