//! What buyers are told of a show that is moved or cancelled after they ordered.

use std::time::Duration;

use common::events::order::{CancelReason, OrderChange, OrderState, OrderStatus};
use common::events::payment::{PaymentChange, PaymentState, PaymentStatus, Refunded};
use common::events::show::{ShowChange, ShowState, ShowStatus};
use common::id::ShowId;

use crate::orders::{get, path};
use crate::support::{app, assert_contains, listing, order, payment, publish_show, show_of};

#[tokio::test(flavor = "multi_thread")]
async fn buyer_is_told_of_a_moved_and_of_a_cancelled_show() {
    let app = app().await;
    let ana = app.signer.user();
    let ticket = listing(&app, "Tosca", 0);
    let paid = payment(&app, &order(&app, &ticket, ana.id, OrderStatus::Completed), PaymentStatus::Captured);
    let own = order(&app, &ticket, ana.id, OrderStatus::Completed);
    let own = OrderState { id: paid.order_id, payment_id: Some(paid.id), ..own };
    app.publish(OrderChange::Completed, own.id, 3, own.clone()).await;
    app.publish(PaymentChange::Captured, paid.id, 2, paid.clone()).await;
    let unpaid = order(&app, &ticket, ana.id, OrderStatus::AwaitingPayment);
    app.publish(OrderChange::Confirmed, unpaid.id, 1, unpaid.clone()).await;
    let scheduled = show_of(&ticket);
    publish_show(&app, &scheduled).await;
    let page = async || get(&app, &ana, &path(&own)).await.expect(200).text();
    let told = async || get(&app, &ana, "/notifications").await.expect(200).text();
    let list = async || get(&app, &ana, "/orders").await.expect(200).text();
    assert!(!page().await.contains("alert-warning\"><strong>The show"), "it takes place as the order says");

    // The listing's show is merged into another one, which is moved.
    let other = ShowId::new();
    let starts_at = ticket.terms.starts_at.plus(Duration::from_secs(86_400));
    let merged = ShowState { merged_into: Some(other), ..scheduled };
    app.publish(ShowChange::Merged, merged.id, 1, merged).await;
    let venue = "Old Vic".to_owned();
    let moved = ShowState { id: other, status: ShowStatus::Moved, starts_at, venue, ..show_of(&ticket) };
    app.publish(ShowChange::Moved, moved.id, 1, moved.clone()).await;
    assert_contains(
        &page().await,
        &["The show has moved.", &format!("datetime=\"{starts_at}\""), "at Old Vic, New York"],
    );
    assert_contains(&told().await, &["Moved: Tosca is now on", &format!("href=\"{}\"", path(&own))]);
    assert_contains(&list().await, &["The show has moved.", "at Old Vic, New York", &format!("{}/pass", path(&own))]);
    let checkout = get(&app, &ana, &format!("/checkout/{}?price=new", unpaid.id)).await.expect(200).text();
    assert_contains(&checkout, &["The price changed", "Pay only if you agree. Moved: Tosca is now on"]);
    let part = async |end: &str| get(&app, &ana, &format!("{}/{end}", path(&own))).await.expect(200).text();
    assert_contains(&part("receipt").await, &["The show has moved.", "at Old Vic, New York", "Town Hall, New York"]);
    let file = part("ticket.ics").await;
    assert!(file.contains("LOCATION:Old Vic\\, New York\r\n") && !file.contains("STATUS:"), "{file}");

    let cancelled =
        ShowState { cancel_reason: Some("The singer is ill.".to_owned()), status: ShowStatus::Cancelled, ..moved };
    app.publish(ShowChange::Cancelled, other, 2, cancelled).await;
    let html = page().await;
    assert_contains(
        &html,
        &["The show has been cancelled. You will get a full refund.", "The singer is ill.", ">Show cancelled<"],
    );
    assert!(!html.contains("Your ticket</h2>"), "{html}");
    assert_contains(
        &html,
        &[
            "aria-current=\"step\">The show has been cancelled. You will get a full refund.",
            &format!("href=\"{}/receipt\"", path(&own)),
        ],
    );
    assert!(part("ticket.ics").await.contains("\r\nSTATUS:CANCELLED\r\n"));
    let checkout = get(&app, &ana, &format!("/checkout/{}", own.id)).await.expect(303);
    assert_eq!(checkout.header("location"), path(&own));
    // It replaces the pass that a browser has kept.
    let html = part("pass").await;
    assert!(html.contains("The show has been cancelled.") && !html.contains("can’t be shown"), "{html}");
    let html = list().await;
    assert_contains(&html, &["The show has been cancelled. You will get a full refund.", ">Show cancelled<"]);
    assert!(!html.contains("The ticket is yours") && !html.contains(&format!("{}/pass", path(&own))), "{html}");
    assert_contains(&told().await, &["Cancelled: Tosca will not take place."]);
    let refunded = Some(Refunded { amount: paid.amount.clone(), at: ticket.created_at });
    app.publish(PaymentChange::Refunded, paid.id, 3, PaymentState { refunded, ..paid }).await;
    for html in [page().await, list().await] {
        assert_contains(&html, &["The show has been cancelled. The full amount has been refunded."]);
    }

    // A hold that ended with its show.
    let held = OrderState {
        cancel_reason: Some(CancelReason::ShowCancelled),
        ..order(&app, &listing(&app, "Aida", 0), ana.id, OrderStatus::Cancelled)
    };
    app.publish(OrderChange::Cancelled, held.id, 2, held.clone()).await;
    assert_contains(&told().await, &["Cancelled: Aida will not take place. Your hold has ended."]);
}
