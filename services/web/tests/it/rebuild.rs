//! The read model built anew beside the one that pages read, and put in its place.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::events::order::{OrderChange, OrderState, OrderStatus};
use common::events::payment::{PaymentChange, PaymentState, PaymentStatus};
use common::events::ticket::{TicketChange, TicketState};
use common::events::user::{UserChange, UserState};
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use serde_json::Value;
use testkit::app::{TestApp, eventually};

use crate::support::{app, listed, listing, order, page, path, payment, shows, user, with_settings};

const ENTITIES: [&str; 4] = ["user", "ticket", "order", "payment"];

/// The documents of a collection, by id.
async fn documents(app: &TestApp, name: &str) -> BTreeMap<String, Document> {
    let collection = app.context.database.collection::<Document>(name);
    let found: Vec<Document> = collection.find(doc! {}).await.unwrap().try_collect().await.unwrap();
    found.into_iter().map(|document| (document.get_str("_id").unwrap().to_owned(), document)).collect()
}

async fn rebuild(app: &TestApp, method: &str, path: &str) -> Value {
    app.admin(method, path).send().await.expect(200).json()
}

async fn is_live(app: &TestApp, generation: i64) -> bool {
    let progress = rebuild(app, "GET", "/rebuild").await;
    progress["live"] == generation && progress["filling"].is_null()
}

/// What the owners have: each entity at its version.
struct Owners {
    users: Vec<(u64, UserState)>,
    tickets: Vec<(u64, TicketState)>,
    orders: Vec<(u64, OrderState)>,
    payments: Vec<(u64, PaymentState)>,
}

impl Owners {
    /// Some of each, and told.
    async fn open(app: &TestApp, count: usize) -> Self {
        let mut owners = Self { users: Vec::new(), tickets: Vec::new(), orders: Vec::new(), payments: Vec::new() };
        for n in 0..count {
            let ticket = listing(app, &format!("Show-{n:02}"), 0);
            let order = order(app, &ticket, common::id::UserId::new(), OrderStatus::Created);
            let payment = payment(app, &order, PaymentStatus::Authorizing);
            let user = user(app, ticket.seller_id, &format!("Seller {n}"));
            app.publish(UserChange::Registered, user.id, 0, user.clone()).await;
            listed(app, &ticket).await;
            app.publish(OrderChange::Created, order.id, 0, order.clone()).await;
            app.publish(PaymentChange::Started, payment.id, 0, payment.clone()).await;
            owners.users.push((0, user));
            owners.tickets.push((0, ticket));
            owners.orders.push((0, order));
            owners.payments.push((0, payment));
        }
        owners
    }

    /// Everything goes on by a version.
    async fn go_on(&mut self, app: &TestApp) {
        for (version, user) in &mut self.users {
            *version += 1;
            user.display_name = format!("{} {version}", user.display_name);
            app.publish(UserChange::Updated, user.id, *version, user.clone()).await;
        }
        for (version, ticket) in &mut self.tickets {
            *version += 1;
            ticket.price.amount += 100;
            app.publish(TicketChange::Updated, ticket.terms.id, *version, ticket.clone()).await;
        }
        for (version, order) in &mut self.orders {
            *version += 1;
            order.status = OrderStatus::AwaitingPayment;
            app.publish(OrderChange::Confirmed, order.id, *version, order.clone()).await;
        }
        for (version, payment) in &mut self.payments {
            *version += 1;
            payment.status = PaymentStatus::Authorized;
            app.publish(PaymentChange::Authorized, payment.id, *version, payment.clone()).await;
        }
    }

    /// A resync of all of them.
    async fn announce(&self, app: &TestApp) {
        for (version, user) in &self.users {
            app.publish(UserChange::Snapshot, user.id, *version, user.clone()).await;
        }
        for (version, ticket) in &self.tickets {
            app.publish(TicketChange::Snapshot, ticket.terms.id, *version, ticket.clone()).await;
        }
        for (version, order) in &self.orders {
            app.publish(OrderChange::Snapshot, order.id, *version, order.clone()).await;
        }
        for (version, payment) in &self.payments {
            app.publish(PaymentChange::Snapshot, payment.id, *version, payment.clone()).await;
        }
    }
}

