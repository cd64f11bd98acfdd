//! Limits on a buyer's holds: how many at once, and how often of one listing.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::time::Duration;

use common::events::payment::PaymentStatus;
use common::events::ticket::{TicketChange, TicketState};
use orders::config::Config;
use orders::flows::limit_holds::may_replay;
use orders::state::AppState;
use platform::store::claims::IdempotencyKey;
use serde_json::{Value, json};
use testkit::app::TestApp;
use testkit::app::request::{Request, Response};
use testkit::app::users::{Signer, User};
use tokio::task::JoinSet;

use crate::scenarios::TestEvent;
use crate::support::{app, app_with, create_listing, id_of, path, payment, place, post, read, reserved};

async fn create_listings(app: &TestApp, count: usize) -> Vec<TicketState> {
    let mut listings = Vec::new();
    for _ in 0..count {
        listings.push(create_listing(app).await);
    }
    listings
}

fn hold(app: &TestApp, buyer: &User, ticket: &TicketState) -> Request {
    app.request("POST", "/api/orders").as_user(buyer).json(&json!({ "ticketId": ticket.terms.id }))
}

async fn cancel(app: &TestApp, buyer: &User, order: &Value) {
    app.request("DELETE", &path(order)).as_user(buyer).send().await.expect(200);
}

/// The ids of the buyer's orders that are not cancelled.
async fn held_order_ids(app: &TestApp, buyer: &User) -> BTreeSet<String> {
    let list = app.request("GET", "/api/orders?limit=100").as_user(buyer).send().await.expect(200).json();
    let open = list["items"].as_array().unwrap().iter().filter(|order| order["status"] != "cancelled");
    open.map(|order| order["id"].as_str().unwrap().to_owned()).collect()
}

