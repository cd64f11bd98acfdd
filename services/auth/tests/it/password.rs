//! PUT /api/users/password.

use futures::future::join_all;
use serde_json::{Value, json};
use testkit::app::TestApp;
use testkit::app::request::Response;

use crate::support::{PASSWORD, SignedInUser, app, app_with, refresh, sign_in, sign_up};

const NEW: &str = "another horse battery";

async fn change(app: &TestApp, user: &SignedInUser, current: &str, new: &str) -> Response {
    let body = json!({ "current": current, "new": new });
    app.request("PUT", "/api/users/password").as_user(&user.user()).json(&body).send().await
}

async fn sessions(app: &TestApp, user: &SignedInUser) -> Vec<Value> {
    let list = app.request("GET", "/api/users/sessions").as_user(&user.user()).send().await.expect(200).json();
    list["items"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn new_password_signs_in_and_ends_all_other_sessions() {
    let app = app().await;
    let ana = sign_up(&app).await;
    let phone = SignedInUser::of(&sign_in(&app, ana.email(), PASSWORD).await.expect(200));
    let ben = sign_up(&app).await;
    change(&app, &ana, PASSWORD, NEW).await.expect(204);
    sign_in(&app, ana.email(), PASSWORD).await.expect(401);
    refresh(&app, &phone.refresh).await.expect(401);
    refresh(&app, &ben.refresh).await.expect(200);
    let left = sessions(&app, &ana).await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!((&left[0]["id"], &left[0]["current"]), (&json!(ana.session()), &json!(true)));
    refresh(&app, &ana.refresh).await.expect(200);
    sign_in(&app, ana.email(), NEW).await.expect(200);
    app.wait_until_idle().await;
    let history = app.history("auth", ana.id()).await;
    assert_eq!(history, [("user.registered.v1".to_owned(), 0), ("user.passwordChanged.v1".to_owned(), 1)]);
    let payloads = app.events("auth").await.into_iter().map(|event| event.data.to_string()).collect::<String>();
    assert!(!payloads.contains("argon2") && !payloads.contains("horse"), "{payloads}");
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_unicode_normalised() {
    let app = app().await;
    let ana = sign_up(&app).await;
    // The password has decomposed letters and a no-break space, as a Mac types them.
    change(&app, &ana, PASSWORD, "cafe\u{301}\u{a0}au lait").await.expect(204);
    sign_in(&app, ana.email(), "caf\u{e9} au lait").await.expect(200);
    sign_in(&app, ana.email(), "cafe au lait").await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_invalid_field_is_named_and_nothing_changes() {
    let app = app().await;
    let ana = sign_up(&app).await;
    for (body, field) in [
        (json!({ "new": NEW }), "current"),
        (json!({ "current": PASSWORD }), "new"),
        (json!({ "current": PASSWORD, "new": "short" }), "new"),
        (json!({ "current": PASSWORD, "new": "password1" }), "new"),
        (json!({ "current": PASSWORD, "new": "x".repeat(129) }), "new"),
        (json!({ "current": PASSWORD, "new": PASSWORD }), "new"),
        (json!({ "current": "wrong password", "new": NEW }), "current"),
        (json!({ "current": "x".repeat(129), "new": NEW }), "current"),
        (json!({ "current": PASSWORD, "new": NEW, "email": "a@example.com" }), "email"),
    ] {
        let response = app.request("PUT", "/api/users/password").as_user(&ana.user()).json(&body).send().await;
        assert_eq!(response.expect(400).fields(), [field], "{body}");
    }
    app.request("PUT", "/api/users/password")
        .json(&json!({ "current": PASSWORD, "new": NEW }))
        .send()
        .await
        .expect(401);
    let nobody = SignedInUser { access: app.signer.user().token, ..ana.clone() };
    change(&app, &nobody, PASSWORD, NEW).await.expect(401);
    sign_in(&app, ana.email(), PASSWORD).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_current_password_is_throttled_like_sign_in() {
    let app = app_with(&[("SIGNIN_FAILURES", "3"), ("SIGNIN_WINDOW", "1000h"), ("SIGNIN_BACKOFF", "1h")]).await;
    let ana = sign_up(&app).await;
    sign_in(&app, ana.email(), "wrong password").await.expect(401);
    change(&app, &ana, "wrong password", NEW).await.expect(400);
    change(&app, &ana, "wrong password", NEW).await.expect(429);
    change(&app, &ana, PASSWORD, NEW).await.expect(429);
    sign_in(&app, ana.email(), PASSWORD).await.expect(429);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_several_concurrent_changes_wins_and_keeps_its_session() {
    let app = app().await;
    let ana = sign_up(&app).await;
    let mut devices = Vec::new();
    for _ in 0..4 {
        devices.push(SignedInUser::of(&sign_in(&app, ana.email(), PASSWORD).await.expect(200)));
    }
    let changes: Vec<_> =
        devices.iter().enumerate().map(|(at, device)| (device, format!("another horse {at}"))).collect();
    let responses = join_all(changes.iter().map(|(device, new)| change(&app, device, PASSWORD, new))).await;
    let accepted: Vec<_> = responses.iter().zip(&changes).filter(|(response, _)| response.status == 204).collect();
    assert_eq!(accepted.len(), 1, "{responses:?}");
    let (device, password) = accepted[0].1;
    refresh(&app, &device.refresh).await.expect(200);
    assert_eq!(sessions(&app, device).await.len(), 1);
    for response in responses.iter().filter(|response| response.status != 204) {
        // 409: the request lost the compare-and-swap. 400: it came after the change, with the old password.
        assert!(matches!(response.status, 400 | 409), "{response:?}");
    }
    sign_in(&app, ana.email(), password).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_password_opens_no_session_during_a_change() {
    let app = app_with(&[("SIGNIN_FAILURES", "1000")]).await;
    let ana = sign_up(&app).await;
    let mut current = PASSWORD.to_owned();
    for round in 0..5 {
        let new = format!("another horse {round}");
        let sign_ins = async || (0..4).map(|_| sign_in(&app, ana.email(), &current)).collect::<Vec<_>>();
        let (changed, signed_in) = tokio::join!(change(&app, &ana, &current, &new), join_all(sign_ins().await));
        changed.expect(204);
        let left = sessions(&app, &ana).await;
        assert_eq!(left.len(), 1, "concurrent sign-ins: {signed_in:?}");
        current = new;
    }
}