/// With events before, during and after it, on two instances of which one dies, and somebody who
/// looks at pages of the other all the while.
#[tokio::test(flavor = "multi_thread")]
async fn built_anew_it_equals_the_one_built_live_and_no_page_has_a_gap() {
    let app = app().await;
    let other = app.start_second_instance(web::build).await;
    let mut owners = Owners::open(&app, 20).await;
    app.wait_until_idle().await;
    let watches = app.context.database.collection::<Document>("watches");
    watches.insert_one(doc! { "_id": "a watch" }).await.unwrap();

    let rebuilt = AtomicBool::new(false);
    let ticket = path(&owners.tickets[0].1);
    let looking = async {
        let mut pages = 0;
        while !rebuilt.load(Ordering::SeqCst) {
            for app in [&app, &other] {
                let list = page(app, "/browse").await;
                assert_eq!(list.matches("Show-").count(), 20, "{list}");
                shows(&page(app, &ticket).await, &["Show-00", "Seller 0"]);
                pages += 1;
            }
        }
        pages
    };
    let rebuilding = async {
        assert_eq!(rebuild(&app, "POST", "/rebuild").await["filling"], 1);
        // Asked again, it is the same one.
        assert_eq!(rebuild(&other, "POST", "/rebuild").await["filling"], 1);
        app.stop().await;
        for _ in 0..3 {
            owners.go_on(&other).await;
        }
        // Every entity has changed since: there is nothing else to wait for.
        eventually("the swap", async || is_live(&other, 1).await).await;
        rebuilt.store(true, Ordering::SeqCst);
    };
    let (pages, ()) = tokio::join!(looking, rebuilding);
    assert!(pages > 10, "{pages}");

    owners.go_on(&other).await;
    other.wait_until_idle().await;
    for entity in ENTITIES {
        let live = documents(&other, &format!("replica_{entity}")).await;
        let anew = documents(&other, &format!("replica_{entity}_v1")).await;
        assert_eq!(live.len(), 20);
        assert_eq!(live, anew, "{entity}");
    }
    assert_eq!(documents(&other, "watches").await.len(), 1, "what is web's own is left alone");
    shows(&page(&other, "/browse?q=show-07").await, &["Show-07"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_not_swapped_before_it_knows_what_the_live_one_knows() {
    let app = app().await;
    let mut owners = Owners::open(&app, 5).await;
    owners.go_on(&app).await;
    app.wait_until_idle().await;
    let unknown = listing(&app, "Unknown to its owner", 0);
    listed(&app, &unknown).await;
    app.wait_until_idle().await;
    rebuild(&app, "POST", "/rebuild").await;
    // Old news: what was announced must be at the version that is known.
    for (_, ticket) in &owners.tickets {
        app.publish(TicketChange::Snapshot, ticket.terms.id, 0, ticket.clone()).await;
    }
    app.wait_until_idle().await;
    let progress = rebuild(&app, "GET", "/rebuild").await;
    let tickets = &progress["entities"][1];
    assert_eq!((&tickets["entity"], &tickets["live"], &tickets["filled"]), (&"ticket".into(), &6.into(), &5.into()));
    assert_eq!(tickets["missing"].as_array().unwrap().len(), 3, "{progress}");
    owners.announce(&app).await;
    app.wait_until_idle().await;
    let progress = rebuild(&app, "GET", "/rebuild").await;
    let missing: Vec<_> = progress["entities"].as_array().unwrap().iter().map(|entity| &entity["missing"]).collect();
    let lost = serde_json::json!([unknown.terms.id]);
    assert_eq!(missing, [&serde_json::json!([]), &lost, &serde_json::json!([]), &serde_json::json!([])]);
    assert_eq!((&progress["live"], &progress["filling"]), (&0.into(), &1.into()));
    shows(&page(&app, &path(&unknown)).await, &["Unknown to its owner"]);

    // It would be waited for in vain.
    let swapped = rebuild(&app, "POST", "/rebuild/swap").await;
    assert_eq!((&swapped["live"], &swapped["filling"]), (&1.into(), &Value::Null));
    app.clock.advance(Duration::from_secs(60));
    app.request("GET", &path(&unknown)).send().await.expect(404);
    assert_eq!(page(&app, "/browse").await.matches("Show-").count(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_given_up_leaves_things_as_they_were() {
    let app = with_settings(&[("REQUEST_TIMEOUT", "500ms")]).await;
    let ticket = listing(&app, "Jazz", 0);
    listed(&app, &ticket).await;
    app.wait_until_idle().await;
    rebuild(&app, "POST", "/rebuild").await;
    let given_up = rebuild(&app, "DELETE", "/rebuild").await;
    assert_eq!((&given_up["live"], &given_up["filling"]), (&0.into(), &Value::Null));
    // With none under way there is nothing to do.
    for (method, path) in [("DELETE", "/rebuild"), ("POST", "/rebuild/swap")] {
        assert_eq!(rebuild(&app, method, path).await["live"], 0);
    }
    eventually("its collections to be dropped", async || generations(&app).await == [0]).await;
    assert_eq!(rebuild(&app, "POST", "/rebuild").await["filling"], 2, "a number is used once");
    shows(&page(&app, "/").await, &["Jazz"]);
}

/// The numbers of the generations that have collections.
async fn generations(app: &TestApp) -> Vec<u32> {
    let names = app.context.database.list_collection_names().await.unwrap();
    let numbers = names.iter().filter_map(|name| name.strip_prefix("replica_ticket"));
    let mut numbers: Vec<u32> =
        numbers.map(|tail| tail.strip_prefix("_v").map_or(0, |number| number.parse().unwrap())).collect();
    numbers.sort_unstable();
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_one_is_dropped_in_the_end_and_comes_back_with_no_restart() {
    let app = with_settings(&[("REQUEST_TIMEOUT", "500ms")]).await;
    let mut owners = Owners::open(&app, 3).await;
    app.wait_until_idle().await;
    for generation in 1..=2 {
        rebuild(&app, "POST", "/rebuild").await;
        owners.announce(&app).await;
        eventually("the swap", async || is_live(&app, generation).await).await;
    }
    eventually("the old ones to be dropped", async || generations(&app).await == [2]).await;
    app.stop().await;
    let other = app.start_second_instance(web::build).await;
    owners.go_on(&other).await;
    other.wait_until_idle().await;
    assert_eq!(generations(&other).await, [2]);
    shows(&page(&other, "/browse?q=show-01").await, &["Show-01"]);
    assert_eq!(documents(&other, "replica_ticket_v2").await.len(), 3);
}

/// Each event is handled by an instance that does not know yet what the other one has just done.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_in_every_generation_though_its_instance_has_not_looked() {
    let app = app().await;
    let other = app.start_second_instance(web::build).await;
    let ticket = listing(&app, "Jazz", 0);
    let event = |version| app.event(TicketChange::Updated, ticket.terms.id, version, ticket.clone());
    let version = async |generation: &str| {
        let found = documents(&app, &format!("replica_ticket{generation}")).await;
        found.get(&ticket.terms.id.to_string()).map(|document| document.get_i64("version").unwrap())
    };
    app.handle(&event(1)).await.unwrap();
    for generation in 1..=5_u32 {
        let n = u64::from(generation) * 10;
        other.handle(&event(n)).await.unwrap();
        rebuild(&other, "POST", "/rebuild").await;
        app.handle(&event(n + 1)).await.unwrap();
        assert_eq!(version(&format!("_v{generation}")).await, i64::try_from(n + 1).ok(), "begun");
        rebuild(&other, "POST", "/rebuild/swap").await;
        app.handle(&event(n + 2)).await.unwrap();
        assert_eq!(version(&format!("_v{generation}")).await, i64::try_from(n + 2).ok(), "swapped");
        // The old one is still read by whoever has not looked.
        let old = if generation == 1 { String::new() } else { format!("_v{}", generation - 1) };
        assert_eq!(version(&old).await, i64::try_from(n + 2).ok(), "replaced");
    }
    shows(&page(&app, "/").await, &["Jazz"]);
}
