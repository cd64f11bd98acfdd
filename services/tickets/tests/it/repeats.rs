//! Many released holds of one listing do not slow down later decisions.

use common::events::order::{OrderChange, OrderStatus};

use serde_json::json;

use crate::support::{app, body_of, create_listing, create_listing_with, deliver, order, order_of, read, with_status};

/// Number of times that the listing is reserved and released.
const REPEATS: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn reconciling_reads_only_unfinished_orders_after_many_holds() {
    let app = app().await;
    let ticket = create_listing(&app, &app.signer.user()).await;
    let mut last = order(&app, &ticket);
    for _ in 0..REPEATS {
        last = order(&app, &ticket);
        deliver(&app, 0, &last).await;
        deliver(&app, 2, &with_status(&last, OrderStatus::Cancelled)).await;
    }
    assert_eq!(read(&app, &ticket).await["status"], "available");
    let next = order(&app, &ticket);
    app.assert_examined_at_most(5, async {
        // The events are a snapshot of an order that ended long ago, another buyer's reservation, and its sale.
        let snapshot = app.event(OrderChange::Snapshot, last.id, 2, with_status(&last, OrderStatus::Cancelled));
        app.handle(&snapshot).await.unwrap();
        deliver(&app, 0, &next).await;
        assert_eq!(read(&app, &ticket).await["status"], "reserved");
        deliver(&app, 3, &with_status(&next, OrderStatus::Completed)).await;
    })
    .await;
    assert_eq!(read(&app, &ticket).await["status"], "sold");
    // Each repeat has a reservation and a release; the last two changes are a reservation and the sale.
    assert_eq!(read(&app, &ticket).await["version"], 2 * REPEATS + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_finished_orders_of_other_seats_cost_nothing() {
    let app = app().await;
    let three_pairs = body_of(json!({ "quantity": 6, "split": "pairs" }));
    let ticket = create_listing_with(&app, &app.signer.user(), &three_pairs).await;
    let orders = [&[0, 1][..], &[4, 5]].map(|slots| order_of(&app, &ticket, slots));
    deliver(&app, 0, &orders[0]).await;
    for _ in 0..50 {
        let released = order_of(&app, &ticket, &[2, 3]);
        deliver(&app, 0, &released).await;
        deliver(&app, 2, &with_status(&released, OrderStatus::Cancelled)).await;
    }
    app.assert_examined_at_most(6, async {
        deliver(&app, 0, &orders[1]).await;
        for order in &orders {
            deliver(&app, 3, &with_status(order, OrderStatus::Completed)).await;
        }
    })
    .await;
    let found = read(&app, &ticket).await;
    assert_eq!((&found["free"], &found["status"]), (&json!(2), &json!("available")));
}
