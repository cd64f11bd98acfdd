//! A client that disconnects does not stop a handler half-way.

use serde_json::json;
use testkit::app::eventually;

use crate::demo::{Counter, app};

#[tokio::test(flavor = "multi_thread")]
async fn request_completes_after_the_client_disconnects() {
    let app = app().await;
    let store = app.context.store::<Counter>();
    let count = async || store.find(mongodb::bson::doc! {}, 1).await.unwrap().first().map(|counter| counter.count);
    let request = tokio::spawn(app.request("POST", "/api/demo/steps").json(&json!({ "name": "one" })).send());
    eventually("the first step", async || count().await.is_some()).await;
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled(), "there was no response yet");
    eventually("the second step", async || count().await == Some(1)).await;
}
