//! Chaos runs: two minutes of random faults break nothing, and the checks find damage from outside.

use std::time::Duration;

use anyhow::Context as _;
use e2e::chaos::{self, ChaosOptions};
use e2e::invariants::names::{PROVIDER, UNIQUE_INDEXES};
use e2e::test_fleet::TestFleet;
use futures::TryStreamExt;
use mongodb::bson::Document;
use mongodb::{Client, IndexModel};

/// Number of visitors that a debug build can serve.
const VISITORS: usize = 25;

#[tokio::test(flavor = "multi_thread")]
async fn two_minutes_of_faults_break_nothing() {
    let options = ChaosOptions { visitors: VISITORS, ..ChaosOptions::new(15, Duration::from_secs(120)) };
    let report = chaos::run(&options).await.unwrap();
    assert!(report.findings.is_empty(), "{report}");
    assert_eq!(report.faults.len(), 13, "{report}");
}

/// Options of a short run without faults of `orders`: a restarted instance would not get ready, because an index
/// differs from what it declares.
fn short_run(seed: u64) -> ChaosOptions {
    let settle = Duration::from_secs(20);
    let mut options = ChaosOptions { visitors: VISITORS, settle, ..ChaosOptions::new(seed, Duration::from_secs(45)) };
    options.faults.retain(|planned| !planned.fault.to_string().contains("orders"));
    options
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_unique_index_is_found() {
    let options = short_run(16);
    let report = chaos::run_with(&options, async |fleet: &TestFleet| {
        let client = Client::with_uri_str(fleet.processes.servers().mongodb_url()).await?;
        // An index of the same name that is not unique replaces it, because queries use the index by name.
        let orders = client.database("orders").collection::<Document>("orders");
        let indexes: Vec<IndexModel> = orders.list_indexes().await?.try_collect().await?;
        let name_of = |index: &IndexModel| index.options.as_ref().and_then(|options| options.name.clone());
        let dropped = indexes.into_iter().find(|index| name_of(index).as_deref() == Some("open_seats_v1"));
        let mut index = dropped.context("there is no such index")?;
        orders.drop_index("open_seats_v1").await?;
        index.options.as_mut().context("an index without options")?.unique = None;
        orders.create_index(index).await?;
        Ok(())
    });
    let report = report.await.unwrap();
    let is_missing = |finding: &String| finding.starts_with(&UNIQUE_INDEXES.to_string());
    assert!(report.findings.iter().any(is_missing), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stray_capture_is_found() {
    let options = short_run(17);
    let report = chaos::run_with(&options, async |fleet: &TestFleet| {
        // A fault of fakestripe may be active.
        while fleet.fakestripe.charge(4_200).await.is_err() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    });
    let report = report.await.unwrap();
    let is_stray =
        |finding: &String| finding.starts_with(&PROVIDER.to_string()) && finding.contains("belongs to no payment");
    assert!(report.findings.iter().any(is_stray), "{report}");
}
