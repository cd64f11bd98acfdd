//! What is promised on paper: the checked-in description of the routes, the tables, the configuration.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use common::events::Change;
use common::events::order::OrderChange;
use orders::config::Config;
use serde_json::Value;
use testkit::app::users::Signer;
use testkit::app::{contract, fuzz};

use crate::support::{app, known, place};

#[tokio::test(flavor = "multi_thread")]
async fn the_served_description_is_the_checked_in_one() {
    let app = app().await;
    let served: Value = app.request("GET", "/api/orders/openapi.json").send().await.expect(200).json();
    contract::is_current(&Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json"), &served);
    contract::has_routes(&served, common::api::orders::ROUTES);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_breaks_it() {
    let app = app().await;
    let buyer = app.signer.user();
    place(&app, &buyer, &known(&app).await).await;
    fuzz::fuzz_routes(&app, &app.running.openapi, Some(&buyer)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_of_events_is_the_one_in_the_documentation() {
    let app = app().await;
    let text = include_str!("../../src/lib.rs");
    let line = text.lines().find(|line| line.starts_with("//! | orders")).unwrap();
    let cells: Vec<_> = line.split(" | ").collect();
    let published: Vec<_> = OrderChange::ALL
        .iter()
        .filter(|change| **change != OrderChange::SNAPSHOT)
        .map(|change| format!("`{}`", change.event_type().trim_end_matches(".v1")))
        .collect();
    assert_eq!(cells[2], published.join(" "));
    let consumed: Vec<_> =
        cells[3].split_whitespace().filter_map(|name| name.trim_matches('`').split_once('.')).collect();
    let table: Vec<_> = app.running.subscriptions.iter().map(|line| line.entity).collect();
    assert_eq!(consumed.iter().map(|(entity, _)| *entity).collect::<Vec<_>>(), table);
}

#[test]
fn a_wrong_hold_is_one_line_that_names_the_variable() {
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
fn wrong_keys_of_passes_are_one_line_that_tells_none_of_them() {
    let signer = Signer::new();
    let start = |keys: &[(&str, &str)]| {
        let output = Command::new(env!("CARGO_BIN_EXE_orders"))
            .env_clear()
            .envs([
                ("BIND", "127.0.0.1:0"),
                ("ADMIN_BIND", "127.0.0.1:0"),
                ("PUBLIC_URL", "http://localhost:8080"),
                ("MONGODB_URL", "mongodb://127.0.0.1:1"),
                ("NATS_URL", "nats://127.0.0.1:1"),
                ("JWKS", signer.jwks.as_str()),
            ])
            .envs(keys.iter().copied())
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), told.lines().count()), (Some(2), 1), "{told}");
        told
    };
    assert!(start(&[]).starts_with("orders: PASS_PRIVATE_KEYS is not set: "));
    let twice = format!("{pem}{pem}", pem = signer.pem);
    for (keys, why) in [
        ("", "holds no key"),
        ("hunter2", "must begin with -----BEGIN PRIVATE KEY-----"),
        (twice.as_str(), "key 2 is there twice"),
    ] {
        let told = start(&[("PASS_PRIVATE_KEYS", keys)]);
        assert!(told.starts_with(&format!("orders: PASS_PRIVATE_KEYS is wrong: {why}")), "{told}");
        assert!(!told.contains("hunter2") && !told.contains("MC4CAQAw"), "a secret is told: {told}");
    }
    let help = Command::new(env!("CARGO_BIN_EXE_orders")).arg("--help").env("PASS_PRIVATE_KEYS", "hunter2").output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    assert!(help.contains("[env: PASS_PRIVATE_KEYS") && !help.contains("hunter2"), "{help}");
}
