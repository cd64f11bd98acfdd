//! Each of four instances uses no more than a single one.

use std::time::Duration;

use e2e::scaling::usage::{purchase_table, usage_table};
use e2e::scaling::{ScalingOptions, measure};

/// A short interval, so that each instance tries to run `payments`' reconciler twice a second. If the instances did not
/// take turns, the reconciler would run four times as often with four instances.
const SETTINGS: [(&str, &str); 1] = [("RECONCILE_AFTER", "1s")];

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the tables are what the test is run for")]
async fn each_of_four_instances_uses_no_more_than_one() {
    let options = |instances| ScalingOptions {
        instances,
        rest: Duration::from_secs(10),
        load: Duration::from_secs(8),
        purchases_per_second: 3,
        settings: &SETTINGS,
    };
    let one = measure(&options(1)).await.unwrap();
    let four = measure(&options(4)).await.unwrap();
    println!("{}", usage_table([&one.rest, &one.load, &four.rest, &four.load]));
    println!("{}", purchase_table([(1, &one.purchase), (4, &four.purchase)]));
    assert!(one.rest.turns > 0 && one.rest.mongodb.most > 0 && one.rest.nats.most > 0, "{one:?}");
    assert!(one.purchase.cpu_seconds > 0.0 && four.purchase.cpu_seconds > 0.0, "{one:?} {four:?}");
    assert!(one.load.written_per_second > one.rest.written_per_second, "{one:?}");
    let grown = [four.rest.growth_over(&one.rest), four.load.growth_over(&one.load)].concat();
    assert!(grown.is_empty(), "{grown:#?}");
}
