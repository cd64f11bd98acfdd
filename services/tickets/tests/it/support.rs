//! The service under test, and what its tests say again and again.

use common::clock::Clock;
use common::events::order::{OrderState, OrderStatus};
use common::id::{OrderId, UserId};
use common::timestamp::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::app::TestApp;
use testkit::app::users::User;

pub(crate) async fn app() -> TestApp {
    TestApp::start(tickets::NAME, tickets::build, &[]).await
}

/// A listing's body that is right in every field.
pub(crate) fn body() -> Value {
    json!({
        "title": "Nina Simone Tribute", "venue": "Town Hall", "city": "New York",
        "startsAt": "2099-06-01T19:30:00Z", "timeZone": "America/New_York",
        "price": { "amount": 12_550, "currency": "USD" }, "seat": "14",
    })
}

/// Lists a ticket; the answer's body.
pub(crate) async fn list(app: &TestApp, seller: &User) -> Value {
    app.request("POST", "/api/tickets").by(seller).json(&body()).send().await.expect(201).json()
}

pub(crate) async fn read(app: &TestApp, id: &Value) -> Value {
    app.request("GET", &format!("/api/tickets/{}", id.as_str().unwrap())).send().await.expect(200).json()
}

/// An order of this listing as orders would create it now.
pub(crate) fn order(app: &TestApp, ticket: &Value) -> OrderState {
    let now = app.clock.now();
    let terms = ["id", "title", "venue", "city", "startsAt", "timeZone", "section", "row", "seat"];
    let terms: serde_json::Map<_, _> = terms.iter().map(|key| ((*key).to_owned(), ticket[*key].clone())).collect();
    OrderState {
        id: OrderId::new(),
        buyer_id: UserId::new(),
        status: OrderStatus::Created,
        cancel_reason: None,
        refusal: None,
        payment_id: None,
        ticket: serde_json::from_value(Value::Object(terms)).unwrap(),
        price: serde_json::from_value(ticket["price"].clone()).unwrap(),
        expires_at: now.plus(Duration::from_secs(900)),
        created_at: now,
        updated_at: now,
    }
}

/// The order in another state.
pub(crate) fn with(order: &OrderState, status: OrderStatus) -> OrderState {
    OrderState { status, updated_at: later(order.updated_at), ..order.clone() }
}

fn later(time: Timestamp) -> Timestamp {
    time.plus(Duration::from_secs(1))
}
