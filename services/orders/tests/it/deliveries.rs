//! Every row of the subscription table: repeated, stale, crashed, handled by two at once, poisoned.

use common::events::ticket::TicketChange;
use common::id::OrderId;
use platform::stream::subscription::{Applied, Failure};
use serde_json::json;
use testkit::app::eventually;

use crate::support::{app, changes, id_of, known, path, place, read, reserved, way};
use crate::told::{Told, scenes};

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_changes_nothing() {
    let app = app().await;
    for scene in scenes(&app).await {
        let scene = scene.set(&app).await;
        for _ in 0..3 {
            scene.event.publish(&app).await;
        }
        assert_eq!(changes(&app, &scene.order).await, way(scene.way), "{}", scene.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_write_and_ack_changes_nothing() {
    let app = app().await;
    for scene in scenes(&app).await {
        let scene = scene.set(&app).await;
        assert_eq!(scene.event.handle(&app).await.unwrap(), Applied::Applied, "{}", scene.name);
        // No ack was sent, so the message comes again, to whichever instance.
        assert_eq!(scene.event.handle(&app).await.unwrap(), Applied::Stale, "{}", scene.name);
        assert_eq!(changes(&app, &scene.order).await, way(scene.way), "{}", scene.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_replica_and_order_is_made_good_by_the_next_delivery() {
    let app = app().await;
    for scene in scenes(&app).await {
        let scene = scene.set(&app).await;
        scene.event.write_replica(&app).await;
        let before = read(&app, &scene.buyer, &scene.order).await["version"].as_u64().unwrap();
        assert_eq!(before + 2, scene.way.len() as u64, "{}: not moved yet", scene.name);
        scene.event.handle(&app).await.unwrap();
        assert_eq!(changes(&app, &scene.order).await, way(scene.way), "{}", scene.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_event_changes_nothing() {
    let app = app().await;
    for scene in scenes(&app).await {
        let scene = scene.set(&app).await;
        scene.event.handle(&app).await.unwrap();
        let after = read(&app, &scene.buyer, &scene.order).await;
        for stale in scene.before.iter().cloned().chain(scene.event.one_before()) {
            assert_eq!(stale.handle(&app).await.unwrap(), Applied::Stale, "{}", scene.name);
        }
        // A timer that fires late, when the order is long over.
        let late = Told::expiration(&app, &scene.order).handle(&app).await.unwrap();
        let expected = if scene.name == "ticket.reserved" { Applied::Applied } else { Applied::Stale };
        assert_eq!(late, expected, "{}", scene.name);
        if late == Applied::Stale {
            assert_eq!(read(&app, &scene.buyer, &scene.order).await, after, "{}", scene.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_at_once_make_one_step() {
    let app = app().await;
    let other = app.start_second_instance(orders::build).await;
    for scene in scenes(&app).await {
        let scene = scene.set(&app).await;
        let handled = (0..16).map(|n| scene.event.handle(if n % 2 == 0 { &app } else { &other }));
        for outcome in futures::future::join_all(handled).await {
            outcome.unwrap();
        }
        assert_eq!(changes(&app, &scene.order).await, way(scene.way), "{}", scene.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_who_cancels_at_the_same_moment_either_wins_or_loses() {
    let app = app().await;
    for _ in 0..5 {
        for scene in scenes(&app).await {
            let scene = scene.set(&app).await;
            let cancel = app.request("DELETE", &path(&scene.order)).by(&scene.buyer).send();
            let (handled, cancelled) = futures::future::join(scene.event.handle(&app), cancel).await;
            handled.unwrap();
            let seen = read(&app, &scene.buyer, &scene.order).await;
            let changes = changes(&app, &scene.order).await;
            let versions: Vec<_> = changes.iter().map(|(_, version)| *version).collect();
            assert_eq!(versions, (0..=seen["version"].as_u64().unwrap()).collect::<Vec<_>>(), "{}", scene.name);
            if cancelled.status == 200 {
                assert_eq!(seen["cancelReason"], "buyer", "{}", scene.name);
            } else {
                cancelled.expect(409);
                assert_eq!(changes, way(scene.way), "{}", scene.name);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_kept_as_a_dead_letter_and_stops_nobody() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), known(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    let nobody = json!({ "id": OrderId::new(), "expiresAt": "2026-11-22T20:00:00Z" });
    for (source, entity) in [("tickets", "ticket"), ("payments", "payment"), ("expiration", "expiration")] {
        let kind = format!("{entity}.completed.v1");
        app.publish_raw(source, entity, &kind, b"{").await;
        app.publish_raw(source, entity, &kind, json!({ "specversion": "1.0" }).to_string().as_bytes()).await;
    }
    // An order that never was.
    Told::expiration(&app, &nobody).publish(&app).await;
    assert!(matches!(Told::expiration(&app, &nobody).handle(&app).await, Err(Failure::Reject(_))));
    Told::ticket(&app, TicketChange::Reserved, 1, reserved(&ticket, id_of(&order))).publish(&app).await;
    eventually("the order to be confirmed", async || read(&app, &buyer, &order).await["status"] == "awaitingPayment")
        .await;
    eventually("the dead letters", async || app.dead_letters().await.len() == 7).await;
    app.expect_dead_letters(7);
}
