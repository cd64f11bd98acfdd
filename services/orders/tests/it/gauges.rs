//! What is told of orders that take too long.

use std::time::Duration;

use common::clock::Clock;
use common::events::payment::PaymentStatus;
use common::events::ticket::TicketChange;
use mongodb::bson::doc;
use testkit::app::{TestApp, eventually};

use crate::support::{app, id_of, known, payment, place, reserved};
use crate::told::Told;

const AUTHORIZED: &str = "orders_authorized_oldest_age_seconds";
const OVERDUE: &str = "orders_overdue_oldest_age_seconds";

async fn tells(app: &TestApp, authorized: f64, overdue: f64) {
    let about = |told: Option<f64>, expected: f64| told.is_some_and(|told| (expected..expected + 20.0).contains(&told));
    eventually(&format!("{authorized} s authorised, {overdue} s overdue"), async || {
        about(app.metric(AUTHORIZED).await, authorized) && about(app.metric(OVERDUE).await, overdue)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_outlives_its_time_is_told_until_it_ends() {
    let app = app().await;
    let order = place(&app, &app.signer.user(), &known(&app).await).await;
    tells(&app, 0.0, 0.0).await;
    app.clock.advance(Duration::from_secs(960));
    // A younger one does not hide it.
    place(&app, &app.signer.user(), &known(&app).await).await;
    tells(&app, 0.0, 60.0).await;
    Told::expiration(&app, &order).handle(&app).await.unwrap();
    tells(&app, 0.0, 0.0).await;
    assert!(app.metric(OVERDUE).await < Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_won_and_not_completed_is_told_until_it_is() {
    let app = app().await;
    let ticket = known(&app).await;
    let order = place(&app, &app.signer.user(), &ticket).await;
    Told::ticket(&app, TicketChange::Reserved, 1, reserved(&ticket, id_of(&order))).handle(&app).await.unwrap();
    let paid = payment(&order, PaymentStatus::Authorizing);
    Told::payment(&app, &paid, PaymentStatus::Authorized).handle(&app).await.unwrap();
    // It is no hold any more: that its time is over is nothing to be told.
    app.clock.advance(Duration::from_secs(1_000));
    tells(&app, 1_000.0, 0.0).await;
    Told::payment(&app, &paid, PaymentStatus::Captured).handle(&app).await.unwrap();
    tells(&app, 0.0, 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_are_found_by_index_whatever_else_there_is() {
    let app = app().await;
    for _ in 0..20 {
        place(&app, &app.signer.user(), &known(&app).await).await;
    }
    app.wait_until_idle().await;
    let now = app.clock.now().to_string();
    let unpaid = doc! { "$in": ["created", "awaitingPayment"] };
    for (filter, sort, index) in [
        (doc! { "state.status.name": "authorized" }, "state.updatedAt", "authorized_v1"),
        (doc! { "state.status.name": unpaid, "state.expiresAt": { "$lt": now } }, "state.expiresAt", "unpaid_v1"),
    ] {
        let find = doc! { "find": "orders", "filter": filter, "sort": { sort: 1 }, "limit": 1 };
        let explain = doc! { "explain": find, "verbosity": "executionStats" };
        let explained = app.context.database.run_command(explain).await.unwrap();
        let plan = explained.get_document("queryPlanner").unwrap().get_document("winningPlan").unwrap().to_string();
        assert!(plan.contains(index) && !plan.contains("\"SORT\""), "{plan}");
        let stats = explained.get_document("executionStats").unwrap();
        assert_eq!(stats.get("totalKeysExamined").unwrap().to_string(), "0", "no order is won, none overdue: {stats}");
    }
}
