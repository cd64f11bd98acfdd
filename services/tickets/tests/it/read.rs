//! GET /api/tickets/{id}.

use common::id::TicketId;

use crate::support::{app, list, path, put, read, reserved, sold, withdraw};

#[tokio::test(flavor = "multi_thread")]
async fn anyone_may_look_at_any_listing() {
    let app = app().await;
    let seller = app.signer.user();
    let available = list(&app, &seller).await;
    let (held, _) = reserved(&app, &seller).await;
    let bought = sold(&app, &seller).await;
    let taken_back = list(&app, &seller).await;
    withdraw(&app, &seller, &taken_back).await.expect(204);
    for (ticket, status, version) in
        [(available, "available", 0), (held, "reserved", 1), (bought, "sold", 2), (taken_back, "withdrawn", 1)]
    {
        let response = app.request("GET", &path(&ticket)).send().await.expect(200);
        assert_eq!(response.json()["status"], status);
        assert_eq!(response.json()["version"], version);
        assert_eq!(response.header("etag"), format!("\"{version}\""));
        let shown = response.json();
        assert!(shown.get("orderId").is_none() && shown.get("refusals").is_none(), "who holds it is nobody's business");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_token_counts_as_none() {
    let app = app().await;
    let ticket = list(&app, &app.signer.user()).await;
    app.request("GET", &path(&ticket)).header("cookie", "access=nonsense").send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_id_is_404_and_a_malformed_one_400() {
    let app = app().await;
    let ticket = list(&app, &app.signer.user()).await;
    let unknown = app.request("GET", &format!("/api/tickets/{}", TicketId::new())).send().await.expect(404);
    assert_eq!(unknown.problem(), "not-found");
    let id = ticket["id"].as_str().unwrap();
    for malformed in ["1", "x", "%FF", "%00", &id.replace('-', ""), &format!("{id}0"), &format!("{{{id}}}")] {
        let malformed = malformed.replace('{', "%7B").replace('}', "%7D");
        let response = app.request("GET", &format!("/api/tickets/{malformed}")).send().await.expect(400);
        assert_eq!(response.fields(), ["id"], "{malformed}");
    }
    // One listing has one address, in either case of its letters.
    app.request("GET", &format!("/api/tickets/{}", id.to_uppercase())).send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_read_at_once() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = list(&app, &seller).await;
    let changed = put(&app, &seller, &ticket, &crate::support::body()).send().await.expect(200).json();
    assert_eq!(read(&app, &ticket).await, changed);
}
