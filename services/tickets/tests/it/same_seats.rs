//! Which seats a new or changed listing has, and seats that are listed more than once.

use common::events::order::OrderStatus;
use common::identity::Role;
use futures::future::join_all;
use serde_json::{Value, json};
use testkit::app::TestApp;
use testkit::app::request::Response;
use testkit::app::users::User;

use crate::support::{
    app, body_of, create_listing_with, deliver, last_event, order_of, put, read, with_status, withdraw,
};

async fn post(app: &TestApp, seller: &User, fields: Value) -> Response {
    app.request("POST", "/api/tickets").as_user(seller).json(&body_of(fields)).send().await
}

/// Checks a new listing if `listing` is empty. Otherwise, `listing` is a path such as `/{id}`, and the replacement of
/// that listing is checked. The idempotency key is the one with which the test creates its own listing.
async fn check(app: &TestApp, seller: &User, listing: &str, fields: Value) -> Response {
    let request = app.request("POST", &format!("/api/tickets{listing}/check")).as_user(seller);
    request.header("idempotency-key", "k").json(&body_of(fields)).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_are_divided_as_the_seller_says() {
    let app = app().await;
    let seller = app.signer.user();
    let named = |count: u32| (1..=count).map(|number| number.to_string()).collect::<Vec<_>>();
    let unnamed = |count: usize| vec![Value::Null; count];
    for (n, (fields, names, blocks)) in [
        (json!({}), json!([null]), json!([1])),
        (json!({ "seat": null, "seats": null, "quantity": null, "split": null }), json!([null]), json!([1])),
        (json!({ "seat": " 14 " }), json!(["14"]), json!([1])),
        (json!({ "seats": [" 14 "] }), json!(["14"]), json!([1])),
        (json!({ "seat": "14", "quantity": 1, "split": "any" }), json!(["14"]), json!([1])),
        (json!({ "seats": named(3) }), json!(named(3)), json!([3])),
        (json!({ "seats": named(4), "split": "together" }), json!(named(4)), json!([4])),
        (json!({ "seats": named(4), "quantity": 4, "split": "pairs" }), json!(named(4)), json!([2, 2])),
        (json!({ "seats": named(8), "split": "any" }), json!(named(8)), json!([1, 1, 1, 1, 1, 1, 1, 1])),
        (json!({ "quantity": 2 }), json!(unnamed(2)), json!([2])),
        (json!({ "quantity": 7, "split": "noSingle" }), json!(unnamed(7)), json!([2, 2, 3])),
        (json!({ "quantity": 6, "split": [3, 3] }), json!(unnamed(6)), json!([3, 3])),
        (json!({ "quantity": 8, "split": [1, 7] }), json!(unnamed(8)), json!([1, 7])),
    ]
    .into_iter()
    .enumerate()
    {
        let mut body = body_of(fields);
        body["row"] = json!(n.to_string());
        let created = create_listing_with(&app, &seller, &body).await;
        let names = names.as_array().unwrap();
        let seats: Vec<_> = names.iter().map(|name| json!({ "name": name, "status": "available" })).collect();
        assert_eq!((&created["seats"], &created["blocks"]), (&json!(seats), &blocks), "{body}");
        assert_eq!(created["free"], names.len(), "{body}");
        let only = if names.len() == 1 { &names[0] } else { &Value::Null };
        assert_eq!(created.get("seat"), Some(only), "{body}");
        assert_eq!(read(&app, &created).await, created);
        let edited = put(&app, &seller, &created, &body).send().await.expect(200).json();
        assert_eq!((&edited["seats"], &edited["blocks"], &edited["seat"]), (&json!(seats), &blocks, only), "{body}");
    }
    for (fields, field) in [
        (json!({ "seat": "1", "seats": ["1"] }), "seats"),
        (json!({ "seat": "1", "quantity": 2 }), "quantity"),
        (json!({ "seats": named(3), "quantity": 2 }), "quantity"),
        (json!({ "seats": named(3), "split": "pairs" }), "split"),
        (json!({ "quantity": 6, "split": [3, 2] }), "split"),
        (json!({ "quantity": 6, "split": [6, 0] }), "split"),
        (json!({ "quantity": 6, "split": [200, 62] }), "split"),
        // The seats together are more than can be charged.
        (json!({ "quantity": 2, "price": { "amount": 50_000_000, "currency": "USD" } }), "price.amount"),
    ] {
        let invalid = post(&app, &seller, fields.clone()).await.expect(400);
        assert_eq!(invalid.fields(), [field], "{fields}: {}", invalid.text());
    }
    post(&app, &seller, json!({ "quantity": 2, "price": { "amount": 49_999_999, "currency": "USD" } }))
        .await
        .expect(201);
    // Only the first error of a field is shown. Which one it is must not depend on chance.
    for _ in 0..8 {
        let dear =
            post(&app, &seller, json!({ "price": { "amount": 100_000_000, "currency": "USD" } })).await.expect(400);
        let message = dear.json()["errors"][0]["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("must be at most "), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn seller_lists_a_named_seat_once() {
    let app = app().await;
    let (seller, other) = (app.signer.user(), app.signer.user());
    let at = |fields: Value| {
        let mut placed = json!({ "section": "A", "row": "2" });
        placed.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        placed
    };
    let first = post(&app, &seller, at(json!({ "seats": ["14", "15"], "split": "any" }))).await.expect(201).json();
    for fields in [
        json!({ "seat": "15" }),
        json!({ "seats": ["16", "14"] }),
        json!({ "seat": "14", "title": "NINA simone tribute!" }),
    ] {
        let refused = post(&app, &seller, at(fields.clone())).await.expect(409);
        assert_eq!(refused.problem(), "seat-listed", "{fields}");
        assert_eq!(check(&app, &seller, "", at(fields.clone())).await.expect(409).problem(), "seat-listed", "{fields}");
    }
    let named = post(&app, &seller, at(json!({ "seats": ["16", "15"] }))).await.expect(409).json();
    assert!(named["detail"].as_str().unwrap().contains("seat 15 "), "{named}");
    assert_eq!(named["params"]["seat"], "15", "{named}");
    for fields in [
        json!({ "seat": "15", "row": "3" }),
        json!({ "seat": "15", "row": null }),
        json!({ "seat": "15", "section": "B" }),
        json!({ "seat": "15", "startsAt": "2099-06-02T19:30:00Z" }),
        json!({ "quantity": 2 }),
        json!({ "quantity": 2 }),
    ] {
        post(&app, &seller, at(fields)).await.expect(201);
    }
    post(&app, &other, at(json!({ "seat": "15" }))).await.expect(201);
    // A repeat of a request is no second listing.
    let with_key = |fields: Value| {
        let request = app.request("POST", "/api/tickets").as_user(&seller).header("idempotency-key", "k");
        request.json(&body_of(fields)).send()
    };
    let kept = with_key(at(json!({ "seat": "20" }))).await.expect(201).json();
    assert_eq!(with_key(at(json!({ "seat": "20" }))).await.expect(201).json(), kept);
    check(&app, &seller, "", at(json!({ "seat": "20" }))).await.expect(204);
    let own = format!("/{}", kept["id"].as_str().unwrap());
    let checked = check(&app, &seller, &own, at(json!({ "seat": "20" }))).await.expect(204);
    assert!(checked.header("ratelimit").starts_with("\"reads\";"), "a check counts as a read");
    check(&app, &seller, &own, at(json!({ "seat": "20", "title": "Tosca" }))).await.expect(204);
    assert_eq!(check(&app, &seller, &own, at(json!({ "seat": "14" }))).await.expect(409).problem(), "seat-listed");
    assert_eq!(check(&app, &other, &own, at(json!({}))).await.expect(403).problem(), "not-the-seller");
    assert_eq!(read(&app, &kept).await, kept, "a check changes nothing");

    let edit = |ticket: &Value, fields: Value| put(&app, &seller, ticket, &body_of(at(fields))).send();
    assert_eq!(edit(&kept, json!({ "seat": "14" })).await.expect(409).problem(), "seat-listed");
    let elsewhere = edit(&kept, json!({ "seat": "14", "row": "4" })).await.expect(200).json();
    assert_eq!(edit(&kept, json!({ "seat": "14" })).await.expect(409).problem(), "seat-listed");
    assert_eq!(read(&app, &kept).await, elsewhere, "a rejected edit changes nothing");
    edit(&first, json!({ "seats": ["14", "15"], "split": "any", "description": "Aisle" })).await.expect(200);
    let renamed = edit(&first, json!({ "seats": ["14", "17"], "split": "any" })).await.expect(200).json();
    edit(&kept, json!({ "seat": "15" })).await.expect(200);
    assert_eq!(
        edit(&first, json!({ "seats": ["14", "15"], "split": "any" })).await.expect(409).problem(),
        "seat-listed"
    );

    // A held or sold seat is still listed, a withdrawn one is not.
    let order = order_of(&app, &renamed, &[0]);
    deliver(&app, 0, &order).await;
    assert_eq!(post(&app, &seller, at(json!({ "seat": "14" }))).await.expect(409).problem(), "seat-listed");
    deliver(&app, 3, &with_status(&order, OrderStatus::Completed)).await;
    withdraw(&app, &seller, &first).await.expect(204);
    assert_eq!(post(&app, &seller, at(json!({ "seat": "14" }))).await.expect(409).problem(), "seat-listed");
    let again = post(&app, &seller, at(json!({ "seat": "17" }))).await.expect(201).json();
    app.wait_until_idle().await;
    assert_eq!(last_event(&app, &again).await.data["seats"][0]["name"], "17");
}

/// One request stores its listing. The others have the same key with different bodies, so they are rejected.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_concurrent_requests_with_one_key_and_different_bodies_succeeds() {
    let app = app().await;
    let seller = app.signer.user();
    for round in 0..5 {
        let requests = (0..8).map(|n| {
            let body = body_of(json!({ "seat": format!("{round}"), "description": format!("{n}") }));
            let request = app.request("POST", "/api/tickets").as_user(&seller);
            request.header("idempotency-key", format!("k{round}")).json(&body).send()
        });
        let mut statuses: Vec<_> = join_all(requests).await.iter().map(|response| response.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 422, 422, 422, 422, 422, 422, 422]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn look_for_listed_seats_reads_an_index_and_nothing_if_no_seat_is_named() {
    let app = app().await;
    let seller = app.signer.user();
    for number in 1..10 {
        post(&app, &seller, json!({ "seat": number.to_string() })).await.expect(201);
    }
    // Listings that another seller has withdrawn are not examined.
    let other = app.signer.user();
    for _ in 0..5 {
        let listed = post(&app, &other, json!({ "seat": "20" })).await.expect(201).json();
        withdraw(&app, &other, &listed).await.expect(204);
    }
    app.wait_until_idle().await;
    for (fields, looks) in [(json!({ "seats": ["20", "21"] }), true), (json!({ "quantity": 2 }), false)] {
        let reads = app.profile_reads(async { drop(post(&app, &seller, fields.clone()).await.expect(201)) }).await;
        let found: Vec<_> = reads.iter().filter(|read| read.plan.contains("state.seats.name")).collect();
        assert_eq!(!found.is_empty(), looks, "{fields}: {reads:?}");
        assert!(found.iter().all(|read| read.documents == 0), "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_see_seats_that_are_listed_twice() {
    let app = app().await;
    let [one, two, three] = std::array::from_fn(|_| app.signer.user());
    let staff = app.signer.staff(Role::Support);
    let first = post(&app, &one, json!({ "seats": ["14", "15"], "split": "any", "row": "2" })).await.expect(201).json();
    let second = post(&app, &two, json!({ "seat": "14", "row": "2" })).await.expect(201).json();
    for fields in [json!({ "seat": "14", "row": "3" }), json!({ "row": "2" }), json!({ "quantity": 2, "row": "2" })] {
        post(&app, &three, fields).await.expect(201);
    }
    let duplicates = async || {
        let request = app.request("GET", "/api/tickets/duplicate-seats").as_user(&staff);
        let mut response = request.send().await.expect(200).json();
        for item in response["items"].as_array_mut().unwrap() {
            item["listings"].as_array_mut().unwrap().sort_by_key(|listing| listing["id"].to_string());
        }
        response
    };
    let listing =
        |ticket: &Value, status: &str| json!({ "id": ticket["id"], "sellerId": ticket["sellerId"], "status": status });
    let seat = |listings: [Value; 2]| {
        let place =
            json!({ "showId": first["showId"], "section": null, "row": "2", "seat": "14", "listings": listings });
        json!({ "items": [place] })
    };
    assert_eq!(duplicates().await, seat([listing(&first, "available"), listing(&second, "available")]));
    let order = order_of(&app, &first, &[0]);
    deliver(&app, 0, &order).await;
    assert_eq!(duplicates().await, seat([listing(&first, "reserved"), listing(&second, "available")]));
    deliver(&app, 3, &with_status(&order, OrderStatus::Completed)).await;
    // The other listing still offers what is sold.
    let sold = seat([listing(&first, "sold"), listing(&second, "available")]);
    assert_eq!(duplicates().await, sold);
    let third = post(&app, &three, json!({ "seat": "15", "row": "2" })).await.expect(201).json();
    assert_eq!(duplicates().await["items"][1]["seat"], "15");
    withdraw(&app, &three, &third).await.expect(204);
    assert_eq!(duplicates().await, sold);
    withdraw(&app, &two, &second).await.expect(204);
    assert_eq!(duplicates().await, json!({ "items": [] }));

    let operator = app.signer.staff(Role::Operator);
    app.request("GET", "/api/tickets/duplicate-seats").as_user(&operator).send().await.expect(200);
    for stranger in [&one, &app.signer.staff(Role::Finance)] {
        let refused = app.request("GET", "/api/tickets/duplicate-seats").as_user(stranger).send().await.expect(403);
        assert_eq!(refused.problem(), "role-required");
    }
    app.request("GET", "/api/tickets/duplicate-seats").send().await.expect(401);
}
