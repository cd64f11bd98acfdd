//! The page of the viewer's own orders.

use common::events::order::{CancelReason, OrderChange, OrderState, OrderStatus};
use common::events::payment::{PaymentChange, PaymentState, PaymentStatus};
use common::id::UserId;

use crate::support::{app, is_page, listing, order, payment, registered, shows};

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_is_asked_to_sign_in() {
    let app = app().await;
    let response = app.request("GET", "/orders").send().await.expect(401);
    is_page(&response);
    shows(&response.text(), &["Sign in to see your orders", "Not signed in"]);
    let forged = app.request("GET", "/orders").header("cookie", "access=eyJhbGciOiJub25lIn0.e30.").send().await;
    forged.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_follows_an_order_to_its_end_and_shows_nobody_elses() {
    let app = app().await;
    let ana = app.signer.user();
    let ticket = listing(&app, "Tosca", 0);
    let own = order(&app, &ticket, ana.id, OrderStatus::Created);
    let others = order(&app, &listing(&app, "Secret Show", 0), UserId::new(), OrderStatus::Completed);
    let orders = async || {
        app.settle().await;
        let response = app.request("GET", "/orders").by(&ana).send().await.expect(200);
        is_page(&response);
        assert!(!response.text().contains("Secret Show"), "{}", response.text());
        response.text()
    };
    shows(&orders().await, &["You have no orders yet"]);
    registered(&app, ana.id, "Ana").await;
    app.publish(OrderChange::Completed, others.id, 3, others).await;
    app.publish(OrderChange::Created, own.id, 0, own.clone()).await;
    shows(&orders().await, &["Signed in as Ana", "Tosca", "Being confirmed.", "The hold ends", "You held the ticket."]);
    let in_state = |status| OrderState { status, ..own.clone() };
    app.publish(OrderChange::Confirmed, own.id, 1, in_state(OrderStatus::AwaitingPayment)).await;
    shows(&orders().await, &["Held for you until it is paid"]);
    // The payment's end arrives before its start.
    let paid = payment(&app, &own, PaymentStatus::Authorizing);
    let captured = PaymentState { status: PaymentStatus::Captured, ..paid.clone() };
    app.publish(PaymentChange::Captured, paid.id, 2, captured).await;
    app.publish(PaymentChange::Started, paid.id, 0, paid.clone()).await;
    shows(&orders().await, &["Your card was charged 125.50 USD."]);
    app.publish(OrderChange::Completed, own.id, 3, in_state(OrderStatus::Completed)).await;
    app.publish(OrderChange::Authorized, own.id, 2, in_state(OrderStatus::Authorized)).await;
    let html = orders().await;
    shows(&html, &["Paid. The ticket is yours."]);
    assert!(!html.contains("The hold ends") && !html.contains("was started"), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_order_says_that_nothing_was_charged() {
    let app = app().await;
    let ana = app.signer.user();
    let mut own = order(&app, &listing(&app, "Tosca", 0), ana.id, OrderStatus::Cancelled);
    own.cancel_reason = Some(CancelReason::Expired);
    let voided = payment(&app, &own, PaymentStatus::Voided);
    app.publish(OrderChange::Cancelled, own.id, 2, own).await;
    app.publish(PaymentChange::Voided, voided.id, 2, voided).await;
    app.settle().await;
    let html = app.request("GET", "/orders").by(&ana).send().await.expect(200).text();
    shows(
        &html,
        &[
            "Expired: it was not paid in time. You were not charged.",
            "125.50 USD set aside on your card were given back",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_orders_are_several_pages_newest_first() {
    let app = app().await;
    let ana = app.signer.user();
    for n in 0..25 {
        let own = order(&app, &listing(&app, &format!("Show-{n:02}"), 0), ana.id, OrderStatus::Created);
        app.publish(OrderChange::Created, own.id, 0, own).await;
    }
    app.settle().await;
    let get = async |path: &str| app.request("GET", path).by(&ana).send().await.expect(200).text();
    let first = get("/orders").await;
    assert!(first.contains("Show-24") && first.contains("Show-05") && !first.contains("Show-04"), "{first}");
    let (head, _) = first.split_once("\" rel=\"next\"").unwrap();
    let second = get(head.rsplit_once("href=\"").unwrap().1).await;
    assert!(second.contains("Show-04") && second.contains("Show-00") && !second.contains("Show-05"), "{second}");
    assert!(!second.contains("rel=\"next\""), "{second}");
    app.request("GET", "/orders?cursor=x").by(&ana).send().await.expect(400);
}
