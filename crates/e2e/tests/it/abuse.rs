//! What one visitor may try on a fleet with the limits that one has unless its operator sets others.

use e2e::invariants;
use e2e::test_fleet::TestFleet;
use testkit::tools::progress;

use crate::operator::Operator;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_one_visitor_tries_others_buy_as_fast_and_the_promises_hold() {
    let fleet = TestFleet::start_with_default_limits().await.unwrap();
    progress("Tried", &Operator::for_fleet(&fleet).run_ok(&["abuse"]).await);
    invariants::assert_eventually(&fleet).await.unwrap();
}
