//! The worst night: the databases are lost, brought back as they were at the backup, and what happened at the
//! card network since then is found and given back. As docs/operations.md says, in its order.

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
use e2e::user_client::UserClient;
use e2e::test_fleet::{TestFleet, listing};
use futures::TryStreamExt;
use mongodb::Client;
use mongodb::bson::{Document, doc};
use serde_json::{Value, json};
use testkit::app::users::Signer;
use testkit::fleet::SERVICES;
use testkit::fleet::keys::Keys;
use testkit::fleet::options::sibling_binaries_dir;
use tokio::process::Command;

/// `ticketctl`, told of one fleet.
struct Ticketctl(Vec<(&'static str, String)>);

impl Ticketctl {
    fn of(fleet: &TestFleet) -> Self {
        let admin = SERVICES.map(|service| format!("{service}={}", fleet.processes.service(service).unwrap().admin_url()));
        Self(vec![
            ("MONGODB_URL", fleet.processes.servers().mongodb_url()),
            ("NATS_URL", fleet.processes.servers().nats.url()),
            ("PUBLIC_URL", fleet.url()),
            ("ADMIN_URLS", admin.join(",")),
            ("BACKUP_DIR", backups(fleet).display().to_string()),
        ])
    }

    async fn tries(&self, arguments: &[&str]) -> (bool, String) {
        let program = sibling_binaries_dir().join("ticketctl");
        assert!(program.is_file(), "{} is not built", program.display());
        let mut command = Command::new(program);
        command.args(arguments).envs(self.0.iter().cloned()).env_remove("NATS_PREFIX").kill_on_drop(true);
        let output = command.output().await.unwrap();
        (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    }

    async fn runs(&self, arguments: &[&str]) -> String {
        let (is_done, said) = self.run(arguments).await;
        assert!(is_done, "{arguments:?}: {said}");
        said
    }

    /// Refused for this reason, without any change.
    async fn is_refused(&self, arguments: &[&str], reason: &str) {
        let (is_done, said) = self.run(arguments).await;
        assert!(!is_done && said.contains(reason) && said.contains("nothing was changed"), "{arguments:?}: {said}");
    }
}

fn backups(fleet: &TestFleet) -> PathBuf {
    fleet.logs.with_file_name("backups")
}

/// All that the databases hold, with the names of their indexes.
async fn all(client: &Client) -> BTreeMap<String, (Vec<Document>, Vec<String>)> {
    let mut all = BTreeMap::new();
    for service in SERVICES {
        let database = client.database(service);
        for name in database.list_collection_names().await.unwrap() {
            // What a restore keeps beside them.
            if name.starts_with("replaced.") {
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

async fn authenticates(fleet: &TestFleet, payment: &Payment) {
    let intent = payment.provider_ref.as_deref().unwrap();
    let url = format!("{}/_fake/payment_intents/{intent}/authenticate", fleet.processes.fakestripe().url());
    let answer = reqwest::Client::new().post(url).json(&json!({ "outcome": "succeed" })).send().await.unwrap();
    assert!(answer.status().is_success());
}

/// A copy of the backup, older than all others, of which the end of one file is missing.
fn damage(backups: &Path, name: &str) {
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

/// Nothing is skipped: what was cut off in the middle is neither settled, finished, nor taken back too late.
async fn steps_come_in_their_order(operator: &Ticketctl, client: &Client) {
    let (is_done, said) = operator.run(&["restore", "finish"]).await;
    assert!(!is_done && said.contains("`restore settle` once it is loaded"), "{said}");
    let plans = client.database("ticketctl").collection::<Document>("restores");
    let reach = async |stage: &str| {
        plans.update_one(doc! {}, doc! { "$set": { "stage": stage } }).await.unwrap();
    };
    reach("swapping").await;
    for step in ["settle", "finish"] {
        let (is_done, said) = operator.run(&["restore", step]).await;
        assert!(!is_done && said.contains("the restore is swapping"), "{said}");
    }
    reach("ending").await;
    operator.run_rejected(&["restore", "rollback"], "is gone already").await;
    reach("loaded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_backed_up_comes_back_and_what_was_charged_since_is_given_back() {
    let fleet = TestFleet::start(&[("ANNOUNCE_AFTER", "1h"), ("ORDER_TTL", "25s"), ("RECONCILE_AFTER", "1s")]).await.unwrap();
    let operator = Ticketctl::for_fleet(&fleet);
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

    let before = all(&client).await;
    let said = operator.run_ok(&["backup"]).await;
    assert!(said.contains("documents of"), "{said}");
    let name = std::fs::read_dir(backups(&fleet)).unwrap().next().unwrap().unwrap().file_name().into_string().unwrap();
    let said = operator.run_ok(&["backups"]).await;
    assert!(said.starts_with(&name) && said.contains(&fleet.url()), "{said}");

    // What is lost: one more sale, one that is with the buyer's bank, and what the bank said of the other.
    authenticates(&fleet, &payment.body).await;
    buyer.wait_for_order(waiting, OrderStatus::Completed).await.unwrap();
    let later = order(for_sale).await;
    assert_eq!(buyer.pay(later, "pm_card_visa").await.unwrap().status, 201);
    buyer.wait_for_order(later, OrderStatus::Completed).await.unwrap();
    let newest = seller.create_listing(listing("too late", 4_500)).await.unwrap();
    let last = order(newest).await;
    assert_eq!(buyer.pay(last, "pm_card_threeDSecure2Required").await.unwrap().status, 202);

    operator.run_rejected(&["restore", "load"], "expiration, orders, payments, tickets, web; stop").await;
    // The services are stopped; the disk loses two databases.
    for service in SERVICES {
        fleet.processes.service(service).unwrap().stop().await.unwrap();
    }
    client.database("orders").drop().await.unwrap();
    client.database("payments").drop().await.unwrap();
    let wrecked = all(&client).await;
    damage(&backups(&fleet), &name);
    operator.run_rejected(&["restore", "load", "0-damaged"], "auth/users is damaged").await;
    operator.run_rejected(&["restore", "load", "yesterday"], "there is no backup yesterday").await;
    let elsewhere = ["--public-url", "https://elsewhere.example", "restore", "load"];
    operator.run_rejected(&elsewhere, "it belongs to the fleet http://").await;
    let said = operator.run_ok(&["restore", "check"]).await;
    assert!(said.contains("listings: 1 created, 2 changed") && said.contains("orders: the collection is empty"), "{said}");
    assert_eq!(all(&client).await, wrecked);

    // It can be taken back, also when it was cut off in the middle of changing names.
    operator.run_ok(&["restore", "load"]).await;
    operator.run_rejected(&["restore", "load"], "is not finished").await;
    let rename = async |from: &str, to: &str| {
        let command = doc! { "renameCollection": from, "to": to };
        client.database("admin").run_command(command).await.unwrap();
    };
    rename("tickets.tickets", "tickets.restoring.tickets").await;
    rename("tickets.replaced.tickets", "tickets.tickets").await;
    rename("orders.orders", "orders.restoring.orders").await;
    operator.run_ok(&["restore", "rollback"]).await;
    assert_eq!(all(&client).await, wrecked);
    assert_eq!(operator.run_ok(&["restore", "status"]).await, "none\n");
    assert!(operator.run_ok(&["restore", "rollback"]).await.contains("nothing was replaced"));

    // The newest one is restored; the streams, which tell of a time that never was, go.
    let said = operator.run_ok(&["restore", "load"]).await;
    assert!(said.contains(&format!("{name} is whole")), "{said}");
    assert_eq!(operator.run_ok(&["restore", "status"]).await, "loaded\n");
    steps_come_in_their_order(&operator, &client).await;
    assert_eq!(all(&client).await, before);

    // Without expiration: what was paid is found out before the holds end.
    for service in SERVICES.into_iter().filter(|service| *service != "expiration") {
        fleet.processes.service(service).unwrap().restart().await.unwrap();
    }
    let settled = operator.run_ok(&["restore", "settle"]).await;
    buyer.wait_for_order(waiting, OrderStatus::Completed).await.unwrap();
    seller.wait_for_ticket(at_bank, TicketStatus::Sold).await.unwrap();

    let orphan = |outcome: &str| {
        let line =
            settled.lines().find(|line| line.contains(outcome)).unwrap_or_else(|| panic!("{outcome}: {settled}"));
        line.split_whitespace().next().unwrap().to_owned()
    };
    let orphans = [orphan("  refunded  "), orphan("  cancelled  ")];
    assert!(settled.contains("2 charges and authorisations"), "{settled}");
    let again = operator.run_ok(&["restore", "settle"]).await;
    assert!(again.contains("0 charges and authorisations"), "{again}");
    assert_eq!(operator.run_ok(&["restore", "status"]).await, "settled\n");

    fleet.processes.service("expiration").unwrap().restart().await.unwrap();
    let said = operator.run_ok(&["restore", "finish"]).await;
    assert!(said.contains("the audit passed") && said.contains("is restored"), "{said}");
    for service in SERVICES {
        let names = client.database(service).list_collection_names().await.unwrap();
        assert!(!names.iter().any(|name| name.starts_with("replaced.") || name.starts_with("restoring.")), "{names:?}");
    }
    let ended = buyer.wait_for_order(unpaid, OrderStatus::Cancelled).await.unwrap();
    assert_eq!(ended.cancel_reason, Some(CancelReason::Expired));
    assert_eq!(buyer.send(&ReadOrder { id: later }).await.unwrap_err().status(), Some(404));
    assert_eq!(buyer.send(&ReadListing { id: newest }).await.unwrap_err().status(), Some(404));

    // The fleet goes on: what was sold in the lost time is for sale again.
    let again = order(for_sale).await;
    assert_eq!(buyer.pay(again, "pm_card_visa").await.unwrap().status, 201);
    buyer.wait_for_order(again, OrderStatus::Completed).await.unwrap();
    invariants::assert_eventually_after_restore(&fleet, &orphans).await.unwrap();
}

/// auth's signing key is replaced: first everybody believes both, then auth signs with the new one, then the
/// old one goes.
#[tokio::test(flavor = "multi_thread")]
async fn the_signing_key_is_replaced_and_nobody_is_signed_out() {
    let fleet = TestFleet::start(&[]).await.unwrap();
    let old = Keys::load_or_create(&fleet.logs.with_file_name("data").join("keys")).unwrap();
    let new = Signer::new();
    let set = |text: &str| serde_json::from_str::<Value>(text).unwrap()["keys"].as_array().unwrap().clone();
    let keys = [set(&old.jwks), set(&new.jwks)].concat();
    let both = json!({ "keys": keys }).to_string();
    let believes = async |jwks: &str| {
        for service in SERVICES.into_iter().filter(|service| *service != "auth") {
            fleet.processes.service(service).unwrap().restart_with_env(&[("JWKS", jwks)]).await.unwrap();
        }
    };
    let signs = async |keys: &str| {
        fleet.processes.service("auth").unwrap().restart_with_env(&[("JWT_PRIVATE_KEYS", keys)]).await.unwrap();
    };
    let buyer = fleet.sign_up("Ben").await.unwrap();
    let list = ListOrders { query: PageQuery::default() };
    let is_known = async |person: &UserClient| status(person.send(&list).await).unwrap();
    believes(&both).await;
    assert_eq!(is_known(&buyer).await, 200);
    signs(&format!("{}\n{}", new.pem, old.jwt_private_keys)).await;
    let newcomer = fleet.sign_up("Olu").await.unwrap();
    assert_eq!((is_known(&buyer).await, is_known(&newcomer).await), (200, 200));

    // Within 15 minutes nobody has an access token of the old key; here it is sooner.
    signs(&new.pem).await;
    believes(&new.jwks).await;
    assert_eq!((is_known(&buyer).await, is_known(&newcomer).await), (401, 200));
    assert_eq!(buyer.send(&Refresh {}).await.unwrap().status, 200);
    assert_eq!(is_known(&buyer).await, 200);
}
