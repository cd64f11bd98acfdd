//! Idempotency keys: replays, mismatches, requests in flight, released and expired keys.

use std::time::Duration;

use common::id::UserId;
use common::identity::Claims;
use serde_json::{Value, json};
use testkit::app::request::Response;
use testkit::app::users::{Signer, User};
use testkit::app::{TestApp, eventually};

use crate::demo::{app, app_with};

async fn post(app: &TestApp, user: &User, path: &str, key: &str, name: &str) -> Response {
    let request = app.request("POST", path).as_user(user).header("idempotency-key", key);
    request.json(&json!({ "name": name })).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_returns_the_original_answer() {
    let app = app().await;
    let user = app.signer.user();
    let first = post(&app, &user, "/api/demo", "k", "one").await.expect(201).json();
    let id = first["state"]["id"].as_str().unwrap();
    app.request("PUT", &format!("/api/demo/{id}")).send().await.expect(200);
    assert_eq!(post(&app, &user, "/api/demo", "k", "one").await.expect(201).json(), first);
    let mismatch = post(&app, &user, "/api/demo", "k", "two").await.expect(422);
    assert_eq!(mismatch.problem(), "idempotency-mismatch");
    assert_eq!(mismatch.fields(), ["Idempotency-Key"]);
    // Keys are scoped to a user, but the name is taken.
    let other = post(&app, &app.signer.user(), "/api/demo", "k", "one").await.expect(409);
    assert_eq!(other.problem(), "name-taken");
    app.wait_until_idle().await;
    assert_eq!(app.events("demo").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_repeats_create_one_counter() {
    let app = app().await;
    let user = app.signer.user();
    let answers = futures::future::join_all((0..20).map(|_| post(&app, &user, "/api/demo", "k", "one"))).await;
    let mut made: Vec<Value> = Vec::new();
    for answer in answers {
        // The database reports either unique index: that of the key or that of the name.
        if answer.status == 409 {
            assert_eq!(answer.problem(), "name-taken");
        } else {
            made.push(answer.expect(201).json());
        }
    }
    assert!(!made.is_empty() && made.iter().all(|one| *one == made[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn repeat_gets_409_while_the_first_request_is_in_flight() {
    let app = app().await;
    let user = app.signer.user();
    let id = post(&app, &user, "/api/demo/started", "k", "one").await.expect(201).text();
    let waiting = post(&app, &user, "/api/demo/started", "k", "one").await.expect(409);
    assert_eq!((waiting.problem().as_str(), waiting.header("retry-after")), ("in-flight", "1"));
    post(&app, &user, "/api/demo/started", "k", "two").await.expect(422);
    let finish = |name: &str| app.request("POST", &format!("/api/demo/started/{id}")).json(&json!({ "name": name }));
    finish("the answer").send().await.expect(204);
    let replay = post(&app, &user, "/api/demo/started", "k", "one").await.expect(201);
    assert_eq!(replay.text(), "the answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn released_key_can_be_used_again() {
    let app = app().await;
    let user = app.signer.user();
    let id = post(&app, &user, "/api/demo/started", "k", "one").await.expect(201).text();
    let path = format!("/api/demo/started/{id}");
    // The demo releases the key for this name.
    app.request("POST", &path).json(&json!({ "name": "forget" })).send().await.expect(204);
    let again = post(&app, &user, "/api/demo/started", "k", "two").await.expect(201).text();
    assert_ne!(again, id);
}

#[tokio::test(flavor = "multi_thread")]
async fn request_without_a_key_stores_no_record() {
    let app = app().await;
    let user = app.signer.user();
    let body = json!({ "name": "one" });
    let id = app.request("POST", "/api/demo/started").as_user(&user).json(&body).send().await.expect(201).text();
    let path = format!("/api/demo/started/{id}");
    app.request("POST", &path).json(&json!({ "name": "the answer" })).send().await.expect(204);
    let left = crate::demo::document(&app, &id).await;
    assert!(left.get("idempotency").is_none(), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_is_replayed_for_a_day() {
    let app = app_with(&[("CLEANUP_INTERVAL", "100ms")]).await;
    let id = UserId::new();
    let usual = Signer::claims(id);
    let claims = Claims { exp: usual.iat + 100 * 86_400, ..usual };
    let user = User { id, token: app.signer.sign(&claims) };
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let first = post(&app, &user, "/api/demo", "done", "one").await.expect(201).json();
    // One request stays in flight, and another gets its answer late.
    let stuck = post(&app, &user, "/api/demo/started", "stuck", "two").await.expect(201).text();
    let late = post(&app, &user, "/api/demo/started", "late", "three").await.expect(201).text();
    app.clock.advance(hours(23));
    let finish = app.request("POST", &format!("/api/demo/started/{late}")).json(&json!({ "name": "the answer" }));
    finish.send().await.expect(204);
    assert_eq!(post(&app, &user, "/api/demo", "done", "one").await.expect(201).json(), first);
    app.clock.advance(hours(2));
    // Now it is a new request, whose name is taken.
    eventually("the key to expire", async || {
        let answer = post(&app, &user, "/api/demo", "done", "one").await;
        answer.status == 409 && answer.problem() == "name-taken"
    })
    .await;
    assert_eq!(post(&app, &user, "/api/demo/started", "stuck", "two").await.expect(409).problem(), "in-flight");
    assert_eq!(post(&app, &user, "/api/demo/started", "late", "three").await.expect(201).text(), "the answer");
    assert!(crate::demo::document(&app, &stuck).await.get("idempotency").is_some());
}
