//! Every read uses majority read concern, so data that a failover may roll back is never exposed.

use common::api::page::PageQuery;
use common::api::tickets::{ListListings, ListingQuery};
use common::api::users::ListSessions;
use common::events::order::OrderStatus;
use common::events::ticket::TicketStatus;
use e2e::invariants;
use e2e::test_fleet::{TestFleet, listing};
use futures::TryStreamExt;
use mongodb::Client;
use mongodb::bson::{Document, doc};
use testkit::fleet::SERVICES;

/// Names of the commands that read.
const READS: [&str; 4] = ["find", "aggregate", "count", "distinct"];

#[tokio::test(flavor = "multi_thread")]
async fn every_read_of_a_purchase_is_a_majority_read() {
    // Short intervals, so that periodic readers run during the test.
    let settings = [("ANNOUNCE_AFTER", "500ms"), ("RECONCILE_AFTER", "500ms"), ("GAUGE_INTERVAL", "500ms")];
    let fleet = TestFleet::start(&settings).await.unwrap();
    let client = Client::with_uri_str(fleet.processes.servers().mongodb_url()).await.unwrap();
    for service in SERVICES {
        let database = client.database(service);
        let create_profile = doc! { "create": "system.profile", "capped": true, "size": 64 << 20 };
        database.run_command(create_profile).await.unwrap();
        database.run_command(doc! { "profile": 2 }).await.unwrap();
    }
    let (seller, buyer) = (fleet.sign_up("Mara").await.unwrap(), fleet.sign_up("Ben").await.unwrap());
    let ticket = seller.create_listing(listing("Carmen", 8_900)).await.unwrap();
    let order = buyer.create_order(ticket).await.unwrap().id;
    buyer.wait_for_order(order, OrderStatus::AwaitingPayment).await.unwrap();
    assert_eq!(buyer.pay(order, "pm_card_visa").await.unwrap().status, 201);
    buyer.wait_for_order(order, OrderStatus::Completed).await.unwrap();
    seller.wait_for_ticket(ticket, TicketStatus::Sold).await.unwrap();
    for page in ["/", "/orders"] {
        buyer.get_page(page).await.unwrap();
    }
    buyer.send(&ListListings { query: ListingQuery::default() }).await.unwrap();
    buyer.send(&ListSessions { query: PageQuery::default() }).await.unwrap();
    invariants::assert_eventually(&fleet).await.unwrap();

    for service in SERVICES {
        let database = client.database(service);
        database.run_command(doc! { "profile": 0 }).await.unwrap();
        // Excludes the reads of this test.
        let filter = doc! { "appName": service, "op": { "$in": ["query", "command"] } };
        let profile = database.collection::<Document>("system.profile");
        let commands: Vec<Document> = profile.find(filter).await.unwrap().try_collect().await.unwrap();
        let mut count = 0;
        for entry in &commands {
            let command = entry.get_document("command").unwrap();
            let Some(name) = command.keys().next().filter(|name| READS.contains(&name.as_str())) else { continue };
            let concern = command.get_document("readConcern").and_then(|concern| concern.get_str("level"));
            // A linearizable read is a majority read that also returns the newest write.
            let level = concern.unwrap_or("none");
            assert!(matches!(level, "majority" | "linearizable"), "{service}: {name} of {command}");
            let preference = command.get_document("$readPreference").and_then(|preference| preference.get_str("mode"));
            assert!(matches!(preference.unwrap_or("primary"), "primary" | "primaryPreferred"), "{service}: {command}");
            count += 1;
        }
        assert!(count > 0, "{service} read nothing: the profile is not that of its database");
    }
}
