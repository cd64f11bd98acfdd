//! What was lost is told again: announcements, answers to a peer that is behind, resync, dead letters.

use std::time::Duration;

use common::events::order::{OrderChange, OrderStatus};
use common::id::TicketId;
use serde_json::{Value, json};
use testkit::app::{TestApp, eventually};

use crate::support::{app, app_with, body_with, list, order, put, read, reserved, sold, tell, told, with, withdraw};

/// Versions of the listing that were announced again, in order.
async fn announced(app: &TestApp, ticket: &Value) -> Vec<u64> {
    let history = app.history("tickets", ticket["id"].as_str().unwrap()).await;
    history.into_iter().filter(|(kind, _)| kind == "ticket.snapshot.v1").map(|(_, version)| version).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_still_waits_is_answered_again() {
    let app = app().await;
    let seller = app.signer.user();
    let (held, waiting) = reserved(&app, &seller).await;
    let refused = list(&app, &seller).await;
    let turned_down = order(&app, &refused);
    put(&app, &seller, &refused, &body_with("price.amount", json!(20_000))).send().await.expect(200);
    tell(&app, 0, &turned_down).await;
    app.wait_until_idle().await;
    // orders has not heard of either decision: it announces both orders as they were created.
    for (order, ticket, version) in [(&waiting, &held, 1), (&turned_down, &refused, 2)] {
        app.publish(OrderChange::Snapshot, order.id, 0, order.clone()).await;
        eventually("the listing to be announced", async || announced(&app, ticket).await == [version]).await;
        let events = app.events("tickets").await;
        let snapshot = events.iter().rfind(|event| event.kind == "ticket.snapshot.v1").unwrap();
        assert_eq!(snapshot.entityversion, version);
        let told = &snapshot.data;
        assert!(told["orderId"] == json!(order.id) || told["refusals"][0]["orderId"] == json!(order.id), "{told}");
    }
    // A repeat of a change is no sign that anybody is behind.
    app.handle(&told(&app, 0, &waiting)).await.unwrap();
    app.wait_until_idle().await;
    assert_eq!(announced(&app, &held).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_end_of_an_order_is_made_good_by_its_announcement() {
    let app = app().await;
    let seller = app.signer.user();
    for (end, expected) in [(OrderStatus::Cancelled, "available"), (OrderStatus::Completed, "sold")] {
        let (ticket, order) = reserved(&app, &seller).await;
        // The events between were lost, and so was the last; the owner announces the state.
        app.publish(OrderChange::Snapshot, order.id, 3, with(&order, end)).await;
        eventually("the listing to follow", async || read(&app, &ticket).await["status"] == expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_listing_is_announced_until_the_hold_ends() {
    let app = app_with(&[("ANNOUNCE_AFTER", "1s")]).await;
    let seller = app.signer.user();
    let (held, order) = reserved(&app, &seller).await;
    app.wait_until_idle().await;
    // Each pause is twice the one before; the clock is moved past the first three.
    for count in 1..=3_usize {
        app.clock.advance(Duration::from_secs(1 << (count + 1)));
        eventually("the next announcement", async || announced(&app, &held).await.len() >= count).await;
    }
    assert!(announced(&app, &held).await.iter().all(|version| *version == 1));
    tell(&app, 1, &with(&order, OrderStatus::Cancelled)).await;
    app.clock.advance(Duration::from_secs(2));
    eventually("one more announcement", async || announced(&app, &held).await.contains(&2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_final_is_announced_once_more_and_never_again() {
    let app = app_with(&[("ANNOUNCE_AFTER", "1s")]).await;
    let seller = app.signer.user();
    let bought = sold(&app, &seller).await;
    let taken_back = list(&app, &seller).await;
    withdraw(&app, &seller, &taken_back).await.expect(204);
    let available = list(&app, &seller).await;
    app.wait_until_idle().await;
    app.clock.advance(Duration::from_secs(2));
    for (ticket, version) in [(&bought, 2), (&taken_back, 1), (&available, 0)] {
        eventually("the announcement", async || announced(&app, ticket).await == [version]).await;
    }
    // A held listing shows that the announcer has gone on: by its third time the others were passed over.
    let (held, _) = reserved(&app, &seller).await;
    for count in 1..=3_usize {
        app.clock.advance(Duration::from_secs(100));
        eventually("the announcer's next round", async || announced(&app, &held).await.len() >= count).await;
    }
    for ticket in [&bought, &taken_back, &available] {
        assert_eq!(announced(&app, ticket).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_message_is_kept_with_its_reason_and_blocks_nothing() {
    let app = app().await;
    let ticket = list(&app, &app.signer.user()).await;
    let order = order(&app, &ticket);
    let good = serde_json::to_value(told(&app, 0, &order)).unwrap();
    let mut no_status = good.clone();
    no_status["data"].as_object_mut().unwrap().remove("status");
    let mut unknown_status = good.clone();
    unknown_status["data"]["status"] = json!("refunded");
    let poison =
        [b"not JSON".to_vec(), b"{}".to_vec(), no_status.to_string().into(), unknown_status.to_string().into()];
    for payload in &poison {
        app.publish_raw("orders", "order", "order.created.v1", payload).await;
    }
    app.publish_raw("orders", "order", "order.created.v1", good.to_string().as_bytes()).await;
    eventually("the good one to be handled", async || read(&app, &ticket).await["status"] == "reserved").await;
    app.wait_until_idle().await;
    let mut letters = app.dead_letters().await;
    let mut expected = poison.to_vec();
    letters.sort();
    expected.sort();
    assert_eq!(letters, expected, "each is kept as it came");
    let reasons = app.dead_letter_headers("reason").await;
    assert!(reasons.iter().all(|reason| reason.starts_with("not a known event: ")), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.contains("missing field `status`")), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.contains("unknown variant `refunded`")), "{reasons:?}");
    assert_eq!(app.dead_letter_headers("consumer").await, ["tickets-order"; 4]);
    assert!(app.dead_letter_headers("subject").await.iter().all(|subject| subject.ends_with(".order.created.v1")));
    app.expect_dead_letters(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_a_later_release_adds_are_passed_over() {
    let app = app().await;
    let ticket = list(&app, &app.signer.user()).await;
    let mut event = serde_json::to_value(told(&app, 0, &order(&app, &ticket))).unwrap();
    event["data"]["loyaltyPoints"] = json!(7);
    event["data"]["ticket"]["gate"] = json!("B");
    event["partitionkey"] = json!("x");
    // So is a change that a later release names.
    event["type"] = json!("order.upgraded.v1");
    app.publish_raw("orders", "order", "order.upgraded.v1", event.to_string().as_bytes()).await;
    eventually("it to be handled", async || read(&app, &ticket).await["status"] == "reserved").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resync_announces_all_or_some_or_since() {
    let app = app().await;
    let seller = app.signer.user();
    let first = list(&app, &seller).await;
    app.clock.advance(Duration::from_secs(10));
    let second = list(&app, &seller).await;
    let (held, _) = reserved(&app, &seller).await;
    app.wait_until_idle().await;
    let resync = |body: Value| app.admin("POST", "/resync").json(&body).send();
    let count = async |ticket: &Value| announced(&app, ticket).await.len();

    assert_eq!(resync(json!({ "all": true })).await.expect(200).json(), json!({ "announced": { "tickets": 3 } }));
    for ticket in [&first, &second, &held] {
        eventually("the announcement", async || count(ticket).await == 1).await;
    }
    assert_eq!(announced(&app, &held).await, [1]);
    let since = resync(json!({ "since": second["createdAt"] })).await.expect(200);
    assert_eq!(since.json(), json!({ "announced": { "tickets": 2 } }));
    eventually("the announcement", async || count(&second).await == 2 && count(&held).await == 2).await;
    let some = resync(json!({ "ids": [first["id"], TicketId::new()] })).await.expect(200);
    assert_eq!(some.json(), json!({ "announced": { "tickets": 1 } }));
    eventually("the announcement", async || count(&first).await == 2).await;
    for wrong in
        [json!({}), json!({ "all": false }), json!({ "since": "x" }), json!({ "every": 1 }), json!({ "ids": 7 })]
    {
        resync(wrong).await.expect(400);
    }
    assert_eq!((count(&first).await, count(&second).await, count(&held).await), (2, 2, 2));
    // An announcement is no change.
    assert_eq!(read(&app, &held).await["version"], 1);
}
