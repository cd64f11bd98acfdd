//! Fuzzing of all routes.

use common::events::order::{OrderChange, OrderStatus};
use testkit::app::fuzz::fuzz_routes;

use crate::support::{app, listing, order, publish_listing, publish_user};

#[tokio::test(flavor = "multi_thread")]
async fn arbitrary_requests_cause_no_server_errors() {
    let app = app().await;
    let user = app.signer.user();
    let ticket = listing(&app, "Jazz", 0);
    let order = order(&app, &ticket, user.id, OrderStatus::Created);
    publish_user(&app, user.id, "Ana").await;
    publish_listing(&app, &ticket).await;
    app.publish(OrderChange::Created, order.id, 0, order).await;
    app.wait_until_idle().await;
    fuzz_routes(&app, &app.running.openapi, Some(&user)).await;
}
