//! SIGTERM: a service finishes what it has in hand and ends with 0; started again, it goes on.

use std::time::{Duration, Instant};

use common::events::order::OrderStatus;
use common::events::ticket::TicketStatus;
use e2e::invariants;
use e2e::shop::{Shop, listing};
use testkit::fleet::SERVICES;

#[tokio::test(flavor = "multi_thread")]
async fn every_service_drains_and_comes_back() {
    let shop = Shop::open(&[]).await.unwrap();
    let (seller, buyer) = (shop.sign_up("Mara").await.unwrap(), shop.sign_up("Ben").await.unwrap());
    let mut orders = Vec::new();
    for service in SERVICES {
        let ticket = seller.lists(listing(service, 2_000)).await.unwrap();
        let order = buyer.holds(ticket).await.unwrap().id;
        assert_eq!(buyer.pays(order, "pm_card_visa").await.unwrap().status, 201);
        // With events on their way through it.
        let instance = shop.fleet.service(service).unwrap();
        let began = Instant::now();
        assert_eq!(instance.stop().await.unwrap(), Some(0), "{service}");
        assert!(began.elapsed() < Duration::from_secs(25), "{service} took {:?}", began.elapsed());
        instance.restart().await.unwrap();
        instance.ready().await.unwrap();
        orders.push(order);
    }
    for order in orders {
        buyer.sees_order(order, OrderStatus::Completed).await.unwrap();
    }
    invariants::hold(&shop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_services_lose_nothing() {
    let shop = Shop::open(&[("RECONCILE_AFTER", "1s")]).await.unwrap();
    let (seller, buyer) = (shop.anybody().unwrap(), shop.anybody().unwrap());
    let mut orders = Vec::new();
    for service in ["tickets", "orders", "payments", "expiration"] {
        let ticket = seller.lists(listing(service, 2_000)).await.unwrap();
        let order = buyer.holds(ticket).await.unwrap().id;
        assert_eq!(buyer.pays(order, "pm_card_visa").await.unwrap().status, 201);
        let instance = shop.fleet.service(service).unwrap();
        instance.kill().unwrap();
        instance.restart().await.unwrap();
        instance.ready().await.unwrap();
        orders.push((order, ticket));
    }
    for (order, ticket) in orders {
        buyer.sees_order(order, OrderStatus::Completed).await.unwrap();
        buyer.sees_ticket(ticket, TicketStatus::Sold).await.unwrap();
    }
    invariants::hold(&shop).await.unwrap();
}
