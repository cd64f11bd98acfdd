//! `ticketctl audit` on databases: it reports each write from outside with the ids of the entities that became wrong.
//! It does not report differences that are only due to reading the databases at different moments.

mod damage;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use common::events::order::OrderStatus;
use common::id::{OrderId, PaymentId};
use e2e::invariants;
use e2e::test_fleet::{TestFleet, listing};
use mongodb::Client;
use mongodb::bson::{Document, doc};
use testkit::fleet::SERVICES;
use ticketctl::audit::indexes::DECLARED;
use ticketctl::audit::names::{
    HELD_ONCE, HOLD_EXPIRY, Invariant, LEDGER, ONE_EVENT, PAID_ONCE, REPLICAS, SOLD_ONCE, TICKET_STATUS, UNIQUE_INDEXES,
};
use ticketctl::reports::AuditReport;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::operator::Operator;

/// The number of the invariant, the database and the ids of a finding.
pub(crate) type Found = (u8, String, Vec<String>);

pub(crate) fn found(invariant: Invariant, database: &str, ids: &[&str]) -> Found {
    (invariant.number, database.to_owned(), ids.iter().map(ToString::to_string).collect())
}

/// Runs an audit and returns its findings, sorted.
pub(crate) async fn audit(operator: &Operator) -> Vec<Found> {
    let finished = operator.run(&["--output", "json", "audit", "--wait", "0"]).await;
    let report: AuditReport = serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{finished:?}"));
    assert_eq!(finished.code, Some(if report.findings.is_empty() { 0 } else { 3 }), "{finished:?}");
    let mut all: Vec<_> =
        report.findings.into_iter().map(|found| (found.invariant, found.database, found.ids)).collect();
    all.sort();
    all
}

/// A fleet with a sale and an unpaid hold, whose services are stopped so that they repair nothing.
pub(crate) struct Sold {
    /// Kept because its servers end when it is dropped.
    pub(crate) fleet: TestFleet,
    /// An operator who has only the URL of the databases, so its audits skip the streams and the provider.
    operator: Operator,
    pub(crate) client: Client,
    pub(crate) ticket: String,
    pub(crate) order: String,
    pub(crate) payment: String,
    /// The id of the unpaid order.
    pub(crate) hold: String,
    seller: String,
}

impl Sold {
    pub(crate) async fn start() -> Self {
        // Nothing is announced while the services stop one after the other, so no message is published to a stopped
        // one.
        let settings = [("ANNOUNCE_AFTER", "1h"), ("ANNOUNCE_PER_SECOND", "0"), ("ORDER_TTL", "1h")];
        let fleet = TestFleet::start(&settings).await.unwrap();
        let (seller, buyer) = (fleet.sign_up("Mara").await.unwrap(), fleet.token_user().unwrap());
        let ticket = seller.create_listing(listing("Tosca", 4_500)).await.unwrap();
        let order = buyer.create_order(ticket).await.unwrap().id;
        let payment = buyer.pay(order, "pm_card_visa").await.unwrap().body.id;
        buyer.wait_for_order(order, OrderStatus::Completed).await.unwrap();
        let held = seller.create_listing(listing("Carmen", 4_500)).await.unwrap();
        let hold = buyer.create_order(held).await.unwrap().id;
        buyer.wait_for_order(hold, OrderStatus::AwaitingPayment).await.unwrap();
        invariants::assert_eventually(&fleet).await.unwrap();
        for service in SERVICES {
            fleet.processes.service(service).unwrap().stop().await.unwrap();
        }
        let client = Client::with_uri_str(fleet.processes.servers().mongodb_url()).await.unwrap();
        let users = client.database("auth").collection::<Document>("users");
        let seller = users.find_one(doc! {}).await.unwrap().unwrap().get_str("_id").unwrap().to_owned();
        let (ticket, order, payment) = (ticket.to_string(), order.to_string(), payment.to_string());
        let (operator, hold) = (Operator::for_databases(&fleet), hold.to_string());
        Self { fleet, operator, client, ticket, order, payment, hold, seller }
    }

