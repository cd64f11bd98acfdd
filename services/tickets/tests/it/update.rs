//! PUT /api/tickets/{id}.

use std::time::Duration;

use common::events::order::OrderStatus;
use common::id::TicketId;
use serde_json::{Value, json};

use crate::support::{
    app, body, body_with, create_listing, create_listing_with, create_reserved, create_sold, deliver, invalid_fields,
    last_event, path, put, read, with_status, withdraw,
};

#[tokio::test(flavor = "multi_thread")]
async fn put_replaces_the_whole_listing() {
    let app = app().await;
    let seller = app.signer.user();
    let mut full = body();
    full["faceValue"] = json!({ "amount": 4_000, "currency": "USD" });
    full["category"] = json!("concert");
    full["section"] = json!("A");
    full["row"] = json!("2");
    full["seats"] = json!(["14", "15"]);
    full["description"] = json!("Aisle");
    let before = create_listing_with(&app, &seller, &full).await;
    app.clock.advance(Duration::from_secs(1));
    let least = json!({
        "title": "Hamlet", "venue": "Globe", "startsAt": "2099-07-01T19:30:00Z",
        "price": { "amount": 5_000, "currency": "EUR" },
    });
    let response = put(&app, &seller, &before, &least).send().await.expect(200);
    let after = response.json();
    assert_eq!(response.header("etag"), "\"1\"");
    assert_eq!(after["version"], 1);
    for (field, value) in least.as_object().unwrap().iter().filter(|(field, _)| *field != "startsAt") {
        assert_eq!(&after[field], value, "{field}");
    }
    assert_eq!(after["startsAt"], "2099-07-01T19:30:00.000Z");
    assert_eq!(after["timeZone"], "UTC");
    for field in ["city", "faceValue", "category", "section", "row", "seat", "description"] {
        assert_eq!(after[field], Value::Null, "{field} is cleared");
    }
    assert_eq!((&after["seats"], &after["blocks"]), (&json!([{ "name": null, "status": "available" }]), &json!([1])));
    for field in ["id", "sellerId", "createdAt", "status"] {
        assert_eq!(after[field], before[field], "{field} stays");
    }
    assert!(after["updatedAt"].as_str() > before["updatedAt"].as_str());
    assert_eq!(read(&app, &before).await, after);
    app.wait_until_idle().await;
    let history = app.history("tickets", before["id"].as_str().unwrap()).await;
    assert_eq!(history, [("ticket.created.v1".to_owned(), 0), ("ticket.updated.v1".to_owned(), 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn event_of_a_price_reduction_contains_the_previous_price() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = create_listing(&app, &seller).await;
    let priced = |amount: i64| body_with("price.amount", json!(amount));
    let response = put(&app, &seller, &ticket, &priced(9_900)).send().await.expect(200).json();
    assert_eq!(response.get("priceDrop"), None, "the public view does not contain it");
    app.wait_until_idle().await;
    let drop = json!({ "from": { "amount": 12_550, "currency": "USD" }, "at": response["updatedAt"] });
    assert_eq!(last_event(&app, &ticket).await.data["priceDrop"], drop);
    put(&app, &seller, &ticket, &priced(10_000)).send().await.expect(200);
    app.wait_until_idle().await;
    assert_eq!(last_event(&app, &ticket).await.data.get("priceDrop"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_invalid_field_is_named() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = create_listing(&app, &seller).await;
    for (path, value, field) in invalid_fields() {
        let response = put(&app, &seller, &ticket, &body_with(path, value.clone())).send().await.expect(400);
        assert_eq!(response.fields(), [field], "{path} = {value}: {}", response.text());
    }
    assert_eq!(read(&app, &ticket).await, ticket, "an invalid change has no effect");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_seller_can_update() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = create_listing(&app, &seller).await;
    app.request("PUT", &path(&ticket)).json(&body()).send().await.expect(401);
    let stranger = put(&app, &app.signer.user(), &ticket, &body()).send().await.expect(403);
    assert_eq!(stranger.problem(), "not-the-seller");
    let unknown = json!({ "id": TicketId::new() });
    put(&app, &seller, &unknown, &body()).send().await.expect(404);
    let malformed = app.request("PUT", "/api/tickets/7").as_user(&seller).json(&body()).send().await.expect(400);
    assert_eq!(malformed.fields(), ["id"]);
    assert_eq!(read(&app, &ticket).await, ticket);
}

#[tokio::test(flavor = "multi_thread")]
async fn reserved_sold_or_withdrawn_listing_cannot_be_updated() {
    let app = app().await;
    let seller = app.signer.user();
    let (held, order) = create_reserved(&app, &seller).await;
    let bought = create_sold(&app, &seller).await;
    let withdrawn = create_listing(&app, &seller).await;
    withdraw(&app, &seller, &withdrawn).await.expect(204);
    for (ticket, code) in [(&held, "ticket-reserved"), (&bought, "ticket-sold"), (&withdrawn, "ticket-withdrawn")] {
        let before = read(&app, ticket).await;
        let rejected = put(&app, &seller, ticket, &body_with("title", json!("New"))).send().await.expect(409);
        assert_eq!(rejected.problem(), code);
        assert_eq!(read(&app, ticket).await, before);
    }
    // After its release it can be updated again.
    deliver(&app, 1, &with_status(&order, OrderStatus::Cancelled)).await;
    put(&app, &seller, &held, &body()).send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn if_match_is_honoured() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = create_listing(&app, &seller).await;
    let change = |tag: &str| put(&app, &seller, &ticket, &body()).header("if-match", tag).send();
    change("\"0\"").await.expect(200);
    for stale in ["\"0\"", "\"2\"", "W/\"1\"", "\"0\", \"2\""] {
        let rejected = change(stale).await.expect(412);
        assert_eq!(rejected.problem(), "precondition-failed", "{stale}");
    }
    assert_eq!(change("1").await.expect(400).fields(), ["If-Match"]);
    assert_eq!(change("\"7\", \"1\"").await.expect(200).header("etag"), "\"2\"");
    assert_eq!(change("*").await.expect(200).header("etag"), "\"3\"");
    // 403 and 404 take precedence over 412.
    let stranger = put(&app, &app.signer.user(), &ticket, &body()).header("if-match", "\"0\"").send().await;
    stranger.expect(403);
    let unknown = json!({ "id": TicketId::new() });
    put(&app, &seller, &unknown, &body()).header("if-match", "\"0\"").send().await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_several_concurrent_updates_of_a_version_wins() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = create_listing(&app, &seller).await;
    let requests: Vec<_> = (0..20)
        .map(|n| {
            let body = body_with("title", json!(format!("Title {n}")));
            tokio::spawn(put(&app, &seller, &ticket, &body).header("if-match", "\"0\"").send())
        })
        .collect();
    let mut made = Vec::new();
    for request in requests {
        let response = request.await.unwrap();
        if response.status == 200 {
            made.push(response.json());
        } else {
            response.expect(412);
        }
    }
    assert_eq!(made, [read(&app, &ticket).await]);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_updates_without_a_version_all_succeed() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = create_listing(&app, &seller).await;
    let requests: Vec<_> = (0..20).map(|_| tokio::spawn(put(&app, &seller, &ticket, &body()).send())).collect();
    let mut versions = Vec::new();
    for request in requests {
        versions.push(request.await.unwrap().expect(200).json()["version"].as_u64().unwrap());
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=20).collect::<Vec<_>>());
    app.wait_until_idle().await;
    let mut published: Vec<_> =
        app.history("tickets", ticket["id"].as_str().unwrap()).await.into_iter().map(|(_, version)| version).collect();
    published.sort_unstable();
    assert_eq!(published, (0..=20).collect::<Vec<_>>(), "one event for each version");
}
