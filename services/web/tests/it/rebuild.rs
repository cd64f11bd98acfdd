//! Rebuild of the read model while pages read the live one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::events::order::{OrderChange, OrderState, OrderStatus};
use common::events::payment::{PaymentChange, PaymentState, PaymentStatus};
use common::events::show::{ShowChange, ShowState};
use common::events::ticket::{Category, TicketChange, TicketState};
use common::events::user::{UserChange, UserState};
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use serde_json::Value;
use testkit::app::{TestApp, eventually};

use crate::support::{
    app, assert_contains, listing, order, page, path, payment, publish_listing, show_of, user, with_settings,
};

const ENTITIES: [&str; 5] = ["user", "ticket", "order", "payment", "show"];

/// The documents of a collection, by id.
async fn documents(app: &TestApp, name: &str) -> BTreeMap<String, Document> {
    let collection = app.context.database.collection::<Document>(name);
    let found: Vec<Document> = collection.find(doc! {}).await.unwrap().try_collect().await.unwrap();
    found.into_iter().map(|document| (document.get_str("_id").unwrap().to_owned(), document)).collect()
}

async fn admin_request(app: &TestApp, method: &str, path: &str) -> Value {
    app.admin(method, path).send().await.expect(200).json()
}

async fn is_live(app: &TestApp, generation: i64) -> bool {
    let progress = admin_request(app, "GET", "/rebuild").await;
    progress["live"] == generation && progress["filling"].is_null()
}

/// The entities of the owning services, with their versions.
struct SourceServices {
    users: Vec<(u64, UserState)>,
    tickets: Vec<(u64, TicketState)>,
    orders: Vec<(u64, OrderState)>,
    payments: Vec<(u64, PaymentState)>,
    shows: Vec<(u64, ShowState)>,
}

impl SourceServices {
    /// Creates entities and publishes their events.
    async fn seed(app: &TestApp, count: usize) -> Self {
        let mut services = Self {
            users: Vec::new(),
            tickets: Vec::new(),
            orders: Vec::new(),
            payments: Vec::new(),
            shows: Vec::new(),
        };
        for n in 0..count {
            let ticket = listing(app, &format!("Show-{n:02}"), 0);
            let order = order(app, &ticket, common::id::UserId::new(), OrderStatus::Created);
            let payment = payment(app, &order, PaymentStatus::Authorizing);
            let user = user(app, ticket.seller_id, &format!("Seller {n}"));
            app.publish(UserChange::Registered, user.id, 0, user.clone()).await;
            publish_listing(app, &ticket).await;
            app.publish(OrderChange::Created, order.id, 0, order.clone()).await;
            app.publish(PaymentChange::Started, payment.id, 0, payment.clone()).await;
            services.shows.push((0, show_of(&ticket)));
            services.users.push((0, user));
            services.tickets.push((0, ticket));
            services.orders.push((0, order));
            services.payments.push((0, payment));
        }
        services
    }

    /// Changes every entity by one version.
    async fn advance_versions(&mut self, app: &TestApp) {
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
        for (version, show) in &mut self.shows {
            *version += 1;
            show.category = Some(Category::Concert);
            app.publish(ShowChange::Updated, show.id, *version, show.clone()).await;
        }
    }

    /// Publishes a snapshot of every entity.
    async fn publish_snapshots(&self, app: &TestApp) {
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
        for (version, show) in &self.shows {
            app.publish(ShowChange::Snapshot, show.id, *version, show.clone()).await;
        }
    }
}

