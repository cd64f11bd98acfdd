//! Handling of each order event.

use std::time::Duration;

use common::clock::Clock;
use common::events::order::{OrderChange, OrderState, OrderStatus};
use common::events::ticket::TicketState;
use common::money::Money;
use mongodb::bson::{Document, doc};
use platform::stream::subscription::Applied;
use serde_json::{Value, json};
use testkit::app::eventually;

use crate::support::{
    app, body_with, create_listing, create_listing_with, create_reserved, create_sold, deliver, last_event, order,
    order_event, put, read, with_status, withdraw,
};

async fn status(app: &testkit::app::TestApp, ticket: &Value) -> String {
    read(app, ticket).await["status"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn full_lifecycle_through_the_stream() {
    let app = app().await;
    let ticket = create_listing(&app, &app.signer.user()).await;
    let order = order(&app, &ticket);
    for (version, change, status, expected) in [
        (0, OrderChange::Created, OrderStatus::Created, "reserved"),
        (1, OrderChange::Confirmed, OrderStatus::AwaitingPayment, "reserved"),
        (2, OrderChange::Authorized, OrderStatus::Authorized, "reserved"),
        (3, OrderChange::Completed, OrderStatus::Completed, "sold"),
    ] {
        app.publish(change, order.id, version, with_status(&order, status)).await;
        eventually("the listing to follow", async || self::status(&app, &ticket).await == expected).await;
        app.wait_until_idle().await;
    }
    let kinds: Vec<_> = app.history("tickets", ticket["id"].as_str().unwrap()).await;
    let expected = [("ticket.created.v1", 0), ("ticket.reserved.v1", 1), ("ticket.sold.v1", 2)];
    assert_eq!(kinds, expected.map(|(kind, version)| (kind.to_owned(), version)));
    let last: TicketState = serde_json::from_value(last_event(&app, &ticket).await.data).unwrap();
    assert!(last.has_seats_for(order.id, &order.slots));
    assert_eq!(last.terms, order.ticket);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_order_releases_the_listing() {
    let app = app().await;
    let (ticket, order) = create_reserved(&app, &app.signer.user()).await;
    deliver(&app, 1, &with_status(&order, OrderStatus::Cancelled)).await;
    assert_eq!(status(&app, &ticket).await, "available");
    app.wait_until_idle().await;
    let event = last_event(&app, &ticket).await;
    assert_eq!((event.kind.as_str(), event.entityversion), ("ticket.released.v1", 2));
    assert_eq!(event.data["seats"][0]["orderId"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_changed_term_refuses_the_order() {
    let app = app().await;
    let seller = app.signer.user();
    for (path, value, reason) in [
        ("price.amount", json!(13_000), "priceChanged"),
        ("price.currency", json!("EUR"), "priceChanged"),
        ("title", json!("Other"), "termsChanged"),
        ("venue", json!("Other"), "termsChanged"),
        ("city", Value::Null, "termsChanged"),
        ("startsAt", json!("2099-06-02T19:30:00Z"), "termsChanged"),
        ("section", json!("A"), "termsChanged"),
        ("row", json!("2"), "termsChanged"),
        ("seat", json!("15"), "termsChanged"),
        ("quantity", json!(2), "termsChanged"),
    ] {
        let ticket = create_listing(&app, &seller).await;
        let order = order(&app, &ticket);
        let edited = put(&app, &seller, &ticket, &body_with(path, value)).send().await.expect(200).json();
        deliver(&app, 0, &order).await;
        assert_eq!(status(&app, &ticket).await, "available", "{path}");
        app.wait_until_idle().await;
        let event = last_event(&app, &ticket).await;
        assert_eq!((event.kind.as_str(), event.entityversion), ("ticket.refused.v1", 2), "{path}");
        let price = if reason == "priceChanged" { edited["price"].clone() } else { Value::Null };
        assert_eq!(event.data["refusals"], json!([{ "orderId": order.id, "reason": reason, "price": price }]));
        // Once the order is cancelled, its refusal is cleared.
        deliver(&app, 1, &with_status(&order, OrderStatus::Cancelled)).await;
        app.wait_until_idle().await;
        let event = last_event(&app, &ticket).await;
        assert_eq!((event.kind.as_str(), &event.data["refusals"]), ("ticket.updated.v1", &json!([])), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn details_outside_the_terms_may_change_before_the_order_arrives() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = create_listing(&app, &seller).await;
    let order = order(&app, &ticket);
    let mut body = body_with("description", json!("Aisle"));
    body["category"] = json!("concert");
    body["faceValue"] = json!({ "amount": 1, "currency": "USD" });
    put(&app, &seller, &ticket, &body).send().await.expect(200);
    deliver(&app, 0, &order).await;
    assert_eq!(status(&app, &ticket).await, "reserved");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_of_withdrawn_and_started_listings_are_refused() {
    let app = app().await;
    let seller = app.signer.user();
    let withdrawn = create_listing(&app, &seller).await;
    withdraw(&app, &seller, &withdrawn).await.expect(204);
    let soon = app.clock.now().plus(Duration::from_secs(60));
    let started = create_listing_with(&app, &seller, &body_with("startsAt", json!(soon))).await;
    app.clock.advance(Duration::from_secs(60));
    for (ticket, reason, status) in [(&withdrawn, "withdrawn", "withdrawn"), (&started, "begun", "available")] {
        let order = order(&app, ticket);
        deliver(&app, 0, &order).await;
        assert_eq!(self::status(&app, ticket).await, status);
        app.wait_until_idle().await;
        let event = last_event(&app, ticket).await;
        assert_eq!(event.kind, "ticket.refused.v1");
        assert_eq!(event.data["refusals"], json!([{ "orderId": order.id, "reason": reason, "price": null }]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn second_order_waits_and_is_reserved_after_the_release() {
    let app = app().await;
    let (ticket, first) = create_reserved(&app, &app.signer.user()).await;
    let second = OrderState { id: common::id::OrderId::new(), ..first.clone() };
    assert_eq!(deliver(&app, 0, &second).await, Applied::Applied);
    assert_eq!(read(&app, &ticket).await["version"], 1, "it waits");
    deliver(&app, 1, &with_status(&first, OrderStatus::Cancelled)).await;
    app.wait_until_idle().await;
    let event = last_event(&app, &ticket).await;
    assert_eq!((event.kind.as_str(), &event.data["seats"][0]["orderId"]), ("ticket.reserved.v1", &json!(second.id)));
    let history = app.history("tickets", ticket["id"].as_str().unwrap()).await;
    assert_eq!(history[2].0, "ticket.released.v1", "{history:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn order_cancelled_before_its_creation_arrives_reserves_nothing() {
    let app = app().await;
    let ticket = create_listing(&app, &app.signer.user()).await;
    let order = order(&app, &ticket);
    assert_eq!(deliver(&app, 1, &with_status(&order, OrderStatus::Cancelled)).await, Applied::Applied);
    assert_eq!(deliver(&app, 0, &order).await, Applied::Stale);
    assert_eq!(read(&app, &ticket).await, ticket);
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicate_events_change_nothing() {
    let app = app().await;
    let ticket = create_listing(&app, &app.signer.user()).await;
    let order = order(&app, &ticket);
    for (version, status) in
        [OrderStatus::Created, OrderStatus::AwaitingPayment, OrderStatus::Authorized, OrderStatus::Completed]
            .into_iter()
            .enumerate()
    {
        let event = order_event(&app, version as u64, &with_status(&order, status));
        assert_eq!(app.handle(&event).await.unwrap(), Applied::Applied);
        let after = read(&app, &ticket).await;
        assert_eq!(app.handle(&event).await.unwrap(), Applied::Stale);
        assert_eq!(read(&app, &ticket).await, after);
    }
    app.wait_until_idle().await;
    assert_eq!(app.history("tickets", ticket["id"].as_str().unwrap()).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn redelivery_recovers_from_a_crash_after_the_replica_write() {
    let app = app().await;
    let ticket = create_listing(&app, &app.signer.user()).await;
    let order = order(&app, &ticket);
    let event = order_event(&app, 0, &order);
    // Only the first write of the handler has taken effect.
    let state = mongodb::bson::serialize_to_document(&order).unwrap();
    let replica = app.context.database.collection::<Document>("replica_order");
    replica.insert_one(doc! { "_id": order.id.to_string(), "version": 0_i64, "state": state }).await.unwrap();
    assert_eq!(app.handle(&event).await.unwrap(), Applied::Stale);
    assert_eq!(status(&app, &ticket).await, "reserved");
}

/// A handler that was interrupted after its first write: the redelivered event is stale, and what is stored decides.
#[tokio::test(flavor = "multi_thread")]
async fn stale_event_acts_on_the_stored_order() {
    let app = app().await;
    let seller = app.signer.user();
    for (end, expected) in [(OrderStatus::Cancelled, "available"), (OrderStatus::Completed, "sold")] {
        let (ticket, order) = create_reserved(&app, &seller).await;
        let event = order_event(&app, 3, &with_status(&order, end));
        app.context.replica().put_if_newer(&event).await.unwrap();
        // This event alone would not move the listing.
        let earlier = with_status(&order, OrderStatus::AwaitingPayment);
        assert_eq!(deliver(&app, 1, &earlier).await, Applied::Stale);
        assert_eq!(status(&app, &ticket).await, expected);
    }
    let fresh = create_listing(&app, &seller).await;
    let order = order(&app, &fresh);
    let cancelled = order_event(&app, 1, &with_status(&order, OrderStatus::Cancelled));
    app.context.replica().put_if_newer(&cancelled).await.unwrap();
    assert_eq!(deliver(&app, 0, &order).await, Applied::Stale);
    assert_eq!(read(&app, &fresh).await, fresh, "a cancelled order reserves nothing, not even for a moment");
}

#[tokio::test(flavor = "multi_thread")]
async fn event_that_moves_no_listing_reads_none() {
    let app = app().await;
    let (_, order) = create_reserved(&app, &app.signer.user()).await;
    app.wait_until_idle().await;
    let reads = async |change, version, status| {
        let event = app.event(change, order.id, version, with_status(&order, status));
        let handled = async { assert!(app.handle(&event).await.is_ok()) };
        let reads = app.profile_reads(handled).await;
        reads.iter().filter(|read| read.collection == "tickets" && read.documents > 0).count()
    };
    assert_eq!(reads(OrderChange::Confirmed, 1, OrderStatus::AwaitingPayment).await, 0);
    assert_eq!(reads(OrderChange::Authorized, 2, OrderStatus::Authorized).await, 0);
    // A redelivery may continue an interrupted handler, and a snapshot may need a response.
    assert!(reads(OrderChange::Authorized, 2, OrderStatus::Authorized).await > 0);
    assert!(reads(OrderChange::Snapshot, 3, OrderStatus::Authorized).await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn order_of_an_unknown_listing_is_stored() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = create_listing(&app, &seller).await;
    let mut elsewhere = order(&app, &ticket);
    elsewhere.ticket.id = common::id::TicketId::new();
    assert_eq!(deliver(&app, 0, &elsewhere).await, Applied::Applied);
    assert_eq!(read(&app, &ticket).await, ticket);
}

#[tokio::test(flavor = "multi_thread")]
async fn update_by_the_seller_reconciles_waiting_orders() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = create_listing(&app, &seller).await;
    let mut order = order(&app, &ticket);
    // Stored but not reconciled, as after a crash of the handler.
    order.price = Money { amount: 20_000, ..order.price };
    order.unit_price = order.price.clone();
    let state = mongodb::bson::serialize_to_document(&order).unwrap();
    let replica = app.context.database.collection::<Document>("replica_order");
    replica.insert_one(doc! { "_id": order.id.to_string(), "version": 0_i64, "state": state }).await.unwrap();
    let response = put(&app, &seller, &ticket, &body_with("price.amount", json!(20_000))).send().await.expect(200);
    assert_eq!((&response.json()["version"], &response.json()["status"]), (&json!(1), &json!("available")));
    assert_eq!(status(&app, &ticket).await, "reserved");
}

#[tokio::test(flavor = "multi_thread")]
async fn sold_listing_is_not_sold_again() {
    let app = app().await;
    let ticket = create_sold(&app, &app.signer.user()).await;
    for status in [OrderStatus::Created, OrderStatus::Completed, OrderStatus::Cancelled] {
        deliver(&app, 0, &with_status(&order(&app, &ticket), status)).await;
        assert_eq!(read(&app, &ticket).await, ticket, "{status:?}");
    }
}
