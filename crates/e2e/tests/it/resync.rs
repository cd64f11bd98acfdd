//! Recovery of lost replicas: a resync restores them, and the read model of `web` is rebuilt alongside the live one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use common::api::orders::CancelOrder;
use common::api::tickets::WithdrawListing;
use common::events::order::OrderStatus;
use common::events::ticket::TicketStatus;
use common::id::TicketId;
use e2e::invariants;
use e2e::test_fleet::{TestFleet, listing};
use e2e::user_client::UserClient;
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use mongodb::{Client, Database};
use testkit::app::eventually;
use testkit::fleet::SERVICES;
use ticketctl::reports::{ReadModel, Resynced};

use crate::operator::Operator;

/// The documents of a collection, by id.
type Documents = BTreeMap<String, Document>;

async fn documents(database: &Database, collection: &str) -> Documents {
    let found: Vec<Document> =
        database.collection(collection).find(doc! {}).await.unwrap().try_collect().await.unwrap();
    found.into_iter().map(|document| (document.get_str("_id").unwrap().to_owned(), document)).collect()
}

/// The documents of every replica, by service and collection.
async fn replicas(client: &Client) -> BTreeMap<(&'static str, String), Documents> {
    let mut all = BTreeMap::new();
    for service in SERVICES {
        let database = client.database(service);
        for collection in database.list_collection_names().await.unwrap() {
            if collection.starts_with("replica_") {
                let held = documents(&database, &collection).await;
                all.insert((service, collection), held);
            }
        }
    }
    all
}

