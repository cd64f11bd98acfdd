//! Tests of GET /api/tickets: filters and paging.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::clock::Clock;
use common::id::UserId;
use serde_json::{Value, json};
use testkit::app::TestApp;

use crate::support::{
    app, body, body_with, create_listing, create_listing_with, create_reserved, create_sold, path, put, read, withdraw,
};

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

/// The ids on all pages.
async fn ids_on_all_pages(app: &TestApp, query: &str) -> Vec<String> {
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
async fn empty_list() {
    let app = app().await;
    let page = app.request("GET", "/api/tickets").send().await.expect(200);
    assert_eq!(page.json(), json!({ "items": [], "nextCursor": null }));
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_by_status_and_seller_newest_first() {
    let app = app().await;
    let (seller, other) = (app.signer.user(), app.signer.user());
    let available = create_listing(&app, &seller).await;
    let (held, _) = create_reserved(&app, &seller).await;
    let bought = create_sold(&app, &other).await;
    let withdrawn = create_listing(&app, &other).await;
    withdraw(&app, &other, &withdrawn).await.expect(204);
    let [available_id, held_id, bought_id, withdrawn_id] = [&available, &held, &bought, &withdrawn].map(id);
    assert_eq!(ids(&app, "").await, [&bought_id[..], &held_id, &available_id], "all but withdrawn");
    let page = app.request("GET", "/api/tickets?status=available").send().await.json();
    assert_eq!(page["items"], json!([available]), "an item is the same as in a GET of the listing");
    assert_eq!(ids(&app, "?status=reserved").await, [&held_id[..]]);
    assert_eq!(ids(&app, "?status=sold").await, [&bought_id[..]]);
    assert_eq!(ids(&app, "?status=withdrawn").await, [&withdrawn_id[..]]);
    assert_eq!(ids(&app, &format!("?seller={}", seller.id)).await, [&held_id[..], &available_id]);
    assert_eq!(ids(&app, &format!("?seller={}", other.id)).await, [&bought_id[..]]);
    assert_eq!(ids(&app, &format!("?seller={}&status=withdrawn", other.id)).await, [&withdrawn_id[..]]);
    assert_eq!(ids(&app, &format!("?seller={}", UserId::new())).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn item_is_the_same_text_as_a_single_listing() {
    let app = app().await;
    let seller = app.signer.user();
    create_reserved(&app, &seller).await;
    create_sold(&app, &seller).await;
    for (field, value) in [
        ("city", json!(null)),
        ("seat", json!("14")),
        ("seats", json!(["15", "\"16\""])),
        ("quantity", json!(3)),
        ("title", json!("\"Carmen\" \\ \u{e9}t\u{e9}")),
        ("description", json!("First line\nsecond line")),
        ("faceValue", json!({ "amount": 20_000, "currency": "USD" })),
        ("category", json!("theatre")),
        ("section", json!("Stalls")),
        ("row", json!("C")),
    ] {
        let created = create_listing_with(&app, &seller, &body_with(field, value)).await;
        assert_eq!(read(&app, &created).await, created, "{field}");
    }
    let page = app.request("GET", "/api/tickets").send().await.expect(200);
    assert!(page.header("content-type").starts_with("application/json"));
    let mut items = Vec::new();
    for id in ids_of(&page.json()) {
        items.push(app.request("GET", &format!("/api/tickets/{id}")).send().await.expect(200).text());
    }
    assert_eq!(items.len(), 12);
    assert_eq!(page.text(), format!(r#"{{"items":[{}],"nextCursor":null}}"#, items.join(",")));
}

#[tokio::test(flavor = "multi_thread")]
async fn available_excludes_started_events() {
    let app = app().await;
    let seller = app.signer.user();
    let soon = app.clock.now().plus(Duration::from_secs(60));
    let begins = create_listing_with(&app, &seller, &body_with("startsAt", json!(soon))).await;
    let later = create_listing(&app, &seller).await;
    assert_eq!(ids(&app, "?status=available").await, [id(&later), id(&begins)]);
    app.clock.advance(Duration::from_secs(61));
    assert_eq!(ids(&app, "?status=available").await, [id(&later)]);
    assert_eq!(ids(&app, "").await, [id(&later), id(&begins)], "it is still listed");
    assert_eq!(ids(&app, "?q=simone").await.len(), 2);
    assert_eq!(ids(&app, "?q=simone&status=available").await, [id(&later)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn limit_bounds_the_page_size() {
    let app = app().await;
    let seller = app.signer.user();
    let mut listed = Vec::new();
    for _ in 0..25 {
        listed.insert(0, id(&create_listing(&app, &seller).await));
    }
    let first = app.request("GET", "/api/tickets").send().await.json();
    assert_eq!(ids_of(&first), listed[..20], "20 by default");
    let cursor = first["nextCursor"].as_str().unwrap();
    assert!(cursor.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_~.".contains(&b)), "URL-safe: {cursor}");
    for limit in [1, 2, 24, 25, 26, 100] {
        assert_eq!(ids_on_all_pages(&app, &format!("limit={limit}")).await, listed, "limit {limit}");
    }
    // A page that ends with the last listing has no next page.
    let whole = app.request("GET", "/api/tickets?limit=25").send().await.json();
    assert_eq!(whole["nextCursor"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_invalid_parameter_is_named() {
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
        ("limit=%2B5", "limit"),
        ("q=%FF", "q"),
        ("q=carmen%C3", "q"),
        ("x=1", "x"),
        ("x", "x"),
        ("limt=2", "limt"),
    ] {
        let response = app.request("GET", &format!("/api/tickets?{query}")).send().await.expect(400);
        assert_eq!(response.fields(), [field], "{query}: {}", response.text());
    }
    // Routes without query parameters also reject unknown ones.
    let ticket = create_listing(&app, &app.signer.user()).await;
    for path in [path(&ticket), "/api/tickets/openapi.json".to_owned()] {
        let response = app.request("GET", &format!("{path}?x=1")).send().await.expect(400);
        assert_eq!(response.fields(), ["x"], "{path}");
    }
    for path in [path(&ticket), "/api/tickets".to_owned(), "/api/tickets/openapi.json".to_owned()] {
        app.request("HEAD", &path).send().await.expect(200);
        app.request("HEAD", &format!("{path}?x=1")).send().await.expect(400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_contain_each_listing_once_during_concurrent_writes() {
    let app = Arc::new(app().await);
    let seller = app.signer.user();
    let mut listings = Vec::new();
    for _ in 0..60 {
        listings.push(create_listing(&app, &seller).await);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (app, stop, listings) = (Arc::clone(&app), Arc::clone(&stop), listings.clone());
        async move {
            let other = app.signer.user();
            let mut writes = 0;
            while !stop.load(Ordering::SeqCst) {
                create_listing(&app, &other).await;
                put(&app, &seller, &listings[writes % listings.len()], &body()).send().await.expect(200);
                writes += 1;
            }
            writes
        }
    });
    for limit in [3, 7, 20] {
        for query in ["", "status=available&", "q=simone&"] {
            let mut count = BTreeMap::<_, u32>::new();
            for id in ids_on_all_pages(&app, &format!("{query}limit={limit}")).await {
                *count.entry(id).or_default() += 1;
            }
            assert!(count.values().all(|times| *times == 1), "{query}limit={limit}: a duplicate");
            for ticket in &listings {
                assert!(count.contains_key(&id(ticket)), "{query}limit={limit}: a listing is missing");
            }
        }
    }
    stop.store(true, Ordering::SeqCst);
    assert!(writer.await.unwrap() > 0, "there were concurrent writes");
}
