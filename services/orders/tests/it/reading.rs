//! GET /api/orders and GET /api/orders/{id}.

use common::id::OrderId;
use serde_json::Value;

use crate::support::{app, app_with, create_listing, path, place};

#[tokio::test(flavor = "multi_thread")]
async fn only_the_buyer_can_read_an_order() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    let get = |path: &str| app.request("GET", path);
    let response = get(&path(&order)).as_user(&buyer).send().await.expect(200);
    assert_eq!((response.json(), response.header("etag")), (order.clone(), "\"0\""));
    get(&path(&order)).send().await.expect(401);
    get(&path(&order)).as_user(&app.signer.user()).send().await.expect(404);
    get(&format!("/api/orders/{}", OrderId::new())).as_user(&buyer).send().await.expect(404);
    assert_eq!(get("/api/orders/1").as_user(&buyer).send().await.expect(400).fields(), ["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_contain_each_of_the_buyers_orders_once() {
    let app = app_with(&[("HOLDS_PER_BUYER", "100")]).await;
    let (buyer, rival) = (app.signer.user(), app.signer.user());
    let mut placed = Vec::new();
    for _ in 0..5 {
        placed.push(place(&app, &buyer, &create_listing(&app).await).await);
        place(&app, &rival, &create_listing(&app).await).await;
    }
    placed.reverse();
    let page = async |query: &str| -> Value {
        app.request("GET", &format!("/api/orders{query}")).as_user(&buyer).send().await.expect(200).json()
    };
    let all = page("").await;
    assert_eq!((all["items"].as_array().unwrap(), &all["nextCursor"]), (&placed, &Value::Null));

    let (mut read, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let next = page(&query).await;
        read.extend(next["items"].as_array().unwrap().clone());
        // An order that is placed meanwhile is newer than the cursor and does not change the later pages.
        place(&app, &buyer, &create_listing(&app).await).await;
        match next["nextCursor"].as_str() {
            Some(cursor) => query = format!("?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(read, placed);
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_list_parameters_are_rejected() {
    let app = app().await;
    let buyer = app.signer.user();
    app.request("GET", "/api/orders").send().await.expect(401);
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("cursor=x", "cursor"),
        ("x=1", "x"),
        ("x", "x"),
        ("limt=2", "limt"),
    ] {
        let response = app.request("GET", &format!("/api/orders?{query}")).as_user(&buyer).send().await.expect(400);
        assert_eq!(response.fields(), [field], "{query}");
    }
    let empty = app.request("GET", "/api/orders?limit=100").as_user(&buyer).send().await.expect(200).json();
    assert_eq!(empty, serde_json::json!({ "items": [], "nextCursor": null }));
}
