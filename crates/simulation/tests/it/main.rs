//! Every scenario under random schedules. A failure prints its seed: `SIMULATION_SEED=<seed>` runs it
//! again, and `SCHEDULES=<n>` sets how many there are.

mod nats_users;

use simulation::run::{Plan, run};
use simulation::scenarios::{racing, settled};

/// What is settled ends as in the straight run, whatever the schedule.
///
/// The known seed: a webhook saw what a handler on the other instance had just cancelled at the provider
/// for a closed order, and recorded the payment as declined instead of voided.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_schedule_the_end_is_that_of_the_straight_run() {
    run(Plan { scenarios: settled::ALL, settled: true, schedules: 200, known: &[3_763_887_529] }).await;
}

/// Who is faster may win; nobody is charged without a ticket, or gets one without being charged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_wins_nobody_is_cheated() {
    run(Plan { scenarios: racing::ALL, settled: false, schedules: 120, known: &[] }).await;
}
