//! MongoDB outages: at startup, at runtime, and when the server hangs instead of failing.

use std::time::{Duration, Instant};

use mongodb::bson::{Bson, doc};
use serde_json::json;
use testkit::app::proxy::Proxy;
use testkit::app::request::Response;
use testkit::app::{TestApp, eventually};

use crate::demo::{NAME, app_with, build, insert};

fn assert_unavailable(response: Response) {
    let response = response.expect(503);
    assert_eq!(response.header("content-type"), "application/problem+json");
    assert_eq!(response.problem(), "unavailable");
    assert_eq!(response.header("retry-after"), "2");
    assert!(!response.header("x-request-id").is_empty());
    assert!(!response.text().contains("127.0.0.1"), "only the log has the cause: {}", response.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_get_503_until_the_database_is_back() {
    let mongodb = Proxy::of_mongodb();
    let app = app_with(&[("MONGODB_URL", &mongodb.url())]).await;
    let user = app.signer.user();
    let made = insert(&app, "before").await;
    app.wait_until_idle().await;
    let path = format!("/api/demo/{}", made.id);
    let create = |name: &str| app.request("POST", "/api/demo").as_user(&user).json(&json!({ "name": name })).send();
    mongodb.disconnect();
    assert_unavailable(app.request("GET", &path).send().await);
    assert_unavailable(app.request("PUT", &path).send().await);
    assert_unavailable(create("during").await);
    // The service stays ready, so that clients get its error and not the gateway's.
    app.monitor("/readyz").send().await.expect(200);
    app.monitor("/healthz").send().await.expect(200);
    app.monitor("/metrics").send().await.expect(200);
    // Routes that need no database still work.
    app.request("GET", "/page").send().await.expect(200);
    mongodb.restore();
    eventually("requests to be served", async || app.request("GET", &path).send().await.status == 200).await;
    create("after").await.expect(201);
    app.wait_until_idle().await;
    assert_eq!(app.events("demo").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn request_times_out_when_the_database_does_not_respond() {
    let mongodb = Proxy::of_mongodb();
    let app = app_with(&[("MONGODB_URL", &mongodb.url()), ("REQUEST_TIMEOUT", "1s")]).await;
    let made = insert(&app, "before").await;
    app.wait_until_idle().await;
    let path = format!("/api/demo/{}", made.id);
    mongodb.stall();
    let start = Instant::now();
    app.monitor("/readyz").send().await.expect(200);
    assert!(start.elapsed() < Duration::from_secs(1), "a probe does not wait for the database: {:?}", start.elapsed());
    let late = app.request("GET", &path).send().await.expect(504);
    assert_eq!((late.problem().as_str(), late.header("retry-after")), ("timed-out", "2"));
    mongodb.restore();
    eventually("requests to be served", async || app.request("GET", &path).send().await.status == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn service_starts_without_mongodb_and_becomes_ready_later() {
    let mongodb = Proxy::of_mongodb();
    mongodb.disconnect();
    let app = TestApp::start_without_waiting(NAME, build, &[("MONGODB_URL", &mongodb.url())]).await;
    let user = app.signer.user();
    let create = || app.request("POST", "/api/demo").as_user(&user).json(&json!({ "name": "one" })).send();
    app.monitor("/healthz").send().await.expect(200);
    let readiness = app.monitor("/readyz").send().await.expect(503);
    assert_eq!(readiness.text(), "not ready: indexes are being built\n");
    assert_unavailable(create().await);
    mongodb.restore();
    app.ready().await;
    create().await.expect(201);
    // The indexes exist, and nothing was written before.
    let second =
        app.request("POST", "/api/demo").as_user(&user).json(&json!({ "name": "one" })).send().await.expect(409);
    assert_eq!(second.problem(), "name-taken");
    app.wait_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn service_is_not_ready_until_unique_indexes_can_be_built() {
    let first = app_with(&[]).await;
    let documents = first.context.database.collection::<mongodb::bson::Document>("counters");
    documents.drop_index("name_v1").await.unwrap();
    insert(&first, "twin").await;
    let twin = insert(&first, "twin").await;
    first.wait_until_idle().await;
    first.stop().await;
    let settings = [("MONGODB_DATABASE", first.context.database.name().to_owned())];
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let app = TestApp::start_without_waiting(NAME, build, &settings).await;
    assert_unavailable(app.request("GET", &format!("/api/demo/{}", twin.id)).send().await);
    app.monitor("/readyz").send().await.expect(503);
    documents.delete_one(mongodb::bson::doc! { "_id": twin.id.to_string() }).await.unwrap();
    app.ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn event_during_an_outage_is_handled_later() {
    use common::events::expiration::{ExpirationChange, ExpirationState};
    let mongodb = Proxy::of_mongodb();
    let app = app_with(&[("MONGODB_URL", &mongodb.url())]).await;
    let id = common::id::OrderId::new();
    let timer = ExpirationState { order_id: id, expires_at: common::clock::Clock::now(&app.clock) };
    mongodb.disconnect();
    app.publish(ExpirationChange::Completed, id, 0, timer).await;
    // Meanwhile the first attempt fails.
    eventually("the outage to be reported", async || app.metric("database_up").await == Some(0.0)).await;
    mongodb.restore();
    let replica = app.context.replica::<ExpirationState>();
    eventually("the event to be handled", async || matches!(replica.get(id).await, Ok(Some(_)))).await;
    app.wait_until_idle().await;
}

/// Makes MongoDB apply updates of the counters and report that no majority confirmed them.
async fn fail_write_concern(app: &TestApp, mode: impl Into<Bson>) {
    let database = &app.context.database;
    let error = doc! { "code": 100, "codeName": "UnsatisfiableWriteConcern", "errmsg": "injected" };
    let namespace = format!("{}.counters", database.name());
    let data = doc! { "failCommands": ["update"], "namespace": namespace, "writeConcernError": error };
    let mode = mode.into();
    let is_off = mode == Bson::from("off");
    let mut command = doc! { "configureFailPoint": "failCommand", "mode": mode };
    if !is_off {
        command.insert("data", data);
    }
    database.client().database("admin").run_command(command).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn write_without_a_majority_is_sent_again_after_a_pause_and_then_unavailable() {
    let app = app_with(&[]).await;
    let made = insert(&app, "one").await;
    app.wait_until_idle().await;
    let path = format!("/api/demo/{}", made.id);
    fail_write_concern(&app, doc! { "times": 1 }).await;
    let start = Instant::now();
    let changed = app.request("PUT", &path).send().await;
    assert!(start.elapsed() >= Duration::from_millis(50), "there is a pause before the second command");
    assert!(changed.status < 300, "{}", changed.text());
    app.wait_until_idle().await;
    assert_eq!(app.events("demo").await.len(), 2, "the change was applied once");
    fail_write_concern(&app, "alwaysOn").await;
    let unconfirmed = app.request("PUT", &path).send().await;
    fail_write_concern(&app, "off").await;
    assert_unavailable(unconfirmed);
    // The change was applied nevertheless. The sweeper finds its event in the outbox and publishes it.
    eventually("the event", async || app.events("demo").await.len() == 3).await;
    app.wait_until_idle().await;
}
