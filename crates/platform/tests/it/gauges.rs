//! The exported gauges.

use common::events::expiration::{ExpirationChange, ExpirationState};
use common::id::OrderId;
use mongodb::bson::{Document, doc};
use testkit::app::eventually;
use testkit::app::proxy::Proxy;

use crate::demo::{app, app_with};

#[tokio::test(flavor = "multi_thread")]
async fn outages_of_dependencies_are_reported() {
    let (mongodb, nats) = (Proxy::of_mongodb(), Proxy::of_nats());
    let app = app_with(&[("MONGODB_URL", &mongodb.url()), ("NATS_URL", &nats.url()), ("RELEASE", "1a2b3c")]).await;
    let health = async || {
        let names = ["database_up", "service_ready", "nats_connected"];
        futures::future::join_all(names.map(|name| app.metric(name))).await
    };
    eventually("all dependencies", async || health().await == [Some(1.0); 3]).await;
    mongodb.disconnect();
    // Requests are still accepted, and get 503.
    eventually("the MongoDB outage", async || health().await == [Some(0.0), Some(1.0), Some(1.0)]).await;
    mongodb.restore();
    nats.disconnect();
    // Requests need no NATS.
    eventually("the NATS outage", async || health().await == [Some(1.0), Some(1.0), Some(0.0)]).await;
    nats.restore();
    eventually("all dependencies again", async || health().await == [Some(1.0); 3]).await;
    let version = env!("CARGO_PKG_VERSION");
    let info = app.metric(&format!("build_info{{release=\"1a2b3c\",version=\"{version}\"}}")).await;
    assert_eq!(info, Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn consumer_backlog_and_its_age_are_reported() {
    let app = app().await;
    let pending = async || app.metric("consumer_pending{entity=\"expiration\"}").await;
    let age = async || app.metric("consumer_ack_floor_stalled_seconds{entity=\"expiration\"}").await.unwrap_or(0.0);
    // The first event fails six times and stays pending, while the later ones are handled.
    let failing = OrderId::new();
    let script = app.context.database.collection::<Document>("script");
    script.insert_one(doc! { "_id": failing.to_string(), "mode": "retry", "times": 6, "seen": 0 }).await.unwrap();
    for id in [failing, OrderId::new(), OrderId::new()] {
        let state = ExpirationState { order_id: id, expires_at: common::clock::Clock::now(&app.clock) };
        app.publish(ExpirationChange::Completed, id, 1, state).await;
    }
    eventually("the pending event", async || pending().await == Some(1.0)).await;
    eventually("its age to grow", async || age().await > 1.0).await;
    app.wait_until_idle().await;
    eventually("an empty backlog", async || pending().await == Some(0.0) && age().await == 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn service_gauge_is_updated() {
    let app = app().await;
    for count in 1..=2 {
        crate::demo::insert(&app, &format!("n{count}")).await;
        let counters = async || app.metric("demo_counters").await;
        eventually("the new value", async || counters().await == Some(f64::from(count))).await;
    }
    app.wait_until_idle().await;
}
