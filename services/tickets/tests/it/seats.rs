//! Listings of several seats: the reservation, release and sale of the seats of each order, and what the seller may do
//! meanwhile.

use common::events::order::{OrderState, OrderStatus};
use common::identity::Role;
use common::money::Money;
use common::seats::Blocks;
use futures::future::join_all;
use serde_json::{Value, json};
use testkit::app::TestApp;
use testkit::app::users::User;

use crate::shows::{read_show, replace, show_path, shows_named};
use crate::support::{
    app, body_of, create_listing_with, deliver, last_event, order, order_event, order_of, put, read, with_status,
    withdraw,
};

/// The fields of a listing of seats in blocks of these sizes, with the numbers from 14 on.
fn blocks(sizes: &[u8]) -> Value {
    let seats: usize = sizes.iter().copied().map(usize::from).sum();
    let names: Vec<String> = (14..).take(seats).map(|number: u32| number.to_string()).collect();
    json!({ "seats": names, "split": sizes })
}

/// Lists seats in blocks of these sizes.
async fn create_blocks(app: &TestApp, seller: &User, sizes: &[u8]) -> Value {
    create_listing_with(app, seller, &body_of(blocks(sizes))).await
}

/// Asserts the listing's status, and the first letter of the status of each seat.
async fn assert_seats(app: &TestApp, ticket: &Value, status: &str, letters: &str) {
    let shown = read(app, ticket).await;
    let statuses = shown["seats"].as_array().unwrap().iter().map(|seat| seat["status"].as_str().unwrap());
    let present: String = statuses.filter_map(|status| status.chars().next()).collect();
    assert_eq!((shown["status"].as_str().unwrap(), present.as_str()), (status, letters));
    assert_eq!(shown["free"], letters.matches('a').count(), "{letters}");
}

/// The published changes of the listing, by version.
async fn changes(app: &TestApp, ticket: &Value) -> Vec<String> {
    app.wait_until_idle().await;
    let mut history = app.history("tickets", ticket["id"].as_str().unwrap()).await;
    history.retain(|(kind, _)| kind != "ticket.snapshot.v1");
    history.sort_by_key(|(_, version)| *version);
    history.into_iter().map(|(kind, _)| kind.split('.').nth(1).unwrap().to_owned()).collect()
}

async fn cancel(app: &TestApp, order: &OrderState) {
    deliver(app, 1, &with_status(order, OrderStatus::Cancelled)).await;
}

