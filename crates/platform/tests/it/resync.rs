//! POST /resync on the admin port: publishes snapshots of the selected states.

use std::time::Duration;

use common::clock::Clock;
use common::id::UserId;
use serde_json::{Value, json};
use testkit::app::{TestApp, eventually};

use crate::demo::{app, insert};

async fn snapshots(app: &TestApp) -> usize {
    app.events("demo").await.iter().filter(|event| event.kind == "user.snapshot.v1").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn resync_selects_states_by_all_since_or_ids() {
    let app = app().await;
    let resync = async |body: Value| {
        let response = app.admin("POST", "/resync").json(&body).send().await.expect(200).json();
        response["announced"]["counters"].as_u64().unwrap()
    };
    assert_eq!(resync(json!({ "all": true })).await, 0);
    let old = insert(&app, "old").await;
    app.clock.advance(Duration::from_secs(60));
    let then = app.clock.now();
    insert(&app, "new").await;
    app.wait_until_idle().await;
    let mut expected = 0;
    for (body, count) in [
        (json!({ "all": true }), 2),
        (json!({ "since": then }), 1),
        (json!({ "since": then.plus(Duration::from_secs(3600)) }), 0),
        (json!({ "ids": [old.id] }), 1),
        (json!({ "ids": [old.id, UserId::new(), "no id at all"] }), 1),
    ] {
        assert_eq!(resync(body.clone()).await, count, "{body}");
        expected += usize::try_from(count).unwrap();
        eventually("the announcements", async || snapshots(&app).await == expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn resync_can_exceed_the_queue_of_the_relay() {
    let app = app().await;
    let documents = app.context.database.collection::<mongodb::bson::Document>("counters");
    let many: Vec<_> = (0..9_000)
        .map(|n| {
            let counter = crate::demo::Counter::new(&format!("n{n}"), app.clock.now());
            let state = mongodb::bson::serialize_to_bson(&counter).unwrap();
            mongodb::bson::doc! { "_id": counter.id.to_string(), "version": 4_i64, "state": state, "outbox": [] }
        })
        .collect();
    documents.insert_many(many).await.unwrap();
    let response = app.admin("POST", "/resync").json(&json!({ "all": true })).send().await.expect(200).json();
    assert_eq!(response["announced"]["counters"], 9_000);
    let jetstream = async_nats::jetstream::new(app.context.nats.clone());
    let stream = format!("{}-demo", app.context.config.nats_prefix);
    eventually("all snapshots", async || {
        let mut stream = jetstream.get_stream(&stream).await.unwrap();
        stream.info().await.unwrap().state.messages == 9_000
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_body_is_rejected() {
    let app = app().await;
    insert(&app, "one").await;
    for invalid in [
        json!({}),
        json!({ "all": false }),
        json!({ "all": "yes" }),
        json!({ "since": "yesterday" }),
        json!({ "ids": [] }),
        json!({ "ids": 7 }),
        json!({ "everything": true }),
        json!([]),
    ] {
        let response = app.admin("POST", "/resync").json(&invalid).send().await.expect(400);
        assert_eq!(response.header("content-type"), "application/problem+json", "{invalid}");
    }
    app.admin("POST", "/resync").body("all").send().await.expect(415);
    app.admin("GET", "/resync").send().await.expect(405);
    app.wait_until_idle().await;
    assert_eq!(snapshots(&app).await, 0);
}
