//! Outages of MongoDB, NATS and Redis: degradation while a server is unavailable, and automatic recovery.

use std::time::{Duration, Instant};

use common::api::Endpoint;
use common::api::orders::{CancelOrder, CreateOrder, NewOrder};
use common::api::tickets::{ListListings, ReadListing, ReplaceListing};
use common::events::order::OrderStatus;
use e2e::invariants;
use e2e::test_fleet::{TestFleet, listing};
use testkit::fleet::SERVICES;

/// Settings with holds that expire during an outage, and short intervals for repairs.
const SETTINGS: [(&str, &str); 2] = [("ORDER_TTL", "6s"), ("ANNOUNCE_AFTER", "10s")];

fn pids(fleet: &TestFleet) -> Vec<u32> {
    SERVICES
        .iter()
        .flat_map(|service| fleet.processes.instances(service))
        .map(testkit::fleet::instance::Instance::pid)
        .collect()
}

/// The sum of a metric over its labels and over all instances of a service.
async fn metric(fleet: &TestFleet, service: &str, name: &str) -> f64 {
    let mut sum = 0.0;
    for instance in fleet.processes.instances(service) {
        let text = reqwest::get(format!("{}/metrics", instance.metrics_url())).await.unwrap().text().await.unwrap();
        let lines = text.lines().filter(|line| line.starts_with(name) && !line.starts_with('#'));
        sum += lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>();
    }
    sum
}

