//! Holding a ticket: the bar with the open hold.

use std::time::Duration;

use common::events::order::{OrderChange, OrderState, OrderStatus};
use testkit::app::users::User;

use crate::support::{app, assert_contains, listing, order};

#[tokio::test(flavor = "multi_thread")]
async fn every_page_shows_the_open_hold_to_its_buyer() {
    let app = app().await;
    let (ben, eve) = (app.signer.user(), app.signer.user());
    let own = order(&app, &listing(&app, "Carmen", 0), ben.id, OrderStatus::AwaitingPayment);
    app.publish(OrderChange::Created, own.id, 0, own.clone()).await;
    app.wait_until_idle().await;
    app.clock.advance(Duration::from_secs(147));
    let get = async |path: &str, user: &User| app.request("GET", path).as_user(user).send().await.expect(200).text();
    let bar = "<section id=\"hold\"";
    for path in ["/", "/browse", "/orders", "/sell", "/notifications", &format!("/orders/{}", own.id)] {
        let html = get(path, &ben).await;
        let checkout = format!("href=\"/checkout/{}\" aria-label=\"Pay for Carmen\"", own.id);
        assert_contains(&html, &[bar, "Held for you <time data-countdown data-left=\"75", &checkout]);
    }
    assert!(!get("/", &eve).await.contains(bar));
    // The checkout has a countdown of its own.
    assert!(!get(&format!("/checkout/{}", own.id), &ben).await.contains(bar));
    assert!(get("/notifications/hold", &ben).await.starts_with(bar));
    app.request("GET", "/notifications/hold").send().await.expect(401);

    // A paid order holds nothing, and neither does one that has expired.
    let paid = OrderState { status: OrderStatus::Authorized, ..own.clone() };
    app.publish(OrderChange::Authorized, own.id, 1, paid).await;
    let late = order(&app, &listing(&app, "Tosca", 0), ben.id, OrderStatus::AwaitingPayment);
    app.publish(OrderChange::Created, late.id, 0, late.clone()).await;
    app.wait_until_idle().await;
    assert_contains(&get("/", &ben).await, &[&format!("href=\"/checkout/{}\"", late.id)]);
    app.clock.advance(Duration::from_secs(900));
    assert!(!get("/", &ben).await.contains(bar));
    assert_eq!(get("/notifications/hold", &ben).await, "");
}
