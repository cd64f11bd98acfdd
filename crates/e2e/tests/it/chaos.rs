//! Chaos: two minutes of random faults break nothing, and damage from outside is found.

use std::time::Duration;

use anyhow::Context as _;
use e2e::chaos::{self, ChaosOptions};
use e2e::invariants::names::PROVIDER;
use e2e::test_fleet::TestFleet;
use futures::TryStreamExt;
use mongodb::bson::Document;
use mongodb::{Client, IndexModel};
use ticketctl::audit::names::UNIQUE_INDEXES;

/// Few enough visitors for a debug build.
const VISITORS: usize = 25;
/// The unique index of the open orders by ticket.
const INDEX: &str = "open_ticket_v1";

#[tokio::test(flavor = "multi_thread")]
async fn two_minutes_of_faults_break_nothing() {
    let options = ChaosOptions { visitors: VISITORS, ..ChaosOptions::new(15, Duration::from_secs(120)) };
    let report = chaos::run(&options).await.unwrap();
    assert!(report.findings.is_empty(), "{report}");
    assert!(report.fault_count() >= 30 && report.faults.len() == 13, "{report}");
    let (given_up, all) = (report.journeys.gave_up.len(), report.journeys.count());
    assert!(report.orders >= 150 && given_up * 10 <= all, "{report}");
}

/// A run in which `orders` is never restarted, since a restart creates missing indexes.
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
        let orders = client.database("orders").collection::<Document>("orders");
        // One of the same name that is not unique takes its place, so that queries still find it.
        let indexes: Vec<_> = orders.list_indexes().await?.try_collect().await?;
        let of_name = |model: &IndexModel| model.options.as_ref().and_then(|options| options.name.as_deref()) == Some(INDEX);
        let mut index = indexes.into_iter().find(of_name).context("the index does not exist")?;
        index.options.as_mut().context("the index has no options")?.unique = None;
        orders.drop_index(INDEX).await?;
        Ok(orders.create_index(index).await.map(drop)?)
    });
    let report = report.await.unwrap();
    let expected = format!("{UNIQUE_INDEXES}: orders.orders lacks the unique index {INDEX}");
    assert!(report.findings.contains(&expected), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stray_capture_is_found() {
    let options = short_run(17);
    let report = chaos::run_with(&options, async |fleet: &TestFleet| {
        // fakestripe may fail at that moment.
        while fleet.dashboard.charge(4_200).await.is_err() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    });
    let report = report.await.unwrap();
    let is_stray =
        |finding: &String| finding.starts_with(&PROVIDER.to_string()) && finding.contains("belongs to no payment");
    assert!(report.findings.iter().any(is_stray), "{report}");
}
