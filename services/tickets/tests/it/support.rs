//! The service under test, and shared test helpers.

use std::time::Duration;

use common::clock::Clock;
use common::events::envelope::Envelope;
use common::events::order::{CancelReason, OrderChange, OrderState, OrderStatus};
use common::id::{OrderId, PaymentId, UserId};
use common::money::Money;
use common::seats::{Blocks, Slot};
use platform::stream::subscription::Applied;
use serde_json::{Value, json};
use testkit::app::TestApp;
use testkit::app::request::{Request, Response};
use testkit::app::users::User;

pub(crate) async fn app() -> TestApp {
    app_with(&[]).await
}

pub(crate) async fn app_with(settings: &[(&str, &str)]) -> TestApp {
    TestApp::start(tickets::NAME, tickets::build, settings).await
}

/// A valid request body of a listing of one seat without a name, so that a seller may list it several times.
pub(crate) fn body() -> Value {
    json!({
        "title": "Nina Simone Tribute", "venue": "Town Hall", "city": "New York",
        "startsAt": "2099-06-01T19:30:00Z", "timeZone": "America/New_York",
        "price": { "amount": 12_550, "currency": "USD" },
    })
}

/// The body with these fields added or replaced.
pub(crate) fn body_of(fields: Value) -> Value {
    let mut body = body();
    let Value::Object(fields) = fields else { panic!("not an object: {fields}") };
    body.as_object_mut().unwrap().extend(fields);
    body
}

/// The body with the value at this path (`price.amount`) replaced, or removed if it is null.
pub(crate) fn body_with(path: &str, value: Value) -> Value {
    let mut body = body();
    let (parent, last) = match path.rsplit_once('.') {
        Some((parent, last)) => (&mut body[parent], last),
        None => (&mut body, path),
    };
    let parent = parent.as_object_mut().expect("an object at the path");
    if value.is_null() {
        parent.remove(last);
    } else {
        parent.insert(last.to_owned(), value);
    }
    body
}

/// Invalid values of a listing's body: the path, the value (null: absent), and the field that the error names. The
/// characters U+2800, U+303F and U+3164 look blank.
pub(crate) fn invalid_fields() -> Vec<(&'static str, Value, &'static str)> {
    let text = |length: usize| Value::String("x".repeat(length));
    vec![
        ("title", Value::Null, "title"),
        ("title", json!("  \t "), "title"),
        ("title", text(201), "title"),
        ("title", json!("a\u{0}b"), "title"),
        ("title", json!(7), "title"),
        ("title", json!("\u{3164}"), "title"),
        ("title", json!("\u{2800} \u{303f}"), "title"),
        ("venue", Value::Null, "venue"),
        ("venue", json!("\u{2800}"), "venue"),
        ("description", json!("\u{3164}"), "description"),
        ("venue", text(201), "venue"),
        ("city", text(101), "city"),
        ("section", text(101), "section"),
        ("row", text(101), "row"),
        ("seat", text(101), "seat"),
        ("seats", json!([]), "seats"),
        ("seats", json!("14"), "seats"),
        ("seats", json!(["14", " 14 "]), "seats"),
        ("seats", json!(["14", " "]), "seats"),
        ("seats", json!(["14", "x".repeat(101)]), "seats"),
        ("seats", json!(["14", "a\u{0}b"]), "seats"),
        ("seats", json!(["1", "2", "3", "4", "5", "6", "7", "8", "9"]), "seats"),
        ("quantity", json!(0), "quantity"),
        ("quantity", json!(9), "quantity"),
        ("quantity", json!(300), "quantity"),
        ("quantity", json!("2"), "quantity"),
        ("split", json!("pairs"), "split"),
        ("split", json!("noSingle"), "split"),
        ("split", json!("thirds"), "split"),
        ("split", json!([2]), "split"),
        ("split", json!([]), "split"),
        ("split", json!([1, 0]), "split"),
        ("description", text(5_001), "description"),
        ("startsAt", Value::Null, "startsAt"),
        ("startsAt", json!("2001-01-01T00:00:00Z"), "startsAt"),
        ("startsAt", json!("2099-06-01"), "startsAt"),
        ("startsAt", json!("tomorrow"), "startsAt"),
        ("startsAt", json!("2099-06-01T19:00:00+25:00"), "startsAt"),
        ("startsAt", json!("2099-06-01T19Z"), "startsAt"),
        ("startsAt", json!("2099-06-01 19:00:00Z"), "startsAt"),
        ("startsAt", json!("2099-06-01T19:00:00+02:00[Europe/Paris]"), "startsAt"),
        ("startsAt", json!(4_084_000_000_u64), "startsAt"),
        ("timeZone", json!("Mars/Olympus"), "timeZone"),
        ("timeZone", json!("+02:00"), "timeZone"),
        ("price", Value::Null, "price"),
        ("price", json!(12.5), "price"),
        ("price", json!("12.50"), "price"),
        ("price.amount", Value::Null, "price.amount"),
        ("price.amount", json!(49), "price.amount"),
        ("price.amount", json!(0), "price.amount"),
        ("price.amount", json!(-100), "price.amount"),
        ("price.amount", json!(100_000_000), "price.amount"),
        ("price.amount", json!(99.5), "price.amount"),
        ("price.amount", json!(1e30), "price.amount"),
        ("price.currency", Value::Null, "price.currency"),
        ("price.currency", json!("JPY"), "price.currency"),
        ("price.currency", json!("usd"), "price.currency"),
        ("price.vat", json!(1), "price.vat"),
        ("faceValue", json!({ "amount": 100, "currency": "EUR" }), "faceValue.currency"),
        ("faceValue", json!({ "amount": 0, "currency": "USD" }), "faceValue.amount"),
        ("faceValue", json!({ "amount": 100 }), "faceValue.currency"),
        ("category", json!("opera"), "category"),
        ("status", json!("sold"), "status"),
        ("sellerId", json!(UserId::new()), "sellerId"),
        ("id", json!(UserId::new()), "id"),
    ]
}

