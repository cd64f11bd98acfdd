//! `ticketctl audit` on streams and the payment provider: it reports each manipulation from outside with the ids of the
//! affected entities, and nothing in a fleet that was not manipulated.

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::message::PublishMessage;
use common::id::OrderId;
use e2e::test_fleet::{TestFleet, listing};
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use serde_json::{Value, json};
use ticketctl::audit::entity::text;
use ticketctl::audit::names::{NO_BACKLOG, ONE_EVENT, OWNED, PROVIDER, REPLICAS, TERMS, TRANSITIONS};
use ticketctl::reports::AuditReport;

use crate::audit::{Found, Sold, audit, found};
use crate::follow;
use crate::operator::Operator;

/// Versions of an order: when it was created, confirmed and completed.
const CREATED: u64 = 0;
const CONFIRMED: u64 = 1;
const COMPLETED: u64 = 3;

/// The change event of an entity at this version.
async fn event(jetstream: &jetstream::Context, stream: &str, id: &str, version: u64) -> Value {
    let stream = jetstream.get_stream(stream).await.unwrap();
    for sequence in 1..=stream.cached_info().state.last_sequence {
        let message = stream.get_raw_message(sequence).await.unwrap();
        let event: Value = serde_json::from_slice(&message.payload).unwrap();
        let is_snapshot = text(&event["type"]).ends_with(".snapshot.v1");
        if event["subject"] == id && event["entityversion"] == version && !is_snapshot {
            return event;
        }
    }
    panic!("{id} has no event of version {version}")
}

/// Publishes an event without a message id, so that the stream does not drop it as a duplicate.
async fn publish(jetstream: &jetstream::Context, event: &Value) {
    let subject = format!("ticketing.{}", text(&event["type"]));
    let message = PublishMessage::build().payload(event.to_string().into());
    jetstream.send_publish(subject, message).await.unwrap().await.unwrap();
}

/// The names of the consumers of all streams.
async fn consumers(jetstream: &jetstream::Context) -> Vec<String> {
    let mut names = Vec::new();
    for source in ["auth", "tickets", "orders", "payments", "expiration"] {
        let stream = jetstream.get_stream(format!("ticketing-{source}")).await.unwrap();
        names.extend(stream.consumers().map_ok(|consumer| consumer.name).try_collect::<Vec<_>>().await.unwrap());
    }
    names
}

