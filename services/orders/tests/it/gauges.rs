//! The gauges of orders that take too long.

use std::time::Duration;

use common::clock::Clock;
use common::events::order::OrderStatus;
use common::events::payment::PaymentStatus;
use common::events::ticket::TicketChange;
use mongodb::bson::doc;
use testkit::app::{TestApp, eventually};

use crate::scenarios::TestEvent;
use crate::support::{app, create_listing, id_of, payment, place, reserved};

const AUTHORIZED: &str = "orders_authorized_oldest_age_seconds";
const OVERDUE: &str = "orders_overdue_oldest_age_seconds";

async fn expect_gauges(app: &TestApp, authorized: f64, overdue: f64) {
    // Allows for 20 s between the change and the reading of the gauge.
    let about = |age: Option<f64>, expected: f64| age.is_some_and(|age| (expected..expected + 20.0).contains(&age));
    eventually(&format!("{authorized} s authorised, {overdue} s overdue"), async || {
        about(app.metric(AUTHORIZED).await, authorized) && about(app.metric(OVERDUE).await, overdue)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn overdue_hold_is_reported_until_it_ends() {
    let app = app().await;
    let order = place(&app, &app.signer.user(), &create_listing(&app).await).await;
    expect_gauges(&app, 0.0, 0.0).await;
    // A hold lasts 900 s, so it is overdue by 60 s.
    app.clock.advance(Duration::from_secs(960));
    // A newer hold does not hide the overdue one.
    place(&app, &app.signer.user(), &create_listing(&app).await).await;
    expect_gauges(&app, 0.0, 60.0).await;
    TestEvent::expiration(&app, &order).handle(&app).await.unwrap();
    expect_gauges(&app, 0.0, 0.0).await;
    // The newer hold is not due yet, so there is no overdue one, not even by a second.
    assert!(app.metric(OVERDUE).await < Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn authorized_order_is_reported_until_it_is_completed() {
    let app = app().await;
    let ticket = create_listing(&app).await;
    let order = place(&app, &app.signer.user(), &ticket).await;
    TestEvent::ticket(&app, TicketChange::Reserved, 1, reserved(&ticket, id_of(&order))).handle(&app).await.unwrap();
    let paid = payment(&order, PaymentStatus::Authorizing);
    TestEvent::payment(&app, &paid, PaymentStatus::Authorized).handle(&app).await.unwrap();
    // An authorised order is no hold, so it is not reported as overdue.
    app.clock.advance(Duration::from_secs(1_000));
    expect_gauges(&app, 1_000.0, 0.0).await;
    TestEvent::payment(&app, &paid, PaymentStatus::Captured).handle(&app).await.unwrap();
    expect_gauges(&app, 0.0, 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gauge_queries_use_their_indexes() {
    let app = app().await;
    for _ in 0..20 {
        place(&app, &app.signer.user(), &create_listing(&app).await).await;
    }
    app.wait_until_idle().await;
    let now = app.clock.now().to_string();
    let unpaid = doc! { "$in": [OrderStatus::Created.as_ref(), OrderStatus::AwaitingPayment.as_ref()] };
    for (filter, sort, index) in [
        (doc! { "state.status.name": OrderStatus::Authorized.as_ref() }, "state.updatedAt", "authorized_v1"),
        (doc! { "state.status.name": unpaid, "state.expiresAt": { "$lt": now } }, "state.expiresAt", "unpaid_v1"),
    ] {
        let find = doc! { "find": "orders", "filter": filter, "sort": { sort: 1 }, "limit": 1 };
        let explain = doc! { "explain": find, "verbosity": "executionStats" };
        let explained = app.context.database.run_command(explain).await.unwrap();
        let plan = explained.get_document("queryPlanner").unwrap().get_document("winningPlan").unwrap().to_string();
        assert!(plan.contains(index) && !plan.contains("\"SORT\""), "{plan}");
        let stats = explained.get_document("executionStats").unwrap();
        assert_eq!(
            stats.get("totalKeysExamined").unwrap().to_string(),
            "0",
            "no order is authorised or overdue: {stats}"
        );
    }
}
