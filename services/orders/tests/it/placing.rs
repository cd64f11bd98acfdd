//! POST /api/orders: responses and errors.

use std::time::Duration;

use common::clock::Clock;
use common::events::ticket::{TicketChange, TicketState, TicketStatus};
use common::id::{OrderId, TicketId};
use common::identity::Claims;
use mongodb::bson::{Document, doc};
use serde_json::json;
use testkit::app::users::{Signer, User};

use crate::support::{
    add_listing, app, app_with, changes, create_listing, expected_changes, id_of, listing, place, post, read, reserved,
    with_refusal,
};

#[tokio::test(flavor = "multi_thread")]
async fn order_has_the_terms_of_its_listing() {
    let app = app_with(&[("ORDER_TTL", "90s")]).await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let before = app.clock.now();
    let response = post(&app, &buyer, &ticket).await.expect(201);
    let order = response.json();
    assert_eq!(response.header("etag"), "\"0\"");
    assert_eq!(response.header("location"), format!("/api/orders/{}", id_of(&order)));
    let created = order["createdAt"].as_str().unwrap().parse().unwrap();
    assert!(before <= created && created <= app.clock.now());
    assert_eq!(
        order,
        json!({
            "id": id_of(&order),
            "version": 0,
            "status": "created",
            "cancelReason": null,
            "refusal": null,
            "expiresAt": created.plus(Duration::from_secs(90)),
            "price": { "amount": 12_550, "currency": "USD" },
            "unitPrice": { "amount": 12_550, "currency": "USD" },
            "quantity": 1,
            "seats": ["14"],
            "slots": [0],
            "ticket": {
                "id": ticket.terms.id, "title": "Nina Simone Tribute", "venue": "Town Hall", "city": "New York",
                "startsAt": ticket.terms.starts_at, "timeZone": "America/New_York",
                "section": null, "row": null, "blocks": [1], "seat": "14",
            },
            "showId": ticket.show_id,
            "buyerId": buyer.id,
            "createdAt": created,
            "updatedAt": created,
        })
    );
    assert_eq!(read(&app, &buyer, &order).await, order);
    assert_eq!(changes(&app, &order).await, expected_changes(&["created"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn hold_lasts_fifteen_minutes_by_default() {
    let app = app().await;
    let order = place(&app, &app.signer.user(), &create_listing(&app).await).await;
    let time = |name: &str| order[name].as_str().unwrap().parse::<common::timestamp::Timestamp>().unwrap();
    assert_eq!(time("expiresAt").since(time("createdAt")), Duration::from_secs(900));
}

#[tokio::test(flavor = "multi_thread")]
async fn update_of_the_listing_does_not_change_the_order() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    let dearer = TicketState { price: crate::support::usd(99_900), ..ticket.clone() };
    app.handle(&app.event(TicketChange::Updated, ticket.terms.id, 1, dearer)).await.unwrap();
    assert_eq!(read(&app, &buyer, &order).await, order);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_error_has_its_code() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);

    let anonymous = app.request("POST", "/api/orders").json(&json!({ "ticketId": ticket.terms.id }));
    anonymous.send().await.expect(401);

    let unknown = listing(&app);
    post(&app, &buyer, &unknown).await.expect(404);

    let own_listing = add_listing(&app, TicketState { seller_id: buyer.id, ..listing(&app) }).await;
    assert_eq!(post(&app, &buyer, &own_listing).await.expect(403).problem(), "own-ticket");

    let withdrawn = add_listing(&app, TicketState { status: TicketStatus::Withdrawn, ..listing(&app) }).await;
    assert_eq!(post(&app, &buyer, &withdrawn).await.expect(409).problem(), "ticket-withdrawn");

    let mut started = listing(&app);
    started.terms.starts_at = app.clock.now();
    let started = add_listing(&app, started).await;
    assert_eq!(post(&app, &buyer, &started).await.expect(409).problem(), "ticket-begun");

    place(&app, &buyer, &ticket).await;
    assert_eq!(post(&app, &app.signer.user(), &ticket).await.expect(409).problem(), "ticket-taken");
    assert_eq!(post(&app, &buyer, &ticket).await.expect(409).problem(), "held-already");
    app.wait_until_idle().await;
    assert_eq!(app.events("orders").await.len(), 1, "a rejected request has no effect");
}

#[tokio::test(flavor = "multi_thread")]
async fn validation_errors_name_the_field() {
    let app = app().await;
    let buyer = app.signer.user();
    let id = TicketId::new();
    let bodies = [
        (json!({}), "ticketId"),
        (json!({ "ticketId": "1" }), "ticketId"),
        (json!({ "ticketId": null }), "ticketId"),
        (json!({ "ticketId": id.as_uuid().simple().to_string() }), "ticketId"),
        (json!({ "ticketId": id, "price": 1 }), "price"),
        (json!({ "ticketId": id, "quantity": 0 }), "quantity"),
        (json!({ "ticketId": id, "quantity": 9 }), "quantity"),
        (json!([]), ""),
    ];
    for (body, field) in bodies {
        let response = app.request("POST", "/api/orders").as_user(&buyer).json(&body).send().await.expect(400);
        assert_eq!(response.fields(), [field], "{body}");
    }
    let form = app.request("POST", "/api/orders").as_user(&buyer).header("content-type", "text/plain").body("{}");
    form.send().await.expect(415);
    let large = app.request("POST", "/api/orders").as_user(&buyer).json(&json!({ "ticketId": "x".repeat(1 << 20) }));
    large.send().await.expect(413);
    let keyed = app.request("POST", "/api/orders").as_user(&buyer).json(&json!({ "ticketId": id }));
    let response = keyed.header("idempotency-key", "k".repeat(256)).send().await.expect(400);
    assert_eq!(response.fields(), ["Idempotency-Key"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn reserved_listing_can_be_ordered_when_no_order_holds_it() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    // The previous order is cancelled, and `tickets` has not released the listing yet.
    let stale = reserved(&ticket, OrderId::new());
    app.handle(&app.event(TicketChange::Reserved, ticket.terms.id, 1, stale)).await.unwrap();
    let order = place(&app, &buyer, &ticket).await;
    assert_eq!(read(&app, &buyer, &order).await["status"], "created");
    app.handle(&app.event(TicketChange::Released, ticket.terms.id, 2, ticket.clone())).await.unwrap();
    assert_eq!(read(&app, &buyer, &order).await["status"], "created");
    let now = reserved(&ticket, id_of(&order));
    app.handle(&app.event(TicketChange::Reserved, ticket.terms.id, 3, now)).await.unwrap();
    assert_eq!(read(&app, &buyer, &order).await["status"], "awaitingPayment");
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_key_replays_the_original_response() {
    let app = app().await;
    let (buyer, ticket, other) = (app.signer.user(), create_listing(&app).await, create_listing(&app).await);
    let post = |ticket: &TicketState| {
        let body = json!({ "ticketId": ticket.terms.id });
        app.request("POST", "/api/orders").as_user(&buyer).header("idempotency-key", "k1").json(&body).send()
    };
    let first = post(&ticket).await.expect(201);
    let order = first.json();
    // The replay contains the order as it was created, even after a change.
    let refused = with_refusal(&ticket, id_of(&order));
    app.handle(&app.event(TicketChange::Refused, ticket.terms.id, 1, refused)).await.unwrap();
    let again = post(&ticket).await.expect(201);
    assert_eq!(again.json(), order);
    assert_eq!((again.header("etag"), again.header("location")), (first.header("etag"), first.header("location")));
    assert_eq!(post(&other).await.expect(422).fields(), ["Idempotency-Key"]);
    assert_eq!(changes(&app, &order).await, expected_changes(&["created", "cancelled"]));
    // Another user can use the same key.
    let body = json!({ "ticketId": other.terms.id });
    let stranger = app.request("POST", "/api/orders").as_user(&app.signer.user()).header("idempotency-key", "k1");
    stranger.json(&body).send().await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn key_of_a_rejected_request_can_be_reused() {
    let app = app().await;
    let (buyer, rival, ticket) = (app.signer.user(), app.signer.user(), create_listing(&app).await);
    let post = || {
        let body = json!({ "ticketId": ticket.terms.id });
        app.request("POST", "/api/orders").as_user(&buyer).header("idempotency-key", "k1").json(&body).send()
    };
    let taken = place(&app, &rival, &ticket).await;
    assert_eq!(post().await.expect(409).problem(), "ticket-taken");
    app.request("DELETE", &crate::support::path(&taken)).as_user(&rival).send().await.expect(200);
    post().await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeat_after_a_crash_between_claim_and_insert_places_the_claimed_order() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let post = || {
        let body = json!({ "ticketId": ticket.terms.id });
        app.request("POST", "/api/orders").as_user(&buyer).header("idempotency-key", "k1").json(&body).send()
    };
    let first = post().await.expect(201).json();
    app.wait_until_idle().await;
    // A crash before the insert leaves only the claim, the record of the idempotency key.
    app.context.database.collection::<Document>("orders").delete_many(doc! {}).await.unwrap();
    app.clock.advance(Duration::from_secs(3600));
    let again = post().await.expect(201).json();
    assert_eq!(again["id"], first["id"]);
    let time = |name: &str| again[name].as_str().unwrap().parse::<common::timestamp::Timestamp>().unwrap();
    assert_eq!(time("expiresAt").since(time("createdAt")), Duration::from_secs(900), "the hold begins with the insert");
    assert!(
        time("createdAt").plus(Duration::from_secs(60)) > app.clock.now(),
        "it is created now, not when the key was claimed"
    );
    assert_eq!(post().await.expect(201).json(), again);
    assert_eq!(read(&app, &buyer, &again).await["id"], first["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn key_is_free_again_after_a_day() {
    let app = app().await;
    let (id, ticket) = (common::id::UserId::new(), create_listing(&app).await);
    let usual = Signer::claims(id);
    let token = app.signer.sign(&Claims { exp: usual.iat + 10 * 86_400, ..usual });
    let buyer = User { id, token };
    let post = || {
        let body = json!({ "ticketId": ticket.terms.id });
        app.request("POST", "/api/orders").as_user(&buyer).header("idempotency-key", "k1").json(&body).send()
    };
    let first = post().await.expect(201).json();
    app.request("DELETE", &crate::support::path(&first)).as_user(&buyer).send().await.expect(200);
    app.clock.advance(Duration::from_secs(23 * 3600));
    assert_eq!(post().await.expect(201).json(), first);
    app.clock.advance(Duration::from_secs(2 * 3600));
    let second = post().await.expect(201).json();
    assert_ne!(second["id"], first["id"]);
    assert_eq!(post().await.expect(201).json(), second);
}
