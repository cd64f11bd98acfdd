//! GET /api/tickets: narrowing and paging.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::clock::Clock;
use common::id::UserId;
use serde_json::{Value, json};
use testkit::app::TestApp;

use crate::support::{app, body, body_with, list, list_as, put, reserved, sold, withdraw};

/// The ids on one page.
async fn ids(app: &TestApp, query: &str) -> Vec<String> {
    let page = app.request("GET", &format!("/api/tickets{query}")).send().await.expect(200).json();
    ids_of(&page)
}

fn ids_of(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

fn id(ticket: &Value) -> String {
    ticket["id"].as_str().unwrap().to_owned()
}

/// Reads a list to its end.
async fn to_its_end(app: &TestApp, query: &str) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.request("GET", &format!("/api/tickets?{query}{cursor}")).send().await.expect(200).json();
        all.extend(ids_of(&page));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_is_a_list() {
    let app = app().await;
    let page = app.request("GET", "/api/tickets").send().await.expect(200);
    assert_eq!(page.json(), json!({ "items": [], "nextCursor": null }));
}

#[tokio::test(flavor = "multi_thread")]
async fn newest_first_whole_and_narrowed_by_status_and_seller() {
    let app = app().await;
    let (seller, other) = (app.signer.user(), app.signer.user());
    let available = list(&app, &seller).await;
    let (held, _) = reserved(&app, &seller).await;
    let bought = sold(&app, &other).await;
    let taken_back = list(&app, &other).await;
    withdraw(&app, &other, &taken_back).await.expect(204);
    let [available_id, held_id, bought_id, withdrawn_id] = [&available, &held, &bought, &taken_back].map(id);
    assert_eq!(ids(&app, "").await, [&bought_id[..], &held_id, &available_id], "all but withdrawn");
    let page = app.request("GET", "/api/tickets?status=available").send().await.json();
    assert_eq!(page["items"], json!([available]), "an item is what a GET of it shows");
    assert_eq!(ids(&app, "?status=reserved").await, [&held_id[..]]);
    assert_eq!(ids(&app, "?status=sold").await, [&bought_id[..]]);
    assert_eq!(ids(&app, "?status=withdrawn").await, [&withdrawn_id[..]]);
    assert_eq!(ids(&app, &format!("?seller={}", seller.id)).await, [&held_id[..], &available_id]);
    assert_eq!(ids(&app, &format!("?seller={}", other.id)).await, [&bought_id[..]]);
    assert_eq!(ids(&app, &format!("?seller={}&status=withdrawn", other.id)).await, [&withdrawn_id[..]]);
    assert_eq!(ids(&app, &format!("?seller={}", UserId::new())).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn available_leaves_out_what_has_begun() {
    let app = app().await;
    let seller = app.signer.user();
    let soon = app.clock.now().plus(Duration::from_secs(60));
    let begins = list_as(&app, &seller, &body_with("startsAt", json!(soon))).await;
    let later = list(&app, &seller).await;
    assert_eq!(ids(&app, "?status=available").await, [id(&later), id(&begins)]);
    app.clock.advance(Duration::from_secs(61));
    assert_eq!(ids(&app, "?status=available").await, [id(&later)]);
    assert_eq!(ids(&app, "").await, [id(&later), id(&begins)], "it still is a listing");
    assert_eq!(ids(&app, "?q=simone").await.len(), 2);
    assert_eq!(ids(&app, "?q=simone&status=available").await, [id(&later)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_cut_by_limit() {
    let app = app().await;
    let seller = app.signer.user();
    let mut listed = Vec::new();
    for _ in 0..25 {
        listed.insert(0, id(&list(&app, &seller).await));
    }
    let first = app.request("GET", "/api/tickets").send().await.json();
    assert_eq!(ids_of(&first), listed[..20], "20 unless told");
    let cursor = first["nextCursor"].as_str().unwrap();
    assert!(cursor.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_~.".contains(&b)), "URL-safe: {cursor}");
    for limit in [1, 2, 24, 25, 26, 100] {
        assert_eq!(to_its_end(&app, &format!("limit={limit}")).await, listed, "limit {limit}");
    }
    // A page that ends with the last one has no next page.
    let whole = app.request("GET", "/api/tickets?limit=25").send().await.json();
    assert_eq!(whole["nextCursor"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_parameter_is_named() {
    let app = app().await;
    let long = "x".repeat(201);
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=x", "limit"),
        ("limit=", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", "cursor"),
        ("status=begun", "status"),
        ("status=", "status"),
        ("status=Available", "status"),
        ("seller=me", "seller"),
        ("seller=", "seller"),
        (&format!("q={long}"), "q"),
        ("limit=1&limit=2", "limit"),
    ] {
        let response = app.request("GET", &format!("/api/tickets?{query}")).send().await.expect(400);
        assert_eq!(response.fields(), [field], "{query}: {}", response.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_read_while_others_write_has_everything_once() {
    let app = Arc::new(app().await);
    let seller = app.signer.user();
    let mut there = Vec::new();
    for _ in 0..60 {
        there.push(list(&app, &seller).await);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (app, stop, there) = (Arc::clone(&app), Arc::clone(&stop), there.clone());
        async move {
            let other = app.signer.user();
            let mut turn = 0;
            while !stop.load(Ordering::SeqCst) {
                list(&app, &other).await;
                put(&app, &seller, &there[turn % there.len()], &body()).send().await.expect(200);
                turn += 1;
            }
            turn
        }
    });
    for limit in [3, 7, 20] {
        for query in ["", "status=available&", "q=simone&"] {
            let mut count = BTreeMap::<_, u32>::new();
            for id in to_its_end(&app, &format!("{query}limit={limit}")).await {
                *count.entry(id).or_default() += 1;
            }
            assert!(count.values().all(|times| *times == 1), "{query}limit={limit}: something came twice");
            for ticket in &there {
                assert!(count.contains_key(&id(ticket)), "{query}limit={limit}: something was left out");
            }
        }
    }
    stop.store(true, Ordering::SeqCst);
    assert!(writer.await.unwrap() > 0, "somebody wrote meanwhile");
}
