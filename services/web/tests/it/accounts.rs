//! Forms of the account: sign-in, sign-up, password.

use common::id::UserId;
use http::header;
use serde_json::{Value, json};

use crate::fake_services::{app_with_services, post_form};
use crate::support::{assert_contains, assert_page, listing, path, publish_listing, publish_user};

/// A user in the auth service's format.
fn account(id: UserId) -> Value {
    json!({ "id": id, "email": "a@example.com", "displayName": "Ana", "createdAt": "2026-01-01T00:00:00Z" })
}
#[tokio::test(flavor = "multi_thread")]
async fn sign_in_relays_cookies_and_redirects() {
    let (app, services) = app_with_services().await;
    let cookies = [(header::SET_COOKIE, "access=a; Path=/"), (header::SET_COOKIE, "refresh=b; Path=/")];
    services.respond_with("POST /api/users/signin", 200, account(UserId::new()), &cookies);
    let typed = [("email", " a@example.com "), ("password", " secret "), ("next", "/orders")];
    let response = post_form(&app, "/signin", None, &typed).await.expect(303);
    assert_eq!(response.header("location"), "/orders");
    assert_eq!(response.headers.get_all("set-cookie").iter().count(), 2);
    let requests = services.take_requests();
    assert_eq!(requests[0].body, json!({ "email": "a@example.com", "password": " secret " }));
    assert_eq!(requests[0].headers["x-forwarded-for"], "127.0.0.1");
    let html = app.request("GET", "/signin?next=https%3A%2F%2Fevil.example").send().await.expect(200).text();
    assert_contains(&html, &["A part of the link wasn’t valid and was ignored.", "name=\"next\" value=\"/\""]);
    // A sign-in never redirects to another site.
    let elsewhere = [("email", "a@example.com"), ("password", "secret"), ("next", "//evil.example")];
    assert_eq!(post_form(&app, "/signin", None, &elsewhere).await.header("location"), "/");

    services.respond_with_problem("POST /api/users/signin", 401, "No such address with that password.", &[]);
    let response = post_form(&app, "/signin", None, &typed).await.expect(401);
    assert_page(&response);
    assert_contains(
        &response.text(),
        &[
            "No such address with that password.",
            "value=\" a@example.com \"",
            "value=\"/orders\"",
            "<body data-at=\"/signin?next=%2Forders\"",
        ],
    );
    assert!(!response.text().contains("value=\" secret \""), "a password is not sent back");
    services.respond_with(
        "POST /api/users/signin",
        429,
        json!({
            "type": "urn:ticketing:problem:rate-limited", "title": "T", "status": 429, "detail": "D",
        }),
        &[(header::RETRY_AFTER, "7")],
    );
    let response = post_form(&app, "/signin", None, &typed).await.expect(429);
    assert_eq!(response.header("retry-after"), "7");
    assert_contains(&response.text(), &["Too many attempts"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_up_shows_errors_at_their_fields() {
    let (app, services) = app_with_services().await;
    let typed = |password| [("email", "a@example.com"), ("displayName", "Ana <i>"), ("password", password)];
    let html = post_form(&app, "/signup", None, &typed("short")).await.expect(400).text();
    assert_contains(&html, &["Enter 8 to 128 characters.", "id=\"password-fault\"", "value=\"Ana &#60;i&#62;\""]);
    assert!(!html.contains("\"short\""), "a password is not sent back");
    assert!(services.take_requests().is_empty(), "the form is validated before any request");
    services.respond_with_problem("POST /api/users/signup", 400, "Correct it.", &[("password", "must be another")]);
    let typed = typed("long enough");
    assert_contains(
        &post_form(&app, "/signup", None, &typed).await.expect(400).text(),
        &["Must be another.", "password-fault"],
    );
    services.respond_with_problem("POST /api/users/signup", 409, "This address is in use.", &[]);
    assert_contains(&post_form(&app, "/signup", None, &typed).await.expect(409).text(), &["This address is in use."]);
    let problem = json!({ "type": "urn:ticketing:problem:rate-limited", "title": "T", "status": 429, "detail": "D" });
    services.respond_with("POST /api/users/signup", 429, problem, &[(header::RETRY_AFTER, "7")]);
    let response = post_form(&app, "/signup", None, &typed).await.expect(429);
    assert_eq!(response.header("retry-after"), "7");
    let id = UserId::new();
    publish_user(&app, id, "Ana").await;
    app.wait_until_idle().await;
    services.respond_with("POST /api/users/signup", 201, account(id), &[(header::SET_COOKIE, "access=a")]);
    let response = post_form(&app, "/signup", None, &typed).await.expect(303);
    assert_eq!((response.header("location"), response.header("set-cookie")), ("/", "access=a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn password_is_changed_and_never_sent_back() {
    let (app, services) = app_with_services().await;
    let ana = app.signer.user();
    let page = json!({ "currentUser": account(ana.id) });
    services.respond_with("GET /api/users/currentuser", 200, page, &[]);
    services.respond_with("GET /api/users/sessions", 200, json!({ "items": [], "nextCursor": null }), &[]);
    let change = |new: &'static str| {
        let (app, ana) = (&app, &ana);
        async move { post_form(app, "/account/password", Some(ana), &[("current", "the old one"), ("new", new)]).await }
    };
    let html = change("short").await.expect(400).text();
    assert_contains(&html, &["Enter 8 to 128 characters.", "id=\"new-fault\"", "value=\"Ana\""]);
    assert!(!html.contains("\"short\"") && !html.contains("the old one"), "a password is not sent back");
    assert!(
        services.take_requests().iter().all(|request| request.route.starts_with("GET")),
        "the form is validated before any request"
    );

    services.respond_with_problem(
        "PUT /api/users/password",
        400,
        "Correct it.",
        &[("current", "must be your current password")],
    );
    assert_contains(
        &change("long enough").await.expect(400).text(),
        &["Must be your current password.", "id=\"current-fault\""],
    );
    services.respond_with_problem("PUT /api/users/password", 409, "It has just been changed.", &[]);
    assert_contains(&change("long enough").await.expect(409).text(), &["It has just been changed.", "value=\"Ana\""]);
    let problem = json!({ "type": "urn:ticketing:problem:rate-limited", "title": "T", "status": 429, "detail": "D" });
    services.respond_with("PUT /api/users/password", 429, problem, &[(header::RETRY_AFTER, "7")]);
    let response = change("long enough").await.expect(429);
    assert_eq!(response.header("retry-after"), "7");
    assert_contains(&response.text(), &["Too many attempts."]);
    services.respond_with("PUT /api/users/password", 204, Value::Null, &[]);
    services.take_requests();
    let response = change("long enough").await.expect(303);
    assert_eq!(services.take_requests()[0].body, json!({ "current": "the old one", "new": "long enough" }));
    let html = app.request("GET", response.header("location")).as_user(&ana).send().await.expect(200).text();
    assert_contains(&html, &["Your password has been changed."]);
    let html = app.request("GET", "/account?password_changed=maybe&utm_source=x").as_user(&ana).send().await.text();
    assert_contains(&html, &["A part of the link wasn’t valid and was ignored."]);
    assert!(!html.contains("Your password has been changed.") && !html.contains("utm_source"), "{html}");
    let html = post_form(&app, "/account/password", None, &[]).await.expect(401).text();
    let next = "/account?password_unsaved=true";
    assert_contains(
        &html,
        &["Sign in to continue.", &format!("value=\"{next}\""), &format!("<body data-at=\"{next}\"")],
    );
    let html = app.request("GET", next).as_user(&ana).send().await.expect(200).text();
    assert_contains(&html, &["Your password has not been changed, because you had to sign in first."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_posted_without_a_session_is_there_after_sign_in() {
    let (app, services) = app_with_services().await;
    let (ana, ticket) = (app.signer.user(), listing(&app, "Carmen", 0));
    publish_listing(&app, &ticket).await;
    publish_user(&app, ana.id, "Ana").await;
    app.wait_until_idle().await;
    services.respond_with("GET /api/users/currentuser", 200, json!({ "currentUser": account(ana.id) }), &[]);
    services.respond_with("GET /api/users/sessions", 200, json!({ "items": [], "nextCursor": null }), &[]);
    let cookie = format!("access={}; Path=/", ana.token);
    let cookies = [(header::SET_COOKIE, cookie.as_str())];
    services.respond_with("POST /api/users/signin", 200, account(ana.id), &cookies);
    let get = async |at: &str| app.request("GET", at).as_user(&ana).send().await.expect(200).text();
    let sign_in = async |next: &str| {
        let typed = [("email", "a@example.com"), ("password", "long enough"), ("next", next)];
        post_form(&app, "/signin", None, &typed).await.expect(303).header("location").to_owned()
    };
    let next_of = |location: &str| -> String {
        let query: Vec<(String, String)> = serde_urlencoded::from_str(location.split_once('?').unwrap().1).unwrap();
        query.into_iter().find(|(name, _)| name == "next").unwrap().1
    };

    // A name, typed when the session had ended here, or at the auth service.
    services.respond_with_problem("PUT /api/users/me", 401, "Sign in.", &[]);
    for user in [None, Some(&ana)] {
        let response = post_form(&app, "/account", user, &[("displayName", "Zoë & Co")]).await.expect(303);
        let html = app.request("GET", response.header("location")).send().await.expect(200).text();
        assert_contains(&html, &["Your details are saved."]);
        let html = get(&sign_in(&next_of(response.header("location"))).await).await;
        assert_contains(&html, &["value=\"Zoë &#38; Co\"", "Your new name is not saved yet."]);
    }
    let session = common::id::SessionId::new();
    services.respond_with_problem("PUT /api/users/password", 401, "Sign in.", &[]);
    services.respond_with_problem(&format!("DELETE /api/users/sessions/{session}"), 401, "Sign in.", &[]);
    let (revoke, password) = (format!("/account/sessions/{session}/revoke"), "/account/password".to_owned());
    for (form, fields) in [(password, &[("current", "the old one"), ("new", "long enough")][..]), (revoke, &[])] {
        let response = post_form(&app, &form, Some(&ana), fields).await.expect(303);
        let expected = if fields.is_empty() { "/account" } else { "/account?password_unsaved=true" };
        assert_eq!(next_of(response.header("location")), expected, "{form}");
    }

    // A watch is begun and ended.
    for (command, expected) in [("watch", "Stop watching"), ("unwatch", ">Watch</button>")] {
        let response = post_form(&app, &format!("{}/{command}", path(&ticket)), None, &[]).await.expect(303);
        let page = sign_in(&next_of(response.header("location"))).await;
        assert_eq!(page, path(&ticket));
        assert_contains(&get(&page).await, &[expected]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn header_leads_back_to_the_page_that_it_was_on() {
    let (app, _services) = app_with_services().await;
    for form in ["/signin", "/signup"] {
        let request = app.request("GET", form).header("referer", "http://localhost:8080/browse?q=a&max=5");
        let html = request.send().await.expect(200).text();
        // Also by way of the other form, which both the header and the page link to.
        assert_contains(&html, &["name=\"next\" value=\"/browse?q=a&#38;max=5\""]);
        let (other, password) =
            if form == "/signin" { ("/signup", "current-password") } else { ("/signin", "new-password") };
        // Password managers recognise the fields by these attributes.
        let password = format!("type=\"password\" autocomplete=\"{password}\"");
        assert_contains(&html, &["type=\"email\" autocomplete=\"username\"", &password]);
        let link = format!("href=\"{other}?next=/browse%3Fq%3Da%26max%3D5\"");
        assert_eq!(html.matches(&link).count(), 2, "{link} is not twice in {html}");
        let request = app.request("GET", form).header("referer", "https://evil.example/browse");
        let html = request.send().await.expect(200).text();
        assert_contains(&html, &["name=\"next\" value=\"/\"", "href=\"/signin\">Sign in</a>"]);
    }
}
