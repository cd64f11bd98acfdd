//! On SIGTERM, a service drains its work in progress and exits with 0; it resumes after a restart.

use std::time::{Duration, Instant};

use common::events::order::OrderStatus;
use common::events::ticket::TicketStatus;
use e2e::invariants;
use e2e::test_fleet::{TestFleet, listing};
use testkit::fleet::SERVICES;

#[tokio::test(flavor = "multi_thread")]
async fn every_service_drains_and_resumes() {
    let fleet = TestFleet::start(&[]).await.unwrap();
    let (seller, buyer) = (fleet.sign_up("Mara").await.unwrap(), fleet.sign_up("Ben").await.unwrap());
    let mut orders = Vec::new();
    for service in SERVICES {
        let ticket = seller.create_listing(listing(service, 2_000)).await.unwrap();
        let order = buyer.create_order(ticket).await.unwrap().id;
        assert_eq!(buyer.pay(order, "pm_card_visa").await.unwrap().status, 201);
        // The instance stops while events are in flight.
        let instance = fleet.processes.service(service).unwrap();
        let began = Instant::now();
        assert_eq!(instance.stop().await.unwrap(), Some(0), "{service}");
        // The drain took less than SHUTDOWN_GRACE (25 s by default), so nothing was cut off.
        assert!(began.elapsed() < Duration::from_secs(25), "{service} took {:?}", began.elapsed());
        instance.restart().await.unwrap();
        instance.ready().await.unwrap();
        orders.push(order);
    }
    for order in orders {
        buyer.wait_for_order(order, OrderStatus::Completed).await.unwrap();
    }
    invariants::assert_eventually(&fleet).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_services_lose_nothing() {
    let fleet = TestFleet::start(&[("RECONCILE_AFTER", "1s")]).await.unwrap();
    let (seller, buyer) = (fleet.token_user().unwrap(), fleet.token_user().unwrap());
    let mut orders = Vec::new();
    for service in ["tickets", "orders", "payments", "expiration"] {
        let ticket = seller.create_listing(listing(service, 2_000)).await.unwrap();
        let order = buyer.create_order(ticket).await.unwrap().id;
        assert_eq!(buyer.pay(order, "pm_card_visa").await.unwrap().status, 201);
        let instance = fleet.processes.service(service).unwrap();
        instance.kill().unwrap();
        instance.restart().await.unwrap();
        instance.ready().await.unwrap();
        orders.push((order, ticket));
    }
    for (order, ticket) in orders {
        buyer.wait_for_order(order, OrderStatus::Completed).await.unwrap();
        buyer.wait_for_ticket(ticket, TicketStatus::Sold).await.unwrap();
    }
    invariants::assert_eventually(&fleet).await.unwrap();
}
