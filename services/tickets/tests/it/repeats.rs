//! Many released holds of one listing do not slow down later decisions.

use common::events::order::{OrderChange, OrderStatus};

use crate::support::{app, create_listing, deliver, order, read, with_status};

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
