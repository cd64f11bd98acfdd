//! MongoDB away: at the start, later, without a word.

use std::time::{Duration, Instant};

use serde_json::json;
use testkit::app::proxy::Proxy;
use testkit::app::request::Response;
use testkit::app::{TestApp, eventually};

use crate::demo::{NAME, app_with, build, insert};

fn is_unavailable(response: Response) {
    let response = response.expect(503);
    assert_eq!(response.header("content-type"), "application/problem+json");
    assert_eq!(response.problem(), "unavailable");
    assert_eq!(response.header("retry-after"), "2");
    assert!(!response.header("x-request-id").is_empty());
    assert!(!response.text().contains("127.0.0.1"), "the cause is for the log: {}", response.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_told_to_come_again_and_then_served() {
    let mongodb = Proxy::of_mongodb().await;
    let app = app_with(&[("MONGODB_URL", &mongodb.url())]).await;
    let user = app.signer.user();
    let made = insert(&app, "before").await;
    app.wait_until_idle().await;
    let path = format!("/api/demo/{}", made.id);
    let create = |name: &str| app.request("POST", "/api/demo").by(&user).json(&json!({ "name": name })).send();
    mongodb.disconnect();
    is_unavailable(app.request("GET", &path).send().await);
    is_unavailable(app.request("PUT", &path).send().await);
    is_unavailable(create("during").await);
    // Whoever asks is told so by the service itself, not by a gateway that has nobody to ask.
    app.admin("GET", "/readyz").send().await.expect(200);
    app.admin("GET", "/healthz").send().await.expect(200);
    app.admin("GET", "/metrics").send().await.expect(200);
    // What needs no database is served on.
    app.request("GET", "/page").send().await.expect(200);
    mongodb.restore();
    eventually("requests to be served", async || app.request("GET", &path).send().await.status == 200).await;
    create("after").await.expect(201);
    app.wait_until_idle().await;
    assert_eq!(app.events("demo").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_does_not_answer_is_away_too() {
    let mongodb = Proxy::of_mongodb().await;
    let app = app_with(&[("MONGODB_URL", &mongodb.url()), ("REQUEST_TIMEOUT", "1s")]).await;
    let made = insert(&app, "before").await;
    app.wait_until_idle().await;
    let path = format!("/api/demo/{}", made.id);
    mongodb.stall();
    let began = Instant::now();
    app.admin("GET", "/readyz").send().await.expect(200);
    assert!(began.elapsed() < Duration::from_secs(1), "a probe waits for no database: {:?}", began.elapsed());
    let late = app.request("GET", &path).send().await.expect(504);
    assert_eq!((late.problem().as_str(), late.header("retry-after")), ("timed-out", "2"));
    mongodb.restore();
    eventually("requests to be served", async || app.request("GET", &path).send().await.status == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_starts_without_it_and_is_ready_once_it_comes() {
    let mongodb = Proxy::of_mongodb().await;
    mongodb.disconnect();
    let app = TestApp::launch(NAME, build, &[("MONGODB_URL", &mongodb.url())]).await;
    let user = app.signer.user();
    let create = || app.request("POST", "/api/demo").by(&user).json(&json!({ "name": "one" })).send();
    app.admin("GET", "/healthz").send().await.expect(200);
    let readiness = app.admin("GET", "/readyz").send().await.expect(503);
    assert_eq!(readiness.text(), "not ready: indexes are being built\n");
    is_unavailable(create().await);
    mongodb.restore();
    app.ready().await;
    create().await.expect(201);
    // The indexes stand, and nothing got in before them.
    let second = app.request("POST", "/api/demo").by(&user).json(&json!({ "name": "one" })).send().await.expect(409);
    assert_eq!(second.problem(), "name-taken");
    app.wait_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unique_index_that_cant_be_built_keeps_the_service_from_being_ready() {
    let first = app_with(&[]).await;
    let documents = first.context.database.collection::<mongodb::bson::Document>("counters");
    documents.drop_index("name_v1").await.unwrap();
    insert(&first, "twin").await;
    let twin = insert(&first, "twin").await;
    first.wait_until_idle().await;
    first.stop().await;
    let settings = [("MONGODB_DATABASE", first.context.database.name().to_owned())];
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let app = TestApp::launch(NAME, build, &settings).await;
    is_unavailable(app.request("GET", &format!("/api/demo/{}", twin.id)).send().await);
    app.admin("GET", "/readyz").send().await.expect(503);
    documents.delete_one(mongodb::bson::doc! { "_id": twin.id.to_string() }).await.unwrap();
    app.ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_while_the_database_is_away_is_handled_later() {
    use common::events::expiration::{ExpirationChange, ExpirationState};
    let mongodb = Proxy::of_mongodb().await;
    let app = app_with(&[("MONGODB_URL", &mongodb.url())]).await;
    let id = common::id::OrderId::new();
    let timer = ExpirationState { order_id: id, expires_at: common::clock::Clock::now(&app.clock) };
    mongodb.disconnect();
    app.publish(ExpirationChange::Completed, id, 0, timer).await;
    // The first attempt fails when the database is not found.
    eventually("the database to be missed", async || app.metric("database_up").await == Some(0.0)).await;
    mongodb.restore();
    let replica = app.context.replica::<ExpirationState>();
    eventually("it to be handled", async || matches!(replica.get(id).await, Ok(Some(_)))).await;
    app.wait_until_idle().await;
}
