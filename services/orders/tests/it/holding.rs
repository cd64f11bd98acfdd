//! How many tickets a buyer may hold at once, and how often one listing again.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::time::Duration;

use common::events::payment::PaymentStatus;
use common::events::ticket::{TicketChange, TicketState};
use common::id::OrderId;
use orders::config::Config;
use orders::flows::limit_holds::may_repeat;
use orders::state::AppState;
use platform::store::idempotency::IdempotencyKey;
use serde_json::{Value, json};
use testkit::app::TestApp;
use testkit::app::request::{Request, Response};
use testkit::app::users::{Signer, User};
use tokio::task::JoinSet;

use crate::support::{app, app_with, id_of, known, path, payment, place, post, read, reserved};
use crate::told::Told;

async fn listings(app: &TestApp, count: usize) -> Vec<TicketState> {
    let mut listings = Vec::new();
    for _ in 0..count {
        listings.push(known(app).await);
    }
    listings
}

fn hold(app: &TestApp, buyer: &User, ticket: &TicketState) -> Request {
    app.request("POST", "/api/orders").by(buyer).json(&json!({ "ticketId": ticket.terms.id }))
}

async fn let_go(app: &TestApp, buyer: &User, order: &Value) {
    app.request("DELETE", &path(order)).by(buyer).send().await.expect(200);
}

/// The ids of the buyer's orders that hold a ticket.
async fn held(app: &TestApp, buyer: &User) -> BTreeSet<String> {
    let list = app.request("GET", "/api/orders?limit=100").by(buyer).send().await.expect(200).json();
    let open = list["items"].as_array().unwrap().iter().filter(|order| order["status"] != "cancelled");
    open.map(|order| order["id"].as_str().unwrap().to_owned()).collect()
}

