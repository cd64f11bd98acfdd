//! Starts the service under test; shared fixtures and assertions.

use std::time::Duration;

use common::clock::Clock;
use common::events::order::{OrderState, OrderStatus};
use common::events::payment::{PaymentState, PaymentStatus};
use common::events::show::{ShowChange, ShowState, ShowStatus};
use common::events::ticket::{Seat, TicketChange, TicketState, TicketStatus, TicketTerms};
use common::events::user::{UserChange, UserState};
use common::id::{OrderId, PaymentId, ShowId, TicketId, UserId};
use common::money::Money;
use common::seats::{Blocks, Slot};
use serde_json::Value;
use testkit::app::TestApp;
use testkit::app::request::Response;

/// A URL for the other services: nothing listens on port 1.
pub(crate) const UNREACHABLE_URL: &str = "http://127.0.0.1:1";

/// The service, with all other services unreachable.
pub(crate) async fn app() -> TestApp {
    with_settings(&[]).await
}

/// The service, with auth at this URL.
pub(crate) async fn with_auth(url: &str) -> TestApp {
    with_settings(&[("AUTH_URL", url)]).await
}

/// The service with these settings. By default the other services are unreachable.
pub(crate) async fn with_settings(settings: &[(&str, &str)]) -> TestApp {
    let mut all = vec![
        ("AUTH_URL", UNREACHABLE_URL),
        ("TICKETS_URL", UNREACHABLE_URL),
        ("ORDERS_URL", UNREACHABLE_URL),
        ("STRIPE_PUBLISHABLE_KEY", "pk_test_x"),
    ];
    all.retain(|(name, _)| settings.iter().all(|(other, _)| other != name));
    all.extend(settings);
    TestApp::start(web::NAME, web::build, &all).await
}

/// Requests a page as a guest.
pub(crate) async fn page(app: &TestApp, path: &str) -> String {
    app.request("GET", path).send().await.expect(200).text()
}

/// Asserts that the page contains all of these.
#[track_caller]
pub(crate) fn assert_contains(html: &str, parts: &[&str]) {
    for part in parts {
        assert!(html.contains(part), "{part} is not in {html}");
    }
}

/// Asserts that the response is a complete page with its security headers.
#[track_caller]
pub(crate) fn assert_page(response: &Response) {
    assert_eq!(response.header("content-type"), "text/html; charset=utf-8");
    assert!(response.text().contains("</html>"), "{}", response.text());
    let policy = response.header("content-security-policy");
    assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(response.header("cache-control"), "no-store");
    assert_eq!(response.header("x-content-type-options"), "nosniff");
}

/// A user with this name.
pub(crate) fn user(app: &TestApp, id: UserId, name: &str) -> UserState {
    UserState { id, display_name: name.to_owned(), created_at: app.clock.now() }
}

/// Publishes the event that a user with this name has signed up.
pub(crate) async fn publish_user(app: &TestApp, id: UserId, name: &str) {
    app.publish(UserChange::Registered, id, 0, user(app, id, name)).await;
}

/// A listing that is for sale; the event starts in a day and `minutes`.
pub(crate) fn listing(app: &TestApp, title: &str, minutes: u64) -> TicketState {
    let now = app.clock.now();
    TicketState {
        terms: TicketTerms {
            id: TicketId::new(),
            title: title.to_owned(),
            venue: "Town Hall".to_owned(),
            city: Some("New York".to_owned()),
            starts_at: now.plus(Duration::from_secs(86_400 + minutes * 60)),
            time_zone: "America/New_York".to_owned(),
            section: None,
            row: None,
            blocks: Blocks::one_seat(),
        },
        show_id: ShowId::new(),
        show_cancelled: false,
        seller_id: UserId::new(),
        price: Money { amount: 12_550, currency: "USD".parse().unwrap() },
        price_drop: None,
        face_value: None,
        category: None,
        description: None,
        status: TicketStatus::Available,
        seats: vec![Seat { name: Some("14".to_owned()), status: TicketStatus::Available, order_id: None }],
        refusals: Vec::new(),
        created_at: now,
        updated_at: now,
    }
}

