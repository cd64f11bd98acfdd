//! What an instance tells of its surroundings.

use common::events::expiration::{ExpirationChange, ExpirationState};
use common::id::OrderId;
use mongodb::bson::{Document, doc};
use testkit::app::eventually;
use testkit::app::proxy::Proxy;

use crate::demo::{app, app_with};

#[tokio::test(flavor = "multi_thread")]
async fn who_is_away_is_told() {
    let (mongodb, nats) = (Proxy::of_mongodb().await, Proxy::of_nats().await);
    let app = app_with(&[("MONGODB_URL", &mongodb.url()), ("NATS_URL", &nats.url()), ("RELEASE", "1a2b3c")]).await;
    let told = async || {
        let names = ["database_up", "service_ready", "nats_connected"];
        futures::future::join_all(names.map(|name| app.metric(name))).await
    };
    eventually("all to be there", async || told().await == [Some(1.0); 3]).await;
    mongodb.disconnect();
    // Requests are taken without it, and answered with 503.
    eventually("MongoDB to be away", async || told().await == [Some(0.0), Some(1.0), Some(1.0)]).await;
    mongodb.restore();
    nats.disconnect();
    // Requests are taken without NATS.
    eventually("NATS to be away", async || told().await == [Some(1.0), Some(1.0), Some(0.0)]).await;
    nats.restore();
    eventually("all to be back", async || told().await == [Some(1.0); 3]).await;
    // What is deployed, too.
    let version = env!("CARGO_PKG_VERSION");
    let info = app.metric(&format!("build_info{{release=\"1a2b3c\",version=\"{version}\"}}")).await;
    assert_eq!(info, Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_to_be_handled_is_told_with_its_age() {
    let app = app().await;
    let pending = async || app.metric("consumer_pending{entity=\"expiration\"}").await;
    let age = async || app.metric("consumer_ack_floor_stalled_seconds{entity=\"expiration\"}").await.unwrap_or(0.0);
    // One that is put off again and again, behind which others are handled.
    let stubborn = OrderId::new();
    let script = app.context.database.collection::<Document>("script");
    script.insert_one(doc! { "_id": stubborn.to_string(), "mode": "retry", "times": 6, "seen": 0 }).await.unwrap();
    for id in [stubborn, OrderId::new(), OrderId::new()] {
        let state = ExpirationState { order_id: id, expires_at: common::clock::Clock::now(&app.clock) };
        app.publish(ExpirationChange::Completed, id, 1, state).await;
    }
    eventually("the one to be told", async || pending().await == Some(1.0)).await;
    eventually("its age to grow", async || age().await > 1.0).await;
    app.wait_until_idle().await;
    eventually("nothing to wait", async || pending().await == Some(0.0) && age().await == 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gauge_of_the_services_own_is_read_again_and_again() {
    let app = app().await;
    for count in 1..=2 {
        crate::demo::insert(&app, &format!("n{count}")).await;
        let told = async || app.metric("demo_counters").await;
        eventually("the gauge to tell", async || told().await == Some(f64::from(count))).await;
    }
    app.wait_until_idle().await;
}
