//! Disaster recovery in the steps of docs/operations.md: the databases are restored from a backup, and charges that the
//! provider made since are refunded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::api::orders::{ListOrders, ReadOrder};
use common::api::page::PageQuery;
use common::api::payments::Payment;
use common::api::tickets::ReadListing;
use common::api::users::Refresh;
use common::events::order::{CancelReason, OrderStatus};
use common::events::ticket::TicketStatus;
use common::id::TicketId;
use e2e::exchange::status;
use e2e::invariants;
use e2e::test_fleet::{TestFleet, listing};
use e2e::user_client::UserClient;
use fakestripe::control::{Challenge, ChallengeResult};
use futures::TryStreamExt;
use mongodb::Client;
use mongodb::bson::{Document, doc};
use serde_json::{Value, json};
use testkit::app::users::Signer;
use testkit::fleet::SERVICES;
use testkit::fleet::keys::Keys;
use ticketctl::reports::restore::{
    RestoreCheck, RestoreFinished, RestoreLoaded, RestoreRolledBack, RestoreSettled, RestoreStatus,
};
use ticketctl::reports::{BackupList, BackupTaken};

use crate::operator::Operator;

fn backups(fleet: &TestFleet) -> PathBuf {
    fleet.logs.with_file_name("backups")
}

/// By collection: its documents, and the names of its indexes.
type Dump = BTreeMap<String, (Vec<Document>, Vec<String>)>;

/// All documents of the databases.
async fn dump(client: &Client) -> Dump {
    let mut all = Dump::new();
    for service in SERVICES {
        let database = client.database(service);
        for name in database.list_collection_names().await.unwrap() {
            // Excludes the collections that a restore has replaced, and the collection by which instances share
            // periodic tasks, which changes between two dumps.
            if name.starts_with("replaced.") || name == "turns" {
                continue;
            }
            let collection = database.collection::<Document>(&name);
            let sorted = collection.find(doc! {}).sort(doc! { "_id": 1 }).await.unwrap();
            let mut indexes = collection.list_index_names().await.unwrap();
            indexes.sort();
            all.insert(format!("{service}.{name}"), (sorted.try_collect().await.unwrap(), indexes));
        }
    }
    all
}

