//! Abuse by a single client, with the default limits.

use e2e::invariants;
use e2e::test_fleet::TestFleet;
use testkit::tools::progress;

use crate::operator::run_xtask;

#[tokio::test(flavor = "multi_thread")]
async fn abuse_by_one_client_neither_slows_others_nor_violates_invariants() {
    let fleet = TestFleet::start_with_default_limits().await.unwrap();
    progress("Abuse", &run_xtask(&fleet.logs.with_file_name("fleet.json"), &["abuse"]).await);
    invariants::assert_eventually(&fleet).await.unwrap();
}