fn id(response: &Response) -> String {
    response.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_of_thirty_concurrent_holds_are_kept() {
    let app = app().await;
    let other = app.start_second_instance(orders::build).await;
    for _ in 0..3 {
        let (buyer, tickets) = (app.signer.user(), create_listings(&app, 30).await);
        let mut requests = JoinSet::new();
        for (ticket, instance) in tickets.iter().zip([&app, &other].into_iter().cycle()) {
            requests.spawn(hold(instance, &buyer, ticket).send());
        }
        let responses = requests.join_all().await;
        let (placed, rejected): (Vec<_>, Vec<_>) = responses.into_iter().partition(|response| response.status == 201);
        assert!(
            rejected.iter().all(|response| (response.status, response.problem().as_str()) == (409, "too-many-holds"))
        );
        assert_eq!(placed.len(), 5);
        // The acknowledged orders exist, and no others.
        assert_eq!(held_order_ids(&app, &buyer).await, placed.iter().map(id).collect::<BTreeSet<_>>());
        // The other tickets can be ordered.
        for ticket in &tickets {
            let response = post(&app, &app.signer.user(), ticket).await;
            assert!(response.status == 201 || response.problem() == "ticket-taken", "{response:?}");
        }
    }
    app.wait_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limit_ends_when_a_hold_is_paid_or_cancelled() {
    let app = app().await;
    let (buyer, tickets) = (app.signer.user(), create_listings(&app, 8).await);
    let mut orders = Vec::new();
    for ticket in &tickets[..5] {
        orders.push(place(&app, &buyer, ticket).await);
    }
    app.wait_until_idle().await;
    let rejected = post(&app, &buyer, &tickets[5]).await.expect(409);
    assert_eq!(rejected.problem(), "too-many-holds");
    let named: Vec<_> = orders.iter().map(|order| order["id"].clone()).collect();
    assert_eq!(rejected.json()["orders"], json!(named));
    assert_eq!(post(&app, &buyer, &tickets[0]).await.expect(409).problem(), "held-already");
    app.wait_until_idle().await;
    assert_eq!(app.events("orders").await.len(), 5, "a rejected request has no effect");
    place(&app, &app.signer.user(), &tickets[5]).await;

    cancel(&app, &buyer, &orders[0]).await;
    place(&app, &buyer, &tickets[6]).await;
    post(&app, &buyer, &tickets[7]).await.expect(409);
    // An authorised order is no longer a hold.
    let listing = reserved(&tickets[1], id_of(&orders[1]));
    TestEvent::ticket(&app, TicketChange::Reserved, 1, listing).handle(&app).await.unwrap();
    let paid = payment(&orders[1], PaymentStatus::Authorizing);
    TestEvent::payment(&app, &paid, PaymentStatus::Authorized).handle(&app).await.unwrap();
    place(&app, &buyer, &tickets[7]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_holds_of_one_listing_are_limited() {
    let app = app_with(&[("ORDER_TTL", "5m")]).await;
    let (buyer, ticket, another) = (app.signer.user(), create_listing(&app).await, create_listing(&app).await);
    for expires in [false, true, false] {
        let order = place(&app, &buyer, &ticket).await;
        if expires {
            app.clock.advance(Duration::from_secs(300));
            TestEvent::expiration(&app, &order).handle(&app).await.unwrap();
        } else {
            cancel(&app, &buyer, &order).await;
        }
    }
    let rejected = post(&app, &buyer, &ticket).await.expect(429);
    assert_eq!(rejected.problem(), "rate-limited");
    // The buyer may abandon three holds of a listing per hour. The first was cancelled five minutes ago.
    let wait: u64 = rejected.header("retry-after").parse().unwrap();
    assert!((3_200..=3_300).contains(&wait), "{wait}");
    // Other listings, other buyers and refused orders do not count.
    let order = place(&app, &buyer, &another).await;
    let refusal = crate::support::with_refusal(&another, id_of(&order));
    TestEvent::ticket(&app, TicketChange::Refused, 1, refusal).handle(&app).await.unwrap();
    assert_eq!(read(&app, &buyer, &order).await["cancelReason"], "refused");
    let other = app.signer.user();
    let order = place(&app, &other, &ticket).await;
    cancel(&app, &other, &order).await;

    app.clock.advance(Duration::from_secs(wait + 1));
    place(&app, &buyer, &ticket).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repeat_of_a_withdrawn_hold_is_a_new_request() {
    let app = app().await;
    let other = app.start_second_instance(orders::build).await;
    let (buyer, tickets) = (app.signer.user(), create_listings(&app, 20).await);
    let keyed =
        |instance: &TestApp, n: usize| hold(instance, &buyer, &tickets[n]).header("idempotency-key", format!("k{n}"));
    // Each request is sent to two instances, and all requests are concurrent.
    let mut requests = JoinSet::new();
    for (n, instance) in (0..20).flat_map(|n| [(n, &app), (n, &other)]) {
        let request = keyed(instance, n);
        requests.spawn(async move { (n, request.send().await) });
    }
    let responses = requests.join_all().await;
    let mut acknowledged_by_key: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for (n, response) in &responses {
        match response.status {
            201 => drop(acknowledged_by_key.entry(*n).or_default().insert(id(response))),
            409 => {
                let problem = response.problem();
                assert!(
                    ["too-many-holds", "in-flight", "held-already", "ticket-taken"].contains(&problem.as_str()),
                    "{problem}"
                );
            }
            status => panic!("{status}"),
        }
    }
    assert!(acknowledged_by_key.values().all(|ids| ids.len() == 1), "one key names one order: {acknowledged_by_key:?}");
    let acknowledged: BTreeSet<_> = acknowledged_by_key.values().flatten().cloned().collect();
    assert_eq!(held_order_ids(&app, &buyer).await, acknowledged, "acknowledged orders are kept");
    assert_eq!(acknowledged.len(), 5);
    for n in 0..20 {
        let again = keyed(&app, n).send().await;
        match acknowledged_by_key.get(&n) {
            Some(ids) => assert_eq!(BTreeSet::from([id(&again.expect(201))]), *ids),
            None => assert_eq!(again.expect(409).problem(), "too-many-holds"),
        }
    }
    // One more hold is possible now.
    let (_, ids) = acknowledged_by_key.first_key_value().unwrap();
    app.request("DELETE", &format!("/api/orders/{}", ids.first().unwrap())).as_user(&buyer).send().await.expect(200);
    let rejected = (0..20).find(|n| !acknowledged_by_key.contains_key(n)).unwrap();
    keyed(&app, rejected).send().await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawn_hold_is_not_replayed() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let state = build_state(&app);
    let place = async |key: &str| {
        let request = hold(&app, &buyer, &ticket).header("idempotency-key", key);
        request.send().await.expect(201).json()
    };
    let found = async |key: &str| {
        let key = IdempotencyKey { key: key.to_owned(), hash: String::new() };
        let claim = state.claims.find(buyer.id, Some(&key)).await.unwrap().unwrap();
        (state.orders.get(claim.entity_id).await.unwrap().unwrap(), claim)
    };
    let cancel = async |order: &Value| {
        app.request("DELETE", &path(order)).as_user(&buyer).send().await.expect(200);
    };
    let first = place("first").await;
    let (order, claim) = found("first").await;
    assert!(may_replay(&state, &order, &claim).await.unwrap());
    cancel(&first).await;
    let (order, claim) = found("first").await;
    assert!(may_replay(&state, &order, &claim).await.unwrap(), "acknowledged before the buyer cancelled it");
    assert!(!state.claims.release(&claim).await.unwrap());
    // The repeat has found the order by its key, but the original request withdraws the hold before it can replay.
    let second = place("second").await;
    let (order, claim) = found("second").await;
    assert!(state.claims.release(&claim).await.unwrap());
    cancel(&second).await;
    assert!(!may_replay(&state, &order, &claim).await.unwrap(), "the order was not acknowledged");
    // The same key places a new order.
    assert_ne!(place("second").await["id"], second["id"]);
}

/// The application state, for calling a flow directly.
fn build_state(app: &TestApp) -> AppState {
    let fixed = ["orders", "--public-url=http://localhost", "--mongodb-url=x", "--nats-url=x", "--jwks"];
    let keys = [app.signer.jwks.clone(), format!("--pass-private-keys={}", Signer::new().pem)];
    let arguments = fixed.map(str::to_owned).into_iter().chain(keys).map(OsString::from);
    let (_, config) = platform::config::parse::<Config>(orders::NAME, arguments).unwrap();
    AppState::new(config, &app.context).unwrap()
}
