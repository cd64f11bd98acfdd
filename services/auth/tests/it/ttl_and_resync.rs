//! Documents expire, and a resync publishes snapshots that replace lost events.

use mongodb::bson::{Bson, Document, doc};
use serde_json::json;
use testkit::app::eventually;

use crate::support::{app, email, refresh, sign_in, sign_up};

#[tokio::test(flavor = "multi_thread")]
async fn sessions_tokens_and_throttles_expire() {
    let app = app().await;
    let ana = sign_up(&app).await;
    sign_in(&app, &email(), "wrong password").await.expect(401);
    refresh(&app, &ana.refresh).await.expect(200);
    // Throttles: one for sign-ups, and two for the failed sign-in: by client network, and by account and network.
    for (name, count) in [("sessions", 1), ("refresh_tokens", 2), ("throttles", 3)] {
        let documents = app.context.database.collection::<Document>(name);
        let dated = doc! { "expiresOn": { "$type": "date", "$gt": mongodb::bson::DateTime::now() } };
        assert_eq!(documents.count_documents(dated).await.unwrap(), count, "{name}");
        assert_eq!(documents.count_documents(doc! {}).await.unwrap(), count, "{name}");
        let mut indexes = documents.list_indexes().await.unwrap();
        let mut expiring = Vec::new();
        while indexes.advance().await.unwrap() {
            let index = indexes.deserialize_current().unwrap();
            if index.options.and_then(|options| options.expire_after).is_some_and(|after| after.is_zero()) {
                expiring.push(index.keys);
            }
        }
        assert_eq!(expiring, [doc! { "expiresOn": 1 }], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn using_a_session_extends_its_ttl() {
    let app = app().await;
    let ana = sign_up(&app).await;
    let sessions = app.context.database.collection::<Document>("sessions");
    let date = async || sessions.find_one(doc! {}).await.unwrap().unwrap().get_datetime("expiresOn").copied().unwrap();
    let before = date().await;
    app.clock.advance(std::time::Duration::from_secs(3600));
    refresh(&app, &ana.refresh).await.expect(200);
    assert!(date().await.timestamp_millis() - before.timestamp_millis() >= 3_600_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn throttle_keys_do_not_reveal_email_or_ip() {
    let app = app().await;
    let address = email();
    sign_in(&app, &address, "wrong password").await.expect(401);
    let mut found = app.context.database.collection::<Document>("throttles").find(doc! {}).await.unwrap();
    let mut count = 0;
    while found.advance().await.unwrap() {
        let document = found.deserialize_current().unwrap();
        let text = Bson::Document(document).to_string();
        assert!(!text.contains(&address) && !text.contains("127.0.0.1"), "{text}");
        count += 1;
    }
    assert_eq!(count, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn resync_publishes_user_snapshots() {
    let app = app().await;
    let ana = sign_up(&app).await;
    app.wait_until_idle().await;
    let body = json!({ "all": true });
    app.admin("POST", "/resync").json(&body).send().await.expect(200);
    let expected = [("user.registered.v1".to_owned(), 0), ("user.snapshot.v1".to_owned(), 0)];
    eventually("the snapshot", async || app.history("auth", ana.id()).await == expected).await;
    let events = app.events("auth").await;
    assert_eq!(events[0].data, events[1].data);
}
