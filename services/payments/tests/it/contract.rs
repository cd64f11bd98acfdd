//! The OpenAPI document and fuzzed requests.

use std::path::Path;

use testkit::app::{contract, fuzz};

use crate::support::Shop;

#[tokio::test(flavor = "multi_thread")]
async fn served_openapi_document_is_checked_in() {
    let shop = Shop::open().await;
    let served = shop.app.request("GET", "/api/payments/openapi.json").send().await.expect(200).json();
    contract::assert_current_or_update(&Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json"), &served);
    contract::assert_routes_documented(&served, common::api::payments::ROUTES);
}

#[tokio::test(flavor = "multi_thread")]
async fn fuzzed_requests_never_cause_a_server_error() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    fuzz::fuzz_routes(&shop.app, &shop.app.running.openapi, Some(&buyer)).await;
}
