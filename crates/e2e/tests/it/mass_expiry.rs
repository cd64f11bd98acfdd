//! Many holds that end in the same second.

use std::time::{Duration, Instant};

use async_nats::jetstream;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use common::clock::{Clock, SystemClock};
use common::events::order::OrderStatus;
use common::id::{OrderId, TicketId};
use e2e::invariants;
use e2e::test_fleet::{TestFleet, listing};
use futures::StreamExt;
use mongodb::Client;
use mongodb::bson::{Bson, Document, doc};
use serde_json::Value;

const HOLDS: usize = 5_000;
/// How many documents are written at once.
const BATCH: usize = 500;
/// How long it may take until all of them have been released.
const PROMISED: Duration = Duration::from_secs(60);
/// How long everybody may take to learn of them.
const ARRIVAL: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_holds_that_end_in_one_second_are_released_within_a_minute() {
    // An announcement in the middle of the edit below would say the one end where the other is written, or the other
    // way round: expiration would rightly move its timer before the edit does.
    let quiet = [("ORDER_TTL", "1h"), ("ANNOUNCE_PER_SECOND", "0"), ("ANNOUNCE_AFTER", "1h")];
    let fleet = TestFleet::start_two_instances(&quiet).await.unwrap();
    let mongodb = Client::with_uri_str(fleet.processes.servers().mongodb_url()).await.unwrap();
    let count = async |database: &str, collection: &str, filter: Document| {
        let documents = mongodb.database(database).collection::<Document>(collection);
        usize::try_from(documents.count_documents(filter).await.unwrap()).unwrap()
    };
    hold(&fleet, &mongodb).await;
    let began = Instant::now();
    let held = doc! { "state.status": "awaitingPayment" };
    for database in ["tickets", "payments", "expiration"] {
        until(began + ARRIVAL, async || count(database, "replica_order", held.clone()).await == HOLDS).await.unwrap();
    }
    until(began + ARRIVAL, async || unhandled(&fleet).await == 0).await.unwrap();

    // One after the other they would end one after the other.
    let due = SystemClock.now().plus(Duration::from_secs(3));
    let (open, ends) = (doc! { "version": 1 }, doc! { "$set": { "state.expiresAt": due.to_string() } });
    for (database, collection, which) in [
        ("orders", "orders", open.clone()),
        ("expiration", "replica_order", open),
        ("expiration", "timers", doc! { "version": 0 }),
    ] {
        let documents = mongodb.database(database).collection::<Document>(collection);
        let moved = documents.update_many(which, ends.clone()).await.unwrap().matched_count;
        assert_eq!(moved, HOLDS as u64, "{database}.{collection}");
    }
    assert!(SystemClock.now() < due, "the holds ended while they were being prepared");
    tokio::time::sleep(due.since(SystemClock.now())).await;
    let began = Instant::now();
    let released = async || {
        let expired = doc! { "state.status.name": "cancelled", "state.status.reason": "expired" };
        count("orders", "orders", expired).await == HOLDS
            && count("tickets", "tickets", doc! { "state.status.name": "available" }).await == HOLDS
    };
    until(began + PROMISED, released).await.expect("every hold to be released");
    invariants::assert_eventually(&fleet).await.unwrap();
}

