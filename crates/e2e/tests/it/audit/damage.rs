//! `ticketctl audit` finds damage that it could overlook: dropped collections, malformed documents, sales that never
//! end, and a violation of one invariant among many of another.

use std::collections::BTreeSet;

use common::id::PaymentId;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use testkit::fleet::SERVICES;
use ticketctl::audit::checks;
use ticketctl::audit::names::{LEDGER, PAID_ONCE, REPLICAS, WELL_FORMED};
use ticketctl::reports::AuditReport;

use super::{Sold, audit, found};

/// The audit knows every collection with replicas, so it reports each replica of a dropped collection as missing.
#[tokio::test(flavor = "multi_thread")]
async fn dropped_replicas_are_reported() {
    let sold = Sold::start().await;
    let mut existing = BTreeSet::new();
    for service in SERVICES {
        let collections = sold.client.database(service).list_collection_names().await.unwrap();
        let replicas = collections.into_iter().filter(|collection| collection.starts_with("replica_"));
        existing.extend(replicas.map(|collection| (service.to_owned(), collection)));
    }
    let expected = checks::replica_collections(&sold.client).await.unwrap();
    let expected = expected.into_iter().map(|replica| (replica.database.to_owned(), replica.collection));
    assert_eq!(existing, expected.collect());

    sold.client.database("tickets").collection::<Document>("replica_order").drop().await.unwrap();
    let mut expected = [found(REPLICAS, "tickets", &[&sold.order]), found(REPLICAS, "tickets", &[&sold.hold])];
    expected.sort();
    assert_eq!(audit(&sold.operator).await, expected);
}

/// A malformed document is a finding. It does not end the audit, which still finds everything else.
#[tokio::test(flavor = "multi_thread")]
async fn malformed_documents_are_findings_like_others() {
    let sold = Sold::start().await;
    let payments = sold.client.database("payments").collection::<Document>("payments");
    let id = ObjectId::new();
    payments.insert_one(doc! { "_id": id, "state": {} }).await.unwrap();
    let ledger = doc! { "$inc": { "state.ledger.0.debit": 1_i64 } };
    payments.update_one(doc! { "_id": &sold.payment }, ledger).await.unwrap();
    let version = doc! { "$set": { "version": "one" } };
    // The other checks skip the malformed replica, so the replica also counts as missing.
    let mut expected = [
        found(WELL_FORMED, "payments", &[&format!("{{\"$oid\":\"{id}\"}}")]),
        found(WELL_FORMED, "web", &[&sold.order]),
        found(REPLICAS, "web", &[&sold.order]),
        found(LEDGER, "payments", &[&sold.payment]),
    ];
    expected.sort();
    assert_eq!(sold.audit_with(("web", "replica_order"), &sold.order, version).await, expected);
}

/// An order and its payment agree with each other, but nothing will ever complete them.
#[tokio::test(flavor = "multi_thread")]
async fn unfinished_sales_are_reported() {
    let sold = Sold::start().await;
    let payments = sold.client.database("payments").collection::<Document>("payments");
    let mut stuck = payments.find_one(doc! { "_id": &sold.payment }).await.unwrap().unwrap();
    let id = PaymentId::new().to_string();
    stuck.insert("_id", &id);
    let state = stuck.get_document_mut("state").unwrap();
    state.insert("id", &id);
    state.insert("orderId", &sold.hold);
    state.insert("status", doc! { "name": "authorized" });
    state.insert("ledger", Vec::<Document>::new());
    state.insert("updatedAt", "2026-01-01T00:00:00.000Z");
    payments.insert_one(&stuck).await.unwrap();
    let status = doc! { "name": "authorized", "paymentId": &id };
    let authorized = doc! { "$set": { "state.status": status, "state.updatedAt": "2026-01-01T00:00:00.000Z" } };
    let replicas =
        [("orders", &id), ("payments", &sold.hold), ("tickets", &sold.hold), ("web", &id), ("web", &sold.hold)];
    let mut expected: Vec<_> = replicas.into_iter().map(|(database, id)| found(REPLICAS, database, &[id])).collect();
    expected.extend([found(PAID_ONCE, "orders", &[&sold.hold]), found(PAID_ONCE, "payments", &[&id, &sold.hold])]);
    expected.sort();
    assert_eq!(sold.audit_with(("orders", "orders"), &sold.hold, authorized).await, expected);
}

/// Many violations of one invariant do not hide those of another; those beyond the maximum are only counted. The
/// cursors have no time-out, because MongoDB would close one that is idle while other collections are read.
#[tokio::test(flavor = "multi_thread")]
async fn each_invariant_has_its_share_of_the_findings() {
    let sold = Sold::start().await;
    let orders = sold.client.database("orders");
    orders.run_command(doc! { "profile": 2 }).await.unwrap();
    let replicas = sold.client.database("web").collection::<Document>("replica_ticket");
    let changed = replicas.update_many(doc! {}, doc! { "$inc": { "version": 1_i64 } }).await.unwrap();
    assert_eq!(changed.modified_count, 2);
    let payments = sold.client.database("payments").collection::<Document>("payments");
    payments.update_one(doc! {}, doc! { "$inc": { "state.ledger.0.debit": 1_i64 } }).await.unwrap();
    let arguments = ["--output", "json", "audit", "--wait", "0", "--max-findings", "1"];
    let finished = sold.operator.run(&arguments).await;
    assert_eq!(finished.code, Some(3), "{finished:?}");
    let report: AuditReport = serde_json::from_str(&finished.stdout).unwrap();
    let invariants: BTreeSet<_> = report.findings.iter().map(|finding| finding.invariant).collect();
    assert_eq!(
        (invariants, report.findings.len(), report.unlisted),
        (BTreeSet::from([REPLICAS.number, LEDGER.number]), 2, 1)
    );

    let profile = orders.collection::<Document>("system.profile");
    let cursors = doc! { "appName": "ticketctl", "command.find": "orders" };
    let all = profile.count_documents(cursors.clone()).await.unwrap();
    let mut without_timeout = cursors;
    without_timeout.insert("command.noCursorTimeout", true);
    assert!(all > 0);
    assert_eq!(profile.count_documents(without_timeout).await.unwrap(), all);
}

/// If no suspect could be rechecked, the audit does not pass: it reads everything again from the primary, and then fails.
#[tokio::test(flavor = "multi_thread")]
async fn suspects_beyond_the_maximum_do_not_pass_unseen() {
    let sold = Sold::start().await;
    let payments = sold.client.database("payments").collection::<Document>("payments");
    payments.update_one(doc! {}, doc! { "$inc": { "state.ledger.0.debit": 1_i64 } }).await.unwrap();
    let finished = sold.operator.run(&["audit", "--wait", "0", "--max-findings", "0"]).await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("auditing again, on the primary"), "{finished:?}");
    assert!(finished.stderr.contains("run the audit again"), "{finished:?}");
}
