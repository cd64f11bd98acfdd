//! Shutdown: work in flight is finished, and its events are published.

use common::events::expiration::{ExpirationChange, ExpirationState};
use common::events::user::UserChange;
use common::id::OrderId;
use testkit::app::eventually;

use crate::demo::{Counter, app, insert};

#[tokio::test(flavor = "multi_thread")]
async fn relay_publishes_everything_before_shutdown() {
    let app = app().await;
    let store = app.context.store::<Counter>();
    let mut ids = Vec::new();
    for n in 0..200 {
        ids.push(insert(&app, &format!("n{n}")).await.id);
    }
    let current = store.get(ids[0]).await.unwrap().unwrap();
    store.save(&current, current.incremented(), UserChange::Updated).await.unwrap();
    app.stop().await;
    assert_eq!(app.outbox_backlog().await, 0);
    assert_eq!(app.events("demo").await.len(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_in_flight_are_finished_and_acked() {
    let app = app().await;
    let ids: Vec<_> = (0..100).map(|_| OrderId::new()).collect();
    for id in &ids {
        let timer = ExpirationState { order_id: *id, expires_at: common::clock::Clock::now(&app.clock) };
        app.publish(ExpirationChange::Completed, *id, 0, timer).await;
    }
    let replica = app.context.replica::<ExpirationState>();
    eventually("some to be handled", async || replica.get(ids[0]).await.unwrap().is_some()).await;
    app.stop().await;
    let other = app.start_second_instance(crate::demo::build).await;
    other.wait_until_idle().await;
    for id in ids {
        assert!(replica.get(id).await.unwrap().is_some());
    }
}
