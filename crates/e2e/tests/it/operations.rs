//! The worst night: the databases are lost, brought back as they were at the backup, and what happened at the
//! card network since then is found and given back. As docs/operations.md says, in its order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use e2e::invariants;
use e2e::shop::{Shop, listing};
use futures::TryStreamExt;
use mongodb::Client;
use mongodb::bson::{Document, doc};
use serde_json::{Value, json};
use testkit::app::users::Signer;
use testkit::fleet::SERVICES;
use testkit::fleet::keys::Keys;
use testkit::tools::python::Environment;
use testkit::tools::workspace_root;
use tokio::process::Command;

use crate::operator::Operator;

/// infra/operations/databases.py, told of one shop.
struct Script {
    python: PathBuf,
    env: Vec<(&'static str, String)>,
}

impl Script {
    async fn of(shop: &Shop) -> Self {
        let install = || Environment::install("infra/operations/requirements.txt").unwrap().interpreter;
        let python = tokio::task::spawn_blocking(install).await.unwrap();
        let keys = Keys::of(&shop.logs.with_file_name("data").join("keys")).unwrap();
        let env = vec![
            ("MONGODB_URL", shop.fleet.servers().mongodb.url()),
            ("NATS_URL", shop.fleet.servers().nats.url()),
            ("STRIPE_URL", shop.fleet.fakestripe().url()),
            ("STRIPE_KEY", keys.stripe_key),
        ];
        Self { python, env }
    }