/// Creates a listing in every status, with the orders and payments that led to it.
async fn create_sample_data(seller: &UserClient, buyer: &UserClient) {
    let mut tickets = Vec::new();
    for n in 0..5 {
        tickets.push(seller.create_listing(listing(&format!("Night {n}"), 2_000)).await.unwrap());
    }
    for (n, ticket) in tickets.into_iter().enumerate().skip(1) {
        let order = buyer.create_order(ticket).await.unwrap().id;
        buyer.wait_for_order(order, OrderStatus::AwaitingPayment).await.unwrap();
        match n {
            1 => {}
            2 => {
                assert_eq!(buyer.send(&CancelOrder { id: order }).await.unwrap().status, 200);
                seller.wait_for_ticket(ticket, TicketStatus::Available).await.unwrap();
                assert_eq!(seller.send(&WithdrawListing { id: ticket }).await.unwrap().status, 204);
            }
            _ => {
                assert_eq!(buyer.pay(order, "pm_card_visa_chargeDeclined").await.unwrap_err().status(), Some(402));
                assert_eq!(buyer.pay(order, "pm_card_visa").await.unwrap().status, 201);
                buyer.wait_for_order(order, OrderStatus::Completed).await.unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn resync_restores_every_replica() {
    // The announcer and the scan are off, so that only the resync restores replicas.
    let settings = [("ANNOUNCE_AFTER", "1h"), ("ANNOUNCE_PER_SECOND", "0")];
    let fleet = TestFleet::start_two_instances(&settings).await.unwrap();
    let operator = Operator::for_fleet(&fleet);
    let (seller, buyer) = (fleet.sign_up("Mara").await.unwrap(), fleet.sign_up("Ben").await.unwrap());
    create_sample_data(&seller, &buyer).await;
    invariants::assert_eventually(&fleet).await.unwrap();

    let client = Client::with_uri_str(fleet.processes.servers().mongodb_url()).await.unwrap();
    let before = replicas(&client).await;
    let names: Vec<_> = before.keys().map(|(service, name)| format!("{service}.{name}")).collect();
    let expected = [
        "orders.replica_payment",
        "orders.replica_show",
        "orders.replica_ticket",
        "payments.replica_order",
        "tickets.replica_order",
        "web.replica_order",
        "web.replica_payment",
        "web.replica_show",
        "web.replica_ticket",
        "web.replica_user",
    ];
    assert_eq!(names, expected);
    assert!(before.values().all(|held| held.len() > 1), "{before:?}");
    for (service, collection) in before.keys() {
        client.database(service).collection::<Document>(collection).delete_many(doc! {}).await.unwrap();
    }
    // Restores one listing first, then the replicas of all services.
    let ticket = before[&("orders", "replica_ticket".to_owned())].keys().next().unwrap();
    let output = operator.run_ok(&["resync", "tickets", "--ids", ticket]).await;
    assert_eq!(output, "0 shows announced\n1 tickets announced\n");
    eventually("the one listing", async || {
        documents(&client.database("orders"), "replica_ticket").await.into_keys().eq([ticket.clone()])
    })
    .await;
    for (owner, output) in [
        ("auth", "2 users announced\n"),
        ("tickets", "5 shows announced\n5 tickets announced\n"),
        ("orders", "4 orders announced\n"),
        ("payments", "4 payments announced\n"),
        // Only a fired timer is announced.
        ("expiration", "0 timers announced\n"),
    ] {
        assert_eq!(operator.run_ok(&["resync", owner]).await, output);
    }
    eventually("all replicas", async || replicas(&client).await == before).await;
    let resynced: Resynced = operator.report(&["resync", "orders", "--since", "2000-01-01T00:00:00Z"]).await;
    assert_eq!((resynced.service.as_str(), resynced.announced["orders"]), ("orders", 4));
    for (invalid, hint) in [("web", "`rebuild web`"), ("nobody", "there is no service called nobody")] {
        let finished = operator.run(&["resync", invalid]).await;
        assert!(finished.code == Some(2) && finished.stderr.contains(hint), "{finished:?}");
    }
    let unknown = TicketId::new().to_string();
    let finished = operator.run(&["resync", "tickets", "--ids", &format!("{ticket},{unknown}")]).await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stdout.contains("1 tickets announced"), "{finished:?}");
    assert!(finished.stderr.contains("tickets has announced 1 of the 2 entities"), "{finished:?}");
    invariants::assert_eventually(&fleet).await.unwrap();
}

/// A rebuild fills a new generation of the read model (a complete set of its collections). The instance that started
/// the rebuild crashes immediately. Meanwhile the pages of the other instance are polled, and users keep buying.
#[tokio::test(flavor = "multi_thread")]
async fn rebuilt_read_model_equals_the_live_one() {
    let fleet = TestFleet::start_two_instances(&[("ANNOUNCE_AFTER", "1h")]).await.unwrap();
    let operator = Operator::for_fleet(&fleet);
    let (seller, buyer) = (fleet.sign_up("Mara").await.unwrap(), fleet.sign_up("Ben").await.unwrap());
    create_sample_data(&seller, &buyer).await;
    let ticket = seller.create_listing(listing("Carmen", 8_900)).await.unwrap();
    invariants::assert_eventually(&fleet).await.unwrap();

    let [one, other] = fleet.processes.instances("web") else { panic!("two instances") };
    let started = reqwest::Client::new().post(format!("{}/rebuild", one.admin_url())).send().await.unwrap();
    assert_eq!(started.status(), 200);
    one.kill().unwrap();
    operator.run_unconfirmed(&["rebuild", "web", "--abandon"], "generation 1 will be deleted").await;
    operator.run_unconfirmed(&["rebuild", "web", "--swap-now"], "pages will read generation 1 as it is").await;

    let rebuilt = AtomicBool::new(false);
    let poll_pages = async {
        let mut pages = 0;
        while !rebuilt.load(Ordering::SeqCst) {
            let ticket = format!("/tickets/{ticket}");
            for (path, seller) in [("/", ""), ("/browse?q=carmen", ""), (ticket.as_str(), "Mara")] {
                let response = reqwest::get(format!("{}{path}", other.url())).await.unwrap();
                let (status, html) = (response.status(), response.text().await.unwrap());
                assert!(status == 200 && html.contains("Carmen") && html.contains(seller), "{path}: {status} {html}");
                pages += 1;
            }
        }
        pages
    };
    let rebuild = async {
        let finished = operator.run(&["rebuild", "web"]).await;
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), "pages read generation 1\n"), "{finished:?}");
        assert!(finished.stderr.starts_with("generation 1 is being filled\n"), "{finished:?}");
        rebuilt.store(true, Ordering::SeqCst);
    };
    let (pages, (), ()) = tokio::join!(poll_pages, rebuild, create_sample_data(&seller, &buyer));
    assert!(pages > 10, "{pages}");

    // The old generation stays up to date as long as pages may read it.
    let client = Client::with_uri_str(fleet.processes.servers().mongodb_url()).await.unwrap();
    let web = client.database("web");
    // The sample data was created twice, with five listings, four orders and four payments each; "Carmen" is one more.
    for (entity, count) in [("user", 2), ("ticket", 11), ("order", 8), ("payment", 8)] {
        eventually("equal generations", async || {
            let rebuilt = documents(&web, &format!("replica_{entity}_v1")).await;
            rebuilt.len() == count && rebuilt == documents(&web, &format!("replica_{entity}")).await
        })
        .await;
    }
    one.restart().await.unwrap();
    for instance in [one, other] {
        let html = reqwest::get(instance.url()).await.unwrap().text().await.unwrap();
        assert!(html.contains("Carmen"), "{html}");
    }
    let model: ReadModel = operator.report(&["rebuild", "web", "--abandon"]).await;
    assert_eq!((model.live, model.abandoned), (1, true));
    invariants::assert_eventually(&fleet).await.unwrap();
}
