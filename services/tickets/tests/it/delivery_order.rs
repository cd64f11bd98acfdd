//! Order events delivered in order, reversed, duplicated, with gaps and to two instances concurrently: the listing
//! always ends in the same state.

use common::events::envelope::Envelope;
use common::events::order::OrderStatus::{Authorized, AwaitingPayment, Cancelled, Completed, Created};
use common::events::order::{OrderChange, OrderState, OrderStatus};
use common::id::OrderId;
use serde_json::{Value, json};
use testkit::app::TestApp;

use crate::support::{
    app, body_with, create_listing, create_listing_with, create_reserved, order, order_event, order_of, read,
    with_status,
};

/// Sequences of an order's statuses, with the expected status of the listing.
const EVENT_SEQUENCES: [(&[OrderStatus], &str); 6] = [
    (&[Created], "reserved"),
    (&[Created, Cancelled], "available"),
    (&[Created, AwaitingPayment, Cancelled], "available"),
    (&[Created, AwaitingPayment, Authorized, Cancelled], "available"),
    (&[Created, AwaitingPayment], "reserved"),
    (&[Created, AwaitingPayment, Authorized, Completed], "sold"),
];

type Event = Envelope<OrderState>;

fn events(app: &TestApp, order: &OrderState, statuses: &[OrderStatus]) -> Vec<Event> {
    let states = statuses.iter().zip(0..);
    states.map(|(status, version)| order_event(app, version, &with_status(order, *status))).collect()
}

/// Deliveries of the same events; each contains the last one.
fn deliveries(events: &[Event]) -> Vec<(&'static str, Vec<Event>)> {
    let once = events.to_vec();
    let reversed: Vec<_> = events.iter().rev().cloned().collect();
    let twice: Vec<_> = events.iter().flat_map(|event| [event.clone(), event.clone()]).collect();
    let repeated: Vec<_> = once.iter().chain(&once).cloned().collect();
    let last: Vec<_> = events.last().cloned().into_iter().collect();
    let late_first: Vec<_> = events[1..].iter().chain(&events[..1]).cloned().collect();
    vec![
        ("in order", once),
        ("reversed", reversed),
        ("each twice", twice),
        ("all twice", repeated),
        ("only the last", last),
        ("the first event last", late_first),
    ]
}

/// A listing after all deliveries, and its expected state.
struct Expectation {
    name: String,
    ticket: Value,
    expected: &'static str,
    holder: OrderId,
}

impl Expectation {
    async fn check(name: String, app: &TestApp, ticket: Value, expected: &'static str, holder: OrderId) -> Self {
        let ticket = read(app, &ticket).await;
        assert_eq!(ticket["status"], expected, "{name}");
        Self { name, ticket, expected, holder }
    }
}

