//! `POST /raise` on the admin port: after a restore to an earlier moment, an owner writes an entity at a version above
//! that of its replicas.

use std::time::Duration;

use common::aggregate::{Aggregate, Versioned};
use common::clock::Clock;
use common::id::UserId;
use serde_json::{Value, json};
use testkit::app::request::Response;
use testkit::app::{TestApp, eventually};

use crate::demo::{Counter, app, insert};

async fn raise(app: &TestApp, body: &Value) -> Response {
    app.admin("POST", "/raise").json(body).send().await
}

async fn stored(app: &TestApp, id: UserId) -> Option<Versioned<Counter>> {
    app.context.store::<Counter>().get(id).await.unwrap()
}

/// Waits until the published events have these types and versions, in the order of versions.
async fn assert_history(app: &TestApp, id: UserId, expected: &[(String, u64)]) {
    eventually("the events", async || {
        let mut history = app.history("demo", id).await;
        history.sort_by_key(|(kind, version)| (*version, kind.contains("snapshot")));
        history == expected
    })
    .await;
}

fn event(kind: &str, version: u64) -> (String, u64) {
    (format!("user.{kind}.v1"), version)
}

#[tokio::test(flavor = "multi_thread")]
async fn current_state_is_written_above_the_replicas_version() {
    let app = app().await;
    let counter = insert(&app, "one").await;
    let body = json!({ "id": counter.id, "above": 5 });
    let raised = raise(&app, &body).await.expect(200).json();
    assert_eq!(raised, json!({ "version": 6, "isWritten": true }));
    let now = stored(&app, counter.id).await.unwrap();
    assert_eq!((now.version, &now.state), (6, &counter.state));
    let expected = [event("registered", 0), event("updated", 6), event("snapshot", 6)];
    assert_history(&app, counter.id, &expected).await;

    // A repeat changes nothing, and the next change has the next version.
    let repeated = raise(&app, &body).await.expect(200).json();
    assert_eq!(repeated, json!({ "version": 6, "isWritten": false }));
    let store = app.context.store::<Counter>();
    let saved = store.save(&now, now.incremented(), now.present_change()).await.unwrap();
    assert_eq!(saved.version, 7);
    let expected = [&expected[..], &[event("updated", 7)]].concat();
    assert_history(&app, counter.id, &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn state_of_the_replicas_replaces_an_older_one_or_a_lost_one() {
    let app = app().await;
    let older = insert(&app, "older").await;
    let newer = Counter { count: 3, ..older.state.clone() };
    let lost = Counter { count: 2, ..Counter::new("lost", app.clock.now()) };
    for (counter, above) in [(&newer, 3), (&lost, 2)] {
        let body = json!({ "id": counter.id, "above": above, "state": counter.payload() });
        let raised = raise(&app, &body).await.expect(200).json();
        assert_eq!(raised, json!({ "version": above + 1, "isWritten": true }));
        let now = stored(&app, counter.id).await.unwrap();
        assert_eq!((now.version, &now.state), (above + 1, counter));
    }
    assert_history(&app, lost.id, &[event("updated", 3), event("snapshot", 3)]).await;
}

/// The owner has acknowledged a change after its restore, or the entity is final: writing the replicas' state would
/// undo that.
#[tokio::test(flavor = "multi_thread")]
async fn state_of_the_replicas_does_not_replace_a_later_or_final_one() {
    let app = app().await;
    let store = app.context.store::<Counter>();
    let (changed, ended) = (insert(&app, "changed").await, insert(&app, "ended").await);
    let updated_at = app.clock.now().plus(Duration::from_secs(1));
    for (counter, next) in [
        (&changed, Counter { updated_at, ..changed.incremented() }),
        (&ended, Counter { done: true, ..ended.incremented() }),
    ] {
        let now = store.save(counter, next, counter.present_change()).await.unwrap();
        let replicated = Counter { count: 7, ..counter.state.clone() };
        let body = json!({ "id": counter.id, "above": 3, "state": replicated.payload() });
        let conflict = raise(&app, &body).await.expect(409).json();
        assert!(conflict["type"].as_str().unwrap().ends_with("changed-since"), "{conflict}");
        assert_eq!(stored(&app, counter.id).await.as_ref(), Some(&now));
        let raised = raise(&app, &json!({ "id": counter.id, "above": 3 })).await.expect(200).json();
        assert_eq!(raised, json!({ "version": 4, "isWritten": true }));
        assert_eq!(stored(&app, counter.id).await.unwrap().state, now.state);
    }
    app.wait_until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_and_conflicting_requests_change_nothing() {
    let app = app().await;
    let counter = insert(&app, "one").await;
    let id = counter.id;
    raise(&app, &json!({ "id": UserId::new(), "above": 1 })).await.expect(404);
    // The state of another entity, an incomplete state, and a missing version.
    let other = Counter::new("other", app.clock.now());
    raise(&app, &json!({ "id": id, "above": 1, "state": other.payload() })).await.expect(400);
    raise(&app, &json!({ "id": id, "above": 1, "state": { "id": id } })).await.expect(400);
    raise(&app, &json!({ "id": id })).await.expect(400);
    // A state with another value of an immutable field.
    let renamed = Counter { name: "two".to_owned(), ..counter.state.clone() };
    raise(&app, &json!({ "id": id, "above": 1, "state": renamed.payload() })).await.expect(400);
    // Versions that would skip more than `MAX_SKIPPED`.
    let lost = Counter::new("far", app.clock.now());
    for above in [1_000_001_u64, i64::MAX.unsigned_abs() - 1, u64::MAX] {
        raise(&app, &json!({ "id": id, "above": above })).await.expect(400);
        raise(&app, &json!({ "id": lost.id, "above": above, "state": lost.payload() })).await.expect(400);
    }
    // Another counter has taken the unique name of the lost one.
    let lost = Counter::new("one", app.clock.now());
    let conflict = raise(&app, &json!({ "id": lost.id, "above": 1, "state": lost.payload() })).await.expect(409).json();
    assert!(conflict["detail"].as_str().unwrap().contains("name_v1"), "{conflict}");
    assert_eq!(stored(&app, lost.id).await, None);
    assert_eq!(stored(&app, id).await.unwrap().version, 0);
    app.wait_until_idle().await;
    assert_history(&app, id, &[event("registered", 0)]).await;
}
