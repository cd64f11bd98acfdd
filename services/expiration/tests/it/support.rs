//! The service under test, and what its tests say again and again.

use std::time::Duration;

use common::aggregate::Versioned;
use common::clock::Clock;
use common::events::order::{OrderChange, OrderState, OrderStatus};
use common::events::ticket::TicketTerms;
use common::id::{OrderId, TicketId, UserId};
use common::money::Money;
use common::timestamp::Timestamp;
use expiration::domain::timer::{Status, Timer};
use testkit::app::{TestApp, eventually};

/// Long enough for a test never to see the sweep.
pub(crate) const NEVER: &str = "1h";

/// The service with an own place in Redis, sweeping at this interval.
pub(crate) async fn app(sweep: &str) -> TestApp {
    with(&[("TIMER_SWEEP_INTERVAL", sweep)]).await
}

/// The service with these settings, and an own place in Redis unless they name another.
pub(crate) async fn with(settings: &[(&str, &str)]) -> TestApp {
    let (redis, prefix) = (testkit::app::redis_url(), format!("t{}", OrderId::new().as_uuid().simple()));
    let mut all = vec![("REDIS_URL", redis.as_str()), ("REDIS_PREFIX", prefix.as_str())];
    all.extend(settings);
    TestApp::start(expiration::NAME, expiration::build, &all).await
}

/// An order whose hold ends this long from now.
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
        seat: None,
    };
    OrderState {
        id: OrderId::new(),
        buyer_id: UserId::new(),
        status: OrderStatus::Created,
        cancel_reason: None,
        refusal: None,
        payment_id: None,
        ticket,
        price: Money { amount: 12_550, currency: "USD".parse().unwrap() },
        expires_at: now.plus(hold),
        created_at: now,
        updated_at: now,
    }
}

/// The order in another state.
pub(crate) fn turned(order: &OrderState, status: OrderStatus) -> OrderState {
    OrderState { status, ..order.clone() }
}

/// orders publishes the order as created.
pub(crate) async fn created(app: &TestApp, order: &OrderState) {
    app.publish(OrderChange::Created, order.id, 0, order.clone()).await;
}

pub(crate) async fn timer(app: &TestApp, order: &OrderState) -> Option<Versioned<Timer>> {
    app.context.store::<Timer>().get(order.id).await.unwrap()
}

pub(crate) async fn status(app: &TestApp, order: &OrderState) -> Option<Status> {
    timer(app, order).await.map(|timer| timer.status)
}

/// Waits until the order's timer has been set.
pub(crate) async fn is_set(app: &TestApp, order: &OrderState) {
    eventually("the timer to be set", async || timer(app, order).await.is_some()).await;
}

/// Waits until the order's timer has fired and told so; when it fired.
pub(crate) async fn fires(app: &TestApp, order: &OrderState) -> Timestamp {
    eventually("the timer to fire", async || matches!(status(app, order).await, Some(Status::Fired { .. }))).await;
    app.wait_until_idle().await;
    assert_eq!(told(app, order).await, [("expiration.completed.v1".to_owned(), 1)]);
    let Some(Status::Fired { at }) = status(app, order).await else { panic!("it stays fired") };
    at
}

/// What was published of the order's timer, as (type, version).
pub(crate) async fn told(app: &TestApp, order: &OrderState) -> Vec<(String, u64)> {
    app.history("expiration", order.id).await
}