    /// Applies an update to a document, audits, and restores the document.
    async fn audit_with(&self, (database, collection): (&str, &str), id: &str, update: Document) -> Vec<Found> {
        let documents = self.client.database(database).collection::<Document>(collection);
        let before = documents.find_one(doc! { "_id": id }).await.unwrap().unwrap();
        assert_eq!(documents.update_one(doc! { "_id": id }, update).await.unwrap().modified_count, 1);
        let found = audit(&self.operator).await;
        documents.replace_one(doc! { "_id": id }, before).await.unwrap();
        found
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_corruption_is_reported_with_its_ids() {
    let sold = Sold::start().await;
    let Sold { ticket, order, payment, hold, seller, .. } = &sold;
    // The audit lists the checks for which it lacks a URL or a key.
    let report = sold.operator.run_ok(&["audit"]).await;
    let lines: Vec<_> = report.lines().collect();
    let expected = [
        "the audit passed: 2 orders, 1 payments, 2 shows, 2 tickets, 1 users",
        "not checked: 8 one-event in the streams, without NATS_URL",
        "not checked: 11 transitions in the streams, without NATS_URL",
        "not checked: 13 terms in the streams, without NATS_URL",
        "not checked: 14 no-backlog in the streams, without NATS_URL",
        "not checked: 16 owned in the streams, without NATS_URL",
        "not checked: 12 provider, without STRIPE_KEY",
    ];
    assert_eq!(lines, expected);

    // Each change affects only a replica, or a field that one check reads: one finding each.
    let outbox = doc! { "$push": { "outbox": { "id": "e", "time": "2026-01-01T00:00:00.000Z" } } };
    let ledger = doc! { "$inc": { "state.ledger.0.debit": 1_i64 } };
    let free = doc! { "$inc": { "state.status.free": 1 } };
    for (collection, id, update, (invariant, database)) in [
        (("web", "replica_ticket"), ticket, doc! { "$inc": { "state.price.amount": 1_i64 } }, (REPLICAS, "web")),
        (("web", "replica_user"), seller, doc! { "$set": { "state.displayName": "Eve" } }, (REPLICAS, "web")),
        (("tickets", "replica_order"), order, doc! { "$inc": { "version": 1_i64 } }, (REPLICAS, "tickets")),
        (("payments", "replica_order"), hold, doc! { "$inc": { "version": -1_i64 } }, (REPLICAS, "payments")),
        (("tickets", "tickets"), ticket, free, (TICKET_STATUS, "tickets")),
        (("orders", "orders"), order, outbox, (ONE_EVENT, "orders")),
        (("payments", "payments"), payment, ledger, (LEDGER, "payments")),
    ] {
        let expected = found(invariant, database, &[id]);
        assert_eq!(sold.audit_with(collection, id, update).await, [expected], "{collection:?}");
    }

    // A change of an owned entity also makes its replicas differ from it.
    let seat = doc! { "name": null, "status": "available", "orderId": null };
    let available = doc! { "$set": { "state.status": { "name": "available", "free": 1, "quantities": [1] }, "state.seats": [seat] } };
    let expected = [
        found(TICKET_STATUS, "tickets", &[ticket, order]),
        found(REPLICAS, "orders", &[ticket]),
        found(REPLICAS, "web", &[ticket]),
    ];
    assert_eq!(sold.audit_with(("tickets", "tickets"), ticket, available).await, expected);
    let voided = doc! { "$set": { "state.status": { "name": "voided" } } };
    let expected = [
        found(PAID_ONCE, "orders", &[order]),
        found(REPLICAS, "orders", &[payment]),
        found(REPLICAS, "web", &[payment]),
        found(LEDGER, "payments", &[payment]),
    ];
    assert_eq!(sold.audit_with(("payments", "payments"), payment, voided).await, expected);
    let overdue = doc! { "$set": { "state.expiresAt": "2026-01-01T00:00:00.000Z" } };
    let replicas = ["payments", "tickets", "web"].map(|database| found(REPLICAS, database, &[hold]));
    let expected = [vec![found(HOLD_EXPIRY, "orders", &[hold])], replicas.to_vec()].concat();
    assert_eq!(sold.audit_with(("orders", "orders"), hold, overdue).await, expected);

    // A payment of which no service has a replica, and whose order does not exist.
    let payments = sold.client.database("payments").collection::<Document>("payments");
    let mut stray = payments.find_one(doc! {}).await.unwrap().unwrap();
    let (id, order_id) = (PaymentId::new().to_string(), OrderId::new().to_string());
    stray.insert("_id", &id);
    stray.remove("idempotency");
    let state = stray.get_document_mut("state").unwrap();
    state.insert("id", &id);
    state.insert("orderId", &order_id);
    payments.insert_one(&stray).await.unwrap();
    let expected = [
        found(PAID_ONCE, "payments", &[&id, &order_id]),
        found(REPLICAS, "orders", &[&id]),
        found(REPLICAS, "web", &[&id]),
    ];
    assert_eq!(audit(&sold.operator).await, expected);
    payments.delete_one(doc! { "_id": &id }).await.unwrap();
    assert_eq!(audit(&sold.operator).await, Vec::<Found>::new());
}

/// Only without the unique index can a ticket have two completed orders. The audit reports both the missing index and
/// the orders, although its queries can't use the index any more.
#[tokio::test(flavor = "multi_thread")]
async fn dropped_unique_index_is_reported() {
    let sold = Sold::start().await;
    let mut unique = BTreeSet::new();
    for service in SERVICES {
        let database = sold.client.database(service);
        for collection in database.list_collection_names().await.unwrap() {
            let mut indexes = database.collection::<Document>(&collection).list_indexes().await.unwrap();
            while indexes.advance().await.unwrap() {
                let index = indexes.deserialize_current().unwrap();
                let options = index.options.unwrap();
                if options.unique == Some(true) {
                    let fields: Vec<_> = index.keys.keys().cloned().collect();
                    unique.insert((service.to_owned(), collection.clone(), options.name.unwrap(), fields));
                }
            }
        }
    }
    let declared = DECLARED.map(|index| {
        let fields: Vec<_> = index.fields.iter().map(ToString::to_string).collect();
        (index.database.to_owned(), index.collection.to_owned(), index.name.to_owned(), fields)
    });
    assert_eq!(unique, BTreeSet::from(declared), "the audit knows every unique index");

    let orders = sold.client.database("orders").collection::<Document>("orders");
    orders.drop_index("open_seats_v1").await.unwrap();
    assert_eq!(audit(&sold.operator).await, [found(UNIQUE_INDEXES, "orders", &["open_seats_v1"])]);
    let mut second = orders.find_one(doc! { "_id": &sold.order }).await.unwrap().unwrap();
    let id = OrderId::new().to_string();
    second.insert("_id", &id);
    second.remove("idempotency");
    second.get_document_mut("state").unwrap().insert("id", &id);
    orders.insert_one(second).await.unwrap();
    let replicas = ["payments", "tickets", "web"].map(|database| found(REPLICAS, database, &[&id]));
    let expected = [
        found(UNIQUE_INDEXES, "orders", &["open_seats_v1"]),
        found(HELD_ONCE, "orders", &[&sold.ticket, &sold.order, &id]),
        found(SOLD_ONCE, "orders", &[&sold.ticket, &sold.order, &id]),
        found(PAID_ONCE, "orders", &[&id]),
    ];
    let all: BTreeSet<_> = audit(&sold.operator).await.into_iter().collect();
    assert_eq!(all, expected.into_iter().chain(replicas).collect());
}

/// A violation that a recheck does not find was only due to reading the databases at different moments.
#[tokio::test(flavor = "multi_thread")]
async fn change_before_the_recheck_is_no_violation() {
    let sold = Sold::start().await;
    let replicas = sold.client.database("web").collection::<Document>("replica_ticket");
    let id = doc! { "_id": &sold.ticket };
    let change = async |by: i64| {
        let update = doc! { "$inc": { "version": by } };
        assert_eq!(replicas.update_one(id.clone(), update).await.unwrap().modified_count, 1);
    };
    change(-1).await;
    let mut running = sold.operator.start(&["audit", "--wait", "30"]);
    let mut progress = BufReader::new(running.stderr.take().unwrap()).lines();
    let line = progress.next_line().await.unwrap();
    assert_eq!(line.as_deref(), Some("apparent violations: 1; rechecking them for 30 s"));
    change(1).await;
    let mut report = String::new();
    running.stdout.take().unwrap().read_to_string(&mut report).await.unwrap();
    assert!(report.starts_with("the audit passed: "), "{report}");
    assert_eq!(running.wait().await.unwrap().code(), Some(0));

    // A violation is confirmed only if the recheck finds exactly the same one.
    change(-1).await;
    let mut running = sold.operator.start(&["audit", "--wait", "30"]);
    let mut progress = BufReader::new(running.stderr.take().unwrap()).lines();
    progress.next_line().await.unwrap().unwrap();
    change(2).await;
    assert_eq!(running.wait().await.unwrap().code(), Some(0));
    change(-1).await;
    assert_eq!(audit(&sold.operator).await, Vec::<Found>::new());

    // An unreachable server is a failure, and a command needs only the servers that it uses.
    let unreachable = ["--mongodb-url", "mongodb://127.0.0.1:1"];
    assert_eq!(sold.operator.run(&[&unreachable[..], &["audit"]].concat()).await.code, Some(1));
    let operator = Operator::for_fleet(&sold.fleet);
    assert_eq!(operator.run(&[&unreachable[..], &["dead-letters", "list"]].concat()).await.code, Some(0));
    assert_eq!(sold.operator.run(&["audit", "--nats-url", "nats://127.0.0.1:1"]).await.code, Some(1));
    assert_eq!(sold.operator.run(&["audit", "--output", "xml"]).await.code, Some(2));
}

/// With `--every`, the audit repeats and serves its results as metrics.
#[tokio::test(flavor = "multi_thread")]
async fn repeated_audit_serves_metrics() {
    let sold = Sold::start().await;
    let arguments = ["audit", "--every", "1s", "--wait", "0", "--metrics-bind", "127.0.0.1:0"];
    let mut running = sold.operator.start(&arguments);
    let mut progress = BufReader::new(running.stderr.take().unwrap()).lines();
    let line = progress.next_line().await.unwrap().unwrap();
    let url = line.strip_prefix("metrics are served at ").unwrap().to_owned();
    let wait_for_line = async |expected: &str| {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let text = reqwest::get(&url).await.unwrap().text().await.unwrap();
            if text.lines().any(|line| line == expected) {
                return;
            }
            assert!(Instant::now() < deadline, "{expected} is not in\n{text}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    wait_for_line("audit_violations{invariant=\"12 ledger\"} 0").await;
    let payments = sold.client.database("payments").collection::<Document>("payments");
    let add = async |amount: i64| {
        payments.update_one(doc! {}, doc! { "$inc": { "state.ledger.0.debit": amount } }).await.unwrap();
    };
    add(1).await;
    wait_for_line("audit_violations{invariant=\"12 ledger\"} 1").await;
    wait_for_line("audit_unlisted_findings 0").await;
    add(-1).await;
    wait_for_line("audit_violations{invariant=\"12 ledger\"} 0").await;
    let pid = nix::unistd::Pid::from_raw(running.id().unwrap().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(running.wait().await.unwrap().code(), Some(0));
}

/// Documents per insert.
const BATCH: usize = 5_000;

/// Fills the databases with copies of the sale, each with its replicas.
async fn multiply(sold: &Sold, orders: usize) {
    let mut jobs = Vec::new();
    for service in SERVICES {
        let database = sold.client.database(service);
        for collection in database.list_collection_names().await.unwrap() {
            for (entity, id) in [("ticket", &sold.ticket), ("order", &sold.order), ("payment", &sold.payment)] {
                if collection == format!("{entity}s") || collection == format!("replica_{entity}") {
                    jobs.push((database.collection::<Document>(&collection), id.clone()));
                }
            }
        }
    }
    // The ids of a copied sale's entities end in the number of the copy, as twelve hexadecimal digits.
    let renamed = |text: &str, number: usize| {
        let mut text = text.to_owned();
        for id in [&sold.ticket, &sold.order, &sold.payment] {
            text = text.replace(id.as_str(), &format!("{}{number:012x}", &id[..id.len() - 12]));
        }
        text
    };
    for (collection, id) in jobs {
        let mut original = collection.find_one(doc! { "_id": &id }).await.unwrap().unwrap();
        original.remove("idempotency");
        let text = serde_json::to_string(&original).unwrap();
        for first in (0..orders).step_by(BATCH) {
            let copy = |number| serde_json::from_str::<Document>(&renamed(&text, number)).unwrap();
            let batch: Vec<_> = (first..orders.min(first + BATCH)).map(copy).collect();
            collection.insert_many(batch).ordered(false).await.unwrap();
        }
    }
}

/// Audits this many copies of a sale. Returns the duration and the peak of the resident memory in bytes.
async fn audit_many(orders: usize) -> (Duration, u64) {
    let sold = Sold::start().await;
    multiply(&sold, orders).await;
    let began = Instant::now();
    let mut running = sold.operator.start(&["audit", "--wait", "0"]);
    let mut stdout = running.stdout.take().unwrap();
    let status = format!("/proc/{}/status", running.id().unwrap());
    let mut peak = 0;
    while running.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|text| text.parse::<u64>().ok());
        peak = peak.max(kilobytes.unwrap_or(0) * 1024);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let elapsed = began.elapsed();
    let mut report = String::new();
    stdout.read_to_string(&mut report).await.unwrap();
    let sales = orders + 1;
    let passed =
        format!("the audit passed: {} orders, {sales} payments, 2 shows, {} tickets, 1 users\n", sales + 1, sales + 1);
    assert!(report.starts_with(&passed), "{report}");
    (elapsed, peak)
}

/// Half of the memory that the Deployment of the audit may use.
const MAX_MEMORY: u64 = 128 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_bounded() {
    let (_, peak) = audit_many(60_000).await;
    assert!(peak > 0 && peak < MAX_MEMORY, "{} MB", peak >> 20);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes twelve million documents"]
async fn million_orders_take_less_than_ten_minutes() {
    let (elapsed, peak) = audit_many(1_000_000).await;
    assert!(elapsed < Duration::from_secs(600), "{elapsed:?}");
    assert!(peak > 0 && peak < MAX_MEMORY, "{} MB", peak >> 20);
}
