//! POST /api/tickets.

use std::time::Duration;

use common::id::UserId;
use common::identity::Claims;
use mongodb::bson::{Document, doc};
use serde_json::{Value, json};
use testkit::app::users::{Signer, User};

use crate::support::{
    app, app_with, body, body_with, create_listing, create_listing_with, invalid_fields, path, put, read,
};

#[tokio::test(flavor = "multi_thread")]
async fn new_listing_can_be_read_and_is_published() {
    let app = app().await;
    let seller = app.signer.user();
    let response = app.request("POST", "/api/tickets").as_user(&seller).json(&body()).send().await.expect(201);
    let ticket = response.json();
    assert_eq!(response.header("etag"), "\"0\"");
    assert_eq!(response.header("location"), path(&ticket));
    assert_eq!(ticket["version"], 0);
    assert_eq!(ticket["status"], "available");
    assert_eq!(ticket["sellerId"], json!(seller.id));
    assert_eq!(ticket["createdAt"], ticket["updatedAt"]);
    assert_eq!(read(&app, &ticket).await, ticket);
    app.wait_until_idle().await;
    assert_eq!(app.history("tickets", ticket["id"].as_str().unwrap()).await, [("ticket.created.v1".to_owned(), 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_fields_are_stored_and_texts_trimmed() {
    let app = app().await;
    let body = json!({
        "title": "  Hamlet ", "venue": " Globe\t", "city": " London ", "startsAt": "2099-06-01T21:30:00+02:00",
        "timeZone": "Europe/London", "price": { "amount": 5_000, "currency": "GBP" },
        "faceValue": { "amount": 4_000, "currency": "GBP" }, "category": "theatre", "section": " A ", "row": " 2 ",
        "seat": " 14 ", "description": " Two lines\nof text ",
    });
    let ticket = create_listing_with(&app, &app.signer.user(), &body).await;
    let expected = json!({
        "title": "Hamlet", "venue": "Globe", "city": "London", "startsAt": "2099-06-01T19:30:00.000Z",
        "timeZone": "Europe/London", "price": { "amount": 5_000, "currency": "GBP" },
        "faceValue": { "amount": 4_000, "currency": "GBP" }, "category": "theatre", "section": "A", "row": "2",
        "seat": "14", "description": "Two lines\nof text",
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&ticket[field], value, "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn absent_null_and_blank_optionals_become_null() {
    let app = app().await;
    let seller = app.signer.user();
    let least = json!({
        "title": "Hamlet", "venue": "Globe", "startsAt": "2099-06-01T19:30:00Z",
        "price": { "amount": 50, "currency": "USD" },
    });
    let optional = ["city", "faceValue", "category", "section", "row", "seat", "description"];
    let absent = create_listing_with(&app, &seller, &least).await;
    let mut nulls = least.clone();
    let mut blanks = least.clone();
    for field in optional.iter().chain(&["timeZone"]) {
        nulls[field] = Value::Null;
        if !matches!(*field, "faceValue" | "category") {
            blanks[field] = json!("  ");
        }
    }
    for ticket in
        [absent, create_listing_with(&app, &seller, &nulls).await, create_listing_with(&app, &seller, &blanks).await]
    {
        assert_eq!(ticket["timeZone"], "UTC");
        for field in optional {
            assert_eq!(ticket.get(field), Some(&Value::Null), "{field} is present, and null");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_are_inclusive() {
    let app = app().await;
    let seller = app.signer.user();
    let text = |length: usize| json!("é".repeat(length));
    for (path, value) in [
        ("title", text(200)),
        ("venue", text(200)),
        ("city", text(100)),
        ("description", text(5_000)),
        ("price.amount", json!(50)),
        ("price.amount", json!(99_999_999)),
    ] {
        create_listing_with(&app, &seller, &body_with(path, value)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_invalid_field_is_named() {
    let app = app().await;
    let seller = app.signer.user();
    for (path, value, field) in invalid_fields() {
        let body = body_with(path, value.clone());
        let response = app.request("POST", "/api/tickets").as_user(&seller).json(&body).send().await.expect(400);
        assert_eq!(response.fields(), [field], "{path} = {value}: {}", response.text());
        assert_eq!(response.problem(), "invalid");
    }
    let response = app.request("GET", "/api/tickets").send().await.expect(200);
    assert_eq!(response.json()["items"], json!([]), "an invalid listing is not stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_invalid_fields_are_named_together() {
    let app = app().await;
    let mut body = body_with("title", json!(" "));
    body["price"]["amount"] = json!(1);
    body["startsAt"] = json!("2001-01-01T00:00:00Z");
    body["timeZone"] = json!("Nowhere");
    let response = app.request("POST", "/api/tickets").as_user(&app.signer.user()).json(&body).send().await.expect(400);
    let mut fields = response.fields();
    fields.sort();
    assert_eq!(fields, ["price.amount", "startsAt", "timeZone", "title"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_configured_currencies_are_accepted() {
    let app = app_with(&[("CURRENCIES", "JPY")]).await;
    let seller = app.signer.user();
    let response = app.request("POST", "/api/tickets").as_user(&seller).json(&body()).send().await.expect(400);
    assert_eq!(response.fields(), ["price.currency"]);
    create_listing_with(&app, &seller, &body_with("price.currency", json!("JPY"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unchargeable_amounts_are_rejected() {
    let app = app_with(&[("CURRENCIES", "ISK,KWD")]).await;
    let seller = app.signer.user();
    // The provider charges whole krónur, which are multiples of 100, and dinars in multiples of 10 minor units.
    for (currency, amount, is_chargeable) in
        [("ISK", 50_000, true), ("ISK", 50_050, false), ("KWD", 5_120, true), ("KWD", 5_124, false)]
    {
        let body = body_with("price", json!({ "amount": amount, "currency": currency }));
        let response = app.request("POST", "/api/tickets").as_user(&seller).json(&body).send().await;
        if is_chargeable {
            response.expect(201);
        } else {
            assert_eq!(response.expect(400).fields(), ["price.amount"], "{amount} {currency}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn creating_a_listing_requires_authentication() {
    let app = app().await;
    let post = |user: &User| app.request("POST", "/api/tickets").as_user(user).json(&body());
    let nobody = app.request("POST", "/api/tickets").json(&body()).send().await.expect(401);
    assert_eq!(nobody.problem(), "unauthenticated");
    let id = UserId::new();
    let mut expired = Signer::claims(id);
    expired.exp = expired.iat - 1;
    let expired = User { id, token: app.signer.sign(&expired) };
    let forged = User { id, token: Signer::new().sign(&Signer::claims(id)) };
    let garbled = User { id, token: "a.b.c".to_owned() };
    for user in [expired, forged, garbled] {
        post(&user).send().await.expect(401);
    }
    // Authentication is checked before the body.
    app.request("POST", "/api/tickets").json(&json!({})).send().await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_returns_the_listing_as_it_was_created() {
    let app = app().await;
    let seller = app.signer.user();
    let post = |user: &User, body: &Value, key: &str| {
        app.request("POST", "/api/tickets").as_user(user).header("idempotency-key", key).json(body).send()
    };
    let first = post(&seller, &body(), "k1").await.expect(201);
    put(&app, &seller, &first.json(), &body_with("title", json!("Edited"))).send().await.expect(200);
    let replay = post(&seller, &body(), "k1").await.expect(201);
    assert_eq!(replay.json(), first.json());
    assert_eq!(replay.header("location"), first.header("location"));
    assert_eq!(replay.header("etag"), first.header("etag"));
    // The same JSON document with other white space is the same body.
    let spaced = serde_json::to_string_pretty(&body()).unwrap();
    let request = app.request("POST", "/api/tickets").as_user(&seller).header("idempotency-key", "k1");
    let again = request.header("content-type", "application/json").body(spaced).send().await.expect(201);
    assert_eq!(again.json(), first.json());
    let other = post(&seller, &body_with("title", json!("Another")), "k1").await.expect(422);
    assert_eq!(
        (other.problem().as_str(), other.fields()),
        ("idempotency-mismatch", vec!["Idempotency-Key".to_owned()])
    );
    // Another key, and the same key of another user, are other requests.
    let second = post(&seller, &body(), "k2").await.expect(201).json();
    let third = post(&app.signer.user(), &body(), "k1").await.expect(201).json();
    assert!(first.json()["id"] != second["id"] && second["id"] != third["id"] && first.json()["id"] != third["id"]);
    let all = app.request("GET", "/api/tickets").send().await.json();
    assert_eq!(all["items"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_request_does_not_use_up_the_key() {
    let app = app().await;
    let seller = app.signer.user();
    let post = |body: Value| {
        app.request("POST", "/api/tickets").as_user(&seller).header("idempotency-key", "k").json(&body).send()
    };
    post(body_with("title", json!(""))).await.expect(400);
    post(body()).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn idempotency_key_has_1_to_255_characters() {
    let app = app().await;
    let seller = app.signer.user();
    let post = |key: String| {
        app.request("POST", "/api/tickets").as_user(&seller).header("idempotency-key", key).json(&body()).send()
    };
    for key in [String::new(), "k".repeat(256)] {
        assert_eq!(post(key).await.expect(400).fields(), ["Idempotency-Key"]);
    }
    post("k".repeat(255)).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_requests_with_one_key_create_one_listing() {
    let app = app().await;
    let other = app.start_second_instance(tickets::build).await;
    let seller = app.signer.user();
    let requests = (0..20).map(|n| {
        let instance = if n % 2 == 0 { &app } else { &other };
        let request = instance.request("POST", "/api/tickets").as_user(&seller).header("idempotency-key", "once");
        tokio::spawn(request.json(&body()).send())
    });
    let requests: Vec<_> = requests.collect();
    let mut responses = Vec::new();
    for request in requests {
        responses.push(request.await.unwrap().expect(201).json());
    }
    assert!(responses.iter().all(|response| *response == responses[0]), "all return the same listing: {responses:?}");
    let all = app.request("GET", "/api/tickets").send().await.json();
    assert_eq!(all["items"], json!([responses[0]]));
    app.wait_until_idle().await;
    assert_eq!(app.events("tickets").await.len(), 2, "that of the show, and that of the listing");
}

#[tokio::test(flavor = "multi_thread")]
async fn repeat_after_a_crash_between_claim_and_insert_creates_the_claimed_listing() {
    let app = app().await;
    let seller = app.signer.user();
    let post = |body: Value| {
        app.request("POST", "/api/tickets").as_user(&seller).header("idempotency-key", "k").json(&body).send()
    };
    let first = post(body()).await.expect(201).json();
    app.wait_until_idle().await;
    // A crash before the insert leaves only the claim, the record of the idempotency key.
    app.context.database.collection::<Document>("tickets").delete_many(doc! {}).await.unwrap();
    app.clock.advance(Duration::from_secs(60));
    post(body_with("title", json!("Another"))).await.expect(422);
    assert_eq!(post(body()).await.expect(201).json(), first);
    assert_eq!(read(&app, &first).await, first, "it is stored as the response described it");
    put(&app, &seller, &first, &body_with("title", json!("Edited"))).send().await.expect(200);
    assert_eq!(post(body()).await.expect(201).json(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn key_is_free_again_after_a_day() {
    let app = app().await;
    let id = UserId::new();
    let usual = Signer::claims(id);
    let seller = User { id, token: app.signer.sign(&Claims { exp: usual.iat + 10 * 86_400, ..usual }) };
    let post =
        || app.request("POST", "/api/tickets").as_user(&seller).header("idempotency-key", "k").json(&body()).send();
    let first = post().await.expect(201).json();
    app.clock.advance(Duration::from_secs(23 * 3600));
    assert_eq!(post().await.expect(201).json(), first);
    app.clock.advance(Duration::from_secs(2 * 3600));
    let second = post().await.expect(201).json();
    assert_ne!(second["id"], first["id"]);
    assert_eq!(post().await.expect(201).json(), second);
}

#[tokio::test(flavor = "multi_thread")]
async fn event_must_start_in_the_future() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = create_listing(&app, &seller).await;
    let now = ticket["createdAt"].clone();
    let body = body_with("startsAt", now);
    let response = app.request("POST", "/api/tickets").as_user(&seller).json(&body).send().await.expect(400);
    assert_eq!(response.fields(), ["startsAt"]);
}
