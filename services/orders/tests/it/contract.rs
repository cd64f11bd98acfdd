//! What is promised on paper: the checked-in description of the routes, the tables, the configuration.

use std::ffi::OsString;
use std::path::Path;

use common::events::Change;
use common::events::order::OrderChange;
use orders::config::Config;
use serde_json::Value;
use testkit::app::{contract, fuzz};

use crate::support::{app, known, place};

#[tokio::test(flavor = "multi_thread")]
async fn the_served_description_is_the_checked_in_one() {
    let app = app().await;
    let served: Value = app.request("GET", "/api/orders/openapi.json").send().await.expect(200).json();
    contract::is_current(&Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json"), &served);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_breaks_it() {
    let app = app().await;
    let buyer = app.signer.user();
    place(&app, &buyer, &known(&app).await).await;
    fuzz::no_request_breaks(&app, &app.running.openapi, Some(&buyer)).await;
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
        let arguments = fixed.iter().map(OsString::from).chain([format!("--order-ttl={hold}").into()]);
        platform::config::parse::<Config>(orders::NAME, arguments)
    };
    assert_eq!(parse("6s").unwrap().1.order_ttl.as_secs(), 6);
    for wrong in ["0s", "15", "soon", "-1m", ""] {
        let end = parse(wrong).unwrap_err();
        assert_eq!((end.code, end.text.lines().count()), (2, 1), "{}", end.text);
        assert!(end.text.starts_with("orders: ORDER_TTL is wrong: "), "{}", end.text);
    }
}