/// The listing with seats 12 to 17 in pairs.
pub(crate) fn in_pairs(ticket: TicketState) -> TicketState {
    let seat = |n: u8| Seat { name: Some(n.to_string()), status: TicketStatus::Available, order_id: None };
    let terms = TicketTerms { blocks: vec![2, 2, 2].try_into().unwrap(), ..ticket.terms };
    TicketState { terms, seats: (12..18).map(seat).collect(), ..ticket }
}

/// Gives these seats of a listing to an order, with this status, which also becomes the listing's if it is that of all.
pub(crate) fn give(ticket: &mut TicketState, order: OrderId, slots: &[Slot], status: TicketStatus) {
    for slot in slots {
        let seat = &mut ticket.seats[usize::from(*slot)];
        (seat.status, seat.order_id) = (status, (status != TicketStatus::Available).then_some(order));
    }
    let has = |status| ticket.seats.iter().any(|seat| seat.status == status);
    ticket.status = [TicketStatus::Available, TicketStatus::Reserved, TicketStatus::Sold]
        .into_iter()
        .find(|status| has(*status))
        .unwrap();
}

/// The order as the orders service shows it, at version 0.
pub(crate) fn order_json(order: &OrderState) -> Value {
    let mut view = serde_json::to_value(order).unwrap();
    (view["version"], view["quantity"]) = (0.into(), order.slots.len().into());
    view
}

/// The show that a listing is the first ticket of.
pub(crate) fn show_of(ticket: &TicketState) -> ShowState {
    let terms = &ticket.terms;
    ShowState {
        id: ticket.show_id,
        title: terms.title.clone(),
        venue: terms.venue.clone(),
        city: terms.city.clone(),
        country: None,
        starts_at: terms.starts_at,
        ends_at: None,
        time_zone: terms.time_zone.clone(),
        category: ticket.category,
        status: ShowStatus::Scheduled,
        cancel_reason: None,
        merged_into: None,
        created_at: ticket.created_at,
        updated_at: ticket.created_at,
    }
}

/// Publishes the event that the show was created.
pub(crate) async fn publish_show(app: &TestApp, show: &ShowState) {
    app.publish(ShowChange::Created, show.id, 0, show.clone()).await;
}

/// Publishes the events that the listing and its show were created.
pub(crate) async fn publish_listing(app: &TestApp, ticket: &TicketState) {
    publish_show(app, &show_of(ticket)).await;
    app.publish(TicketChange::Created, ticket.terms.id, 0, ticket.clone()).await;
}

/// The path of a show's page.
pub(crate) fn show_path(show: &ShowState) -> String {
    format!("/shows/{}-{}", common::api::shows::slug(&show.title, show.city.as_deref()), show.id)
}

/// The path of a listing's page.
pub(crate) fn path(ticket: &TicketState) -> String {
    format!("/tickets/{}", ticket.terms.id)
}

/// An order of all seats of this listing.
pub(crate) fn order(app: &TestApp, ticket: &TicketState, buyer_id: UserId, status: OrderStatus) -> OrderState {
    let now = app.clock.now();
    OrderState {
        id: OrderId::new(),
        buyer_id,
        status,
        cancel_reason: None,
        refusal: None,
        payment_id: None,
        ticket: ticket.terms.clone(),
        show_id: ticket.show_id,
        slots: ticket.terms.blocks.slots(),
        seats: ticket.seats.iter().map(|seat| seat.name.clone()).collect(),
        unit_price: ticket.price.clone(),
        price: ticket.price.times(ticket.seats.len()).unwrap(),
        expires_at: now.plus(Duration::from_secs(900)),
        created_at: now,
        updated_at: now,
    }
}

/// A payment for this order.
pub(crate) fn payment(app: &TestApp, order: &OrderState, status: PaymentStatus) -> PaymentState {
    let now = app.clock.now();
    PaymentState {
        id: PaymentId::new(),
        order_id: order.id,
        buyer_id: order.buyer_id,
        status,
        amount: order.price.clone(),
        provider: "stripe".to_owned(),
        provider_ref: None,
        decline_reason: None,
        authorized_at: matches!(
            status,
            PaymentStatus::Authorized | PaymentStatus::Captured | PaymentStatus::Failed | PaymentStatus::Voided
        )
        .then_some(now),
        received: None,
        refunded: None,
        disputed: false,
        created_at: now,
        updated_at: now,
    }
}
