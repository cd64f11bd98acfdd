//! The OpenAPI document, the documented event table, and configuration errors.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use orders::config::Config;
use serde_json::Value;
use testkit::app::users::Signer;
use testkit::app::{contract, fuzz};

use crate::support::{app, create_listing, place};

#[tokio::test(flavor = "multi_thread")]
async fn served_openapi_document_is_checked_in() {
    let app = app().await;
    let served: Value = app.request("GET", "/api/orders/openapi.json").send().await.expect(200).json();
    contract::assert_current_or_update(&Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json"), &served);
    contract::assert_routes_documented(&served, common::api::orders::ROUTES);
}

#[tokio::test(flavor = "multi_thread")]
async fn fuzzed_requests_never_cause_a_server_error() {
    let app = app().await;
    let buyer = app.signer.user();
    place(&app, &buyer, &create_listing(&app).await).await;
    fuzz::fuzz_routes(&app, &app.running.openapi, Some(&buyer)).await;
}

#[test]
fn invalid_order_ttl_is_reported_in_one_line() {
    let parse = |hold: &str| {
        let fixed = ["orders", "--public-url=http://localhost", "--mongodb-url=x", "--nats-url=x", "--jwks=x"];
        let rest = ["--pass-private-keys=x".into(), format!("--order-ttl={hold}").into()];
        let arguments = fixed.iter().map(OsString::from).chain(rest);
        platform::config::parse::<Config>(orders::NAME, arguments)
    };
    assert_eq!(parse("6s").unwrap().1.order_ttl.as_secs(), 6);
    for wrong in ["0s", "15", "soon", "-1m", ""] {
        let end = parse(wrong).unwrap_err();
        assert_eq!((end.code, end.text.lines().count()), (2, 1), "{}", end.text);
        assert!(end.text.starts_with("orders: ORDER_TTL is wrong: "), "{}", end.text);
    }
}

#[test]
fn invalid_pass_keys_are_reported_in_one_line_without_the_keys() {
    let signer = Signer::new();
    let start = |keys: &[(&str, &str)]| {
        let output = Command::new(env!("CARGO_BIN_EXE_orders"))
            .env_clear()
            .envs([
                ("BIND", "127.0.0.1:0"),
                ("ADMIN_BIND", "127.0.0.1:0"),
                ("METRICS_BIND", "127.0.0.1:0"),
                ("PUBLIC_URL", "http://localhost:8080"),
                ("MONGODB_URL", "mongodb://127.0.0.1:1"),
                ("NATS_URL", "nats://127.0.0.1:1"),
                ("JWKS", signer.jwks.as_str()),
            ])
            .envs(keys.iter().copied())
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), stderr.lines().count()), (Some(2), 1), "{stderr}");
        stderr
    };
    assert!(start(&[]).starts_with("orders: PASS_PRIVATE_KEYS is not set: "));
    let twice = format!("{pem}{pem}", pem = signer.pem);
    for (keys, why) in [
        ("", "contains no key"),
        ("hunter2", "must begin with -----BEGIN PRIVATE KEY-----"),
        (twice.as_str(), "key 2 occurs twice"),
    ] {
        let stderr = start(&[("PASS_PRIVATE_KEYS", keys)]);
        assert!(stderr.starts_with(&format!("orders: PASS_PRIVATE_KEYS is wrong: {why}")), "{stderr}");
        // The private keys of `Signer` begin with MC4CAQAw in PEM.
        assert!(!stderr.contains("hunter2") && !stderr.contains("MC4CAQAw"), "a secret is printed: {stderr}");
    }
    let help = Command::new(env!("CARGO_BIN_EXE_orders")).arg("--help").env("PASS_PRIVATE_KEYS", "hunter2").output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    assert!(help.contains("[env: PASS_PRIVATE_KEYS") && !help.contains("hunter2"), "{help}");
}
