//! Many timers due in one second: how fast two instances publish their events.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use async_nats::jetstream;
use common::aggregate::Versioned;
use common::clock::Clock;
use common::id::OrderId;
use common::timestamp::Timestamp;
use expiration::domain::timer::Timer;
use mongodb::bson::{Document, doc, serialize_to_document};
use mongodb::options::{Acknowledgment, WriteConcern};
use testkit::app::TestApp;

use crate::support::{app_with, order};

const TIMERS: usize = 100_000;
/// Number of documents per insert.
const BATCH: usize = 2_000;
const HOLD: Duration = Duration::from_secs(900);
/// Maximum time until all events are in the stream.
const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn hundred_thousand_timers_due_in_one_second_are_published_within_a_minute() {
    // As in production, except for the size of the stream, which leaves space for other tests.
    let settings = [("TIMER_SWEEP_INTERVAL", "1s"), ("OUTBOX_SWEEP_INTERVAL", "1s"), ("STREAM_MAX_BYTES", "268435456")];
    let app = app_with(&settings).await;
    let other = app.start_second_instance(expiration::build).await;
    let ids = insert_timers(&app, app.clock.now().plus(HOLD)).await;
    let stream = format!("{}-expiration", app.context.config.nats_prefix);
    let stream = jetstream::new(app.context.nats.clone()).get_stream(stream).await.unwrap();
    let began = Instant::now();
    app.clock.advance(HOLD + Duration::from_secs(1));
    loop {
        let published = stream.get_info().await.unwrap().state.messages;
        if published >= TIMERS as u64 {
            break;
        }
        assert!(began.elapsed() < DEADLINE, "{published} of {TIMERS} after {DEADLINE:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    eprintln!("{TIMERS} timers in {:?}", began.elapsed());
    app.wait_until_idle().await;
    let events = app.events("expiration").await;
    assert!(events.iter().all(|event| event.kind == "expiration.completed.v1" && event.entityversion == 1));
    assert_eq!(events.len(), TIMERS, "each is published once");
    assert_eq!(events.into_iter().map(|event| event.subject).collect::<BTreeSet<_>>(), ids);
    drop(other);
}

/// Inserts timers that are all due within the second after `due`, as the event handler would store them. Returns the
/// ids.
async fn insert_timers(app: &TestApp, due: Timestamp) -> BTreeSet<String> {
    let order = order(app, HOLD);
    let timer = Timer::new(order.id, order.expires_at, order.created_at);
    let mut timer = serialize_to_document(&Versioned { version: 0, state: timer }).unwrap();
    timer.insert("outbox", Vec::<Document>::new());
    let concern = WriteConcern::builder().w(Acknowledgment::Nodes(1)).journal(false).build();
    let mut ids = BTreeSet::new();
    for _ in 0..TIMERS / BATCH {
        let mut timers = Vec::with_capacity(BATCH);
        for n in 0..BATCH {
            let id = OrderId::new().to_string();
            let expires_at = due.plus(Duration::from_millis(n as u64 % 1_000)).to_string();
            let mut copy = timer.clone();
            copy.insert("_id", &id);
            copy.get_document_mut("state").unwrap().extend(doc! { "orderId": &id, "expiresAt": expires_at });
            timers.push(copy);
            ids.insert(id);
        }
        let collection = app.context.database.collection::<Document>("timers");
        collection.insert_many(timers).ordered(false).write_concern(concern.clone()).await.unwrap();
    }
    ids
}
