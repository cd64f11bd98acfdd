//! The routes: what they answer, and each refusal.

use serde_json::json;

use crate::support::{app, body, list, read};

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_can_be_read_at_once_and_is_announced() {
    let app = app().await;
    let seller = app.signer.user();
    let response = app.request("POST", "/api/tickets").by(&seller).json(&body()).send().await.expect(201);
    let ticket = response.json();
    assert_eq!(response.header("etag"), "\"0\"");
    assert_eq!(response.header("location"), format!("/api/tickets/{}", ticket["id"].as_str().unwrap()));
    assert_eq!(ticket["status"], "available");
    assert_eq!(ticket["sellerId"], json!(seller.id));
    assert_eq!(read(&app, &ticket["id"]).await, ticket);
    app.settle().await;
    let history = app.history("tickets", ticket["id"].as_str().unwrap()).await;
    assert_eq!(history, [("ticket.created.v1".to_owned(), 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_of_a_key_creates_nothing() {
    let app = app().await;
    let seller = app.signer.user();
    let post =
        |body| app.request("POST", "/api/tickets").by(&seller).header("idempotency-key", "k1").json(&body).send();
    let first = post(body()).await.expect(201).json();
    list(&app, &seller).await;
    assert_eq!(post(body()).await.expect(201).json(), first);
    let mut other = body();
    other["title"] = json!("Another");
    assert_eq!(post(other).await.expect(422).fields(), ["Idempotency-Key"]);
}