/// Fails if a collection differs, and names each that does.
#[track_caller]
fn assert_same(dumped: &Dump, expected: &Dump) {
    assert_eq!(dumped.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    let different: Vec<_> = dumped.iter().filter(|(name, stored)| expected[*name] != **stored).collect();
    let expected: Vec<_> = different.iter().map(|(name, _)| &expected[*name]).collect();
    assert!(different.is_empty(), "{different:#?}\ninstead of\n{expected:#?}");
}

async fn complete_three_d_secure(fleet: &TestFleet, payment: &Payment) {
    let intent = payment.provider_ref.as_deref().unwrap();
    let url = format!("{}/_fake/payment_intents/{intent}/authenticate", fleet.processes.fakestripe().url());
    let challenge = Challenge { outcome: ChallengeResult::Succeed };
    let response = reqwest::Client::new().post(url).json(&challenge).send().await.unwrap();
    assert!(response.status().is_success());
}

/// Copies the backup under a name that sorts first, and truncates one of its files.
fn copy_damaged(backups: &Path, name: &str) {
    let copy = backups.join("0-damaged");
    for entry in std::fs::read_dir(backups.join(name)).unwrap().map(Result::unwrap) {
        if entry.path().is_file() {
            std::fs::create_dir_all(&copy).unwrap();
            std::fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
            continue;
        }
        let to = copy.join(entry.file_name());
        std::fs::create_dir_all(&to).unwrap();
        for file in std::fs::read_dir(entry.path()).unwrap().map(Result::unwrap) {
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
    let users = copy.join("auth/users.bson.gz");
    let whole = std::fs::read(&users).unwrap();
    std::fs::write(&users, &whole[..whole.len() / 2]).unwrap();
}

/// Checks that a restore can be rolled back, also after an interruption while collections were renamed.
async fn check_rollback(operator: &Operator, client: &Client, name: &str) {
    let damaged = dump(client).await;
    let loaded: RestoreLoaded = operator.report(&["restore", "load", "--yes"]).await;
    assert!(loaded.deleted_streams.iter().any(|deleted| deleted.stream == "ticketing-orders"), "{loaded:?}");
    operator.run_rejected(&["restore", "load"], "is not finished").await;
    let rename = async |from: &str, to: &str| {
        let command = doc! { "renameCollection": from, "to": to };
        client.database("admin").run_command(command).await.unwrap();
    };
    rename("tickets.tickets", "tickets.restoring.tickets").await;
    rename("tickets.replaced.tickets", "tickets.tickets").await;
    rename("orders.orders", "orders.restoring.orders").await;
    let rolled_back: RestoreRolledBack = operator.report(&["restore", "rollback", "--yes"]).await;
    assert!(rolled_back.backup.is_some_and(|backup| backup.ends_with(name)));
    assert_same(&dump(client).await, &damaged);
    assert_eq!(operator.report::<RestoreStatus>(&["restore", "status"]).await.stage, "none");
    assert!(operator.run_ok(&["restore", "rollback"]).await.contains("nothing was replaced"));
}

/// Checks that the steps of a restore are rejected out of order, after an interrupted step, and unless confirmed.
async fn check_step_order(operator: &Operator, client: &Client) {
    operator.run_rejected(&["restore", "finish"], "`restore settle` once it is loaded").await;
    let plans = client.database("ticketctl").collection::<Document>("restores");
    let set_stage = async |stage: &str| {
        plans.update_one(doc! {}, doc! { "$set": { "stage": stage } }).await.unwrap();
    };
    set_stage("swapping").await;
    for step in ["settle", "finish"] {
        operator.run_rejected(&["restore", step], "the restore is swapping").await;
    }
    set_stage("ending").await;
    operator.run_rejected(&["restore", "rollback"], "is gone already").await;
    set_stage("settled").await;
    operator.run_unconfirmed(&["restore", "finish"], "documents that the restore has replaced will be deleted").await;
    set_stage("loaded").await;
    operator.run_unconfirmed(&["restore", "rollback"], "replaced documents restored").await;
    operator.run_unconfirmed(&["restore", "delete-streams"], "messages will be deleted").await;
}

/// The announcer and the scan are off: they would change documents between two dumps that must be equal. Holds are short,
/// so that the unpaid one soon expires after the restore.
const SETTINGS: [(&str, &str); 4] =
    [("ANNOUNCE_AFTER", "1h"), ("ANNOUNCE_PER_SECOND", "0"), ("ORDER_TTL", "25s"), ("RECONCILE_AFTER", "1s")];

/// Without a confirmation, a backup that would delete older ones is rejected: it neither deletes nor creates any.
async fn assert_backup_is_not_deleted_unasked(operator: &Operator, name: &str) {
    let rejected = operator.run(&["backup", "--backup-retention-days", "0"]).await;
    assert_eq!(rejected.code, Some(4), "{rejected:?}");
    let question = format!("to be deleted once the new backup is complete: {name}");
    assert!(rejected.stderr.contains(&question), "{rejected:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn restore_recovers_the_backup_and_refunds_later_charges() {
    let fleet = TestFleet::start(&SETTINGS).await.unwrap();
    let operator = Operator::for_fleet(&fleet);
    let client = Client::with_uri_str(fleet.processes.servers().mongodb_url()).await.unwrap();
    let (seller, buyer) = (fleet.sign_up("Mara").await.unwrap(), fleet.sign_up("Ben").await.unwrap());
    let mut tickets = Vec::new();
    for name in ["sold", "for sale", "at the bank", "held"] {
        tickets.push(seller.create_listing(listing(name, 4_500)).await.unwrap());
    }
    let [sold, for_sale, at_bank, held] = tickets.try_into().unwrap();
    let order = async |ticket: TicketId| {
        let order = buyer.create_order(ticket).await.unwrap().id;
        buyer.wait_for_order(order, OrderStatus::AwaitingPayment).await.unwrap();
        order
    };
    let (first, waiting, unpaid) = (order(sold).await, order(at_bank).await, order(held).await);
    assert_eq!(buyer.pay(first, "pm_card_visa").await.unwrap().status, 201);
    buyer.wait_for_order(first, OrderStatus::Completed).await.unwrap();
    let payment = buyer.pay(waiting, "pm_card_threeDSecure2Required").await.unwrap();
    assert_eq!(payment.status, 202);
    invariants::assert_eventually(&fleet).await.unwrap();

    let before = dump(&client).await;
    let taken: BackupTaken = operator.report(&["backup"]).await;
    assert_eq!(taken.summary.fleet, fleet.url());
    let name = std::fs::read_dir(backups(&fleet)).unwrap().next().unwrap().unwrap().file_name().into_string().unwrap();
    let listed: BackupList = operator.report(&["backups"]).await;
    assert_eq!((listed.backups[0].name.as_str(), listed.backups[0].summary.as_ref()), (&*name, Some(&taken.summary)));
    let output = operator.run_ok(&["backups"]).await;
    assert!(output.starts_with(&format!("{name}  {}", taken.summary)), "{output}");
    assert_backup_is_not_deleted_unasked(&operator, &name).await;

    // These changes since the backup are lost: a sale, an order at the 3-D Secure step, and the result of the earlier
    // challenge.
    complete_three_d_secure(&fleet, &payment.body).await;
    buyer.wait_for_order(waiting, OrderStatus::Completed).await.unwrap();
    let later = order(for_sale).await;
    assert_eq!(buyer.pay(later, "pm_card_visa").await.unwrap().status, 201);
    buyer.wait_for_order(later, OrderStatus::Completed).await.unwrap();
    let newest = seller.create_listing(listing("too late", 4_500)).await.unwrap();
    let last = order(newest).await;
    assert_eq!(buyer.pay(last, "pm_card_threeDSecure2Required").await.unwrap().status, 202);

    operator.run_rejected(&["restore", "load"], "expiration, orders, payments, tickets, web; stop").await;
    // The services are stopped, and two databases are lost.
    for service in SERVICES {
        fleet.processes.service(service).unwrap().stop().await.unwrap();
    }
    client.database("orders").drop().await.unwrap();
    client.database("payments").drop().await.unwrap();
    let damaged = dump(&client).await;
    copy_damaged(&backups(&fleet), &name);
    operator.run_rejected(&["restore", "load", "0-damaged"], "auth/users is damaged").await;
    operator.run_rejected(&["restore", "load", "yesterday"], "there is no backup yesterday").await;
    let elsewhere = ["--public-url", "https://elsewhere.example", "restore", "load"];
    operator.run_rejected(&elsewhere, "it belongs to the fleet http://").await;
    let output = operator.run_ok(&["restore", "check"]).await;
    for expected in ["listings: 1 created, 2 changed", "orders: the collection is empty"] {
        assert!(output.contains(expected), "{output}");
    }
    let checked: RestoreCheck = operator.report(&["restore", "check"]).await;
    // The losses are those of accounts, listings, orders and payments, in this order.
    assert_eq!((checked.losses[1].created, checked.losses[1].changed, checked.losses[2].is_empty), (1, 2, true));
    operator.run_unconfirmed(&["restore", "load"], "all databases will be replaced by this backup").await;
    assert_same(&dump(&client).await, &damaged);

    check_rollback(&operator, &client, &name).await;

    // The newest backup is restored. The streams are deleted, since they describe the lost state.
    let loaded = operator.run(&["restore", "load", "--yes"]).await;
    assert!(loaded.code == Some(0) && loaded.stderr.contains(&format!("{name} is whole")), "{loaded:?}");
    assert_eq!(operator.run_ok(&["restore", "status"]).await, "loaded\n");
    check_step_order(&operator, &client).await;
    assert_same(&dump(&client).await, &before);

    // All services except `expiration` start, so that payments are settled before holds expire.
    for service in SERVICES.into_iter().filter(|service| *service != "expiration") {
        fleet.processes.service(service).unwrap().restart().await.unwrap();
    }
    operator.run_unconfirmed(&["restore", "settle"], "charges will be refunded").await;
    assert_eq!(operator.run_ok(&["restore", "status"]).await, "loaded\n");
    let settled = operator.run_ok(&["restore", "settle", "--yes"]).await;
    buyer.wait_for_order(waiting, OrderStatus::Completed).await.unwrap();
    seller.wait_for_ticket(at_bank, TicketStatus::Sold).await.unwrap();

    let orphaned_intent = |outcome: &str| {
        let line =
            settled.lines().find(|line| line.contains(outcome)).unwrap_or_else(|| panic!("{outcome}: {settled}"));
        line.split_whitespace().next().unwrap().to_owned()
    };
    let orphaned_intents = [orphaned_intent("  refunded  "), orphaned_intent("  cancelled  ")];
    assert!(settled.contains("2 charges and authorisations"), "{settled}");
    let again: RestoreSettled = operator.report(&["restore", "settle", "--yes"]).await;
    assert!(again.is_settled && again.settled == 0, "{again:?}");
    assert_eq!(operator.run_ok(&["restore", "status"]).await, "settled\n");

    fleet.processes.service("expiration").unwrap().restart().await.unwrap();
    let finished: RestoreFinished = operator.report(&["restore", "finish", "--yes"]).await;
    assert!(finished.audit.is_some_and(|audit| audit.findings.is_empty()) && finished.restored.is_some());
    for service in SERVICES {
        let names = client.database(service).list_collection_names().await.unwrap();
        assert!(!names.iter().any(|name| name.starts_with("replaced.") || name.starts_with("restoring.")), "{names:?}");
    }
    let ended = buyer.wait_for_order(unpaid, OrderStatus::Cancelled).await.unwrap();
    assert_eq!(ended.cancel_reason, Some(CancelReason::Expired));
    assert_eq!(buyer.send(&ReadOrder { id: later }).await.unwrap_err().status(), Some(404));
    assert_eq!(buyer.send(&ReadListing { id: newest }).await.unwrap_err().status(), Some(404));

    // The fleet works: the listing that was sold after the backup is for sale again.
    let again = order(for_sale).await;
    assert_eq!(buyer.pay(again, "pm_card_visa").await.unwrap().status, 201);
    buyer.wait_for_order(again, OrderStatus::Completed).await.unwrap();
    invariants::assert_eventually_after_restore(&fleet, &orphaned_intents).await.unwrap();
}

/// The signing key of `auth` is rotated: first the other services trust both keys, then `auth` signs with the new one,
/// then the old one is removed.
#[tokio::test(flavor = "multi_thread")]
async fn signing_key_rotation_signs_nobody_out() {
    let fleet = TestFleet::start(&[]).await.unwrap();
    let old = Keys::load_or_create(&fleet.logs.with_file_name("data").join("keys")).unwrap();
    let new = Signer::new();
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap()["keys"].as_array().unwrap().clone();
    let keys = [parse(&old.jwks), parse(&new.jwks)].concat();
    let both = json!({ "keys": keys }).to_string();
    let set_trusted_keys = async |jwks: &str| {
        for service in SERVICES.into_iter().filter(|service| *service != "auth") {
            fleet.processes.service(service).unwrap().restart_with_env(&[("JWKS", jwks)]).await.unwrap();
        }
    };
    let set_signing_keys = async |keys: &str| {
        fleet.processes.service("auth").unwrap().restart_with_env(&[("JWT_PRIVATE_KEYS", keys)]).await.unwrap();
    };
    let buyer = fleet.sign_up("Ben").await.unwrap();
    let list = ListOrders { query: PageQuery::default() };
    let session_status = async |user: &UserClient| status(user.send(&list).await).unwrap();
    set_trusted_keys(&both).await;
    assert_eq!(session_status(&buyer).await, 200);
    set_signing_keys(&format!("{}\n{}", new.pem, old.jwt_private_keys)).await;
    let newcomer = fleet.sign_up("Olu").await.unwrap();
    assert_eq!((session_status(&buyer).await, session_status(&newcomer).await), (200, 200));

    // In production, all access tokens of the old key expire within 15 minutes, before this step. Here they do not.
    set_signing_keys(&new.pem).await;
    set_trusted_keys(&new.jwks).await;
    assert_eq!((session_status(&buyer).await, session_status(&newcomer).await), (401, 200));
    assert_eq!(buyer.send(&Refresh {}).await.unwrap().status, 200);
    assert_eq!(session_status(&buyer).await, 200);
}