/// Lists a ticket and returns the response's body.
pub(crate) async fn create_listing(app: &TestApp, seller: &User) -> Value {
    create_listing_with(app, seller, &body()).await
}

pub(crate) async fn create_listing_with(app: &TestApp, seller: &User, body: &Value) -> Value {
    app.request("POST", "/api/tickets").as_user(seller).json(body).send().await.expect(201).json()
}

pub(crate) fn path(ticket: &Value) -> String {
    format!("/api/tickets/{}", ticket["id"].as_str().unwrap())
}

pub(crate) async fn read(app: &TestApp, ticket: &Value) -> Value {
    app.request("GET", &path(ticket)).send().await.expect(200).json()
}

pub(crate) fn put(app: &TestApp, seller: &User, ticket: &Value, body: &Value) -> Request {
    app.request("PUT", &path(ticket)).as_user(seller).json(body)
}

pub(crate) async fn withdraw(app: &TestApp, seller: &User, ticket: &Value) -> Response {
    app.request("DELETE", &path(ticket)).as_user(seller).send().await
}

/// An order of all seats of this listing as the orders service would create it now.
pub(crate) fn order(app: &TestApp, ticket: &Value) -> OrderState {
    let blocks: Blocks = serde_json::from_value(ticket["blocks"].clone()).unwrap();
    order_of(app, ticket, &blocks.slots())
}

/// An order of these seats of this listing as the orders service would create it now.
pub(crate) fn order_of(app: &TestApp, ticket: &Value, slots: &[Slot]) -> OrderState {
    let now = app.clock.now();
    let terms = ["id", "title", "venue", "city", "startsAt", "timeZone", "section", "row", "blocks"];
    let terms: serde_json::Map<_, _> = terms.iter().map(|key| ((*key).to_owned(), ticket[*key].clone())).collect();
    let name = |slot: &Slot| ticket["seats"][usize::from(*slot)]["name"].as_str().map(str::to_owned);
    let unit_price: Money = serde_json::from_value(ticket["price"].clone()).unwrap();
    OrderState {
        id: OrderId::new(),
        buyer_id: UserId::new(),
        status: OrderStatus::Created,
        cancel_reason: None,
        refusal: None,
        payment_id: None,
        ticket: serde_json::from_value(Value::Object(terms)).unwrap(),
        show_id: serde_json::from_value(ticket["showId"].clone()).unwrap(),
        slots: slots.to_vec(),
        seats: slots.iter().map(name).collect(),
        price: unit_price.times(slots.len()).unwrap(),
        unit_price,
        expires_at: now.plus(Duration::from_secs(900)),
        created_at: now,
        updated_at: now,
    }
}

/// The order with another status.
pub(crate) fn with_status(order: &OrderState, status: OrderStatus) -> OrderState {
    let has_payment = matches!(status, OrderStatus::Authorized | OrderStatus::Completed);
    OrderState {
        status,
        payment_id: has_payment.then(PaymentId::new),
        cancel_reason: (status == OrderStatus::Cancelled).then_some(CancelReason::Buyer),
        updated_at: order.updated_at.plus(Duration::from_secs(1)),
        ..order.clone()
    }
}

/// An event with this state at this version.
pub(crate) fn order_event(app: &TestApp, version: u64, order: &OrderState) -> Envelope<OrderState> {
    let change = match order.status {
        OrderStatus::Created => OrderChange::Created,
        OrderStatus::AwaitingPayment => OrderChange::Confirmed,
        OrderStatus::Authorized => OrderChange::Authorized,
        OrderStatus::Completed => OrderChange::Completed,
        OrderStatus::Cancelled => OrderChange::Cancelled,
    };
    app.event(change, order.id, version, order.clone())
}

/// Passes the state to the event handler, as a delivery would.
pub(crate) async fn deliver(app: &TestApp, version: u64, order: &OrderState) -> Applied {
    app.handle(&order_event(app, version, order)).await.expect("handled")
}

/// A reserved listing and its order.
pub(crate) async fn create_reserved(app: &TestApp, seller: &User) -> (Value, OrderState) {
    let ticket = create_listing(app, seller).await;
    let order = order(app, &ticket);
    deliver(app, 0, &order).await;
    let ticket = read(app, &ticket).await;
    assert_eq!(ticket["status"], "reserved");
    (ticket, order)
}

pub(crate) async fn create_sold(app: &TestApp, seller: &User) -> Value {
    let (ticket, order) = create_reserved(app, seller).await;
    deliver(app, 3, &with_status(&order, OrderStatus::Completed)).await;
    let ticket = read(app, &ticket).await;
    assert_eq!(ticket["status"], "sold");
    ticket
}

/// The published event of the listing with the highest version.
pub(crate) async fn last_event(app: &TestApp, ticket: &Value) -> Envelope<Value> {
    let events = app.events("tickets").await;
    let own = events.into_iter().filter(|event| ticket["id"] == event.subject);
    own.max_by_key(|event| event.entityversion).expect("an event")
}
