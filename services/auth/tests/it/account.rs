//! GET /api/users/currentuser and PUT /api/users/me.

use serde_json::json;
use testkit::app::TestApp;
use testkit::app::request::Response;
use testkit::app::users::User;

use crate::support::{app, sign_up, whoami};

async fn rename(app: &TestApp, user: &User, name: &str) -> Response {
    app.request("PUT", "/api/users/me").as_user(user).json(&json!({ "displayName": name })).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn current_user_is_null_without_a_session() {
    let app = app().await;
    let response = app.request("GET", "/api/users/currentuser").send().await.expect(200);
    assert_eq!(response.json(), json!({ "currentUser": null }));
    // A valid token may name an account that does not exist, such as after a restore.
    assert!(whoami(&app, &app.signer.user().token).await.is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn new_name_is_visible_and_published() {
    let app = app().await;
    let ana = sign_up(&app).await;
    let response = rename(&app, &ana.user(), "  Ana Lopez ").await.expect(200);
    assert_eq!(response.header("etag"), "\"1\"");
    let mut expected = ana.view.clone();
    expected["displayName"] = json!("Ana Lopez");
    assert_eq!(response.json(), expected);
    assert_eq!(whoami(&app, &ana.access).await, expected);
    app.wait_until_idle().await;
    let history = app.history("auth", ana.id()).await;
    assert_eq!(history, [("user.registered.v1".to_owned(), 0), ("user.updated.v1".to_owned(), 1)]);
    let payload = &app.events("auth").await[1].data;
    assert_eq!(
        *payload,
        json!({ "id": ana.view["id"], "displayName": "Ana Lopez", "createdAt": ana.view["createdAt"] })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_invalid_field_is_named() {
    let app = app().await;
    let ana = sign_up(&app).await;
    for (body, field) in [
        (json!({}), "displayName"),
        (json!({ "displayName": null }), "displayName"),
        (json!({ "displayName": "" }), "displayName"),
        (json!({ "displayName": "   " }), "displayName"),
        (json!({ "displayName": "x".repeat(101) }), "displayName"),
        (json!({ "displayName": "a\u{0}b" }), "displayName"),
        (json!({ "displayName": "Ana", "email": "ben@example.com" }), "email"),
    ] {
        let response = app.request("PUT", "/api/users/me").as_user(&ana.user()).json(&body).send().await;
        assert_eq!(response.expect(400).fields(), [field], "{body}");
    }
    assert_eq!(whoami(&app, &ana.access).await, ana.view);
}

#[tokio::test(flavor = "multi_thread")]
async fn renaming_requires_a_signed_in_user() {
    let app = app().await;
    let body = json!({ "displayName": "Ana" });
    let response = app.request("PUT", "/api/users/me").json(&body).send().await.expect(401);
    assert_eq!((response.problem().as_str(), response.header("www-authenticate")), ("unauthenticated", "Cookie"));
    rename(&app, &app.signer.user(), "Ana").await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_version_is_rejected() {
    let app = app().await;
    let ana = sign_up(&app).await;
    let put = |tag: &str, name: &str| {
        let body = json!({ "displayName": name });
        app.request("PUT", "/api/users/me").as_user(&ana.user()).header("if-match", tag).json(&body).send()
    };
    put("\"0\"", "One").await.expect(200);
    put("\"0\"", "Two").await.expect(412);
    put("\"1\"", "Two").await.expect(200);
    put("*", "Three").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_renames_publish_every_version() {
    let app = app().await;
    let ana = sign_up(&app).await;
    let user = ana.user();
    let names: Vec<_> = (0..8).map(|number| format!("Ana {number}")).collect();
    let racing = names.iter().map(|name| rename(&app, &user, name));
    for response in futures::future::join_all(racing).await {
        response.expect(200);
    }
    app.wait_until_idle().await;
    let mut versions: Vec<_> = app.history("auth", ana.id()).await.into_iter().map(|(_, version)| version).collect();
    versions.sort_unstable();
    assert_eq!(versions, (0..=8).collect::<Vec<_>>());
}
