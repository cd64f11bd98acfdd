//! Orders of shows that are cancelled, moved or merged, and GET /api/orders/to-refund.

use std::time::Duration;

use common::events::payment::{PaymentChange, PaymentState, PaymentStatus, Refunded};
use common::events::show::{ShowChange, ShowState, ShowStatus};
use common::events::ticket::{TicketChange, TicketState, TicketTerms};
use common::id::ShowId;
use common::identity::Role;
use serde_json::{Value, json};
use testkit::app::TestApp;
use testkit::app::users::User;

use crate::support::{
    add_listing, app, changes, complete_order, confirm, create_listing, expected_changes, id_of, listing, payment,
    payment_transition, place, post, read, reserved, show, usd,
};

async fn publish(app: &TestApp, change: ShowChange, version: u64, show: ShowState) {
    app.handle(&app.event(change, show.id, version, show)).await.unwrap();
}

/// Delivers the event of a listing that has followed the cancellation of its show.
async fn follow(app: &TestApp, version: u64, ticket: TicketState) {
    let ticket = TicketState { show_cancelled: true, ..ticket };
    app.handle(&app.event(TicketChange::Updated, ticket.terms.id, version, ticket)).await.unwrap();
}

/// The orders to refund, read in pages of one order.
async fn to_refund(app: &TestApp, user: &User) -> Vec<Value> {
    let (mut found, mut query) = (Vec::new(), "?limit=1".to_owned());
    loop {
        let path = format!("/api/orders/to-refund{query}");
        let page = app.request("GET", &path).as_user(user).send().await.expect(200).json();
        found.extend(page["items"].as_array().unwrap().clone());
        match page["nextCursor"].as_str() {
            Some(cursor) => query = format!("?limit=1&cursor={cursor}"),
            None => return found,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_show_cancels_unpaid_orders_and_lists_completed_ones() {
    let app = app().await;
    let (buyer, finance) = (app.signer.user(), app.signer.staff(Role::Finance));
    let first = create_listing(&app).await;
    // Listings of the same show.
    let mut listings = Vec::new();
    for _ in 0..4 {
        let ticket = TicketState { show_id: first.show_id, ..listing(&app) };
        listings.push(add_listing(&app, ticket).await);
    }
    let [second, third, fourth, fifth] = listings.try_into().unwrap();
    let created = place(&app, &buyer, &first).await;
    let awaiting = place(&app, &buyer, &second).await;
    confirm(&app, &second, &awaiting).await;
    let paid = [complete_order(&app, &buyer, &third).await, complete_order(&app, &buyer, &fourth).await];
    let elsewhere = place(&app, &buyer, &create_listing(&app).await).await;
    publish(&app, ShowChange::Created, 0, show(&first, ShowStatus::Scheduled)).await;
    assert_eq!(read(&app, &buyer, &created).await["showStatus"], "scheduled");
    assert!(to_refund(&app, &finance).await.is_empty());

    publish(&app, ShowChange::Cancelled, 1, show(&first, ShowStatus::Cancelled)).await;
    follow(&app, 1, first.clone()).await;
    follow(&app, 2, reserved(&second, id_of(&awaiting))).await;
    follow(&app, 1, fifth.clone()).await;
    for (order, before) in [(&created, &["created"][..]), (&awaiting, &["created", "confirmed"][..])] {
        let seen = read(&app, &buyer, order).await;
        assert_eq!((&seen["status"], &seen["cancelReason"]), (&json!("cancelled"), &json!("showCancelled")));
        assert_eq!((&seen["refusal"], &seen["showStatus"]), (&Value::Null, &json!("cancelled")));
        assert_eq!(changes(&app, order).await, expected_changes(&[before, &["cancelled"]].concat()));
    }
    assert_eq!(read(&app, &buyer, &elsewhere).await["status"], "created");
    assert_eq!(post(&app, &buyer, &fifth).await.expect(409).problem(), "show-cancelled");

    // Completed orders keep their status. They are listed, newest first, until their charges are refunded in full.
    let listed = to_refund(&app, &finance).await;
    let ids: Vec<_> = listed.iter().map(|item| item["order"]["id"].clone()).collect();
    assert_eq!(ids, [paid[1]["id"].clone(), paid[0]["id"].clone()]);
    let item = &listed[0];
    assert_eq!((&item["order"]["status"], &item["order"]["showStatus"]), (&json!("completed"), &json!("cancelled")));
    assert_eq!((&item["showCancelReason"], &item["charged"]), (&json!("The singer is ill."), &paid[1]["price"]));
    assert_eq!((&item["providerRef"], &item["refunded"]), (&json!("pi_1"), &Value::Null));
    let refund = async |amount: i64, version: u64| {
        let refunded = Some(Refunded { amount: usd(amount), at: first.created_at });
        let (_, _, captured) = payment_transition(&payment(&paid[1], PaymentStatus::Captured), PaymentStatus::Captured);
        let id = serde_json::from_value(item["paymentId"].clone()).unwrap();
        let event = app.event(PaymentChange::Refunded, id, version, PaymentState { id, refunded, ..captured });
        app.handle(&event).await.unwrap();
    };
    refund(100, 3).await;
    assert_eq!(to_refund(&app, &finance).await[0]["refunded"]["amount"], json!(usd(100)));
    // The list marks disputed charges, which the bank may have taken back.
    assert_eq!(item["disputed"], json!(false));
    let (_, _, captured) = payment_transition(&payment(&paid[1], PaymentStatus::Captured), PaymentStatus::Captured);
    let id = serde_json::from_value(item["paymentId"].clone()).unwrap();
    let disputed = PaymentState { id, disputed: true, ..captured };
    app.handle(&app.event(PaymentChange::Disputed, id, 4, disputed)).await.unwrap();
    assert_eq!(to_refund(&app, &finance).await[0]["disputed"], json!(true));
    refund(12_550, 5).await;
    let operator = app.signer.staff(Role::Operator);
    let left: Vec<_> = to_refund(&app, &operator).await.iter().map(|item| item["order"]["id"].clone()).collect();
    assert_eq!(left, [paid[0]["id"].clone()]);
    // A refund that fails later leaves the charge to be refunded.
    refund(100, 6).await;
    assert_eq!(to_refund(&app, &finance).await[0]["refunded"]["amount"], json!(usd(100)));
    for user in [&buyer, &app.signer.staff(Role::Support)] {
        let response = app.request("GET", "/api/orders/to-refund").as_user(user).send().await;
        assert_eq!(response.expect(403).problem(), "role-required");
    }
    app.request("GET", "/api/orders/to-refund").send().await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn refunded_orders_do_not_slow_down_the_list() {
    let app = app().await;
    let (buyer, finance) = (app.signer.user(), app.signer.staff(Role::Finance));
    let ticket = create_listing(&app).await;
    publish(&app, ShowChange::Cancelled, 1, show(&ticket, ShowStatus::Cancelled)).await;
    // The order is completed after the cancellation arrived, since the listing does not follow its show yet.
    let due = complete_order(&app, &buyer, &ticket).await;
    for n in 0..10 {
        let ticket = add_listing(&app, TicketState { show_id: ticket.show_id, ..listing(&app) }).await;
        let order = complete_order(&app, &buyer, &ticket).await;
        let listed = to_refund(&app, &finance).await;
        let item = listed.iter().find(|item| item["order"]["id"] == order["id"]).expect("an order to refund");
        let id = serde_json::from_value(item["paymentId"].clone()).unwrap();
        let (_, _, captured) = payment_transition(&payment(&order, PaymentStatus::Captured), PaymentStatus::Captured);
        let refunded = Some(Refunded { amount: captured.amount.clone(), at: ticket.created_at });
        let refunded = PaymentState { id, refunded, ..captured };
        app.handle(&app.event(PaymentChange::Refunded, id, 3, refunded)).await.unwrap();
        assert_eq!(to_refund(&app, &finance).await.len(), 1, "{n}");
    }
    // A snapshot of the show adds no refunded order to the list again.
    publish(&app, ShowChange::Snapshot, 1, show(&ticket, ShowStatus::Cancelled)).await;
    app.wait_until_idle().await;
    // One order is due; the bound is far below the ten refunded ones.
    app.assert_examined_at_most(5, async {
        assert_eq!(to_refund(&app, &finance).await[0]["order"]["id"], due["id"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paid_order_is_to_be_refunded_through_merges_of_its_show() {
    let app = app().await;
    let (buyer, finance) = (app.signer.user(), app.signer.staff(Role::Finance));
    // The first show is merged into the second one, that one into the third one, and the third one is cancelled. The
    // events arrive in every order.
    for order_of_events in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let ticket = create_listing(&app).await;
        let order = complete_order(&app, &buyer, &ticket).await;
        let [second, third] = [ShowId::new(), ShowId::new()];
        let first = show(&ticket, ShowStatus::Scheduled);
        let events = [
            (ShowChange::Merged, ShowState { merged_into: Some(second), ..first.clone() }),
            (ShowChange::Merged, ShowState { id: second, merged_into: Some(third), ..first }),
            (ShowChange::Cancelled, ShowState { id: third, ..show(&ticket, ShowStatus::Cancelled) }),
        ];
        for n in order_of_events {
            let (change, state) = events[n].clone();
            publish(&app, change, 1, state).await;
        }
        assert_eq!(read(&app, &buyer, &order).await["showStatus"], "cancelled", "{order_of_events:?}");
        let listed = to_refund(&app, &finance).await;
        assert_eq!(listed[0]["order"]["id"], order["id"], "{order_of_events:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn order_has_the_show_that_remains_after_many_merges() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let order = complete_order(&app, &buyer, &ticket).await;
    let mut id = ticket.show_id;
    // Far more merges than the staff makes of one show: their number has no limit.
    for _ in 0..150 {
        let into = ShowId::new();
        let merged = ShowState { id, merged_into: Some(into), ..show(&ticket, ShowStatus::Scheduled) };
        app.handle(&app.event(ShowChange::Merged, id, 1, merged)).await.unwrap();
        id = into;
    }
    publish(&app, ShowChange::Cancelled, 1, ShowState { id, ..show(&ticket, ShowStatus::Cancelled) }).await;
    assert_eq!(read(&app, &buyer, &order).await["showStatus"], "cancelled");
    assert_eq!(to_refund(&app, &app.signer.staff(Role::Finance)).await[0]["order"]["id"], order["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn order_and_pass_show_the_present_start_of_a_moved_show() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let order = complete_order(&app, &buyer, &ticket).await;
    assert_eq!((order.get("showStatus"), order.get("currentStartsAt")), (None, None), "the show is unknown");
    let later = ticket.terms.starts_at.plus(Duration::from_secs(86_400));
    publish(&app, ShowChange::Created, 0, show(&ticket, ShowStatus::Scheduled)).await;
    assert_eq!(read(&app, &buyer, &order).await.get("currentStartsAt"), None);
    let moved = ShowState { starts_at: later, ..show(&ticket, ShowStatus::Moved) };
    publish(&app, ShowChange::Moved, 1, moved).await;
    let seen = read(&app, &buyer, &order).await;
    assert_eq!((&seen["showStatus"], &seen["currentStartsAt"]), (&json!("moved"), &json!(later)));
    assert_eq!((&seen["ticket"], &seen["version"]), (&order["ticket"], &order["version"]), "the terms stay");
    let list = app.request("GET", "/api/orders").as_user(&buyer).send().await.expect(200).json();
    assert_eq!(list["items"], json!([seen]));
    let path = format!("/api/orders/{}/pass", id_of(&order));
    let pass = app.request("GET", &path).as_user(&buyer).send().await.expect(200).json();
    assert_eq!((&pass["showStatus"], &pass["currentStartsAt"]), (&json!("moved"), &json!(later)));
    // An order of the moved listing agrees with the show.
    let ticket = listing(&app);
    let terms = TicketTerms { starts_at: later, ..ticket.terms.clone() };
    let show_id = serde_json::from_value(order["showId"].clone()).unwrap();
    let ticket = add_listing(&app, TicketState { terms, show_id, ..ticket }).await;
    let new = place(&app, &buyer, &ticket).await;
    let seen = read(&app, &buyer, &new).await;
    assert_eq!((&seen["showStatus"], seen.get("currentStartsAt")), (&json!("moved"), None));
}