fn id(answer: &Response) -> String {
    answer.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_holds_at_once_end_with_five() {
    let app = app().await;
    let other = app.start_second_instance(orders::build).await;
    for _ in 0..3 {
        let (buyer, tickets) = (app.signer.user(), listings(&app, 30).await);
        let mut requests = JoinSet::new();
        for (ticket, instance) in tickets.iter().zip([&app, &other].into_iter().cycle()) {
            requests.spawn(hold(instance, &buyer, ticket).send());
        }
        let answers = requests.join_all().await;
        let (placed, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
        assert!(refused.iter().all(|answer| (answer.status, answer.problem().as_str()) == (409, "too-many-holds")));
        assert_eq!(placed.len(), 5);
        // What was acknowledged is there, and nothing else.
        assert_eq!(held(&app, &buyer).await, placed.iter().map(id).collect::<BTreeSet<_>>());
        // The tickets of the others can be had.
        for ticket in &tickets {
            let answer = post(&app, &app.signer.user(), ticket).await;
            assert!(answer.status == 201 || answer.problem() == "ticket-taken", "{answer:?}");
        }
    }
    app.wait_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_five_has_to_pay_for_one_or_let_it_go() {
    let app = app().await;
    let (buyer, tickets) = (app.signer.user(), listings(&app, 8).await);
    let mut orders = Vec::new();
    for ticket in &tickets[..5] {
        orders.push(place(&app, &buyer, ticket).await);
    }
    app.wait_until_idle().await;
    let refused = post(&app, &buyer, &tickets[5]).await.expect(409);
    assert_eq!(refused.problem(), "too-many-holds");
    let named: Vec<_> = orders.iter().map(|order| order["id"].clone()).collect();
    assert_eq!(refused.json()["orders"], json!(named));
    assert_eq!(post(&app, &buyer, &tickets[0]).await.expect(409).problem(), "ticket-held");
    app.wait_until_idle().await;
    assert_eq!(app.events("orders").await.len(), 5, "a refusal has no effect");
    place(&app, &app.signer.user(), &tickets[5]).await;

    let_go(&app, &buyer, &orders[0]).await;
    place(&app, &buyer, &tickets[6]).await;
    post(&app, &buyer, &tickets[7]).await.expect(409);
    // One that is won is no hold any more.
    let answer = reserved(&tickets[1], id_of(&orders[1]));
    Told::ticket(&app, TicketChange::Reserved, 1, answer).handle(&app).await.unwrap();
    let paid = payment(&orders[1], PaymentStatus::Authorizing);
    Told::payment(&app, &paid, PaymentStatus::Authorized).handle(&app).await.unwrap();
    place(&app, &buyer, &tickets[7]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_listing_is_not_held_again_and_again() {
    let app = app_with(&[("ORDER_TTL", "5m")]).await;
    let (buyer, ticket, another) = (app.signer.user(), known(&app).await, known(&app).await);
    for expires in [false, true, false] {
        let order = place(&app, &buyer, &ticket).await;
        if expires {
            app.clock.advance(Duration::from_secs(300));
            Told::expiration(&app, &order).handle(&app).await.unwrap();
        } else {
            let_go(&app, &buyer, &order).await;
        }
    }
    let refused = post(&app, &buyer, &ticket).await.expect(429);
    assert_eq!(refused.problem(), "rate-limited");
    // Five minutes have passed since the first of the three was let go.
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((3_200..=3_300).contains(&wait), "{wait}");
    // Neither another listing nor another buyer has a part in it; nor has a hold that the listing refused.
    let order = place(&app, &buyer, &another).await;
    let refusal = crate::support::refusing(&another, id_of(&order));
    Told::ticket(&app, TicketChange::Refused, 1, refusal).handle(&app).await.unwrap();
    assert_eq!(read(&app, &buyer, &order).await["cancelReason"], "refused");
    let other = app.signer.user();
    let order = place(&app, &other, &ticket).await;
    let_go(&app, &other, &order).await;

    app.clock.advance(Duration::from_secs(wait + 1));
    place(&app, &buyer, &ticket).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_of_what_was_one_too_many_is_a_new_request() {
    let app = app().await;
    let other = app.start_second_instance(orders::build).await;
    let (buyer, tickets) = (app.signer.user(), listings(&app, 20).await);
    let keyed =
        |instance: &TestApp, n: usize| hold(instance, &buyer, &tickets[n]).header("idempotency-key", format!("k{n}"));
    // Each of them twice, on two instances, all at once.
    let mut requests = JoinSet::new();
    for (n, instance) in (0..20).flat_map(|n| [(n, &app), (n, &other)]) {
        let request = keyed(instance, n);
        requests.spawn(async move { (n, request.send().await) });
    }
    let answers = requests.join_all().await;
    let mut told: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for (n, answer) in &answers {
        match answer.status {
            201 => drop(told.entry(*n).or_default().insert(id(answer))),
            409 => {
                let problem = answer.problem();
                assert!(
                    ["too-many-holds", "in-flight", "ticket-held", "ticket-taken"].contains(&problem.as_str()),
                    "{problem}"
                );
            }
            status => panic!("{status}"),
        }
    }
    assert!(told.values().all(|ids| ids.len() == 1), "one key names one order: {told:?}");
    let acknowledged: BTreeSet<_> = told.values().flatten().cloned().collect();
    assert_eq!(held(&app, &buyer).await, acknowledged, "what was acknowledged stays");
    assert_eq!(acknowledged.len(), 5);
    for n in 0..20 {
        let again = keyed(&app, n).send().await;
        match told.get(&n) {
            Some(ids) => assert_eq!(BTreeSet::from([id(&again.expect(201))]), *ids),
            None => assert_eq!(again.expect(409).problem(), "too-many-holds"),
        }
    }
    // There is room for one of them now.
    let (_, ids) = told.first_key_value().unwrap();
    app.request("DELETE", &format!("/api/orders/{}", ids.first().unwrap())).by(&buyer).send().await.expect(200);
    let refused = (0..20).find(|n| !told.contains_key(n)).unwrap();
    keyed(&app, refused).send().await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_its_request_gave_up_is_no_answer_to_a_repeat() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), known(&app).await);
    let state = state_of(&app);
    let holds = async |key: &str| {
        let request = hold(&app, &buyer, &ticket).header("idempotency-key", key);
        id_of(&request.send().await.expect(201).json())
    };
    let repeats = async |key: &str, id: OrderId| {
        let key = IdempotencyKey { key: key.to_owned(), hash: String::new() };
        may_repeat(&state, id, Some(&key)).await.unwrap()
    };
    let lets_go = async |id: OrderId| {
        app.request("DELETE", &format!("/api/orders/{id}")).by(&buyer).send().await.expect(200);
    };
    let order = holds("first").await;
    assert!(repeats("first", order).await);
    lets_go(order).await;
    assert!(repeats("first", order).await, "what the buyer let go was acknowledged all the same");
    // A repeat has read which order its key names; the request gives the hold up; and the repeat goes on.
    let order = holds("second").await;
    assert!(state.orders.release_key(order).await.unwrap());
    lets_go(order).await;
    assert!(!repeats("second", order).await, "nobody was told of it");
}

/// What the handlers of this service share.
fn state_of(app: &TestApp) -> AppState {
    let fixed = ["orders", "--public-url=http://localhost", "--mongodb-url=x", "--nats-url=x", "--jwks"];
    let keys = [app.signer.jwks.clone(), format!("--pass-private-keys={}", Signer::new().pem)];
    let arguments = fixed.map(str::to_owned).into_iter().chain(keys).map(OsString::from);
    let (_, config) = platform::config::parse::<Config>(orders::NAME, arguments).unwrap();
    AppState::new(config, &app.context).unwrap()
}
