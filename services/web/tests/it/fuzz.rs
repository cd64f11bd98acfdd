//! No request breaks a page.

use common::events::order::{OrderChange, OrderStatus};
use testkit::app::fuzz::fuzz_routes;

use crate::support::{app, listed, listing, order, registered};

#[tokio::test(flavor = "multi_thread")]
async fn no_request_breaks_a_page() {
    let app = app().await;
    let user = app.signer.user();
    let ticket = listing(&app, "Jazz", 0);
    let order = order(&app, &ticket, user.id, OrderStatus::Created);
    registered(&app, user.id, "Ana").await;
    listed(&app, &ticket).await;
    app.publish(OrderChange::Created, order.id, 0, order).await;
    app.wait_until_idle().await;
    fuzz_routes(&app, &app.running.openapi, Some(&user)).await;
}
