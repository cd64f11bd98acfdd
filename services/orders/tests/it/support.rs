//! The service under test, its neighbours' events, and what its tests say again and again.

use std::time::Duration;

use common::clock::Clock;
use common::events::payment::{PaymentChange, PaymentState, PaymentStatus};
use common::events::ticket::{
    Refusal, RefusalReason, RefusedOrder, TicketChange, TicketState, TicketStatus, TicketTerms,
};
use common::id::{OrderId, PaymentId, TicketId, UserId};
use common::money::Money;
use serde_json::{Value, json};
use testkit::app::TestApp;
use testkit::app::request::Response;
use testkit::app::users::{Signer, User};

pub(crate) async fn app() -> TestApp {
    app_with(&[]).await
}

pub(crate) async fn app_with(settings: &[(&str, &str)]) -> TestApp {
    let key = Signer::new().pem;
    let mut all = vec![("PASS_PRIVATE_KEYS", key.as_str())];
    all.extend(settings);
    TestApp::start(orders::NAME, orders::build, &all).await
}

pub(crate) fn usd(amount: i64) -> Money {
    Money { amount, currency: "USD".parse().unwrap() }
}

/// A listing as tickets would tell of it.
pub(crate) fn listing(app: &TestApp) -> TicketState {
    let now = app.clock.now();
    TicketState {
        terms: TicketTerms {
            id: TicketId::new(),
            title: "Nina Simone Tribute".to_owned(),
            venue: "Town Hall".to_owned(),
            city: Some("New York".to_owned()),
            starts_at: now.plus(Duration::from_secs(30 * 86_400)),
            time_zone: "America/New_York".to_owned(),
            section: None,
            row: None,
            seat: Some("14".to_owned()),
        },
        seller_id: UserId::new(),
        price: usd(12_550),
        price_drop: None,
        face_value: None,
        category: None,
        description: None,
        status: TicketStatus::Available,
        order_id: None,
        refusals: Vec::new(),
        created_at: now,
        updated_at: now,
    }
}

/// A listing that the service knows, at version 0.
pub(crate) async fn known(app: &TestApp) -> TicketState {
    know(app, listing(app)).await
}

/// Makes a listing known, at version 0.
pub(crate) async fn know(app: &TestApp, ticket: TicketState) -> TicketState {
    app.handle(&app.event(TicketChange::Created, ticket.terms.id, 0, ticket.clone())).await.unwrap();
    ticket
}

pub(crate) fn reserved(ticket: &TicketState, order: OrderId) -> TicketState {
    TicketState { status: TicketStatus::Reserved, order_id: Some(order), ..ticket.clone() }
}

pub(crate) fn refusing(ticket: &TicketState, order: OrderId) -> TicketState {
    let refusal = Refusal { reason: RefusalReason::PriceChanged, price: Some(usd(20_000)) };
    TicketState { refusals: vec![RefusedOrder { order_id: order, refusal }], ..ticket.clone() }
}

/// A payment of the order's price.
pub(crate) fn payment(order: &Value, status: PaymentStatus) -> PaymentState {
    let time = serde_json::from_value(order["createdAt"].clone()).unwrap();
    PaymentState {
        id: PaymentId::new(),
        order_id: id_of(order),
        buyer_id: serde_json::from_value(order["buyerId"].clone()).unwrap(),
        status,
        amount: serde_json::from_value(order["price"].clone()).unwrap(),
        provider: "stripe".to_owned(),
        provider_ref: Some("pi_1".to_owned()),
        decline_reason: None,
        authorized_at: None,
        refunded: None,
        disputed: false,
        created_at: time,
        updated_at: time,
    }
}

/// The payment at its next status, with the change that leads there and its version.
pub(crate) fn step(payment: &PaymentState, status: PaymentStatus) -> (PaymentChange, u64, PaymentState) {
    let (change, version) = match status {
        PaymentStatus::Authorizing => (PaymentChange::Started, 0),
        PaymentStatus::RequiresAction => (PaymentChange::ActionRequired, 1),
        PaymentStatus::Authorized => (PaymentChange::Authorized, 1),
        PaymentStatus::Declined => (PaymentChange::Declined, 1),
        PaymentStatus::Captured => (PaymentChange::Captured, 2),
        PaymentStatus::Failed => (PaymentChange::Failed, 2),
        PaymentStatus::Voided => (PaymentChange::Voided, 2),
    };
    (change, version, PaymentState { status, ..payment.clone() })
}

pub(crate) async fn post(app: &TestApp, buyer: &User, ticket: &TicketState) -> Response {
    app.request("POST", "/api/orders").by(buyer).json(&json!({ "ticketId": ticket.terms.id })).send().await
}

/// Places an order; the answer's body.
pub(crate) async fn place(app: &TestApp, buyer: &User, ticket: &TicketState) -> Value {
    post(app, buyer, ticket).await.expect(201).json()
}

pub(crate) fn id_of(order: &Value) -> OrderId {
    serde_json::from_value(order["id"].clone()).unwrap()
}

pub(crate) fn path(order: &Value) -> String {
    format!("/api/orders/{}", order["id"].as_str().unwrap())
}

pub(crate) async fn read(app: &TestApp, buyer: &User, order: &Value) -> Value {
    app.request("GET", &path(order)).by(buyer).send().await.expect(200).json()
}

/// What has happened to an order, oldest first, without announcements.
pub(crate) async fn changes(app: &TestApp, order: &Value) -> Vec<(String, u64)> {
    app.wait_until_idle().await;
    let mut history = app.history("orders", id_of(order)).await;
    history.retain(|(kind, _)| kind != "order.snapshot.v1");
    // Two events of one order may reach the stream in either order; the version tells.
    history.sort_by_key(|(_, version)| *version);
    history
}

/// The changes of an order that went this way, each at the next version.
pub(crate) fn way(changes: &[&str]) -> Vec<(String, u64)> {
    changes.iter().zip(0..).map(|(change, version)| (format!("order.{change}.v1"), version)).collect()
}
