//! DELETE /api/tickets/{id}.

use common::events::order::OrderStatus;
use common::id::TicketId;
use serde_json::json;

use crate::support::{app, create_listing, create_reserved, create_sold, deliver, path, read, with_status, withdraw};

#[tokio::test(flavor = "multi_thread")]
async fn withdrawn_listing_never_changes() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = create_listing(&app, &seller).await;
    let response = withdraw(&app, &seller, &ticket).await.expect(204);
    assert_eq!(response.header("etag"), "\"1\"");
    assert!(response.bytes.is_empty());
    assert_eq!(read(&app, &ticket).await["status"], "withdrawn");
    assert_eq!(withdraw(&app, &seller, &ticket).await.expect(409).problem(), "ticket-withdrawn");
    app.wait_until_idle().await;
    let history = app.history("tickets", ticket["id"].as_str().unwrap()).await;
    assert_eq!(history, [("ticket.created.v1".to_owned(), 0), ("ticket.withdrawn.v1".to_owned(), 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_seller_can_withdraw() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = create_listing(&app, &seller).await;
    app.request("DELETE", &path(&ticket)).send().await.expect(401);
    assert_eq!(withdraw(&app, &app.signer.user(), &ticket).await.expect(403).problem(), "not-the-seller");
    withdraw(&app, &seller, &json!({ "id": TicketId::new() })).await.expect(404);
    let malformed = app.request("DELETE", "/api/tickets/7").as_user(&seller).send().await.expect(400);
    assert_eq!(malformed.fields(), ["id"]);
    assert_eq!(read(&app, &ticket).await, ticket);
}

#[tokio::test(flavor = "multi_thread")]
async fn reserved_or_sold_listing_cannot_be_withdrawn() {
    let app = app().await;
    let seller = app.signer.user();
    let (held, order) = create_reserved(&app, &seller).await;
    let bought = create_sold(&app, &seller).await;
    assert_eq!(withdraw(&app, &seller, &held).await.expect(409).problem(), "ticket-reserved");
    assert_eq!(withdraw(&app, &seller, &bought).await.expect(409).problem(), "ticket-sold");
    deliver(&app, 1, &with_status(&order, OrderStatus::Cancelled)).await;
    withdraw(&app, &seller, &held).await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn if_match_is_honoured() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = create_listing(&app, &seller).await;
    let delete = |tag: &str| app.request("DELETE", &path(&ticket)).as_user(&seller).header("if-match", tag).send();
    assert_eq!(delete("\"1\"").await.expect(412).problem(), "precondition-failed");
    delete("\"0\"").await.expect(204);
    delete("\"0\"").await.expect(412);
    assert_eq!(delete("\"1\"").await.expect(409).problem(), "ticket-withdrawn");
}
