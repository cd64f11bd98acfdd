//! Listing and ending sessions, and signing out.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::app::TestApp;

use crate::support::{
    PASSWORD, SignedInUser, app, app_with, clears_cookies, refresh, set_cookies, sign_in, sign_up, whoami, with_cookies,
};

async fn list(app: &TestApp, user: &SignedInUser) -> Vec<Value> {
    let response = app.request("GET", "/api/users/sessions").as_user(&user.user()).send().await.expect(200);
    response.json()["items"].as_array().unwrap().clone()
}

async fn end(app: &TestApp, user: &SignedInUser, id: &str) -> testkit::app::request::Response {
    app.request("DELETE", &format!("/api/users/sessions/{id}")).as_user(&user.user()).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_newest_first() {
    let app = app().await;
    let phone = sign_up(&app).await;
    let body = json!({ "email": phone.email(), "password": PASSWORD });
    let laptop = app.request("POST", "/api/users/signin").header("user-agent", "Firefox").json(&body).send().await;
    let laptop = SignedInUser::of(&laptop.expect(200));
    let ids = |sessions: &[Value]| sessions.iter().map(|s| s["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let sessions = list(&app, &laptop).await;
    assert_eq!(ids(&sessions), [laptop.session(), phone.session()]);
    assert_eq!((&sessions[0]["current"], &sessions[0]["device"]), (&json!(true), &json!("Firefox")));
    assert_eq!((&sessions[1]["current"], &sessions[1]["device"]), (&json!(false), &Value::Null));
    let text = sessions[0].to_string();
    assert!(!text.contains(&laptop.refresh) && !text.contains("rotation"), "{text}");
    // Other users see only their own sessions.
    let ben = sign_up(&app).await;
    assert_eq!(ids(&list(&app, &ben).await), [ben.session()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn session_list_is_paginated() {
    let app = app().await;
    let ana = sign_up(&app).await;
    let mut expected = vec![ana.session()];
    for _ in 0..4 {
        expected.insert(0, SignedInUser::of(&sign_in(&app, ana.email(), PASSWORD).await.expect(200)).session());
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/users/sessions?limit=2{cursor}");
        let page = app.request("GET", &path).as_user(&ana.user()).send().await.expect(200).json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, expected);
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("cursor=x", "cursor"),
        ("x=1", "x"),
        ("x", "x"),
        ("limt=2", "limt"),
    ] {
        let response = app.request("GET", &format!("/api/users/sessions?{query}")).as_user(&ana.user()).send().await;
        assert_eq!(response.expect(400).fields(), [field]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_session_gets_no_new_tokens() {
    let app = app().await;
    let phone = sign_up(&app).await;
    let laptop = SignedInUser::of(&sign_in(&app, phone.email(), PASSWORD).await.expect(200));
    let response = end(&app, &laptop, &phone.session()).await.expect(204);
    assert!(set_cookies(&response).is_empty(), "this device stays signed in");
    refresh(&app, &phone.refresh).await.expect(401);
    assert_eq!(list(&app, &laptop).await.len(), 1);
    // The access token of the ended session stays valid until it expires.
    assert_eq!(whoami(&app, &phone.access).await, phone.view);
    end(&app, &laptop, &phone.session()).await.expect(404);
    let response = end(&app, &laptop, &laptop.session()).await.expect(204);
    assert!(clears_cookies(&response));
    refresh(&app, &laptop.refresh).await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_other_users_cannot_be_ended() {
    let app = app().await;
    let (ana, ben) = (sign_up(&app).await, sign_up(&app).await);
    end(&app, &ben, &ana.session()).await.expect(404);
    end(&app, &ben, &common::id::SessionId::new().to_string()).await.expect(404);
    assert_eq!(end(&app, &ben, "nonsense").await.expect(400).fields(), ["id"]);
    refresh(&app, &ana.refresh).await.expect(200);
    app.request("GET", "/api/users/sessions").send().await.expect(401);
    let path = format!("/api/users/sessions/{}", ana.session());
    app.request("DELETE", &path).send().await.expect(401);
    // Without a session, an id is not even validated.
    app.request("DELETE", "/api/users/sessions/nonsense").send().await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_sessions_are_hidden() {
    let app = app_with(&[("SESSION_TTL", "10h")]).await;
    let old = sign_up(&app).await;
    app.clock.advance(Duration::from_secs(11 * 3600));
    let new = SignedInUser::of(&sign_in(&app, old.email(), PASSWORD).await.expect(200));
    assert_eq!(list(&app, &new).await.len(), 1);
    end(&app, &new, &old.session()).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_out_ends_the_session() {
    let app = app().await;
    let ana = sign_up(&app).await;
    let other = SignedInUser::of(&sign_in(&app, ana.email(), PASSWORD).await.expect(200));
    let cookies = [("access", ana.access.as_str()), ("refresh", ana.refresh.as_str())];
    let response = with_cookies(&app, "POST", "/api/users/signout", &cookies).send().await.expect(204);
    assert!(clears_cookies(&response) && response.bytes.is_empty());
    refresh(&app, &ana.refresh).await.expect(401);
    assert_eq!(list(&app, &other).await.len(), 1, "the other device stays signed in");
    refresh(&app, &other.refresh).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn either_cookie_is_enough_to_sign_out() {
    let app = app().await;
    for cookie in ["access", "refresh"] {
        let ana = sign_up(&app).await;
        let value = if cookie == "access" { &ana.access } else { &ana.refresh };
        with_cookies(&app, "POST", "/api/users/signout", &[(cookie, value)]).send().await.expect(204);
        refresh(&app, &ana.refresh).await.expect(401);
    }
    // A refresh token that has just been replaced also ends its session.
    let ana = sign_up(&app).await;
    let next = SignedInUser::of(&refresh(&app, &ana.refresh).await.expect(200));
    with_cookies(&app, "POST", "/api/users/signout", &[("refresh", &ana.refresh)]).send().await.expect(204);
    refresh(&app, &next.refresh).await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_out_without_a_session_succeeds() {
    let app = app().await;
    let response = app.request("POST", "/api/users/signout").send().await.expect(204);
    assert!(clears_cookies(&response));
    let nonsense = [("access", "x"), ("refresh", "y")];
    with_cookies(&app, "POST", "/api/users/signout", &nonsense).send().await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn oldest_session_ends_beyond_the_limit() {
    let app = app_with(&[("SESSIONS_PER_ACCOUNT", "3")]).await;
    let (ana, ben) = (sign_up(&app).await, sign_up(&app).await);
    let mut last = ana.clone();
    for _ in 0..3 {
        last = SignedInUser::of(&sign_in(&app, ana.email(), PASSWORD).await.expect(200));
    }
    assert_eq!(list(&app, &last).await.len(), 3);
    refresh(&app, &ana.refresh).await.expect(401);
    refresh(&app, &last.refresh).await.expect(200);
    refresh(&app, &ben.refresh).await.expect(200);
}