/// What an audit finds, except backlogs: the services are stopped, so no consumer handles what a test publishes.
async fn audit_without_backlogs(operator: &Operator) -> Vec<Found> {
    let mut all = audit(operator).await;
    all.retain(|(invariant, ..)| *invariant != NO_BACKLOG.number);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn each_manipulated_stream_is_reported_with_its_ids() {
    let sold = Sold::start().await;
    let Sold { fleet, ticket, order, hold, .. } = &sold;
    let operator = Operator::for_fleet(fleet).with_fakestripe(fleet);
    let jetstream = fleet.jetstream().await.unwrap();
    let before = consumers(&jetstream).await;
    let report: AuditReport = operator.report(&["audit", "--wait", "0"]).await;
    assert_eq!((report.findings.len(), report.unchecked.len()), (0, 0), "{report:?}");
    assert_eq!(consumers(&jetstream).await, before, "the audit leaves no consumer");

    // A repeated event is no violation by itself. Only the backlogs are reported, because the services are stopped.
    let confirmed = event(&jetstream, "ticketing-orders", order, CONFIRMED).await;
    publish(&jetstream, &confirmed).await;
    let stuck = ["expiration", "payments", "tickets", "web"];
    let stuck = stuck.map(|service| found(NO_BACKLOG, service, &[&format!("{service}-order")]));
    assert_eq!(audit(&operator).await, stuck);

    // With another price, this event has two payloads, and the order has terms that no listing was reserved at.
    let mut other = confirmed.clone();
    other["data"]["price"]["amount"] = json!(1);
    publish(&jetstream, &other).await;
    let repeated = found(ONE_EVENT, "orders", &[order, text(&confirmed["id"])]);
    let terms_changed = found(TERMS, "orders", &[order, ticket]);
    assert_eq!(audit_without_backlogs(&operator).await, [repeated.clone(), terms_changed.clone()]);

    // A cancellation of a completed order, with a version that the owner does not have; an event of an order that does
    // not exist.
    let mut cancelled = event(&jetstream, "ticketing-orders", order, COMPLETED).await;
    let mut stray = event(&jetstream, "ticketing-orders", hold, CREATED).await;
    cancelled["id"] = json!(common::id::EventId::new().to_string());
    cancelled["entityversion"] = json!(COMPLETED + 1);
    cancelled["data"]["status"] = json!("cancelled");
    publish(&jetstream, &cancelled).await;
    let id = OrderId::new().to_string();
    stray["id"] = json!(common::id::EventId::new().to_string());
    stray["subject"] = json!(id);
    stray["data"]["id"] = json!(id);
    publish(&jetstream, &stray).await;
    let mut expected = vec![
        repeated,
        found(TRANSITIONS, "orders", &[order]),
        terms_changed,
        found(OWNED, "orders", &[order]),
        found(OWNED, "orders", &[&id]),
    ];
    expected.sort();
    assert_eq!(audit_without_backlogs(&operator).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_event_and_dead_letter_are_reported() {
    let sold = Sold::start().await;
    let Sold { fleet, client, hold, .. } = &sold;
    let operator = Operator::for_fleet(fleet).with_fakestripe(fleet);
    let jetstream = fleet.jetstream().await.unwrap();
    follow::assert_complete(&operator, &sold).await;

    // The owner and all replicas have a newer version than the last published event, as if an event had been lost.
    for (database, collection) in
        [("orders", "orders"), ("payments", "replica_order"), ("tickets", "replica_order"), ("web", "replica_order")]
    {
        let documents = client.database(database).collection::<Document>(collection);
        documents.update_one(doc! { "_id": hold }, doc! { "$inc": { "version": 1_i64 } }).await.unwrap();
    }
    assert_eq!(audit(&operator).await, [found(ONE_EVENT, "orders", &[hold])]);

    let mut headers = async_nats::HeaderMap::new();
    headers.insert("dead-letter-consumer", "web-order");
    headers.insert("dead-letter-reason", "not a known event");
    let subject = "ticketing.dead-letter.web.order";
    jetstream.publish_with_headers(subject, headers, "poison".into()).await.unwrap().await.unwrap();
    let mut expected = vec![found(ONE_EVENT, "orders", &[hold]), found(NO_BACKLOG, "web", &["1"])];
    expected.sort();
    assert_eq!(audit(&operator).await, expected);
    follow::assert_dead_letter_is_shown(&operator, &jetstream, hold).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stray_and_missing_intents_are_reported() {
    let sold = Sold::start().await;
    let Sold { fleet, client, payment, .. } = &sold;
    let operator = Operator::for_fleet(fleet).with_fakestripe(fleet);
    let intents = async || {
        let state = fleet.fakestripe_state().await.unwrap();
        let intents = state["paymentIntents"].as_array().unwrap().iter();
        intents.map(|intent| text(&intent["id"]).to_owned()).collect::<Vec<_>>()
    };
    let recorded = intents().await.remove(0);

    fleet.fakestripe.charge(700).await.unwrap();
    let stray = intents().await.into_iter().find(|intent| *intent != recorded).unwrap();
    assert_eq!(audit(&operator).await, [found(PROVIDER, "payments", &[&stray])]);

    // The payment names an intent that does not exist, so no payment accounts for its real one.
    let payments = client.database("payments").collection::<Document>("payments");
    let update = doc! { "$set": { "state.providerRef": "pi_lost" } };
    payments.update_one(doc! { "_id": payment }, update).await.unwrap();
    let lost: Vec<Found> = [found(REPLICAS, "orders", &[payment]), found(REPLICAS, "web", &[payment])].into();
    let mut expected = [
        lost,
        vec![
            found(PROVIDER, "payments", &[&stray]),
            found(PROVIDER, "payments", &[payment, &recorded]),
            found(PROVIDER, "payments", &[payment, "pi_lost"]),
        ],
    ]
    .concat();
    expected.sort();
    assert_eq!(audit(&operator).await, expected);

    // A key that the provider does not accept is a failure, not a clean report.
    let unauthorized = operator.run(&["audit", "--stripe-key", "sk_test_other"]).await;
    assert_eq!(unauthorized.code, Some(1), "{unauthorized:?}");
    let stderr = &unauthorized.stderr;
    assert!(stderr.contains("401") && !stderr.contains("sk_test_other"), "{unauthorized:?}");
}

/// Two audits with the same credentials use one consumer name. Each waits until the other has read a stream, and both
/// succeed.
#[tokio::test(flavor = "multi_thread")]
async fn audits_at_the_same_time_do_not_disturb_each_other() {
    let fleet = TestFleet::start(&[]).await.unwrap();
    let seller = fleet.token_user().unwrap();
    for number in 0..20 {
        seller.create_listing(listing(&format!("Night {number}"), 2_000)).await.unwrap();
    }
    // The consumer that an audit left when it was killed.
    let jetstream = fleet.jetstream().await.unwrap();
    let stream = jetstream.get_stream("ticketing-tickets").await.unwrap();
    let name = Some("audit".to_owned());
    let inactive_threshold = std::time::Duration::from_secs(3);
    stream.create_consumer(pull::Config { name, inactive_threshold, ..pull::Config::default() }).await.unwrap();
    let operator = Operator::for_fleet(&fleet).with_fakestripe(&fleet);
    let arguments = ["audit", "--wait", "5"];
    let (one, other) = tokio::join!(operator.run_ok(&arguments), operator.run_ok(&arguments));
    for report in [one, other] {
        assert_eq!(report, "the audit passed: 0 orders, 0 payments, 20 shows, 20 tickets, 0 users\n");
    }
}
