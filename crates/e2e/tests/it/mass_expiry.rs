//! Many holds that expire in the same second.

use std::time::{Duration, Instant};

use async_nats::jetstream;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use common::clock::{Clock, SystemClock};
use common::events::order::{CancelReason, OrderStatus};
use common::events::ticket::TicketStatus;
use common::id::{OrderId, TicketId};
use e2e::backlog::backlog;
use e2e::invariants;
use e2e::test_fleet::{TestFleet, listing};
use futures::StreamExt;
use mongodb::Client;
use mongodb::bson::{Bson, Document, doc};
use serde_json::Value;

const HOLDS: usize = 5_000;
/// Documents per insertion.
const BATCH: usize = 500;
/// How long the release of all holds may take.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the holds may take to reach all services.
const PROPAGATION_TIMEOUT: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread")]
async fn holds_expiring_in_one_second_are_released_within_a_minute() {
    // The announcer and the scan are off: a snapshot during the edit below would carry an expiry that does not match
    // the edited documents, and `expiration` would rightly reschedule the timer.
    let settings = [("ORDER_TTL", "1h"), ("ANNOUNCE_PER_SECOND", "0"), ("ANNOUNCE_AFTER", "1h")];
    let fleet = TestFleet::start_two_instances(&settings).await.unwrap();
    let mongodb = Client::with_uri_str(fleet.processes.servers().mongodb_url()).await.unwrap();
    let count = async |database: &str, collection: &str, filter: Document| {
        let documents = mongodb.database(database).collection::<Document>(collection);
        usize::try_from(documents.count_documents(filter).await.unwrap()).unwrap()
    };
    create_holds(&fleet, &mongodb).await;
    let began = Instant::now();
    let held = doc! { "state.status": OrderStatus::AwaitingPayment.as_ref() };
    for database in ["tickets", "payments"] {
        poll_until(began + PROPAGATION_TIMEOUT, async || count(database, "replica_order", held.clone()).await == HOLDS)
            .await
            .unwrap();
    }
    poll_until(began + PROPAGATION_TIMEOUT, async || backlog(&fleet).await.unwrap() == 0).await.unwrap();

    // The holds were created one after the other; a common expiry makes them end together.
    let due = SystemClock.now().plus(Duration::from_secs(3));
    let set_expiry = doc! { "$set": { "state.expiresAt": due.to_string() } };
    for (database, collection, version) in [("orders", "orders", 1), ("expiration", "timers", 0)] {
        let documents = mongodb.database(database).collection::<Document>(collection);
        let of_version = doc! { "version": version };
        let matched = documents.update_many(of_version, set_expiry.clone()).await.unwrap().matched_count;
        assert_eq!(matched, HOLDS as u64, "{database}.{collection}");
    }
    assert!(SystemClock.now() < due, "the holds expired during their preparation");
    tokio::time::sleep(due.since(SystemClock.now())).await;
    let began = Instant::now();
    let released = async || {
        let expired = doc! { "state.status.name": OrderStatus::Cancelled.as_ref(),
        "state.status.reason": CancelReason::Expired.as_ref() };
        count("orders", "orders", expired).await == HOLDS
            && count("tickets", "tickets", doc! { "state.status.name": TicketStatus::Available.as_ref() }).await
                == HOLDS
    };
    poll_until(began + RELEASE_TIMEOUT, released).await.expect("every hold to be released");
    invariants::assert_eventually(&fleet).await.unwrap();
}

/// Polls until the condition is true. Returns an error at the deadline.
async fn poll_until(deadline: Instant, mut condition: impl AsyncFnMut() -> bool) -> Result<(), &'static str> {
    while !condition().await {
        if Instant::now() > deadline {
            return Err("timed out");
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Ok(())
}

/// Creates one hold through the API and clones all other holds from it: documents with their events in the outbox, as a
/// crash right before publication leaves them.
async fn create_holds(fleet: &TestFleet, mongodb: &Client) {
    let (seller, buyer) = (fleet.token_user().unwrap(), fleet.token_user().unwrap());
    let ticket = seller.create_listing(listing("Night", 1_000)).await.unwrap();
    let order = buyer.create_order(ticket).await.unwrap().id;
    buyer.wait_for_order(order, OrderStatus::AwaitingPayment).await.unwrap();
    let (ticket, order) = (ticket.to_string(), order.to_string());
    let tickets = mongodb.database("tickets").collection::<Document>("tickets");
    let orders = mongodb.database("orders").collection::<Document>("orders");
    let listed = DocumentTemplate::read(fleet, &tickets, "ticket", &ticket, 2).await;
    let held = DocumentTemplate::read(fleet, &orders, "order", &order, 2).await;
    let mut pairs = (1..HOLDS).map(|_| (TicketId::new().to_string(), OrderId::new().to_string())).peekable();
    while pairs.peek().is_some() {
        let batch: Vec<_> = pairs.by_ref().take(BATCH).collect();
        for (template, collection) in [(&listed, &tickets), (&held, &orders)] {
            let copies = batch.iter().map(|(other_ticket, other_order)| {
                template.instantiate(&[(&ticket, other_ticket), (&order, other_order)])
            });
            collection.insert_many(copies.collect::<Vec<_>>()).await.unwrap();
        }
    }
}

/// A document with the events of its history.
struct DocumentTemplate {
    document: Document,
    events: Vec<String>,
}

impl DocumentTemplate {
    async fn read(
        fleet: &TestFleet,
        collection: &mongodb::Collection<Document>,
        entity: &str,
        id: &str,
        versions: usize,
    ) -> Self {
        let nats = async_nats::connect(fleet.processes.servers().nats.url()).await.unwrap();
        let stream = jetstream::new(nats).get_stream(format!("ticketing-{}", collection.name())).await.unwrap();
        // The stream of `tickets` has events of shows, too.
        let filter_subject = format!("ticketing.{entity}.>");
        let config = pull::OrderedConfig { deliver_policy: DeliverPolicy::All, filter_subject, ..Default::default() };
        let messages = stream.create_consumer(config).await.unwrap().messages().await.unwrap();
        let messages = messages.map(|message| String::from_utf8(message.unwrap().payload.to_vec()).unwrap());
        let events = messages.take(versions).collect().await;
        Self { document: collection.find_one(doc! { "_id": id }).await.unwrap().unwrap(), events }
    }

    /// The document with other ids.
    fn instantiate(&self, ids: &[(&String, &String)]) -> Document {
        let mut document = self.document.clone();
        replace_ids(&mut document, ids);
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

fn replace_ids(document: &mut Document, ids: &[(&String, &String)]) {
    for (_, value) in document.iter_mut() {
        replace_id(value, ids);
    }
}

fn replace_id(value: &mut Bson, ids: &[(&String, &String)]) {
    match value {
        Bson::String(text) => {
            if let Some((_, other)) = ids.iter().find(|(one, _)| *one == text) {
                text.clone_from(other);
            }
        }
        Bson::Document(inner) => replace_ids(inner, ids),
        Bson::Array(items) => items.iter_mut().for_each(|item| replace_id(item, ids)),
        _ => {}
    }
}