async fn complete(app: &TestApp, order: &OrderState) {
    deliver(app, 3, &with_status(order, OrderStatus::Completed)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_order_holds_and_gets_its_own_seats() {
    let app = app().await;
    let ticket = create_blocks(&app, &app.signer.user(), &[2, 2, 2]).await;
    let [first, second] = [&[0, 1], &[2, 3]].map(|slots| order_of(&app, &ticket, slots));
    deliver(&app, 0, &first).await;
    assert_seats(&app, &ticket, "available", "rraaaa").await;
    deliver(&app, 0, &second).await;
    assert_seats(&app, &ticket, "available", "rrrraa").await;
    // While one of its seats is held for another order, an order gets no seats and is not refused.
    let waiting = order_of(&app, &ticket, &[2, 3, 4, 5]);
    deliver(&app, 0, &waiting).await;
    assert_seats(&app, &ticket, "available", "rrrraa").await;
    app.wait_until_idle().await;
    let event = last_event(&app, &ticket).await;
    assert_eq!((event.kind.as_str(), event.entityversion), ("ticket.reserved.v1", 2));
    let seat = |name: &str, status: &str, order: Option<&OrderState>| json!({ "name": name, "status": status, "orderId": order.map(|order| order.id) });
    let expected = [
        seat("14", "reserved", Some(&first)),
        seat("15", "reserved", Some(&first)),
        seat("16", "reserved", Some(&second)),
        seat("17", "reserved", Some(&second)),
        seat("18", "available", None),
        seat("19", "available", None),
    ];
    assert_eq!((&event.data["seats"], &event.data["blocks"]), (&json!(expected), &json!([2, 2, 2])));

    cancel(&app, &first).await;
    assert_seats(&app, &ticket, "available", "aarraa").await;
    complete(&app, &second).await;
    assert_seats(&app, &ticket, "available", "aassaa").await;
    let [third, fourth] = [&[4, 5], &[0, 1]].map(|slots| order_of(&app, &ticket, slots));
    deliver(&app, 0, &third).await;
    assert_seats(&app, &ticket, "available", "aassrr").await;
    deliver(&app, 0, &fourth).await;
    assert_seats(&app, &ticket, "reserved", "rrssrr").await;
    complete(&app, &third).await;
    assert_seats(&app, &ticket, "reserved", "rrssss").await;
    complete(&app, &fourth).await;
    assert_seats(&app, &ticket, "sold", "ssssss").await;
    // The late cancellation of an order that holds no seats changes nothing.
    cancel(&app, &waiting).await;
    deliver(&app, 4, &with_status(&first, OrderStatus::Cancelled)).await;
    let expected = ["created", "reserved", "reserved", "released", "sold", "reserved", "reserved", "sold", "sold"];
    assert_eq!(changes(&app, &ticket).await, expected);
    let event = last_event(&app, &ticket).await;
    let buyers: Vec<&Value> = event.data["seats"].as_array().unwrap().iter().map(|seat| &seat["orderId"]).collect();
    let [second, third, fourth] = [&second, &third, &fourth].map(|order| json!(order.id));
    assert_eq!(buyers, [&fourth, &fourth, &second, &second, &third, &third]);
}

#[tokio::test(flavor = "multi_thread")]
async fn release_lets_waiting_orders_in_newest_first() {
    let app = app().await;
    let ticket = create_blocks(&app, &app.signer.user(), &[2, 2, 2]).await;
    let first = order_of(&app, &ticket, &[0, 1, 2, 3]);
    let [one, other] = [&[2, 3, 4, 5][..], &[0, 1]].map(|slots| order_of(&app, &ticket, slots));
    for order in [&first, &one, &other] {
        deliver(&app, 0, order).await;
    }
    assert_seats(&app, &ticket, "available", "rrrraa").await;
    cancel(&app, &first).await;
    assert_seats(&app, &ticket, "reserved", "rrrrrr").await;
    app.wait_until_idle().await;
    let state = last_event(&app, &ticket).await.data;
    assert_eq!((&state["seats"][1]["orderId"], &state["seats"][2]["orderId"]), (&json!(other.id), &json!(one.id)));
    // Released seats go to the newest waiting order whose seats are all free: `newer` also needs seats that are still
    // held.
    let [older, newer] = [&[0, 1][..], &[0, 1, 2, 3]].map(|slots| order_of(&app, &ticket, slots));
    deliver(&app, 0, &newer).await;
    deliver(&app, 0, &older).await;
    cancel(&app, &other).await;
    app.wait_until_idle().await;
    assert_eq!(last_event(&app, &ticket).await.data["seats"][0]["orderId"], json!(older.id));
    cancel(&app, &one).await;
    assert_seats(&app, &ticket, "available", "rraaaa").await;
    cancel(&app, &older).await;
    assert_seats(&app, &ticket, "available", "rrrraa").await;
    // Of two waiting orders that share a seat, the older one must have been cancelled already, although its event is
    // late. So the newer one gets the seats.
    let [cancelled, last] = [&[0, 1][..], &[0, 1, 2, 3]].map(|slots| order_of(&app, &ticket, slots));
    deliver(&app, 0, &last).await;
    deliver(&app, 0, &cancelled).await;
    cancel(&app, &newer).await;
    app.wait_until_idle().await;
    assert_eq!(last_event(&app, &ticket).await.data["seats"][0]["orderId"], json!(last.id));
    cancel(&app, &cancelled).await;
    assert_seats(&app, &ticket, "available", "rrrraa").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_orders_of_different_seats_are_each_reserved_once() {
    let app = app().await;
    let other = app.start_second_instance(tickets::build).await;
    let ticket = create_blocks(&app, &app.signer.user(), &[1; 8]).await;
    let orders: Vec<_> = (0..8).map(|slot| order_of(&app, &ticket, &[slot])).collect();
    let events: Vec<_> = orders.iter().map(|order| order_event(&app, 0, order)).collect();
    // Two of the events are delivered to both instances.
    let twice = events.iter().take(2).map(|event| other.handle(event));
    let deliveries = events.iter().zip([&app, &other].into_iter().cycle()).map(|(event, to)| to.handle(event));
    for handled in join_all(deliveries.chain(twice)).await {
        handled.expect("handled");
    }
    assert_seats(&app, &ticket, "reserved", "rrrrrrrr").await;
    let mut expected = vec!["created"];
    expected.extend(["reserved"; 8]);
    assert_eq!(changes(&app, &ticket).await, expected);
    let newest = last_event(&app, &ticket).await;
    for (slot, order) in orders.iter().enumerate() {
        assert_eq!(newest.data["seats"][slot]["orderId"], json!(order.id), "slot {slot}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawal_leaves_held_seats_to_their_orders() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = create_blocks(&app, &seller, &[1, 1, 1]).await;
    let [released, sold, late, waiting] = [0, 1, 2, 0].map(|slot| order_of(&app, &ticket, &[slot]));
    deliver(&app, 0, &released).await;
    deliver(&app, 0, &sold).await;
    withdraw(&app, &seller, &ticket).await.expect(204);
    assert_seats(&app, &ticket, "withdrawn", "rrw").await;
    assert_eq!(withdraw(&app, &seller, &ticket).await.expect(409).problem(), "ticket-withdrawn");
    let edited = put(&app, &seller, &ticket, &body_of(blocks(&[1, 1, 1]))).send().await.expect(409);
    assert_eq!(edited.problem(), "ticket-withdrawn");
    deliver(&app, 0, &late).await;
    deliver(&app, 0, &waiting).await;
    app.wait_until_idle().await;
    let refusal = |order: &OrderState| json!({ "orderId": order.id, "reason": "withdrawn", "price": null });
    assert_eq!(last_event(&app, &ticket).await.data["refusals"], json!([refusal(&late)]), "the other one waits");
    cancel(&app, &released).await;
    assert_seats(&app, &ticket, "withdrawn", "wrw").await;
    complete(&app, &sold).await;
    assert_seats(&app, &ticket, "withdrawn", "wsw").await;
    let expected = ["created", "reserved", "reserved", "withdrawn", "refused", "released", "refused", "sold"];
    assert_eq!(changes(&app, &ticket).await, expected);
    let state = last_event(&app, &ticket).await.data;
    assert_eq!((&state["status"], &state["seats"][1]["orderId"]), (&json!("withdrawn"), &json!(sold.id)));
    assert_eq!(state["refusals"], json!([refusal(&late), refusal(&waiting)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_of_other_prices_seats_or_blocks_are_refused() {
    let app = app().await;
    let ticket = create_blocks(&app, &app.signer.user(), &[2, 2]).await;
    let holder = order_of(&app, &ticket, &[0, 1]);
    deliver(&app, 0, &holder).await;
    let agreed = || order_of(&app, &ticket, &[2, 3]);
    let money = |amount: i64| Money { amount, currency: "USD".parse().unwrap() };
    let (mut dearer, mut cheaper, mut renamed, mut together, mut elsewhere) =
        (agreed(), agreed(), agreed(), agreed(), agreed());
    (dearer.unit_price, dearer.price) = (money(12_600), money(25_200));
    cheaper.price = money(12_550);
    renamed.seats[1] = Some("99".to_owned());
    together.ticket.blocks = Blocks::try_from(vec![4]).unwrap();
    elsewhere.ticket.row = Some("2".to_owned());
    let unknown = order_of(&app, &ticket, &[4]);
    let mut refusals = Vec::new();
    for (order, reason) in [
        (&dearer, "priceChanged"),
        (&cheaper, "priceChanged"),
        (&renamed, "termsChanged"),
        (&together, "termsChanged"),
        (&elsewhere, "termsChanged"),
        (&unknown, "termsChanged"),
    ] {
        deliver(&app, 0, order).await;
        app.wait_until_idle().await;
        let price = (reason == "priceChanged").then(|| ticket["price"].clone());
        refusals.push(json!({ "orderId": order.id, "reason": reason, "price": price }));
        let event = last_event(&app, &ticket).await;
        assert_eq!((event.kind.as_str(), &event.data["refusals"]), ("ticket.refused.v1", &json!(refusals)));
    }
    // While another order holds some of its seats, an order is neither accepted nor refused, even if its price is
    // outdated.
    let mut overlapping = order_of(&app, &ticket, &[0, 1, 2, 3]);
    overlapping.unit_price = money(1);
    deliver(&app, 0, &overlapping).await;
    assert_eq!(read(&app, &ticket).await["version"], 7);
    // The refused orders hold no seats, so an order at the present terms gets them.
    deliver(&app, 0, &agreed()).await;
    assert_seats(&app, &ticket, "reserved", "rrrr").await;

    // An order of a seat that an edit removed is refused at once, although another order holds the only remaining seat.
    let seller = app.signer.user();
    let several = create_blocks(&app, &seller, &[1, 1]).await;
    let late = order_of(&app, &several, &[1]);
    let single = put(&app, &seller, &several, &body_of(json!({ "seat": "14" }))).send().await.expect(200).json();
    let holder = order_of(&app, &single, &[0]);
    deliver(&app, 0, &holder).await;
    deliver(&app, 0, &late).await;
    assert_seats(&app, &single, "reserved", "r").await;
    app.wait_until_idle().await;
    let refusals = json!([{ "orderId": late.id, "reason": "termsChanged", "price": null }]);
    assert_eq!(last_event(&app, &single).await.data["refusals"], refusals);
}

#[tokio::test(flavor = "multi_thread")]
async fn price_can_be_edited_while_a_seat_is_free_and_terms_until_one_is_held() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = create_blocks(&app, &seller, &[2, 2]).await;
    // Replaces the listing by itself, apart from these fields.
    let edit = |fields: Value| {
        let mut body = body_of(blocks(&[2, 2]));
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        put(&app, &seller, &ticket, &body).send()
    };
    let priced = |amount: i64| json!({ "price": { "amount": amount, "currency": "USD" } });
    let [whole, held, late] = [&[0, 1, 2, 3][..], &[0, 1], &[2, 3]].map(|slots| order_of(&app, &ticket, slots));
    deliver(&app, 0, &held).await;
    let edited = edit(priced(9_000)).await.expect(200).json();
    assert_eq!((&edited["price"]["amount"], &edited["seats"][0]["status"]), (&json!(9_000), &json!("reserved")));
    let details = json!({
        "description": "Aisle", "category": "concert", "faceValue": { "amount": 9_000, "currency": "USD" },
    });
    let edited = edit(details).await.expect(200).json();
    assert_eq!((&edited["description"], &edited["price"]), (&json!("Aisle"), &ticket["price"]));
    for terms in [
        json!({ "split": "any" }),
        json!({ "seats": ["14", "15", "16", "18"] }),
        json!({ "seats": ["14", "15", "16", "17", "18", "19"], "split": "pairs" }),
        json!({ "section": "A" }),
        json!({ "title": "Hamlet" }),
    ] {
        assert_eq!(edit(terms.clone()).await.expect(409).problem(), "ticket-reserved", "{terms}");
    }
    assert_eq!(shows_named(&app, "Hamlet").await, 0, "no show is made for an edit that is not allowed");
    assert_seats(&app, &ticket, "available", "rraa").await;

    // A new price touches no order that holds seats or has bought them, and refuses one that comes later.
    complete(&app, &held).await;
    edit(priced(9_000)).await.expect(200);
    deliver(&app, 0, &late).await;
    assert_seats(&app, &ticket, "available", "ssaa").await;
    app.wait_until_idle().await;
    let refusal = json!({ "orderId": late.id, "reason": "priceChanged", "price": priced(9_000)["price"] });
    assert_eq!(last_event(&app, &ticket).await.data["refusals"], json!([refusal]));
    assert_eq!(edit(json!({ "split": "any" })).await.expect(409).problem(), "ticket-sold");
    let edited = edit(priced(8_000)).await.expect(200).json();
    let last = order_of(&app, &edited, &[2, 3]);
    deliver(&app, 0, &last).await;
    assert_seats(&app, &ticket, "reserved", "ssrr").await;
    // No seat is free.
    assert_eq!(edit(priced(7_000)).await.expect(409).problem(), "ticket-reserved");
    assert_eq!(withdraw(&app, &seller, &ticket).await.expect(409).problem(), "ticket-reserved");
    complete(&app, &last).await;
    assert_eq!(edit(priced(7_000)).await.expect(409).problem(), "ticket-sold");
    assert_eq!(withdraw(&app, &seller, &ticket).await.expect(409).problem(), "ticket-sold");
    deliver(&app, 0, &whole).await;
    assert_seats(&app, &ticket, "sold", "ssss").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listing_follows_a_moved_show_once_no_seat_is_held_and_none_is_sold() {
    let app = app().await;
    let (seller, staff) = (app.signer.user(), app.signer.staff(Role::Support));
    let listing = create_blocks(&app, &seller, &[2, 2]).await;
    // While no seat is held or sold, every term can be changed.
    let body = body_of(json!({ "quantity": 3, "split": [1, 2], "row": "2" }));
    let listing = put(&app, &seller, &listing, &body).send().await.expect(200).json();
    assert_eq!((&listing["blocks"], &listing["free"], &listing["row"]), (&json!([1, 2]), &json!(3), &json!("2")));
    let partly_sold = create_blocks(&app, &seller, &[1, 1]).await;
    let [one, two] = [&[0][..], &[1, 2]].map(|slots| order_of(&app, &listing, slots));
    let [sold, held] = [&[0], &[1]].map(|slots| order_of(&app, &partly_sold, slots));
    for order in [&one, &sold, &held] {
        deliver(&app, 0, order).await;
    }
    complete(&app, &sold).await;
    let (show, later) = (read_show(&app, &listing["showId"]).await, json!("2099-06-08T19:30:00.000Z"));
    replace(&app, &staff, &show, "startsAt", later.clone()).send().await.expect(200);
    assert_eq!(read(&app, &listing).await["startsAt"], listing["startsAt"]);
    // Meanwhile, an order at the old date still gets its seats.
    deliver(&app, 0, &two).await;
    assert_seats(&app, &listing, "reserved", "rrr").await;
    cancel(&app, &one).await;
    assert_eq!(read(&app, &listing).await["startsAt"], listing["startsAt"], "two seats are held");
    cancel(&app, &two).await;
    assert_eq!(read(&app, &listing).await["startsAt"], later);
    cancel(&app, &held).await;
    assert_seats(&app, &partly_sold, "available", "sa").await;
    assert_eq!(read(&app, &partly_sold).await["startsAt"], partly_sold["startsAt"], "a seat is sold at the old date");
}

#[tokio::test(flavor = "multi_thread")]
async fn show_counts_free_seats_and_finds_the_listings_that_have_enough_together() {
    let app = app().await;
    let [pairs, singles, together] = std::array::from_fn(|_| app.signer.user());
    let pairs = create_blocks(&app, &pairs, &[2, 2, 2]).await;
    let singles = create_blocks(&app, &singles, &[1, 1, 1]).await;
    let together = create_blocks(&app, &together, &[4]).await;
    deliver(&app, 0, &order_of(&app, &pairs, &[2, 3])).await;
    let show = &pairs["showId"];
    let page = async |query: &str| {
        let path = format!("{}/tickets?{query}", show_path(show));
        app.request("GET", &path).send().await.expect(200).json()
    };
    let ids = |page: &Value| -> Vec<Value> {
        page["items"].as_array().unwrap().iter().map(|listing| listing["id"].clone()).collect()
    };
    let id = |listing: &Value| listing["id"].clone();
    for (quantity, expected) in [
        (1, vec![id(&singles)]),
        (2, vec![id(&singles), id(&pairs)]),
        (3, vec![id(&singles)]),
        (4, vec![id(&together)]),
        (5, vec![]),
        (6, vec![]),
    ] {
        assert_eq!(ids(&page(&format!("quantity={quantity}")).await), expected, "{quantity} seats");
    }
    let first = page("quantity=2&limit=1").await;
    assert_eq!(ids(&first), [id(&singles)]);
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = page(&format!("quantity=2&limit=1&cursor={cursor}")).await;
    assert_eq!((ids(&second), &second["nextCursor"]), (vec![id(&pairs)], &Value::Null));
    assert_eq!(ids(&page("").await).len(), 3);
    for invalid in ["0", "9", "x"] {
        let path = format!("{}/tickets?quantity={invalid}", show_path(show));
        assert_eq!(app.request("GET", &path).send().await.expect(400).fields(), ["quantity"]);
    }
    assert_eq!(read_show(&app, show).await["free"], 4 + 3 + 4);
    deliver(&app, 0, &order(&app, &together)).await;
    assert_eq!(read_show(&app, show).await["free"], 4 + 3, "a listing without a free seat is not for sale");
    assert!(ids(&page("quantity=4").await).is_empty());
}