/// Asserts that the stream has one event for each version of each listing, and matches the database.
async fn assert_published(app: &TestApp, expectations: &[Expectation]) {
    app.wait_until_idle().await;
    let events = app.events("tickets").await;
    for Expectation { name, ticket, expected, holder } in expectations {
        let mut mine: Vec<_> = events.iter().filter(|event| ticket["id"] == event.subject).collect();
        mine.sort_by_key(|event| event.entityversion);
        let versions: Vec<_> = mine.iter().map(|event| event.entityversion).collect();
        assert_eq!(versions, (0..=ticket["version"].as_u64().unwrap()).collect::<Vec<_>>(), "{name}");
        let newest = &mine.last().unwrap().data;
        assert_eq!(newest["status"], *expected, "{name}");
        let holds = if *expected == "available" { Value::Null } else { json!(holder) };
        assert_eq!((&newest["seats"][0]["orderId"], &newest["refusals"]), (&holds, &json!([])), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_order_in_any_delivery_order() {
    let app = app().await;
    let seller = app.signer.user();
    let mut expectations = Vec::new();
    for (statuses, expected) in EVENT_SEQUENCES {
        // The orders service publishes AwaitingPayment only after the listing has been reserved.
        let was_reserved = statuses.contains(&AwaitingPayment);
        for delivery in 0..6 {
            let (ticket, order) = if was_reserved {
                create_reserved(&app, &seller).await
            } else {
                let ticket = create_listing(&app, &seller).await;
                let order = order(&app, &ticket);
                (ticket, order)
            };
            let (name, delivered) = deliveries(&events(&app, &order, statuses)).swap_remove(delivery);
            for event in &delivered {
                app.handle(event).await.expect("handled");
            }
            expectations
                .push(Expectation::check(format!("{statuses:?} {name}"), &app, ticket, expected, order.id).await);
        }
    }
    assert_published(&app, &expectations).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_orders_of_one_listing_in_any_delivery_order() {
    let app = app().await;
    let seller = app.signer.user();
    let mut expectations = Vec::new();
    for (statuses, expected) in EVENT_SEQUENCES {
        for delivery in 0..6 {
            let ticket = create_listing(&app, &seller).await;
            let first = order(&app, &ticket);
            // The second order can only be created after the first was cancelled.
            let second = OrderState { id: OrderId::new(), ..first.clone() };
            let (name, first_events) = deliveries(&events(&app, &first, &[Created, Cancelled])).swap_remove(delivery);
            let second_created = events(&app, &second, &[Created]);
            // Deliver the creation of the second order halfway through the events of the first, and again after them.
            for (place, event) in first_events.iter().enumerate() {
                if place == first_events.len() / 2 {
                    app.handle(&second_created[0]).await.expect("handled");
                }
                app.handle(event).await.expect("handled");
            }
            app.handle(&second_created[0]).await.expect("handled");
            assert_eq!(read(&app, &ticket).await["status"], "reserved", "{name}, before {statuses:?}");
            for event in events(&app, &second, statuses).iter().rev() {
                app.handle(event).await.expect("handled");
            }
            for event in &first_events {
                app.handle(event).await.expect("handled");
            }
            expectations.push(
                Expectation::check(format!("{name}, then {statuses:?}"), &app, ticket, expected, second.id).await,
            );
        }
    }
    assert_published(&app, &expectations).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_of_different_seats_in_any_delivery_order() {
    let app = app().await;
    let seller = app.signer.user();
    let mut body = body_with("quantity", json!(2));
    body["split"] = json!("any");
    for delivery in 0..6 {
        let ticket = create_listing_with(&app, &seller, &body).await;
        let [cancelled, sold] = [&[0], &[1]].map(|slots| order_of(&app, &ticket, slots));
        let ends = [
            events(&app, &cancelled, &[Created, AwaitingPayment, Cancelled]),
            events(&app, &sold, &[Created, AwaitingPayment, Authorized, Completed]),
        ];
        // The later events exist only because both orders were reserved.
        for events in &ends {
            app.handle(&events[0]).await.expect("handled");
        }
        let [(name, first), (_, second)] = ends.map(|events| deliveries(&events).swap_remove(delivery));
        for event in first.iter().zip(&second).flat_map(|(one, other)| [one, other]) {
            app.handle(event).await.expect("handled");
        }
        for event in first.iter().chain(&second) {
            app.handle(event).await.expect("handled");
        }
        let after = read(&app, &ticket).await;
        let seats = json!([{ "name": null, "status": "available" }, { "name": null, "status": "sold" }]);
        assert_eq!((&after["seats"], &after["status"]), (&seats, &json!("available")), "{name}");
        assert_eq!(after["version"], 4, "{name}: each transition was made once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_concurrently() {
    let app = app().await;
    let other = app.start_second_instance(tickets::build).await;
    let seller = app.signer.user();
    let mut expectations = Vec::new();
    for (statuses, expected) in EVENT_SEQUENCES {
        let was_reserved = statuses.contains(&AwaitingPayment);
        let (ticket, order) = if was_reserved {
            create_reserved(&app, &seller).await
        } else {
            let ticket = create_listing(&app, &seller).await;
            let order = order(&app, &ticket);
            (ticket, order)
        };
        let events = events(&app, &order, statuses);
        // All events are delivered to both instances concurrently, twice.
        let everywhere = [&app, &other, &app, &other];
        let all = everywhere.iter().flat_map(|app| events.iter().map(move |event| app.handle(event)));
        for handled in futures::future::join_all(all).await {
            handled.expect("handled");
        }
        expectations.push(Expectation::check(format!("{statuses:?}"), &app, ticket, expected, order.id).await);
    }
    assert_published(&app, &expectations).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_share_the_stream() {
    let app = app().await;
    let other = app.start_second_instance(tickets::build).await;
    let seller = app.signer.user();
    let mut orders = Vec::new();
    for n in 0..40 {
        let ticket = create_listing(&app, &seller).await;
        let order = order(&app, &ticket);
        orders.push((ticket, order, if n % 2 == 0 { Cancelled } else { Completed }));
    }
    for (_, order, _) in &orders {
        app.publish(OrderChange::Created, order.id, 0, order.clone()).await;
    }
    app.wait_until_idle().await;
    for (_, order, end) in &orders {
        app.publish(OrderChange::Snapshot, order.id, 1, with_status(order, *end)).await;
    }
    app.wait_until_idle().await;
    for (ticket, _, end) in &orders {
        let expected = if *end == Cancelled { "available" } else { "sold" };
        assert_eq!(read(&other, ticket).await["status"], expected);
        assert_eq!(read(&app, ticket).await["version"], 2, "each transition was made once");
    }
}
