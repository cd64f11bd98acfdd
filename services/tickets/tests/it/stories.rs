//! One harness over the subscription table: each story of orders told in order, backwards, twice,
//! with gaps, by two instances at once; it always ends in the same state.

use common::events::envelope::Envelope;
use common::events::order::OrderStatus::{Authorized, AwaitingPayment, Cancelled, Completed, Created};
use common::events::order::{OrderChange, OrderState, OrderStatus};
use common::id::OrderId;
use serde_json::{Value, json};
use testkit::app::TestApp;

use crate::support::{app, list, order, read, reserved, told, with};

const STORIES: [(&[OrderStatus], &str); 6] = [
    (&[Created], "reserved"),
    (&[Created, Cancelled], "available"),
    (&[Created, AwaitingPayment, Cancelled], "available"),
    (&[Created, AwaitingPayment, Authorized, Cancelled], "available"),
    (&[Created, AwaitingPayment], "reserved"),
    (&[Created, AwaitingPayment, Authorized, Completed], "sold"),
];

type Event = Envelope<OrderState>;

fn events(app: &TestApp, order: &OrderState, story: &[OrderStatus]) -> Vec<Event> {
    let states = story.iter().zip(0..);
    states.map(|(status, version)| told(app, version, &with(order, *status))).collect()
}

/// Ways for the same events to arrive; each has the last one in it.
fn deliveries(events: &[Event]) -> Vec<(&'static str, Vec<Event>)> {
    let once = events.to_vec();
    let backwards: Vec<_> = events.iter().rev().cloned().collect();
    let twice: Vec<_> = events.iter().flat_map(|event| [event.clone(), event.clone()]).collect();
    let again: Vec<_> = once.iter().chain(&once).cloned().collect();
    let last: Vec<_> = events.last().cloned().into_iter().collect();
    let late_first: Vec<_> = events[1..].iter().chain(&events[..1]).cloned().collect();
    vec![
        ("in order", once),
        ("backwards", backwards),
        ("each twice", twice),
        ("all again", again),
        ("the last alone", last),
        ("the first last", late_first),
    ]
}

/// A listing whose story is over, and what must have come of it.
struct Told {
    what: String,
    ticket: Value,
    expected: &'static str,
    holder: OrderId,
}

impl Told {
    async fn check(what: String, app: &TestApp, ticket: Value, expected: &'static str, holder: OrderId) -> Self {
        let ticket = read(app, &ticket).await;
        assert_eq!(ticket["status"], expected, "{what}");
        Self { what, ticket, expected, holder }
    }
}

/// The stream tells of each listing what the database has, with one event for each version.
async fn settled(app: &TestApp, told: &[Told]) {
    app.wait_until_idle().await;
    let events = app.events("tickets").await;
    for Told { what, ticket, expected, holder } in told {
        let mut mine: Vec<_> = events.iter().filter(|event| ticket["id"] == event.subject).collect();
        mine.sort_by_key(|event| event.entityversion);
        let versions: Vec<_> = mine.iter().map(|event| event.entityversion).collect();
        assert_eq!(versions, (0..=ticket["version"].as_u64().unwrap()).collect::<Vec<_>>(), "{what}");
        let newest = &mine.last().unwrap().data;
        assert_eq!(newest["status"], *expected, "{what}");
        let holds = if *expected == "available" { Value::Null } else { json!(holder) };
        assert_eq!((&newest["orderId"], &newest["refusals"]), (&holds, &json!([])), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_order_however_its_events_arrive() {
    let app = app().await;
    let seller = app.signer.user();
    let mut told = Vec::new();
    for (story, expected) in STORIES {
        // By then the listing has been reserved for it: so orders would not tell it otherwise.
        let was_reserved = story.contains(&AwaitingPayment);
        for way in 0..6 {
            let (ticket, order) = if was_reserved {
                reserved(&app, &seller).await
            } else {
                let ticket = list(&app, &seller).await;
                let order = order(&app, &ticket);
                (ticket, order)
            };
            let (name, delivery) = deliveries(&events(&app, &order, story)).swap_remove(way);
            for event in &delivery {
                app.handle(event).await.expect("handled");
            }
            told.push(Told::check(format!("{story:?} {name}"), &app, ticket, expected, order.id).await);
        }
    }
    settled(&app, &told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_orders_of_one_listing_however_their_events_arrive() {
    let app = app().await;
    let seller = app.signer.user();
    let mut told = Vec::new();
    for (story, expected) in STORIES {
        for first_ways in 0..6 {
            let ticket = list(&app, &seller).await;
            let first = order(&app, &ticket);
            // The second can only have been made after the first was closed.
            let second = OrderState { id: OrderId::new(), ..first.clone() };
            let (name, gone) = deliveries(&events(&app, &first, &[Created, Cancelled])).swap_remove(first_ways);
            let made = events(&app, &second, &[Created]);
            // The second's beginning before, between and after what is told of the first.
            for (place, event) in gone.iter().enumerate() {
                if place == gone.len() / 2 {
                    app.handle(&made[0]).await.expect("handled");
                }
                app.handle(event).await.expect("handled");
            }
            app.handle(&made[0]).await.expect("handled");
            assert_eq!(read(&app, &ticket).await["status"], "reserved", "{name}, before {story:?}");
            for event in events(&app, &second, story).iter().rev() {
                app.handle(event).await.expect("handled");
            }
            for event in &gone {
                app.handle(event).await.expect("handled");
            }
            told.push(Told::check(format!("{name}, then {story:?}"), &app, ticket, expected, second.id).await);
        }
    }
    settled(&app, &told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_at_once() {
    let app = app().await;
    let other = app.start_second_instance(tickets::build).await;
    let seller = app.signer.user();
    let mut told = Vec::new();
    for (story, expected) in STORIES {
        let was_reserved = story.contains(&AwaitingPayment);
        let (ticket, order) = if was_reserved {
            reserved(&app, &seller).await
        } else {
            let ticket = list(&app, &seller).await;
            let order = order(&app, &ticket);
            (ticket, order)
        };
        let events = events(&app, &order, story);
        // Everything, everywhere, all at once.
        let everywhere = [&app, &other, &app, &other];
        let all = everywhere.iter().flat_map(|app| events.iter().map(move |event| app.handle(event)));
        for handled in futures::future::join_all(all).await {
            handled.expect("handled");
        }
        told.push(Told::check(format!("{story:?}"), &app, ticket, expected, order.id).await);
    }
    settled(&app, &told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_share_the_stream() {
    let app = app().await;
    let other = app.start_second_instance(tickets::build).await;
    let seller = app.signer.user();
    let mut told = Vec::new();
    for n in 0..40 {
        let ticket = list(&app, &seller).await;
        let order = order(&app, &ticket);
        told.push((ticket, order, if n % 2 == 0 { Cancelled } else { Completed }));
    }
    for (_, order, _) in &told {
        app.publish(OrderChange::Created, order.id, 0, order.clone()).await;
    }
    app.wait_until_idle().await;
    for (_, order, end) in &told {
        app.publish(OrderChange::Snapshot, order.id, 1, with(order, *end)).await;
    }
    app.wait_until_idle().await;
    for (ticket, _, end) in &told {
        let expected = if *end == Cancelled { "available" } else { "sold" };
        assert_eq!(read(&other, ticket).await["status"], expected);
        assert_eq!(read(&app, ticket).await["version"], 2, "each step was made once");
    }
}
