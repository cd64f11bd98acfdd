//! Claims, the stored records of idempotency keys: replayed requests, requests with another body, crashes between claim
//! and insert, and claims that are released or have expired.

use std::time::Duration;

use common::aggregate::Versioned;
use common::clock::Clock as _;
use common::error::Error;
use common::id::UserId;
use common::identity::Claims as TokenClaims;
use mongodb::bson::{Document, doc};
use platform::store::claims::{Claims, IdempotencyKey};
use serde_json::{Value, json};
use testkit::app::TestApp;
use testkit::app::request::Response;
use testkit::app::users::{Signer, User};

use crate::demo::{Counter, app, build};

async fn post(app: &TestApp, user: &User, key: &str, name: &str) -> Response {
    let request = app.request("POST", "/api/demo").as_user(user).header("idempotency-key", key);
    request.json(&json!({ "name": name })).send().await
}

fn key(hash: &str) -> IdempotencyKey {
    IdempotencyKey { key: "k".to_owned(), hash: hash.to_owned() }
}

fn claims(app: &TestApp) -> Claims<UserId, String> {
    app.context.claims()
}

/// Claims a new id for the request with the key "k" and this body.
async fn claim(app: &TestApp, user: &User, hash: &str) -> Result<(UserId, String), Error> {
    let (id, now) = (UserId::new(), app.clock.now());
    let claim = claims(app).claim(user.id, Some(&key(hash)), id, format!("response of {id}"), now).await?;
    assert_eq!(claim.response, format!("response of {}", claim.entity_id));
    Ok((claim.entity_id, claim.response))
}