#[tokio::test(flavor = "multi_thread")]
async fn mongodb_outage_returns_503_and_no_process_exits() {
    let fleet = TestFleet::start_two_instances(&SETTINGS).await.unwrap();
    let (seller, buyer) = (fleet.sign_up("Mara").await.unwrap(), fleet.token_user().unwrap());
    let ticket = seller.create_listing(listing("Carmen", 8_900)).await.unwrap();
    let order = buyer.create_order(ticket).await.unwrap().id;
    let before = pids(&fleet);
    fleet.processes.servers().mongodb.stop().await.unwrap();

    let client = reqwest::Client::new();
    // The services themselves respond throughout the outage: the gateway keeps forwarding to them.
    let until = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until {
        for (path, expected) in [
            (ListListings::PATH.to_owned(), "unavailable"),
            (ReadListing { id: ticket }.path(), "unavailable"),
            ("/".to_owned(), "<html"),
        ] {
            let response = client.get(format!("{}{path}", fleet.url())).send().await.unwrap();
            assert_eq!(response.status().as_u16(), 503, "{path}");
            assert!(response.headers().contains_key("retry-after"), "{path}");
            let body = response.text().await.unwrap();
            // The gateway's own error page has the problem type about:blank.
            assert!(body.contains(expected) && !body.contains("about:blank"), "{path}: {body}");
        }
    }
    for (service, path) in [("tickets", ListListings::PATH), ("web", "/")] {
        let instance = fleet.processes.service(service).unwrap();
        let response = client.get(format!("{}{path}", instance.url())).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 503, "{service}");
        assert!(response.headers().contains_key("retry-after"), "{service}");
        for (probe, expected) in [("/healthz", 200), ("/readyz", 200)] {
            let status = client.get(format!("{}{probe}", instance.metrics_url())).send().await.unwrap().status();
            assert_eq!(status.as_u16(), expected, "{service} {probe}");
        }
    }
    let rejected = buyer.pay(order, "pm_card_visa").await.unwrap_err();
    assert_eq!(rejected.status(), Some(503), "{rejected:?}");

    fleet.processes.servers().mongodb.restart().await.unwrap();
    fleet.processes.ready().await.unwrap();
    // The hold has expired meanwhile, and the ticket is available again.
    buyer.wait_for_order(order, OrderStatus::Cancelled).await.unwrap();
    let again = buyer.create_order(ticket).await.unwrap().id;
    assert_eq!(buyer.pay(again, "pm_card_visa").await.unwrap().status, 201);
    buyer.wait_for_order(again, OrderStatus::Completed).await.unwrap();
    assert_eq!(pids(&fleet), before, "a service was restarted");
    invariants::assert_eventually(&fleet).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_outage_only_grows_the_outbox() {
    let fleet = TestFleet::start_two_instances(&SETTINGS).await.unwrap();
    let seller = fleet.sign_up("Mara").await.unwrap();
    let known = seller.create_listing(listing("Carmen", 8_900)).await.unwrap();
    let buyer = fleet.token_user().unwrap();
    let order = buyer.create_order(known).await.unwrap().id;
    assert_eq!(buyer.send(&CancelOrder { id: order }).await.unwrap().status, 200);
    let before = pids(&fleet);
    fleet.processes.servers().nats.stop().await.unwrap();

    // Reads and writes succeed.
    let newcomer = fleet.sign_up("Ben").await.unwrap();
    let mut tickets = Vec::new();
    for n in 0..5 {
        let id = newcomer.create_listing(listing(&format!("Night {n}"), 2_000)).await.unwrap();
        tickets.push(id);
        assert_eq!(newcomer.send(&ReadListing { id }).await.unwrap().status, 200);
        let edit = ReplaceListing { id, body: listing(&format!("Day {n}"), 3_000) };
        assert_eq!(newcomer.send(&edit).await.unwrap().status, 200);
    }
    let created = buyer.send(&CreateOrder { body: NewOrder { ticket_id: known, quantity: None } }).await.unwrap();
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(buyer.send(&CancelOrder { id: created.body.id }).await.unwrap().status, 200);
    // The metrics show the events that wait in the outboxes.
    let began = Instant::now();
    while metric(&fleet, "tickets", "outbox_pending").await < 5.0
        || metric(&fleet, "tickets", "outbox_oldest_age_seconds").await <= 0.0
    {
        assert!(began.elapsed() < Duration::from_secs(30), "the outbox metrics stay at zero");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for service in SERVICES {
        fleet.processes.service(service).unwrap().ready().await.unwrap();
    }
    assert_eq!(fleet.responses.failures(), Vec::<String>::new());

    fleet.processes.servers().nats.restart().await.unwrap();
    for ticket in tickets {
        let order = buyer.create_order(ticket).await.unwrap().id;
        buyer.wait_for_order(order, OrderStatus::AwaitingPayment).await.unwrap();
        assert_eq!(buyer.pay(order, "pm_card_visa").await.unwrap().status, 201);
    }
    let began = Instant::now();
    while metric(&fleet, "tickets", "outbox_pending").await > 0.0 {
        assert!(began.elapsed() < Duration::from_secs(30), "the outbox metric does not return to zero");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(pids(&fleet), before, "a service was restarted");
    invariants::assert_eventually(&fleet).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_outage_is_invisible_to_clients() {
    let fleet = TestFleet::start_two_instances(&SETTINGS).await.unwrap();
    let (seller, buyer) = (fleet.sign_up("Mara").await.unwrap(), fleet.token_user().unwrap());
    let before = pids(&fleet);
    fleet.processes.servers().redis.stop().await.unwrap();
    let ticket = seller.create_listing(listing("Carmen", 8_900)).await.unwrap();
    let order = buyer.create_order(ticket).await.unwrap().id;
    buyer.wait_for_order(order, OrderStatus::Cancelled).await.unwrap();
    let again = buyer.create_order(ticket).await.unwrap().id;
    assert_eq!(buyer.pay(again, "pm_card_visa").await.unwrap().status, 201);
    buyer.wait_for_order(again, OrderStatus::Completed).await.unwrap();
    fleet.processes.service("expiration").unwrap().ready().await.unwrap();
    invariants::assert_eventually(&fleet).await.unwrap();
    invariants::assert_holds_expired_on_time(&fleet, invariants::EXPIRY_TOLERANCE).await.unwrap();
    assert_eq!(fleet.responses.failures(), Vec::<String>::new());

    // Once Redis is back, it is used again without a restart.
    fleet.processes.servers().redis.restart().await.unwrap();
    let ticket = seller.create_listing(listing("Tosca", 4_500)).await.unwrap();
    let order = buyer.create_order(ticket).await.unwrap().id;
    buyer.wait_for_order(order, OrderStatus::Cancelled).await.unwrap();
    assert_eq!(pids(&fleet), before, "a service was restarted");
    invariants::assert_eventually(&fleet).await.unwrap();
    invariants::assert_holds_expired_on_time(&fleet, invariants::EXPIRY_TOLERANCE).await.unwrap();
}