/// Events arrive before, during and after the rebuild, and one of the two instances stops handling them. Pages are
/// requested all the time.
#[tokio::test(flavor = "multi_thread")]
async fn rebuilt_model_equals_the_live_one_without_downtime() {
    let app = app().await;
    let other = app.start_second_instance(web::build).await;
    let mut services = SourceServices::seed(&app, 20).await;
    app.wait_until_idle().await;
    let watches = app.context.database.collection::<Document>("watches");
    watches.insert_one(doc! { "_id": "a watch" }).await.unwrap();

    let rebuilt = AtomicBool::new(false);
    let ticket = path(&services.tickets[0].1);
    let viewing = async {
        let mut pages = 0;
        while !rebuilt.load(Ordering::SeqCst) {
            for app in [&app, &other] {
                let list = page(app, "/browse").await;
                assert_eq!(list.matches("Show-").count(), 20, "{list}");
                assert_contains(&page(app, &ticket).await, &["Show-00", "Seller 0"]);
                pages += 1;
            }
        }
        pages
    };
    let rebuilding = async {
        assert_eq!(admin_request(&app, "POST", "/rebuild").await["filling"], 1);
        // A second request returns the same rebuild.
        assert_eq!(admin_request(&other, "POST", "/rebuild").await["filling"], 1);
        app.stop().await;
        for _ in 0..3 {
            services.advance_versions(&other).await;
        }
        // Every entity has changed, so the new generation is complete.
        eventually("the swap", async || is_live(&other, 1).await).await;
        rebuilt.store(true, Ordering::SeqCst);
    };
    let (pages, ()) = tokio::join!(viewing, rebuilding);
    assert!(pages > 10, "{pages}");

    services.advance_versions(&other).await;
    other.wait_until_idle().await;
    for entity in ENTITIES {
        let live = documents(&other, &format!("replica_{entity}")).await;
        let rebuilt = documents(&other, &format!("replica_{entity}_v1")).await;
        assert_eq!(live.len(), 20);
        assert_eq!(live, rebuilt, "{entity}");
    }
    assert_eq!(documents(&other, "watches").await.len(), 1, "user data is not rebuilt");
    assert_contains(&page(&other, "/browse?q=show-07").await, &["Show-07"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn incomplete_generation_is_not_swapped_unless_forced() {
    let app = app().await;
    let mut services = SourceServices::seed(&app, 5).await;
    services.advance_versions(&app).await;
    app.wait_until_idle().await;
    let unknown = listing(&app, "Unknown to its owner", 0);
    publish_listing(&app, &unknown).await;
    app.wait_until_idle().await;
    admin_request(&app, "POST", "/rebuild").await;
    // Snapshots at an older version do not complete the generation.
    for (_, ticket) in &services.tickets {
        app.publish(TicketChange::Snapshot, ticket.terms.id, 0, ticket.clone()).await;
    }
    app.wait_until_idle().await;
    let progress = admin_request(&app, "GET", "/rebuild").await;
    let tickets = &progress["entities"][1];
    assert_eq!((&tickets["entity"], &tickets["live"], &tickets["filled"]), (&"ticket".into(), &6.into(), &5.into()));
    // At most three of the incomplete ones are named.
    assert_eq!(tickets["missing"].as_array().unwrap().len(), 3, "{progress}");
    services.publish_snapshots(&app).await;
    app.wait_until_idle().await;
    let progress = admin_request(&app, "GET", "/rebuild").await;
    let missing: Vec<_> = progress["entities"].as_array().unwrap().iter().map(|entity| &entity["missing"]).collect();
    let (none, ticket, show) =
        (serde_json::json!([]), serde_json::json!([unknown.terms.id]), serde_json::json!([unknown.show_id]));
    assert_eq!(missing, [&none, &ticket, &none, &none, &show]);
    assert_eq!((&progress["live"], &progress["filling"]), (&0.into(), &1.into()));
    assert_contains(&page(&app, &path(&unknown)).await, &["Unknown to its owner"]);

    // Nobody will publish the unknown listing again, so the rebuild never completes by itself: an operator swaps.
    let swapped = admin_request(&app, "POST", "/rebuild/swap").await;
    assert_eq!((&swapped["live"], &swapped["filling"]), (&1.into(), &Value::Null));
    // By then the page no longer waits for the events of a new listing.
    app.clock.advance(Duration::from_secs(60));
    app.request("GET", &path(&unknown)).send().await.expect(404);
    assert_eq!(page(&app, "/browse").await.matches("Show-").count(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn abandoned_rebuild_has_no_effect() {
    // Collections are dropped once no request can still read them.
    let app = with_settings(&[("REQUEST_TIMEOUT", "500ms")]).await;
    let ticket = listing(&app, "Jazz", 0);
    publish_listing(&app, &ticket).await;
    app.wait_until_idle().await;
    admin_request(&app, "POST", "/rebuild").await;
    let abandoned = admin_request(&app, "DELETE", "/rebuild").await;
    assert_eq!((&abandoned["live"], &abandoned["filling"]), (&0.into(), &Value::Null));
    // No rebuild is running any more, so these do nothing.
    for (method, path) in [("DELETE", "/rebuild"), ("POST", "/rebuild/swap")] {
        assert_eq!(admin_request(&app, method, path).await["live"], 0);
    }
    eventually("its collections to be dropped", async || generations(&app).await == [0]).await;
    assert_eq!(admin_request(&app, "POST", "/rebuild").await["filling"], 2, "numbers are not reused");
    assert_contains(&page(&app, "/").await, &["Jazz"]);
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
async fn retired_generation_is_dropped_and_not_recreated() {
    // It is dropped once no request can still read it.
    let app = with_settings(&[("REQUEST_TIMEOUT", "500ms")]).await;
    let mut services = SourceServices::seed(&app, 3).await;
    app.wait_until_idle().await;
    for generation in 1..=2 {
        admin_request(&app, "POST", "/rebuild").await;
        services.publish_snapshots(&app).await;
        eventually("the swap", async || is_live(&app, generation).await).await;
    }
    eventually("the old generations to be dropped", async || generations(&app).await == [2]).await;
    app.stop().await;
    let other = app.start_second_instance(web::build).await;
    services.advance_versions(&other).await;
    other.wait_until_idle().await;
    assert_eq!(generations(&other).await, [2]);
    assert_contains(&page(&other, "/browse?q=show-01").await, &["Show-01"]);
    assert_eq!(documents(&other, "replica_ticket_v2").await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn generations_are_not_read_for_each_event() {
    let app = app().await;
    admin_request(&app, "POST", "/rebuild").await;
    let ticket = listing(&app, "Jazz", 0);
    let handling = app.profile_reads(async {
        for version in 0..40 {
            app.handle(&app.event(TicketChange::Updated, ticket.terms.id, version, ticket.clone())).await.unwrap();
        }
    });
    let reads = handling.await.iter().filter(|read| read.collection == "read_model").count();
    // A few by the task that completes the rebuild.
    assert!(reads < 20, "{reads}");
}

/// An instance does not read the generations for each event, so a rebuild lets the time of its cache pass first.
#[tokio::test(flavor = "multi_thread")]
async fn rebuild_begins_once_all_instances_write_to_the_new_generation() {
    let app = app().await;
    let other = app.start_second_instance(web::build).await;
    let ticket = listing(&app, "Jazz", 0);
    app.handle(&app.event(TicketChange::Created, ticket.terms.id, 0, ticket.clone())).await.unwrap();
    let began = Instant::now();
    assert_eq!(admin_request(&other, "POST", "/rebuild").await["filling"], 1);
    assert!(began.elapsed() > Duration::from_secs(1), "{:?}", began.elapsed());
    app.handle(&app.event(TicketChange::Updated, ticket.terms.id, 1, ticket.clone())).await.unwrap();
    let filled = documents(&app, "replica_ticket_v1").await;
    assert_eq!(filled[&ticket.terms.id.to_string()].get_i64("version").unwrap(), 1);
}

/// Each event is handled by an instance whose cache does not have the other instance's latest change.
#[tokio::test(flavor = "multi_thread")]
async fn events_reach_all_generations_despite_a_stale_cache() {
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
        admin_request(&other, "POST", "/rebuild").await;
        app.handle(&event(n + 1)).await.unwrap();
        assert_eq!(version(&format!("_v{generation}")).await, i64::try_from(n + 1).ok(), "started");
        admin_request(&other, "POST", "/rebuild/swap").await;
        app.handle(&event(n + 2)).await.unwrap();
        assert_eq!(version(&format!("_v{generation}")).await, i64::try_from(n + 2).ok(), "swapped");
        // Instances with a stale cache still read the old generation.
        let old = if generation == 1 { String::new() } else { format!("_v{}", generation - 1) };
        assert_eq!(version(&old).await, i64::try_from(n + 2).ok(), "retired");
    }
    assert_contains(&page(&app, &path(&ticket)).await, &["Jazz"]);
}
