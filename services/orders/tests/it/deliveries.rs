//! Delivery of every subscribed event: repeated, stale, interrupted by a crash, concurrent, or unreadable.

use common::events::ticket::TicketChange;
use common::id::OrderId;
use platform::stream::subscription::{Applied, Failure};
use serde_json::json;
use testkit::app::eventually;

use crate::scenarios::{TestEvent, scenarios};
use crate::support::{app, changes, create_listing, expected_changes, id_of, path, place, read, reserved};

#[tokio::test(flavor = "multi_thread")]
async fn duplicate_event_changes_nothing() {
    let app = app().await;
    for scenario in scenarios(&app).await {
        let scenario = scenario.arrange(&app).await;
        for _ in 0..3 {
            scenario.event.publish(&app).await;
        }
        assert_eq!(changes(&app, &scenario.order).await, expected_changes(scenario.changes), "{}", scenario.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redelivery_after_a_missing_ack_changes_nothing() {
    let app = app().await;
    for scenario in scenarios(&app).await {
        let scenario = scenario.arrange(&app).await;
        assert_eq!(scenario.event.handle(&app).await.unwrap(), Applied::Applied, "{}", scenario.name);
        // No ack was sent, so the message is redelivered, to any instance.
        assert_eq!(scenario.event.handle(&app).await.unwrap(), Applied::Stale, "{}", scenario.name);
        assert_eq!(changes(&app, &scenario.order).await, expected_changes(scenario.changes), "{}", scenario.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redelivery_recovers_from_a_crash_after_the_replica_write() {
    let app = app().await;
    for scenario in scenarios(&app).await {
        let scenario = scenario.arrange(&app).await;
        scenario.event.write_replica(&app).await;
        let before = read(&app, &scenario.buyer, &scenario.order).await["version"].as_u64().unwrap();
        // All changes except the last one, which the event under test leads to, were made; the first one has version 0.
        assert_eq!(before + 2, scenario.changes.len() as u64, "{}: the order must not have changed yet", scenario.name);
        scenario.event.handle(&app).await.unwrap();
        assert_eq!(changes(&app, &scenario.order).await, expected_changes(scenario.changes), "{}", scenario.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_event_changes_nothing() {
    let app = app().await;
    for scenario in scenarios(&app).await {
        let scenario = scenario.arrange(&app).await;
        scenario.event.handle(&app).await.unwrap();
        let after = read(&app, &scenario.buyer, &scenario.order).await;
        for stale in scenario.before.iter().cloned().chain(scenario.event.previous_version()) {
            assert_eq!(stale.handle(&app).await.unwrap(), Applied::Stale, "{}", scenario.name);
        }
        // A late timer expires the only order that is still unpaid, and changes no other.
        let late = TestEvent::expiration(&app, &scenario.order).handle(&app).await.unwrap();
        let expected = if scenario.name == "ticket.reserved" { Applied::Applied } else { Applied::Stale };
        assert_eq!(late, expected, "{}", scenario.name);
        if late == Applied::Stale {
            assert_eq!(read(&app, &scenario.buyer, &scenario.order).await, after, "{}", scenario.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_instances_apply_one_transition() {
    let app = app().await;
    let other = app.start_second_instance(orders::build).await;
    for scenario in scenarios(&app).await {
        let scenario = scenario.arrange(&app).await;
        let handled = (0..16).map(|n| scenario.event.handle(if n % 2 == 0 { &app } else { &other }));
        for outcome in futures::future::join_all(handled).await {
            outcome.unwrap();
        }
        assert_eq!(changes(&app, &scenario.order).await, expected_changes(scenario.changes), "{}", scenario.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_cancellation_is_atomic() {
    let app = app().await;
    for _ in 0..5 {
        for scenario in scenarios(&app).await {
            let scenario = scenario.arrange(&app).await;
            let cancel = app.request("DELETE", &path(&scenario.order)).as_user(&scenario.buyer).send();
            let (handled, cancelled) = futures::future::join(scenario.event.handle(&app), cancel).await;
            handled.unwrap();
            let seen = read(&app, &scenario.buyer, &scenario.order).await;
            let changes = changes(&app, &scenario.order).await;
            let versions: Vec<_> = changes.iter().map(|(_, version)| *version).collect();
            assert_eq!(versions, (0..=seen["version"].as_u64().unwrap()).collect::<Vec<_>>(), "{}", scenario.name);
            if cancelled.status == 200 {
                assert_eq!(seen["cancelReason"], "buyer", "{}", scenario.name);
            } else {
                cancelled.expect(409);
                assert_eq!(changes, expected_changes(scenario.changes), "{}", scenario.name);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_messages_become_dead_letters_without_blocking() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    let unknown = json!({ "id": OrderId::new(), "expiresAt": "2026-11-22T20:00:00Z" });
    for (source, entity) in
        [("tickets", "ticket"), ("tickets", "show"), ("payments", "payment"), ("expiration", "expiration")]
    {
        let kind = format!("{entity}.completed.v1");
        app.publish_raw(source, entity, &kind, b"{").await;
        app.publish_raw(source, entity, &kind, json!({ "specversion": "1.0" }).to_string().as_bytes()).await;
    }
    // The timer of an order that does not exist is rejected.
    TestEvent::expiration(&app, &unknown).publish(&app).await;
    assert!(matches!(TestEvent::expiration(&app, &unknown).handle(&app).await, Err(Failure::Reject(_))));
    TestEvent::ticket(&app, TicketChange::Reserved, 1, reserved(&ticket, id_of(&order))).publish(&app).await;
    eventually("the order to be confirmed", async || read(&app, &buyer, &order).await["status"] == "awaitingPayment")
        .await;
    // Two malformed messages in each of the four streams, and the timer.
    eventually("the dead letters", async || app.dead_letters().await.len() == 9).await;
    app.expect_dead_letters(9);
}