/// Waits until the condition holds; an error at the deadline.
async fn until(deadline: Instant, mut condition: impl AsyncFnMut() -> bool) -> Result<(), &'static str> {
    while !condition().await {
        if Instant::now() > deadline {
            return Err("it is too late");
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Ok(())
}

/// How many messages the services have yet to handle.
async fn unhandled(fleet: &TestFleet) -> u64 {
    let nats = async_nats::connect(fleet.processes.servers().nats.url()).await.unwrap();
    let jetstream = jetstream::new(nats);
    let mut streams = jetstream.streams();
    let mut count = 0;
    while let Some(stream) = streams.next().await {
        let stream = jetstream.get_stream(stream.unwrap().config.name).await.unwrap();
        let mut consumers = stream.consumers();
        while let Some(consumer) = consumers.next().await {
            let consumer = consumer.unwrap();
            // Readers like ours have no name that lasts.
            if consumer.config.durable_name.is_some() {
                count += consumer.num_pending + consumer.num_ack_pending as u64;
            }
        }
    }
    count
}

/// One hold is made by the front door, and all others after its likeness: documents with the events
/// in their outboxes, as a crash right before publishing leaves them.
async fn hold(fleet: &TestFleet, mongodb: &Client) {
    let (seller, buyer) = (fleet.token_user().unwrap(), fleet.token_user().unwrap());
    let ticket = seller.create_listing(listing("Night", 1_000)).await.unwrap();
    let order = buyer.create_order(ticket).await.unwrap().id;
    buyer.wait_for_order(order, OrderStatus::AwaitingPayment).await.unwrap();
    let (ticket, order) = (ticket.to_string(), order.to_string());
    let tickets = mongodb.database("tickets").collection::<Document>("tickets");
    let orders = mongodb.database("orders").collection::<Document>("orders");
    let listed = Likeness::of(fleet, &tickets, "tickets", &ticket, 2).await;
    let held = Likeness::of(fleet, &orders, "orders", &order, 2).await;
    let mut pairs = (1..HOLDS).map(|_| (TicketId::new().to_string(), OrderId::new().to_string())).peekable();
    while pairs.peek().is_some() {
        let batch: Vec<_> = pairs.by_ref().take(BATCH).collect();
        for (likeness, collection) in [(&listed, &tickets), (&held, &orders)] {
            let copies = batch
                .iter()
                .map(|(other_ticket, other_order)| likeness.copy(&[(&ticket, other_ticket), (&order, other_order)]));
            collection.insert_many(copies.collect::<Vec<_>>()).await.unwrap();
        }
    }
}

/// A document with the events of its history.
struct Likeness {
    document: Document,
    events: Vec<String>,
}

impl Likeness {
    async fn of(
        fleet: &TestFleet,
        collection: &mongodb::Collection<Document>,
        service: &str,
        id: &str,
        versions: usize,
    ) -> Self {
        let nats = async_nats::connect(fleet.processes.servers().nats.url()).await.unwrap();
        let stream = jetstream::new(nats).get_stream(format!("ticketing-{service}")).await.unwrap();
        let config = pull::OrderedConfig { deliver_policy: DeliverPolicy::All, ..Default::default() };
        let told = stream.create_consumer(config).await.unwrap().messages().await.unwrap();
        let told = told.map(|message| String::from_utf8(message.unwrap().payload.to_vec()).unwrap());
        let events = told.take(versions).collect().await;
        Self { document: collection.find_one(doc! { "_id": id }).await.unwrap().unwrap(), events }
    }

    /// The same with other ids.
    fn copy(&self, ids: &[(&String, &String)]) -> Document {
        let mut document = self.document.clone();
        rename(&mut document, ids);
        let outbox = self.events.iter().map(|event| {
            let event: Value = serde_json::from_str(event).unwrap();
            let (id, kind, time) = (&event["id"], &event["type"], &event["time"]);
            let fresh = OrderId::new().to_string();
            let payload = event.to_string().replace(id.as_str().unwrap(), &fresh);
            let payload = ids.iter().fold(payload, |payload, (one, other)| payload.replace(*one, other));
            Bson::Document(doc! {
                "id": fresh, "type": kind.as_str().unwrap(), "time": time.as_str().unwrap(),
                "payload": payload, "traceparent": Bson::Null,
            })
        });
        document.insert("outbox", outbox.collect::<Vec<_>>());
        document
    }
}

fn rename(document: &mut Document, ids: &[(&String, &String)]) {
    for (_, value) in document.iter_mut() {
        match value {
            Bson::String(text) => {
                if let Some((_, other)) = ids.iter().find(|(one, _)| *one == text) {
                    text.clone_from(other);
                }
            }
            Bson::Document(inner) => rename(inner, ids),
            _ => {}
        }
    }
}
