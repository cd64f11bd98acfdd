//! What one visitor repeats makes nobody else's decision slower.

use common::events::order::{OrderChange, OrderStatus};

use crate::support::{app, list, order, read, tell, with};

/// How often somebody holds the listing and lets it go.
const REPEATS: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_was_held_again_and_again_is_decided_by_the_orders_that_are_open() {
    let app = app().await;
    let ticket = list(&app, &app.signer.user()).await;
    let mut last = order(&app, &ticket);
    for _ in 0..REPEATS {
        last = order(&app, &ticket);
        tell(&app, 0, &last).await;
        tell(&app, 2, &with(&last, OrderStatus::Cancelled)).await;
    }
    assert_eq!(read(&app, &ticket).await["status"], "available");
    let next = order(&app, &ticket);
    app.assert_examined_at_most(5, async {
        // The announcement of one that is long over, another buyer's hold, and its sale.
        let snapshot = app.event(OrderChange::Snapshot, last.id, 2, with(&last, OrderStatus::Cancelled));
        app.handle(&snapshot).await.unwrap();
        tell(&app, 0, &next).await;
        assert_eq!(read(&app, &ticket).await["status"], "reserved");
        tell(&app, 3, &with(&next, OrderStatus::Completed)).await;
    })
    .await;
    assert_eq!(read(&app, &ticket).await["status"], "sold");
    assert_eq!(read(&app, &ticket).await["version"], 2 * REPEATS + 2);
}
