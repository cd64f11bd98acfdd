//! Recovery from lost events: owners publish snapshots of unchanged entities, in response to a service that missed an
//! event, and at an operator's request (resync); and dead letters.

use std::time::Duration;

use common::events::order::{OrderChange, OrderStatus};
use common::id::{OrderId, TicketId};
use serde_json::{Value, json};
use testkit::app::{TestApp, eventually};

use crate::support::{
    app, app_with, body_with, create_listing, create_reserved, create_sold, deliver, order, order_event, put, read,
    with_status, withdraw,
};

/// Versions of the listing's snapshots, in order.
async fn snapshots(app: &TestApp, ticket: &Value) -> Vec<u64> {
    let history = app.history("tickets", ticket["id"].as_str().unwrap()).await;
    history.into_iter().filter(|(kind, _)| kind == "ticket.snapshot.v1").map(|(_, version)| version).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshot_of_a_waiting_order_leads_to_a_snapshot() {
    let app = app().await;
    let seller = app.signer.user();
    let (held, waiting) = create_reserved(&app, &seller).await;
    let repriced = create_listing(&app, &seller).await;
    let refused = order(&app, &repriced);
    put(&app, &seller, &repriced, &body_with("price.amount", json!(20_000))).send().await.expect(200);
    deliver(&app, 0, &refused).await;
    app.wait_until_idle().await;
    // The orders service has missed both decisions: it publishes snapshots of both orders as created.
    for (order, ticket, version) in [(&waiting, &held, 1), (&refused, &repriced, 2)] {
        app.publish(OrderChange::Snapshot, order.id, 0, order.clone()).await;
        eventually("a snapshot of the listing", async || snapshots(&app, ticket).await == [version]).await;
        let events = app.events("tickets").await;
        let snapshot = events.iter().rfind(|event| event.kind == "ticket.snapshot.v1").unwrap();
        assert_eq!(snapshot.entityversion, version);
        let data = &snapshot.data;
        let decided = [&data["seats"][0]["orderId"], &data["refusals"][0]["orderId"]];
        assert!(decided.contains(&&json!(order.id)), "{data}");
    }
    // A duplicate of a change is no sign of a missed event.
    app.handle(&order_event(&app, 0, &waiting)).await.unwrap();
    app.wait_until_idle().await;
    assert_eq!(snapshots(&app, &held).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshot_of_an_order_replaces_its_lost_last_event() {
    let app = app().await;
    let seller = app.signer.user();
    for (end, expected) in [(OrderStatus::Cancelled, "available"), (OrderStatus::Completed, "sold")] {
        let (ticket, order) = create_reserved(&app, &seller).await;
        // The later events were lost; the owner publishes a snapshot of the state.
        app.publish(OrderChange::Snapshot, order.id, 3, with_status(&order, end)).await;
        eventually("the listing to follow", async || read(&app, &ticket).await["status"] == expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reserved_listing_is_announced_until_it_is_released() {
    let app = app_with(&[("ANNOUNCE_AFTER", "1s")]).await;
    let seller = app.signer.user();
    let (held, order) = create_reserved(&app, &seller).await;
    app.wait_until_idle().await;
    // Each pause is twice the previous one; the clock is moved past the first three.
    for count in 1..=3_usize {
        app.clock.advance(Duration::from_secs(1 << (count + 1)));
        eventually("the next snapshot", async || snapshots(&app, &held).await.len() >= count).await;
    }
    assert!(snapshots(&app, &held).await.iter().all(|version| *version == 1));
    deliver(&app, 1, &with_status(&order, OrderStatus::Cancelled)).await;
    app.clock.advance(Duration::from_secs(2));
    eventually("one more snapshot", async || snapshots(&app, &held).await.contains(&2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settled_listings_get_one_snapshot() {
    let app = app_with(&[("ANNOUNCE_AFTER", "1s")]).await;
    let seller = app.signer.user();
    let bought = create_sold(&app, &seller).await;
    let withdrawn = create_listing(&app, &seller).await;
    withdraw(&app, &seller, &withdrawn).await.expect(204);
    let available = create_listing(&app, &seller).await;
    app.wait_until_idle().await;
    app.clock.advance(Duration::from_secs(2));
    for (ticket, version) in [(&bought, 2), (&withdrawn, 1), (&available, 0)] {
        eventually("the snapshot", async || snapshots(&app, ticket).await == [version]).await;
    }
    // The third snapshot of a reserved listing shows that the announcer has skipped the settled listings meanwhile.
    let (held, _) = create_reserved(&app, &seller).await;
    for count in 1..=3_usize {
        app.clock.advance(Duration::from_secs(100));
        eventually("the announcer's next round", async || snapshots(&app, &held).await.len() >= count).await;
    }
    for ticket in [&bought, &withdrawn, &available] {
        assert_eq!(snapshots(&app, ticket).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_messages_are_dead_lettered_and_block_nothing() {
    let app = app().await;
    let ticket = create_listing(&app, &app.signer.user()).await;
    let order = order(&app, &ticket);
    let good = serde_json::to_value(order_event(&app, 0, &order)).unwrap();
    // The events are of different orders: of several events of one order, only the newest has to be readable.
    let of_another_order = || {
        let mut event = good.clone();
        event["subject"] = json!(OrderId::new().to_string());
        event
    };
    let mut no_status = of_another_order();
    no_status["data"].as_object_mut().unwrap().remove("status");
    let mut unknown_status = of_another_order();
    unknown_status["data"]["status"] = json!("refunded");
    let poison =
        [b"not JSON".to_vec(), b"{}".to_vec(), no_status.to_string().into(), unknown_status.to_string().into()];
    for payload in &poison {
        app.publish_raw("orders", "order", "order.created.v1", payload).await;
    }
    app.publish_raw("orders", "order", "order.created.v1", good.to_string().as_bytes()).await;
    eventually("the valid event to be handled", async || read(&app, &ticket).await["status"] == "reserved").await;
    app.wait_until_idle().await;
    let mut letters = app.dead_letters().await;
    let mut expected = poison.to_vec();
    letters.sort();
    expected.sort();
    assert_eq!(letters, expected, "each is stored unchanged");
    let reasons = app.dead_letter_headers("reason").await;
    assert!(reasons.iter().all(|reason| reason.starts_with("not a known event: ")), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.contains("missing field `status`")), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.contains("unknown variant `refunded`")), "{reasons:?}");
    assert_eq!(app.dead_letter_headers("consumer").await, ["tickets-order"; 4]);
    assert!(app.dead_letter_headers("subject").await.iter().all(|subject| subject.ends_with(".order.created.v1")));
    app.expect_dead_letters(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_fields_and_changes_are_ignored() {
    let app = app().await;
    let ticket = create_listing(&app, &app.signer.user()).await;
    let mut event = serde_json::to_value(order_event(&app, 0, &order(&app, &ticket))).unwrap();
    event["data"]["loyaltyPoints"] = json!(7);
    event["data"]["ticket"]["gate"] = json!("B");
    event["partitionkey"] = json!("x");
    // An unknown change is handled too.
    event["type"] = json!("order.upgraded.v1");
    app.publish_raw("orders", "order", "order.upgraded.v1", event.to_string().as_bytes()).await;
    eventually("the event to be handled", async || read(&app, &ticket).await["status"] == "reserved").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resync_selects_all_listings_or_by_id_or_by_time() {
    let app = app().await;
    let seller = app.signer.user();
    let first = create_listing(&app, &seller).await;
    app.clock.advance(Duration::from_secs(10));
    let second = create_listing(&app, &seller).await;
    let (held, _) = create_reserved(&app, &seller).await;
    app.wait_until_idle().await;
    let resync = |body: Value| app.admin("POST", "/resync").json(&body).send();
    let count = async |ticket: &Value| snapshots(&app, ticket).await.len();

    assert_eq!(
        resync(json!({ "all": true })).await.expect(200).json(),
        json!({ "announced": { "shows": 1, "tickets": 3 } })
    );
    for ticket in [&first, &second, &held] {
        eventually("the snapshot", async || count(ticket).await == 1).await;
    }
    assert_eq!(snapshots(&app, &held).await, [1]);
    let since = resync(json!({ "since": second["createdAt"] })).await.expect(200);
    assert_eq!(since.json(), json!({ "announced": { "shows": 0, "tickets": 2 } }));
    eventually("the snapshot", async || count(&second).await == 2 && count(&held).await == 2).await;
    let some = resync(json!({ "ids": [first["id"], TicketId::new()] })).await.expect(200);
    assert_eq!(some.json(), json!({ "announced": { "shows": 0, "tickets": 1 } }));
    eventually("the snapshot", async || count(&first).await == 2).await;
    for invalid in
        [json!({}), json!({ "all": false }), json!({ "since": "x" }), json!({ "every": 1 }), json!({ "ids": 7 })]
    {
        resync(invalid).await.expect(400);
    }
    assert_eq!((count(&first).await, count(&second).await, count(&held).await), (2, 2, 2));
    // A snapshot does not change the version.
    assert_eq!(read(&app, &held).await["version"], 1);
}
