//! PUT /api/tickets/{id}.

use std::time::Duration;

use common::events::order::OrderStatus;
use common::id::TicketId;
use serde_json::{Value, json};

use crate::support::{
    app, body, body_with, faults, last_event, list, list_as, path, put, read, reserved, sold, tell, with, withdraw,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_put_replaces_the_whole_listing() {
    let app = app().await;
    let seller = app.signer.user();
    let mut full = body();
    full["faceValue"] = json!({ "amount": 4_000, "currency": "USD" });
    full["category"] = json!("concert");
    full["section"] = json!("A");
    full["row"] = json!("2");
    full["description"] = json!("Aisle");
    let before = list_as(&app, &seller, &full).await;
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
async fn the_event_of_a_lower_price_tells_the_one_before() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = list(&app, &seller).await;
    let priced = |amount: i64| body_with("price.amount", json!(amount));
    let answer = put(&app, &seller, &ticket, &priced(9_900)).send().await.expect(200).json();
    assert_eq!(answer.get("priceDrop"), None, "it is no part of the public view");
    app.wait_until_idle().await;
    let drop = json!({ "from": { "amount": 12_550, "currency": "USD" }, "at": answer["updatedAt"] });
    assert_eq!(last_event(&app, &ticket).await.data["priceDrop"], drop);
    put(&app, &seller, &ticket, &priced(10_000)).send().await.expect(200);
    app.wait_until_idle().await;
    assert_eq!(last_event(&app, &ticket).await.data.get("priceDrop"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_wrong_field_is_named() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = list(&app, &seller).await;
    for (path, value, field) in faults() {
        let response = put(&app, &seller, &ticket, &body_with(path, value.clone())).send().await.expect(400);
        assert_eq!(response.fields(), [field], "{path} = {value}: {}", response.text());
    }
    assert_eq!(read(&app, &ticket).await, ticket, "a refused change has no effect");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_change_it() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = list(&app, &seller).await;
    app.request("PUT", &path(&ticket)).json(&body()).send().await.expect(401);
    let stranger = put(&app, &app.signer.user(), &ticket, &body()).send().await.expect(403);
    assert_eq!(stranger.problem(), "not-the-seller");
    let unknown = json!({ "id": TicketId::new() });
    put(&app, &seller, &unknown, &body()).send().await.expect(404);
    let malformed = app.request("PUT", "/api/tickets/7").by(&seller).json(&body()).send().await.expect(400);
    assert_eq!(malformed.fields(), ["id"]);
    assert_eq!(read(&app, &ticket).await, ticket);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_sold_or_withdrawn_cannot_be_changed() {
    let app = app().await;
    let seller = app.signer.user();
    let (held, order) = reserved(&app, &seller).await;
    let bought = sold(&app, &seller).await;
    let taken_back = list(&app, &seller).await;
    withdraw(&app, &seller, &taken_back).await.expect(204);
    for (ticket, code) in [(&held, "ticket-reserved"), (&bought, "ticket-sold"), (&taken_back, "ticket-withdrawn")] {
        let before = read(&app, ticket).await;
        let refused = put(&app, &seller, ticket, &body_with("title", json!("New"))).send().await.expect(409);
        assert_eq!(refused.problem(), code);
        assert_eq!(read(&app, ticket).await, before);
    }
    // Once the hold has ended it can be changed again.
    tell(&app, 1, &with(&order, OrderStatus::Cancelled)).await;
    put(&app, &seller, &held, &body()).send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn if_match_is_honoured() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = list(&app, &seller).await;
    let change = |tag: &str| put(&app, &seller, &ticket, &body()).header("if-match", tag).send();
    change("\"0\"").await.expect(200);
    for stale in ["\"0\"", "\"2\"", "1", "W/\"1\"", "\"0\", \"2\""] {
        let refused = change(stale).await.expect(412);
        assert_eq!(refused.problem(), "precondition-failed", "{stale}");
    }
    assert_eq!(change("\"7\", \"1\"").await.expect(200).header("etag"), "\"2\"");
    assert_eq!(change("*").await.expect(200).header("etag"), "\"3\"");
    // Not theirs and not there come before the version.
    let stranger = put(&app, &app.signer.user(), &ticket, &body()).header("if-match", "\"0\"").send().await;
    stranger.expect(403);
    let unknown = json!({ "id": TicketId::new() });
    put(&app, &seller, &unknown, &body()).header("if-match", "\"0\"").send().await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_changes_meant_for_one_version_one_is_made() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = list(&app, &seller).await;
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
async fn changes_without_a_version_are_made_one_after_the_other() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = list(&app, &seller).await;
    let requests: Vec<_> = (0..20).map(|_| tokio::spawn(put(&app, &seller, &ticket, &body()).send())).collect();
    let mut versions = Vec::new();
    for request in requests {
        versions.push(request.await.unwrap().expect(200).json()["version"].as_u64().unwrap());
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=20).collect::<Vec<_>>());
    app.wait_until_idle().await;
    let mut told: Vec<_> =
        app.history("tickets", ticket["id"].as_str().unwrap()).await.into_iter().map(|(_, version)| version).collect();
    told.sort_unstable();
    assert_eq!(told, (0..=20).collect::<Vec<_>>(), "one event for each version");
}