    async fn tries(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new(&self.python);
        command.arg(workspace_root().join("infra/operations/databases.py")).args(arguments);
        command.envs(self.env.iter().cloned()).env_remove("NATS_PREFIX").kill_on_drop(true);
        let output = command.output().await.unwrap();
        (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    }

    async fn runs(&self, arguments: &[&str]) -> String {
        let (is_done, said) = self.tries(arguments).await;
        assert!(is_done, "{arguments:?}: {said}");
        said
    }
}

/// All that the databases hold, with the names of their indexes.
async fn all(client: &Client) -> BTreeMap<String, (Vec<Document>, Vec<String>)> {
    let mut all = BTreeMap::new();
    for service in SERVICES {
        let database = client.database(service);
        for name in database.list_collection_names().await.unwrap() {
            let collection = database.collection::<Document>(&name);
            let sorted = collection.find(doc! {}).sort(doc! { "_id": 1 }).await.unwrap();
            let mut indexes = collection.list_index_names().await.unwrap();
            indexes.sort();
            all.insert(format!("{service}.{name}"), (sorted.try_collect().await.unwrap(), indexes));
        }
    }
    all
}

async fn authenticates(shop: &Shop, payment: &Value) {
    let intent = payment["providerRef"].as_str().unwrap();
    let url = format!("{}/_fake/payment_intents/{intent}/authenticate", shop.fleet.fakestripe().url());
    let answer = reqwest::Client::new().post(url).json(&json!({ "outcome": "succeed" })).send().await.unwrap();
    assert!(answer.status().is_success());
}

/// A copy of the backup of which the end of one file is missing.
fn damaged(backup: &Path) -> PathBuf {
    let copy = backup.with_file_name("damaged");
    for entry in std::fs::read_dir(backup).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir()) {
        let to = copy.join(entry.file_name());
        std::fs::create_dir_all(&to).unwrap();
        for file in std::fs::read_dir(entry.path()).unwrap().map(Result::unwrap) {
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
    std::fs::copy(backup.join("manifest.json"), copy.join("manifest.json")).unwrap();
    let users = copy.join("auth/users.bson.gz");
    let whole = std::fs::read(&users).unwrap();
    std::fs::write(&users, &whole[..whole.len() / 2]).unwrap();
    copy
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_backed_up_comes_back_and_what_was_charged_since_is_given_back() {
    let shop = Shop::open(&[("ANNOUNCE_AFTER", "1h"), ("ORDER_TTL", "25s"), ("RECONCILE_AFTER", "1s")]).await.unwrap();
    let (operator, script) = (Operator::of(&shop), Script::of(&shop).await);
    let client = Client::with_uri_str(shop.fleet.servers().mongodb.url()).await.unwrap();
    let (seller, buyer) = (shop.sign_up("Mara").await.unwrap(), shop.sign_up("Ben").await.unwrap());
    let mut tickets = Vec::new();
    for name in ["sold", "for sale", "at the bank", "held"] {
        tickets.push(seller.lists(&listing(name, 4_500)).await.unwrap());
    }
    let [sold, for_sale, at_bank, held] = tickets.try_into().unwrap();
    let order = async |ticket: &str| {
        let order = buyer.holds(ticket).await.unwrap().id();
        buyer.sees(&format!("/api/orders/{order}"), "awaitingPayment").await.unwrap();
        order
    };
    let (first, waiting, unpaid) = (order(&sold).await, order(&at_bank).await, order(&held).await);
    assert_eq!(buyer.pays(&first, "pm_card_visa").await.unwrap().status, 201);
    buyer.sees(&format!("/api/orders/{first}"), "completed").await.unwrap();
    let payment = buyer.pays(&waiting, "pm_card_threeDSecure2Required").await.unwrap();
    assert_eq!(payment.status, 202);
    invariants::hold(&shop).await.unwrap();

    let backup = shop.logs.with_file_name("backup");
    let folder = backup.to_str().unwrap();
    let before = all(&client).await;
    let said = script.runs(&["backup", folder]).await;
    assert!(said.contains("documents of"), "{said}");
    assert!(!script.tries(&["backup", folder]).await.0, "a backup is never written over");

    // What is lost: one more sale, one that is with the buyer's bank, and what the bank said of the other.
    authenticates(&shop, &payment.body).await;
    buyer.sees(&format!("/api/orders/{waiting}"), "completed").await.unwrap();
    let later = order(&for_sale).await;
    assert_eq!(buyer.pays(&later, "pm_card_visa").await.unwrap().status, 201);
    buyer.sees(&format!("/api/orders/{later}"), "completed").await.unwrap();
    let newest = seller.lists(&listing("too late", 4_500)).await.unwrap();
    let last = order(&newest).await;
    assert_eq!(buyer.pays(&last, "pm_card_threeDSecure2Required").await.unwrap().status, 202);

    // The services are stopped; the disk loses two databases.
    for service in SERVICES {
        shop.fleet.service(service).unwrap().stop().await.unwrap();
    }
    client.database("orders").drop().await.unwrap();
    client.database("payments").drop().await.unwrap();
    let (is_done, said) = script.tries(&["restore", damaged(&backup).to_str().unwrap(), "--drop"]).await;
    assert!(!is_done && said.contains("auth/users") && said.contains("nothing is restored"), "{said}");
    let (is_done, said) = script.tries(&["restore", folder]).await;
    assert!(!is_done && said.contains("auth, tickets, expiration, web are not empty"), "{said}");
    script.runs(&["restore", folder, "--drop"]).await;
    assert_eq!(all(&client).await, before);

    // The streams tell of a time that never was.
    let said = script.runs(&["drop-streams"]).await;
    assert!(said.contains("ticketing-orders removed"), "{said}");

    // Without expiration: what was paid is found out before the holds end.
    for service in SERVICES.into_iter().filter(|service| *service != "expiration") {
        shop.fleet.service(service).unwrap().start_again().await.unwrap();
    }
    for owner in ["auth", "tickets", "orders", "payments"] {
        operator.runs(&["resync", owner]).await;
    }
    buyer.sees(&format!("/api/orders/{waiting}"), "completed").await.unwrap();
    seller.sees(&format!("/api/tickets/{at_bank}"), "sold").await.unwrap();

    let manifest: Value = serde_json::from_slice(&std::fs::read(backup.join("manifest.json")).unwrap()).unwrap();
    let since = ["strays", "--since", manifest["began"].as_str().unwrap()];
    let listed = script.runs(&since).await;
    let lost = |status: &str| {
        let line = listed.lines().find(|line| line.contains(status)).unwrap_or_else(|| panic!("{status}: {listed}"));
        line.split_whitespace().next().unwrap().to_owned()
    };
    let strays = [lost("succeeded"), lost("requires_action")];
    assert!(listed.ends_with("\n2 strays\n"), "{listed}");
    let settled = script.runs(&[&since[..], &["--settle"]].concat()).await;
    assert!(settled.contains(&format!("{}  refunded", strays[0])), "{settled}");
    assert!(settled.contains(&format!("{}  cancelled", strays[1])), "{settled}");
    assert_eq!(script.runs(&since).await, "0 strays\n");

    shop.fleet.service("expiration").unwrap().start_again().await.unwrap();
    operator.runs(&["resync", "expiration"]).await;
    let ended = buyer.sees(&format!("/api/orders/{unpaid}"), "cancelled").await.unwrap();
    assert_eq!(ended["cancelReason"], "expired");
    assert_eq!(buyer.get(&format!("/api/orders/{later}")).await.unwrap().status, 404);
    assert_eq!(buyer.get(&format!("/api/tickets/{newest}")).await.unwrap().status, 404);

    // The shop goes on: what was sold in the lost time is for sale again.
    let again = order(&for_sale).await;
    assert_eq!(buyer.pays(&again, "pm_card_visa").await.unwrap().status, 201);
    buyer.sees(&format!("/api/orders/{again}"), "completed").await.unwrap();
    invariants::hold_restored(&shop, &strays).await.unwrap();
}

/// auth's signing key is replaced: first everybody believes both, then auth signs with the new one, then the
/// old one goes.
#[tokio::test(flavor = "multi_thread")]
async fn the_signing_key_is_replaced_and_nobody_is_signed_out() {
    let shop = Shop::open(&[]).await.unwrap();
    let old = Keys::of(&shop.logs.with_file_name("data").join("keys")).unwrap();
    let new = Signer::new();
    let set = |text: &str| serde_json::from_str::<Value>(text).unwrap()["keys"].as_array().unwrap().clone();
    let keys = [set(&old.jwks), set(&new.jwks)].concat();
    let both = json!({ "keys": keys }).to_string();
    let believes = async |jwks: &str| {
        for service in SERVICES.into_iter().filter(|service| *service != "auth") {
            shop.fleet.service(service).unwrap().start_again_with(&[("JWKS", jwks)]).await.unwrap();
        }
    };
    let signs = async |keys: &str| {
        shop.fleet.service("auth").unwrap().start_again_with(&[("JWT_PRIVATE_KEYS", keys)]).await.unwrap();
    };
    let buyer = shop.sign_up("Ben").await.unwrap();
    let is_known = async |person: &e2e::person::Person| person.get("/api/orders").await.unwrap().status;
    believes(&both).await;
    assert_eq!(is_known(&buyer).await, 200);
    signs(&format!("{}\n{}", new.pem, old.jwt_private_keys)).await;
    let newcomer = shop.sign_up("Olu").await.unwrap();
    assert_eq!((is_known(&buyer).await, is_known(&newcomer).await), (200, 200));

    // Within 15 minutes nobody has an access token of the old key; here it is sooner.
    signs(&new.pem).await;
    believes(&new.jwks).await;
    assert_eq!((is_known(&buyer).await, is_known(&newcomer).await), (401, 200));
    assert_eq!(buyer.post("/api/users/refresh", &json!({})).await.unwrap().status, 200);
    assert_eq!(is_known(&buyer).await, 200);
}
