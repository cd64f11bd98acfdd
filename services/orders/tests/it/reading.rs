//! GET /api/orders and GET /api/orders/{id}: the buyer's own, and nobody else's.

use common::id::OrderId;
use serde_json::Value;

use crate::support::{app, app_with, known, path, place};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_seen_by_its_buyer_alone() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), known(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    let get = |path: &str| app.request("GET", path);
    let response = get(&path(&order)).by(&buyer).send().await.expect(200);
    assert_eq!((response.json(), response.header("etag")), (order.clone(), "\"0\""));
    get(&path(&order)).send().await.expect(401);
    get(&path(&order)).by(&app.signer.user()).send().await.expect(404);
    get(&format!("/api/orders/{}", OrderId::new())).by(&buyer).send().await.expect(404);
    assert_eq!(get("/api/orders/1").by(&buyer).send().await.expect(400).fields(), ["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_read_to_its_end_has_every_own_order_once() {
    let app = app_with(&[("HOLDS_PER_BUYER", "100")]).await;
    let (buyer, rival) = (app.signer.user(), app.signer.user());
    let mut placed = Vec::new();
    for _ in 0..5 {
        placed.push(place(&app, &buyer, &known(&app).await).await);
        place(&app, &rival, &known(&app).await).await;
    }
    placed.reverse();
    let page = async |query: &str| -> Value {
        app.request("GET", &format!("/api/orders{query}")).by(&buyer).send().await.expect(200).json()
    };
    let all = page("").await;
    assert_eq!((all["items"].as_array().unwrap(), &all["nextCursor"]), (&placed, &Value::Null));

    let (mut read, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let next = page(&query).await;
        read.extend(next["items"].as_array().unwrap().clone());
        // What is placed meanwhile is newer than the cursor, and leaves the rest of the list alone.
        place(&app, &buyer, &known(&app).await).await;
        match next["nextCursor"].as_str() {
            Some(cursor) => query = format!("?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(read, placed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_refuses_what_it_does_not_understand() {
    let app = app().await;
    let buyer = app.signer.user();
    app.request("GET", "/api/orders").send().await.expect(401);
    for (query, field) in [("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("cursor=x", "cursor")] {
        let response = app.request("GET", &format!("/api/orders?{query}")).by(&buyer).send().await.expect(400);
        assert_eq!(response.fields(), [field], "{query}");
    }
    let empty = app.request("GET", "/api/orders?limit=100").by(&buyer).send().await.expect(200).json();
    assert_eq!(empty, serde_json::json!({ "items": [], "nextCursor": null }));
}
