//! POST /api/users/signin.

use serde_json::json;

use crate::support::{PASSWORD, SignedInUser, app, email, post, set_cookies, sign_in, sign_up, verify_count, whoami};

#[tokio::test(flavor = "multi_thread")]
async fn correct_password_signs_in() {
    let app = app().await;
    let ana = sign_up(&app).await;
    for address in [ana.email().to_owned(), ana.email().to_uppercase(), format!(" {} ", ana.email())] {
        let again = SignedInUser::of(&sign_in(&app, &address, PASSWORD).await.expect(200));
        assert_eq!(again.view, ana.view);
        assert_ne!((again.session(), &again.refresh), (ana.session(), &ana.refresh), "each sign-in opens a session");
        assert_eq!(whoami(&app, &again.access).await, ana.view);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_email_and_wrong_password_are_indistinguishable() {
    let app = app().await;
    let ana = sign_up(&app).await;
    let before = verify_count(&app).await;
    let wrong = sign_in(&app, ana.email(), "wrong password").await.expect(401);
    let wrong_work = verify_count(&app).await - before;
    let unknown = sign_in(&app, &email(), PASSWORD).await.expect(401);
    let unknown_work = verify_count(&app).await - before - wrong_work;
    assert_eq!((wrong_work, unknown_work), (1, 1), "both run one hash");
    let observable = |response: &testkit::app::request::Response| {
        let mut body = response.json();
        assert_eq!(body["instance"].take().as_str(), Some(response.header("x-request-id")));
        let mut headers = response.headers.clone();
        headers.remove("x-request-id");
        (body, headers)
    };
    assert_eq!(observable(&wrong), observable(&unknown));
    assert_eq!(wrong.problem(), "wrong-credentials");
    assert!(set_cookies(&wrong).is_empty());
    // Texts that can't be an email address or a password get the same response body.
    for (address, password) in [("", ""), ("ana", "x"), (ana.email(), ""), (ana.email(), &"x".repeat(128))] {
        assert_eq!(observable(&sign_in(&app, address, password).await.expect(401)).0, observable(&wrong).0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_invalid_field_is_named() {
    let app = app().await;
    for (body, field) in [
        (json!({ "password": PASSWORD }), "email"),
        (json!({ "email": "ana@example.com" }), "password"),
        (json!({ "email": "ana@example.com", "password": PASSWORD, "remember": true }), "remember"),
        (json!({ "email": { "$ne": null }, "password": PASSWORD }), "email"),
        (json!({ "email": "ana@example.com", "password": 1 }), "password"),
        (json!({ "email": "ana@example.com", "password": "x".repeat(129) }), "password"),
        (json!({ "email": format!("{}@example.com", "x".repeat(243)), "password": PASSWORD }), "email"),
    ] {
        assert_eq!(post(&app, "signin", &body).await.expect(400).fields(), [field], "{body}");
    }
    app.request("POST", "/api/users/signin").body("{}").send().await.expect(415);
    let response = app.request("GET", "/api/users/signin").send().await.expect(405);
    assert_eq!(response.header("allow"), "POST");
}