async fn counters(app: &TestApp) -> u64 {
    app.context.database.collection::<Document>("counters").count_documents(doc! {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_returns_the_original_response() {
    let app = app().await;
    let user = app.signer.user();
    let first = post(&app, &user, "k", "one").await.expect(201).json();
    let id = first["state"]["id"].as_str().unwrap();
    app.request("PUT", &format!("/api/demo/{id}")).send().await.expect(200);
    assert_eq!(post(&app, &user, "k", "one").await.expect(201).json(), first);
    let mismatch = post(&app, &user, "k", "two").await.expect(422);
    assert_eq!(mismatch.problem(), "idempotency-mismatch");
    assert_eq!(mismatch.fields(), ["Idempotency-Key"]);
    // Keys are scoped to a user, but the name is taken.
    let other = post(&app, &app.signer.user(), "k", "one").await.expect(409);
    assert_eq!(other.problem(), "name-taken");
    app.wait_until_idle().await;
    assert_eq!(app.events("demo").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_repeats_on_two_instances_create_one_counter() {
    let app = app().await;
    let other = app.start_second_instance(build).await;
    let user = app.signer.user();
    let repeats = (0..20).map(|n| post(if n % 2 == 0 { &app } else { &other }, &user, "k", "one"));
    let mut made: Vec<Value> = Vec::new();
    for response in futures::future::join_all(repeats).await {
        // A repeated insert violates the unique indexes of both the id and the name; MongoDB reports one of them.
        if response.status == 409 {
            assert_eq!(response.problem(), "name-taken");
        } else {
            made.push(response.expect(201).json());
        }
    }
    assert!(!made.is_empty() && made.iter().all(|one| *one == made[0]));
    assert_eq!(counters(&app).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeat_after_a_crash_between_claim_and_insert_creates_the_claimed_entity() {
    let app = app().await;
    let user = app.signer.user();
    let first = post(&app, &user, "k", "one").await.expect(201).json();
    // A crash between claim and insert leaves only the claim.
    app.wait_until_idle().await;
    let counters_collection = app.context.database.collection::<Document>("counters");
    counters_collection.delete_many(doc! {}).await.unwrap();
    assert_eq!(post(&app, &user, "k", "two").await.expect(422).problem(), "idempotency-mismatch");
    assert_eq!(counters(&app).await, 0, "another body does not get the id");
    assert_eq!(post(&app, &user, "k", "one").await.expect(201).json(), first);
    let id = first["state"]["id"].as_str().unwrap();
    assert_eq!(app.request("GET", &format!("/api/demo/{id}")).send().await.expect(200).json(), first);
    app.wait_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_claims_name_one_entity() {
    let app = app().await;
    let user = app.signer.user();
    let claimed = futures::future::join_all((0..20).map(|_| claim(&app, &user, "one"))).await;
    let first = claimed[0].clone().unwrap();
    assert!(claimed.into_iter().all(|one| one.unwrap() == first));
    assert!(matches!(claim(&app, &user, "two").await, Err(Error::Unprocessable(_))));
    assert_ne!(claim(&app, &app.signer.user(), "two").await.unwrap(), first, "keys are scoped to a user");
    let found = claims(&app).find(user.id, Some(&key("two"))).await.unwrap().unwrap();
    assert_eq!(found.entity_id, first.0);
    assert!(found.ensure_same_body(Some(&key("one"))).is_ok());
    assert!(matches!(found.ensure_same_body(Some(&key("two"))), Err(Error::Unprocessable(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn claim_is_released_unless_a_repeat_relies_on_it() {
    let app = app().await;
    let (user, claims) = (app.signer.user(), claims(&app));
    let first = claim(&app, &user, "one").await.unwrap();
    let found = claims.find(user.id, Some(&key("one"))).await.unwrap().unwrap();
    assert!(claims.release(&found).await.unwrap());
    assert!(!claims.release(&found).await.unwrap() && !claims.pin(&found).await.unwrap(), "it is gone");
    // The key is free for any body.
    let second = claim(&app, &user, "two").await.unwrap();
    assert_ne!(second, first);
    assert!(!claims.release(&found).await.unwrap(), "the released claim has the same key as the new one");
    assert!(!claims.pin(&found).await.unwrap());
    let found = claims.find(user.id, Some(&key("two"))).await.unwrap().unwrap();
    assert!(claims.pin(&found).await.unwrap() && claims.pin(&found).await.unwrap());
    assert!(!claims.release(&found).await.unwrap());
    assert_eq!(claim(&app, &user, "two").await.unwrap(), second);
}

#[tokio::test(flavor = "multi_thread")]
async fn request_without_a_key_stores_no_claim() {
    let app = app().await;
    let user = app.signer.user();
    let body = json!({ "name": "one" });
    app.request("POST", "/api/demo").as_user(&user).json(&body).send().await.expect(201);
    assert!(claims(&app).find(user.id, None).await.unwrap().is_none());
    let stored = app.context.database.collection::<Document>("claims").count_documents(doc! {}).await.unwrap();
    assert_eq!(stored, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn claim_counts_for_a_day() {
    let app = app().await;
    let id = UserId::new();
    let usual = Signer::claims(id);
    let token = TokenClaims { exp: usual.iat + 100 * 86_400, ..usual };
    let user = User { id, token: app.signer.sign(&token) };
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let first = post(&app, &user, "k", "one").await.expect(201).json();
    app.clock.advance(hours(23));
    assert_eq!(post(&app, &user, "k", "one").await.expect(201).json(), first);
    app.clock.advance(hours(2));
    // The claim has expired, so the same request is a new one, whose name is taken. Once its claim has expired too, a
    // request with another body succeeds.
    assert_eq!(post(&app, &user, "k", "one").await.expect(409).problem(), "name-taken");
    let claims = app.context.claims::<UserId, Versioned<Counter>>();
    let renewed = claims.find(id, Some(&key("any"))).await.unwrap().unwrap();
    assert_ne!(renewed.entity_id.to_string(), first["state"]["id"].as_str().unwrap());
    app.clock.advance(hours(25));
    post(&app, &user, "k", "two").await.expect(201);
    app.wait_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claim_counts_for_a_day_after_its_last_use_without_an_entity() {
    let app = app().await;
    let user = app.signer.user();
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let first = claim(&app, &user, "one").await.unwrap();
    app.clock.advance(hours(23));
    // The first request failed before its insert. This one extends the claim, because it may be about to insert.
    assert_eq!(claim(&app, &user, "one").await.unwrap(), first);
    app.clock.advance(hours(23));
    let found = claims(&app).find(user.id, Some(&key("one"))).await.unwrap();
    assert_eq!(found.unwrap().entity_id, first.0);
    assert_eq!(claim(&app, &user, "one").await.unwrap(), first);
    app.clock.advance(hours(25));
    assert_ne!(claim(&app, &user, "one").await.unwrap(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn mongodb_removes_claims_after_more_than_a_day() {
    let app = app().await;
    claim(&app, &app.signer.user(), "one").await.unwrap();
    let collection = app.context.database.collection::<Document>("claims");
    let stored = collection.find_one(doc! {}).await.unwrap().unwrap();
    let left = stored.get_datetime("expiresOn").unwrap().timestamp_millis() - app.clock.now().as_millis();
    assert!((25 * 3_600_000..=26 * 3_600_000).contains(&left), "{left}");
    let names = collection.list_index_names().await.unwrap();
    assert_eq!(names, ["_id_", "expiry_v1"]);
}
