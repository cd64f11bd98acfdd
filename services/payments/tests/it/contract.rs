//! The service's own description, and that nothing breaks it.

use std::path::Path;

use testkit::app::{contract, fuzz};

use crate::support::Shop;

#[tokio::test(flavor = "multi_thread")]
async fn the_openapi_document_is_the_one_that_is_checked_in() {
    let shop = Shop::open().await;
    let served = shop.app.request("GET", "/api/payments/openapi.json").send().await.expect(200).json();
    contract::is_current(&Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json"), &served);
    contract::has_routes(&served, common::api::payments::ROUTES);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_breaks_it() {
    let shop = Shop::open().await;
    let buyer = shop.app.signer.user();
    fuzz::fuzz_routes(&shop.app, &shop.app.running.openapi, Some(&buyer)).await;
}
