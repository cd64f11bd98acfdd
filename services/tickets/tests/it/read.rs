//! GET /api/tickets/{id}.

use common::id::TicketId;
use serde_json::json;

use crate::support::{app, create_listing, create_reserved, create_sold, path, put, read, withdraw};

#[tokio::test(flavor = "multi_thread")]
async fn anyone_can_read_any_listing() {
    let app = app().await;
    let seller = app.signer.user();
    let available = create_listing(&app, &seller).await;
    let (held, _) = create_reserved(&app, &seller).await;
    let bought = create_sold(&app, &seller).await;
    let withdrawn = create_listing(&app, &seller).await;
    withdraw(&app, &seller, &withdrawn).await.expect(204);
    for (ticket, status, version) in
        [(available, "available", 0), (held, "reserved", 1), (bought, "sold", 2), (withdrawn, "withdrawn", 1)]
    {
        let response = app.request("GET", &path(&ticket)).send().await.expect(200);
        assert_eq!(response.json()["status"], status);
        assert_eq!(response.json()["version"], version);
        assert_eq!(response.header("etag"), format!("\"{version}\""));
        let shown = response.json();
        assert_eq!(shown["seats"], json!([{ "name": null, "status": status }]), "the order is private");
        assert_eq!(shown.get("refusals"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_token_is_treated_as_anonymous() {
    let app = app().await;
    let ticket = create_listing(&app, &app.signer.user()).await;
    app.request("GET", &path(&ticket)).header("cookie", "access=nonsense").send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_id_is_404_and_malformed_id_400() {
    let app = app().await;
    let ticket = create_listing(&app, &app.signer.user()).await;
    let unknown = app.request("GET", &format!("/api/tickets/{}", TicketId::new())).send().await.expect(404);
    assert_eq!(unknown.problem(), "not-found");
    let id = ticket["id"].as_str().unwrap();
    for malformed in ["1", "x", "%FF", "%00", &id.replace('-', ""), &format!("{id}0"), &format!("{{{id}}}")] {
        let malformed = malformed.replace('{', "%7B").replace('}', "%7D");
        let response = app.request("GET", &format!("/api/tickets/{malformed}")).send().await.expect(400);
        assert_eq!(response.fields(), ["id"], "{malformed}");
    }
    // An id is accepted in either case.
    app.request("GET", &format!("/api/tickets/{}", id.to_uppercase())).send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn change_is_visible_immediately() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = create_listing(&app, &seller).await;
    let changed = put(&app, &seller, &ticket, &crate::support::body()).send().await.expect(200).json();
    assert_eq!(read(&app, &ticket).await, changed);
}
