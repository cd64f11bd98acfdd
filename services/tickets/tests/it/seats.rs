//! Listings of several seats.

use common::events::order::{OrderState, OrderStatus};
use common::events::ticket::TicketState;
use common::id::OrderId;
use common::identity::Role;
use futures::future::join_all;
use serde_json::{Value, json};
use testkit::app::TestApp;

use crate::support::{
    app, body, body_with, create_listing_with, deliver, last_event, order_of, put, read, seat_statuses, with_status,
    withdraw,
};

/// The body of a listing of seats with these names, divided like this.
fn seats(names: &[&str], split: Value) -> Value {
    let mut body = body_with("seats", json!(names));
    body["split"] = split;
    body
}

/// The body of a listing of three pairs.
fn three_pairs() -> Value {
    seats(&["1", "2", "3", "4", "5", "6"], json!("pairs"))
}

/// Delivers the order as created; returns it.
async fn hold(app: &TestApp, ticket: &Value, slots: &[u8]) -> OrderState {
    let order = order_of(app, ticket, slots);
    deliver(app, 0, &order).await;
    order
}

async fn end(app: &TestApp, order: &OrderState, status: OrderStatus) {
    deliver(app, 3, &with_status(order, status)).await;
}

/// The kind of the listing's last event, and its reason to refuse an order.
async fn last_decision(app: &TestApp, ticket: &Value) -> (String, Value) {
    app.wait_until_idle().await;
    let event = last_event(app, ticket).await;
    (event.kind, event.data["refusals"][0]["reason"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_are_named_or_counted_and_divided_into_blocks() {
    let app = app().await;
    let seller = app.signer.user();
    let named = |name: &str| json!({ "name": name, "status": "available" });
    let unnamed = json!({ "name": null, "status": "available" });
    for (fields, seat, expected, blocks) in [
        (json!({}), json!(null), vec![unnamed.clone()], json!([1])),
        (json!({ "seat": " 7 " }), json!("7"), vec![named("7")], json!([1])),
        (json!({ "seats": ["8"] }), json!("8"), vec![named("8")], json!([1])),
        (json!({ "seats": ["9", " 10"] }), json!(null), vec![named("9"), named("10")], json!([2])),
        (json!({ "quantity": 4, "split": "pairs" }), json!(null), vec![unnamed.clone(); 4], json!([2, 2])),
        (json!({ "quantity": 3, "split": "any" }), json!(null), vec![unnamed.clone(); 3], json!([1, 1, 1])),
        (json!({ "quantity": 5, "split": "noSingle" }), json!(null), vec![unnamed.clone(); 5], json!([2, 3])),
        (json!({ "quantity": 6, "split": [3, 3] }), json!(null), vec![unnamed.clone(); 6], json!([3, 3])),
        (json!({ "seats": ["11", "12"], "quantity": 2 }), json!(null), vec![named("11"), named("12")], json!([2])),
    ] {
        let mut body = body();
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let ticket = create_listing_with(&app, &seller, &body).await;
        assert_eq!((&ticket["seat"], &ticket["seats"], &ticket["blocks"]), (&seat, &json!(expected), &blocks));
        assert_eq!(ticket["free"], expected.len(), "{fields}");
        assert_eq!(read(&app, &ticket).await, ticket);
    }
    for (fields, named) in [
        (json!({ "seats": ["1", "2"], "seat": "1" }), "seats"),
        (json!({ "seats": ["1", "2"], "quantity": 3 }), "quantity"),
        (json!({ "seat": "1", "quantity": 2 }), "quantity"),
        (json!({ "quantity": 3, "split": "pairs" }), "split"),
        (json!({ "quantity": 4, "split": [3, 2] }), "split"),
        (json!({ "quantity": 8, "price": { "amount": 20_000_000, "currency": "USD" } }), "price.amount"),
    ] {
        let mut body = body();
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let rejected = app.request("POST", "/api/tickets").as_user(&seller).json(&body).send().await.expect(400);
        assert_eq!(rejected.fields(), [named], "{fields}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_hold_and_buy_their_seats_only() {
    let app = app().await;
    let ticket = create_listing_with(&app, &app.signer.user(), &three_pairs()).await;
    let show = format!("/api/shows/{}", ticket["showId"].as_str().unwrap());
    let expect = async |status: &str, seats: [&str; 6], quantities: &[u8]| {
        let found = read(&app, &ticket).await;
        assert_eq!((found["status"].as_str(), seat_statuses(&found)), (Some(status), seats.to_vec()));
        let free = seats.iter().filter(|seat| **seat == "available").count();
        assert_eq!(found["free"], free);
        assert_eq!(app.request("GET", &show).send().await.json()["free"], free, "of the show");
        for quantity in 1..=7_u8 {
            let path = format!("{show}/tickets?quantity={quantity}&limit=1");
            let listed = app.request("GET", &path).send().await.expect(200).json()["items"].as_array().unwrap().len();
            assert_eq!(listed == 1, quantities.contains(&quantity), "{quantity}");
        }
    };
    let (free, held, sold) = ("available", "reserved", "sold");
    expect("available", [free; 6], &[2, 4, 6]).await;
    let middle = hold(&app, &ticket, &[2, 3]).await;
    expect("available", [free, free, held, held, free, free], &[2]).await;
    // It wants a free pair and the held one: all of its seats or none.
    let waiting = hold(&app, &ticket, &[0, 1, 2, 3]).await;
    expect("available", [free, free, held, held, free, free], &[2]).await;
    let last = hold(&app, &ticket, &[4, 5]).await;
    end(&app, &last, OrderStatus::Completed).await;
    expect("available", [free, free, held, held, sold, sold], &[2]).await;
    end(&app, &middle, OrderStatus::Cancelled).await;
    expect("reserved", [held, held, held, held, sold, sold], &[]).await;
    end(&app, &waiting, OrderStatus::Completed).await;
    expect("sold", [sold; 6], &[]).await;
    app.wait_until_idle().await;
    let kinds = app.history("tickets", ticket["id"].as_str().unwrap()).await;
    let kinds: Vec<_> = kinds.iter().map(|(kind, _)| kind.as_str()).collect();
    let expected = ["created", "reserved", "reserved", "sold", "released", "reserved", "sold"];
    assert_eq!(kinds, expected.map(|change| format!("ticket.{change}.v1")));
    let state: TicketState = serde_json::from_value(last_event(&app, &ticket).await.data).unwrap();
    assert!(state.has_seats_for(last.id, &[4, 5]) && state.has_seats_for(waiting.id, &[0, 1, 2, 3]));
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawal_takes_back_what_is_free() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = create_listing_with(&app, &seller, &three_pairs()).await;
    let (first, second) = (hold(&app, &ticket, &[0, 1]).await, hold(&app, &ticket, &[2, 3]).await);
    withdraw(&app, &seller, &ticket).await.expect(204);
    let found = read(&app, &ticket).await;
    assert_eq!((&found["status"], &found["free"]), (&json!("withdrawn"), &json!(0)));
    assert_eq!(seat_statuses(&found)[3..], ["reserved", "withdrawn", "withdrawn"]);
    assert_eq!(withdraw(&app, &seller, &ticket).await.expect(409).problem(), "ticket-withdrawn");
    let refused = hold(&app, &ticket, &[4, 5]).await;
    assert_eq!(last_decision(&app, &ticket).await, ("ticket.refused.v1".to_owned(), json!("withdrawn")));
    end(&app, &refused, OrderStatus::Cancelled).await;
    end(&app, &first, OrderStatus::Cancelled).await;
    assert_eq!(last_decision(&app, &ticket).await.0, "ticket.released.v1");
    end(&app, &second, OrderStatus::Completed).await;
    let found = read(&app, &ticket).await;
    assert_eq!(seat_statuses(&found), ["withdrawn", "withdrawn", "sold", "sold", "withdrawn", "withdrawn"]);
    assert_eq!(found["status"], "withdrawn");

    let full = create_listing_with(&app, &seller, &seats(&["7", "8"], json!("any"))).await;
    let (held, sold) = (hold(&app, &full, &[0]).await, hold(&app, &full, &[1]).await);
    assert_eq!(withdraw(&app, &seller, &full).await.expect(409).problem(), "ticket-reserved");
    for order in [sold, held] {
        end(&app, &order, OrderStatus::Completed).await;
    }
    assert_eq!(withdraw(&app, &seller, &full).await.expect(409).problem(), "ticket-sold");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_price_may_change_while_seats_are_held_or_sold() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = create_listing_with(&app, &seller, &three_pairs()).await;
    let put = async |edit: Value| {
        let mut body = three_pairs();
        body.as_object_mut().unwrap().extend(edit.as_object().unwrap().clone());
        put(&app, &seller, &ticket, &body).send().await
    };
    let terms = [
        json!({ "split": "any" }),
        json!({ "seats": ["1", "2", "3", "4", "5", "7"] }),
        json!({ "seats": ["1", "2", "3", "4"] }),
        json!({ "row": "B" }),
        json!({ "title": "Hamlet" }),
    ];
    let dearer = json!({ "price": { "amount": 20_000, "currency": "USD" }, "description": "Aisle" });
    let held = hold(&app, &ticket, &[0, 1]).await;
    for edit in &terms {
        assert_eq!(put(edit.clone()).await.expect(409).problem(), "ticket-reserved", "{edit}");
    }
    // This order is on its way while the price changes.
    let late = order_of(&app, &ticket, &[2, 3]);
    assert_eq!(put(dearer).await.expect(200).json()["price"]["amount"], 20_000);
    deliver(&app, 0, &late).await;
    assert_eq!(last_decision(&app, &ticket).await, ("ticket.refused.v1".to_owned(), json!("priceChanged")));
    let price = &last_event(&app, &ticket).await.data["refusals"][0]["price"];
    assert_eq!(price["amount"], 20_000, "the price of a seat");
    end(&app, &late, OrderStatus::Cancelled).await;
    end(&app, &held, OrderStatus::Completed).await;
    for edit in &terms {
        assert_eq!(put(edit.clone()).await.expect(409).problem(), "ticket-sold", "{edit}");
    }
    assert_eq!(put(json!({})).await.expect(200).json()["price"]["amount"], 12_550);

    // While no seat is held or sold, everything may change, and orders of the earlier seats are refused.
    let other = create_listing_with(&app, &seller, &seats(&["21", "22", "23"], json!("any"))).await;
    let late = [order_of(&app, &other, &[2]), order_of(&app, &other, &[0, 1])];
    let edited = crate::support::put(&app, &seller, &other, &seats(&["21", "24"], json!("any"))).send().await;
    assert_eq!(edited.expect(200).json()["free"], 2);
    for order in late {
        deliver(&app, 0, &order).await;
        assert_eq!(last_decision(&app, &other).await, ("ticket.refused.v1".to_owned(), json!("termsChanged")));
        end(&app, &order, OrderStatus::Cancelled).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn seller_lists_each_named_seat_once() {
    let app = app().await;
    let seller = app.signer.user();
    let post = async |body: &Value, key: &str| {
        app.request("POST", "/api/tickets").as_user(&seller).header("idempotency-key", key).json(body).send().await
    };
    let listed = seats(&["1", "2"], json!("any"));
    let first = post(&listed, "first").await.expect(201).json();
    let rejected = post(&seats(&["0", "2"], json!("any")), "second").await.expect(409);
    assert_eq!(rejected.problem(), "seat-listed");
    assert!(rejected.json()["detail"].as_str().unwrap().contains("seat 2"), "{}", rejected.text());
    assert_eq!(post(&listed, "first").await.expect(201).json(), first, "a repeat of the same request");
    // Other seats: without names, in another row, of another show.
    post(&body_with("quantity", json!(2)), "unnamed").await.expect(201);
    for (field, value) in [("row", "B"), ("section", "Stalls"), ("title", "Hamlet")] {
        let mut elsewhere = listed.clone();
        elsewhere[field] = json!(value);
        post(&elsewhere, field).await.expect(201);
    }
    // An edit that keeps its own seats is no second listing of them; one that takes another listing's seat is.
    put(&app, &seller, &first, &listed).send().await.expect(200);
    let other = post(&seats(&["3", "4"], json!("any")), "other").await.expect(201).json();
    let taken = put(&app, &seller, &other, &seats(&["2", "4"], json!("any"))).send().await.expect(409);
    assert_eq!(taken.problem(), "seat-listed");
    put(&app, &seller, &other, &seats(&["5", "4"], json!("any"))).send().await.expect(200);
    let mut moved = seats(&["1"], json!("any"));
    moved["title"] = json!("Hamlet");
    let moved = put(&app, &seller, &other, &moved).send().await.expect(409);
    assert_eq!(moved.problem(), "seat-listed", "that show has the seat of another listing");
    // A sold seat stays listed; a withdrawn one does not.
    let sold = hold(&app, &first, &[0]).await;
    end(&app, &sold, OrderStatus::Completed).await;
    withdraw(&app, &seller, &first).await.expect(204);
    assert_eq!(post(&seats(&["1"], json!("any")), "again").await.expect(409).problem(), "seat-listed");
    post(&seats(&["2"], json!("any")), "again").await.expect(201);
    // One of many requests at once with the same key is no duplicate of another.
    let ninth = seats(&["9"], json!("any"));
    let requests = (0..10).map(|_| post(&ninth, "at once"));
    let made: Vec<Value> = join_all(requests).await.into_iter().map(|made| made.expect(201).json()).collect();
    assert!(made.iter().all(|listing| *listing == made[0]), "{made:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_sees_seats_of_several_sellers() {
    let app = app().await;
    let (one, other) = (app.signer.user(), app.signer.user());
    let first = create_listing_with(&app, &one, &seats(&["1", "2"], json!("any"))).await;
    let second = create_listing_with(&app, &other, &seats(&["2", "3"], json!("any"))).await;
    for _ in 0..2 {
        create_listing_with(&app, &one, &body()).await;
    }
    let order = hold(&app, &first, &[1]).await;
    let path = "/api/tickets/duplicate-seats";
    app.request("GET", path).send().await.expect(401);
    for stranger in [&one, &app.signer.staff(Role::Finance)] {
        assert_eq!(app.request("GET", path).as_user(stranger).send().await.expect(403).problem(), "role-required");
    }
    let staff = app.signer.staff(Role::Support);
    let found = async || app.request("GET", path).as_user(&staff).send().await.expect(200).json();
    let mut listings = [(&first, &one, "reserved"), (&second, &other, "available")];
    listings.sort_by_key(|(listing, ..)| listing["id"].as_str().map(str::to_owned));
    let listings = listings
        .map(|(listing, seller, status)| json!({ "id": listing["id"], "sellerId": seller.id, "status": status }));
    let expected = json!({ "items": [
        { "showId": first["showId"], "section": null, "row": null, "seat": "2", "listings": listings },
    ] });
    assert_eq!(found().await, expected);
    end(&app, &order, OrderStatus::Completed).await;
    assert_eq!(found().await, json!({ "items": [] }), "the buyer may sell it again");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_at_the_same_moment_get_different_seats() {
    let app = app().await;
    let listing = seats(&["1", "2", "3", "4", "5", "6", "7", "8"], json!("any"));
    let ticket = create_listing_with(&app, &app.signer.user(), &listing).await;
    let orders: Vec<_> = (0..8).map(|slot| order_of(&app, &ticket, &[slot])).collect();
    join_all(orders.iter().map(|order| deliver(&app, 0, order))).await;
    let found = read(&app, &ticket).await;
    assert_eq!((&found["status"], &found["version"]), (&json!("reserved"), &json!(8)));
    join_all(orders.iter().map(|order| end(&app, order, OrderStatus::Completed))).await;
    app.wait_until_idle().await;
    let state: TicketState = serde_json::from_value(last_event(&app, &ticket).await.data).unwrap();
    assert!(orders.iter().all(|order| state.has_seats_for(order.id, &order.slots)));
    assert_eq!(read(&app, &ticket).await["status"], "sold");
}

#[tokio::test(flavor = "multi_thread")]
async fn repair_releases_the_seats_of_one_order() {
    let app = app().await;
    let ticket = create_listing_with(&app, &app.signer.user(), &three_pairs()).await;
    let (lost, other) = (hold(&app, &ticket, &[0, 1]).await, hold(&app, &ticket, &[2, 3]).await);
    deliver(&app, 1, &with_status(&lost, OrderStatus::AwaitingPayment)).await;
    let release = async |order: OrderId| {
        let body = json!({ "id": ticket["id"], "orderId": order, "orderIsLost": true, "orderVersion": 1 });
        app.admin("POST", "/release").json(&body).send().await
    };
    assert_eq!(release(lost.id).await.expect(200).json(), json!({ "status": "available" }));
    let found = read(&app, &ticket).await;
    assert_eq!(seat_statuses(&found)[..4], ["available", "available", "reserved", "reserved"]);
    release(lost.id).await.expect(409);
    app.wait_until_idle().await;
    let state: TicketState = serde_json::from_value(last_event(&app, &ticket).await.data).unwrap();
    assert_eq!(state.holders(), [other.id].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_finished_orders_of_other_seats_cost_nothing() {
    let app = app().await;
    let ticket = create_listing_with(&app, &app.signer.user(), &three_pairs()).await;
    let held = hold(&app, &ticket, &[0, 1]).await;
    for _ in 0..50 {
        let released = hold(&app, &ticket, &[2, 3]).await;
        end(&app, &released, OrderStatus::Cancelled).await;
    }
    app.assert_examined_at_most(6, async {
        let next = hold(&app, &ticket, &[4, 5]).await;
        end(&app, &next, OrderStatus::Completed).await;
        end(&app, &held, OrderStatus::Completed).await;
    })
    .await;
    let found = read(&app, &ticket).await;
    assert_eq!(seat_statuses(&found), ["sold", "sold", "available", "available", "sold", "sold"]);
}
