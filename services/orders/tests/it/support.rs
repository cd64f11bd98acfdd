//! The service under test, events of the other services, and shared test helpers.

use std::time::Duration;

use common::clock::Clock;
use common::events::payment::{PaymentChange, PaymentState, PaymentStatus};
use common::events::show::{ShowState, ShowStatus};
use common::events::ticket::{
    Refusal, RefusalReason, RefusedOrder, Seat, TicketChange, TicketState, TicketStatus, TicketTerms,
};
use common::id::{OrderId, PaymentId, ShowId, TicketId, UserId};
use common::money::Money;
use common::seats::Slot;
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

/// A listing of one seat as `tickets` would publish it.
pub(crate) fn listing(app: &TestApp) -> TicketState {
    listing_of(app, &[1])
}

/// A listing of these blocks. Its seats have the numbers from 14 on.
pub(crate) fn listing_of(app: &TestApp, blocks: &[u8]) -> TicketState {
    let now = app.clock.now();
    let seat = |number: u32| Seat { name: Some(number.to_string()), status: TicketStatus::Available, order_id: None };
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
            blocks: blocks.to_vec().try_into().unwrap(),
        },
        show_id: ShowId::new(),
        show_cancelled: false,
        seller_id: UserId::new(),
        price: usd(12_550),
        price_drop: None,
        face_value: None,
        category: None,
        description: None,
        status: TicketStatus::Available,
        seats: (14..).take(blocks.iter().copied().map(usize::from).sum()).map(seat).collect(),
        refusals: Vec::new(),
        created_at: now,
        updated_at: now,
    }
}

/// Adds a default listing at version 0 to the replica.
pub(crate) async fn create_listing(app: &TestApp) -> TicketState {
    add_listing(app, listing(app)).await
}

/// Adds a listing at version 0 to the replica.
pub(crate) async fn add_listing(app: &TestApp, ticket: TicketState) -> TicketState {
    app.handle(&app.event(TicketChange::Created, ticket.terms.id, 0, ticket.clone())).await.unwrap();
    ticket
}

/// The listing with all seats reserved for an order.
pub(crate) fn reserved(ticket: &TicketState, order: OrderId) -> TicketState {
    reserved_seats(ticket, order, &ticket.terms.blocks.slots())
}

/// The listing with these seats reserved for an order.
pub(crate) fn reserved_seats(ticket: &TicketState, order: OrderId, slots: &[Slot]) -> TicketState {
    let mut ticket = ticket.clone();
    for slot in slots {
        let seat = &mut ticket.seats[usize::from(*slot)];
        (seat.status, seat.order_id) = (TicketStatus::Reserved, Some(order));
    }
    if ticket.status == TicketStatus::Available && ticket.free_slots().is_empty() {
        ticket.status = TicketStatus::Reserved;
    }
    ticket
}

/// The slots of an order.
pub(crate) fn slots_of(order: &Value) -> Vec<Slot> {
    serde_json::from_value(order["slots"].clone()).unwrap()
}

pub(crate) fn with_refusal(ticket: &TicketState, order: OrderId) -> TicketState {
    let refusal = Refusal { reason: RefusalReason::PriceChanged, price: Some(usd(20_000)) };
    TicketState { refusals: vec![RefusedOrder { order_id: order, refusal }], ..ticket.clone() }
}

/// The listing's show as `tickets` would publish it.
pub(crate) fn show(ticket: &TicketState, status: ShowStatus) -> ShowState {
    ShowState {
        id: ticket.show_id,
        title: ticket.terms.title.clone(),
        venue: ticket.terms.venue.clone(),
        city: ticket.terms.city.clone(),
        country: Some("US".to_owned()),
        starts_at: ticket.terms.starts_at,
        ends_at: None,
        time_zone: ticket.terms.time_zone.clone(),
        category: None,
        status,
        cancel_reason: (status == ShowStatus::Cancelled).then(|| "The singer is ill.".to_owned()),
        merged_into: None,
        created_at: ticket.created_at,
        updated_at: ticket.updated_at,
    }
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
        received: None,
        refunded: None,
        disputed: false,
        created_at: time,
        updated_at: time,
    }
}

/// The payment in a status, with the change that leads to it and its version.
pub(crate) fn payment_transition(payment: &PaymentState, status: PaymentStatus) -> (PaymentChange, u64, PaymentState) {
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
    app.request("POST", "/api/orders").as_user(buyer).json(&json!({ "ticketId": ticket.terms.id })).send().await
}

/// Places an order; returns the response's body.
pub(crate) async fn place(app: &TestApp, buyer: &User, ticket: &TicketState) -> Value {
    post(app, buyer, ticket).await.expect(201).json()
}

pub(crate) async fn post_quantity(app: &TestApp, buyer: &User, ticket: &TicketState, quantity: u8) -> Response {
    let body = json!({ "ticketId": ticket.terms.id, "quantity": quantity });
    app.request("POST", "/api/orders").as_user(buyer).json(&body).send().await
}

/// Places an order of this number of seats; returns the response's body.
pub(crate) async fn place_quantity(app: &TestApp, buyer: &User, ticket: &TicketState, quantity: u8) -> Value {
    post_quantity(app, buyer, ticket, quantity).await.expect(201).json()
}

pub(crate) fn id_of(order: &Value) -> OrderId {
    serde_json::from_value(order["id"].clone()).unwrap()
}

pub(crate) fn path(order: &Value) -> String {
    format!("/api/orders/{}", order["id"].as_str().unwrap())
}

/// `tickets` reserves the seats of the order for it, as the first change of the listing.
pub(crate) async fn confirm(app: &TestApp, ticket: &TicketState, order: &Value) {
    let reserved = reserved_seats(ticket, id_of(order), &slots_of(order));
    let event = app.event(TicketChange::Reserved, ticket.terms.id, 1, reserved);
    app.handle(&event).await.unwrap();
}

/// Places an order of this listing and completes it.
pub(crate) async fn complete_order(app: &TestApp, buyer: &User, ticket: &TicketState) -> Value {
    let order = place(app, buyer, ticket).await;
    confirm(app, ticket, &order).await;
    let payment = payment(&order, PaymentStatus::Authorizing);
    for status in [PaymentStatus::Authorized, PaymentStatus::Captured] {
        let (change, version, state) = payment_transition(&payment, status);
        app.handle(&app.event(change, payment.id, version, state)).await.unwrap();
    }
    let order = read(app, buyer, &order).await;
    assert_eq!(order["status"], "completed");
    order
}

pub(crate) async fn read(app: &TestApp, buyer: &User, order: &Value) -> Value {
    app.request("GET", &path(order)).as_user(buyer).send().await.expect(200).json()
}

/// The published changes of an order by version, without snapshots.
pub(crate) async fn changes(app: &TestApp, order: &Value) -> Vec<(String, u64)> {
    app.wait_until_idle().await;
    let mut history = app.history("orders", id_of(order)).await;
    history.retain(|(kind, _)| kind != "order.snapshot.v1");
    // Two events of one order may reach the stream in either order.
    history.sort_by_key(|(_, version)| *version);
    history
}

/// These changes of an order, each at the next version.
pub(crate) fn expected_changes(changes: &[&str]) -> Vec<(String, u64)> {
    changes.iter().zip(0..).map(|(change, version)| (format!("order.{change}.v1"), version)).collect()
}
