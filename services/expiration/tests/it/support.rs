//! The service under test, and shared test helpers.

use std::time::Duration;

use common::aggregate::Versioned;
use common::clock::Clock;
use common::events::order::{OrderChange, OrderState, OrderStatus};
use common::events::ticket::TicketTerms;
use common::id::{OrderId, ShowId, TicketId, UserId};
use common::money::Money;
use common::seats::Blocks;
use common::timestamp::Timestamp;
use expiration::domain::timer::{Status, Timer};
use testkit::app::{TestApp, eventually};

/// An interval so long that no sweep (the search in MongoDB for due timers) happens during a test.
pub(crate) const NO_SWEEP: &str = "1h";

/// The service with its own Redis key prefix and this sweep interval.
pub(crate) async fn app(sweep: &str) -> TestApp {
    app_with(&[("TIMER_SWEEP_INTERVAL", sweep)]).await
}

/// The service with these settings, and by default its own Redis key prefix.
pub(crate) async fn app_with(settings: &[(&str, &str)]) -> TestApp {
    let (redis, prefix) = (testkit::app::redis_url(), format!("t{}", OrderId::new().as_uuid().simple()));
    let mut all = vec![("REDIS_URL", redis.as_str()), ("REDIS_PREFIX", prefix.as_str())];
    all.extend(settings);
    TestApp::start(expiration::NAME, expiration::build, &all).await
}

/// An order whose hold ends after this time.
pub(crate) fn order(app: &TestApp, hold: Duration) -> OrderState {
    let now = app.clock.now();
    let ticket = TicketTerms {
        id: TicketId::new(),
        title: "Nina Simone Tribute".to_owned(),
        venue: "Town Hall".to_owned(),
        city: None,
        starts_at: now.plus(Duration::from_secs(86_400)),
        time_zone: "UTC".to_owned(),
        section: None,
        row: None,
        blocks: Blocks::one_seat(),
    };
    OrderState {
        id: OrderId::new(),
        buyer_id: UserId::new(),
        status: OrderStatus::Created,
        cancel_reason: None,
        refusal: None,
        payment_id: None,
        ticket,
        show_id: ShowId::new(),
        slots: vec![0],
        seats: vec![None],
        unit_price: Money { amount: 12_550, currency: "USD".parse().unwrap() },
        price: Money { amount: 12_550, currency: "USD".parse().unwrap() },
        expires_at: now.plus(hold),
        created_at: now,
        updated_at: now,
    }
}

/// The order with another status.
pub(crate) fn with_status(order: &OrderState, status: OrderStatus) -> OrderState {
    OrderState { status, ..order.clone() }
}

/// Publishes the creation of the order.
pub(crate) async fn publish_created(app: &TestApp, order: &OrderState) {
    app.publish(OrderChange::Created, order.id, 0, order.clone()).await;
}

pub(crate) async fn timer(app: &TestApp, order: &OrderState) -> Option<Versioned<Timer>> {
    app.context.store::<Timer>().get(order.id).await.unwrap()
}

pub(crate) async fn status(app: &TestApp, order: &OrderState) -> Option<Status> {
    timer(app, order).await.map(|timer| timer.status)
}

pub(crate) async fn wait_until_timer_exists(app: &TestApp, order: &OrderState) {
    eventually("the timer to be created", async || timer(app, order).await.is_some()).await;
}

/// Waits until the order's timer has fired and published its event; returns when it fired.
pub(crate) async fn wait_until_fired(app: &TestApp, order: &OrderState) -> Timestamp {
    eventually("the timer to fire", async || matches!(status(app, order).await, Some(Status::Fired { .. }))).await;
    app.wait_until_idle().await;
    assert_eq!(published_events(app, order).await, [("expiration.completed.v1".to_owned(), 1)]);
    let Some(Status::Fired { at }) = status(app, order).await else { panic!("the timer stays fired") };
    at
}

/// The published events of the order's timer, as (type, version).
pub(crate) async fn published_events(app: &TestApp, order: &OrderState) -> Vec<(String, u64)> {
    app.history("expiration", order.id).await
}
