//! The checked-in OpenAPI document is the one that the service generates and serves.

use std::path::Path;

use crate::support::app;

#[tokio::test(flavor = "multi_thread")]
async fn openapi_document_is_checked_in_and_served() {
    let app = app().await;
    let served = app.request("GET", "/api/tickets/openapi.json").send().await.expect(200);
    assert_eq!(served.header("content-type"), "application/json");
    let document = served.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document, serde_json::to_value(&app.running.openapi).unwrap());
    testkit::app::contract::assert_current_or_update(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json"),
        &document,
    );
    let routes = [common::api::tickets::ROUTES, common::api::shows::ROUTES].concat();
    testkit::app::contract::assert_routes_documented(&document, &routes);
}
