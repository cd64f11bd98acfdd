//! POST /api/users/signup.

use common::id::UserId;
use mongodb::bson::{Document, doc};
use serde_json::json;
use testkit::app::profiler::Read;

use crate::support::{PASSWORD, SignedInUser, app, cookie, email, post, set_cookies, sign_in, whoami};

/// A new account has no other sessions, so a sign-up does not look for sessions beyond the limit, as a sign-in does.
#[tokio::test(flavor = "multi_thread")]
async fn sign_up_reads_no_sessions() {
    let app = app().await;
    let read_sessions = |reads: &[Read]| reads.iter().any(|read| read.collection == "sessions");
    let body = json!({ "email": email(), "password": PASSWORD });
    let signing_up = app.profile_reads(async {
        post(&app, "signup", &body).await.expect(201);
    });
    let signing_up = signing_up.await;
    assert!(!read_sessions(&signing_up), "{signing_up:?}");
    let signing_in = app.profile_reads(async {
        post(&app, "signin", &body).await.expect(200);
    });
    let signing_in = signing_in.await;
    assert!(read_sessions(&signing_in), "{signing_in:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_up_signs_in_and_publishes_an_event() {
    let app = app().await;
    let body = json!({ "email": " Ana.Lopez@Example.com ", "password": PASSWORD, "displayName": "  Ana L  " });
    let response = post(&app, "signup", &body).await.expect(201);
    let user = SignedInUser::of(&response);
    let id: UserId = user.id().parse().unwrap();
    assert_eq!(id.as_uuid().get_version_num(), 7);
    let view = &user.view;
    assert_eq!(
        *view,
        json!({ "id": id, "email": "Ana.Lopez@Example.com", "displayName": "Ana L", "createdAt": view["createdAt"] })
    );
    assert_eq!(whoami(&app, &user.access).await, *view);
    app.wait_until_idle().await;
    let events = app.events("auth").await;
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].kind.as_str(), events[0].entityversion), ("user.registered.v1", 0));
    // The event has no other fields: neither the email address nor the hash.
    assert_eq!(events[0].data, json!({ "id": id, "displayName": "Ana L", "createdAt": view["createdAt"] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn default_display_name_is_neutral() {
    let app = app().await;
    for name in [json!(null), json!(""), json!("   ")] {
        let body = json!({ "email": email(), "password": PASSWORD, "displayName": name });
        let view = post(&app, "signup", &body).await.expect(201).json();
        let name = view["displayName"].as_str().unwrap();
        assert!(name.starts_with("Fan-") && !name.contains("ana"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_invalid_field_is_named() {
    let app = app().await;
    let good = json!({ "email": "ana@example.com", "password": PASSWORD });
    for (field, value) in [
        ("email", json!("ana")),
        ("email", json!("")),
        ("email", json!("ana@localhost")),
        ("email", json!(["ana@example.com"])),
        ("email", json!(null)),
        ("password", json!("sieben7")),
        ("password", json!("x".repeat(129))),
        ("password", json!("password1")),
        ("password", json!("QwertyUIOP")),
        ("password", json!(12_345_678)),
        ("displayName", json!("x".repeat(101))),
        ("displayName", json!("a\u{7}b")),
        ("displayName", json!("\u{3164}")),
        ("displayName", json!("\u{2800}\u{200b}")),
        ("displayName", json!(7)),
        ("isAdmin", json!(true)),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let response = post(&app, "signup", &body).await.expect(400);
        assert_eq!(response.fields(), [field], "{body}");
        assert!(set_cookies(&response).is_empty());
    }
    for field in ["email", "password"] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(field);
        assert_eq!(post(&app, "signup", &body).await.expect(400).fields(), [field]);
    }
    let both = json!({ "email": "ana", "password": "short" });
    assert_eq!(post(&app, "signup", &both).await.expect(400).fields(), ["email", "password"]);
    let raw = |kind: &'static str, body: &'static str| {
        app.request("POST", "/api/users/signup").header("content-type", kind).body(body)
    };
    raw("application/json", "{").send().await.expect(400);
    raw("text/plain", "{}").send().await.expect(415);
    let large = json!({ "email": "x".repeat(1 << 20), "password": PASSWORD });
    post(&app, "signup", &large).await.expect(413);
    assert_eq!(app.events("auth").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn email_is_unique_regardless_of_case() {
    let app = app().await;
    let address = email();
    let first = post(&app, "signup", &json!({ "email": address, "password": PASSWORD })).await.expect(201).json();
    for again in [address.clone(), address.to_uppercase(), format!(" {address}")] {
        let response =
            post(&app, "signup", &json!({ "email": again, "password": "another password" })).await.expect(409);
        assert_eq!(response.problem(), "email-in-use");
        assert!(set_cookies(&response).is_empty());
    }
    // The first account is unchanged.
    assert_eq!(sign_in(&app, &address, PASSWORD).await.expect(200).json(), first);
    sign_in(&app, &address, "another password").await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_sign_ups_with_one_email_create_one_account() {
    let app = app().await;
    let address = email();
    let requests = (0..50).map(|number| {
        // Alternates the case, so that both spellings must be treated as equal.
        let address = if number % 2 == 0 { address.clone() } else { address.to_uppercase() };
        let body = json!({ "email": address, "password": PASSWORD });
        app.request("POST", "/api/users/signup").json(&body).send()
    });
    let mut statuses: Vec<_> =
        futures::future::join_all(requests).await.into_iter().map(|response| response.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses[0], 201);
    assert_eq!(statuses[1..], [409; 49]);
    app.wait_until_idle().await;
    assert_eq!(app.events("auth").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_up_after_a_crash_between_address_and_account_creates_the_account() {
    let app = app().await;
    let address = email();
    let body = |password: &str| json!({ "email": address, "password": password });
    let first = post(&app, "signup", &body(PASSWORD)).await.expect(201).json();
    app.wait_until_idle().await;
    // A crash before the account is stored leaves only the address.
    app.context.database.collection::<Document>("users").delete_many(doc! {}).await.unwrap();
    sign_in(&app, &address, PASSWORD).await.expect(401);
    let second = post(&app, "signup", &body("another password")).await.expect(201).json();
    assert_eq!(second["id"], first["id"]);
    assert_eq!(sign_in(&app, &address, "another password").await.expect(200).json(), second);
    assert_eq!(post(&app, "signup", &body(PASSWORD)).await.expect(409).problem(), "email-in-use");
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_and_token_claims() {
    let app = app().await;
    let response = post(&app, "signup", &json!({ "email": email(), "password": PASSWORD })).await.expect(201);
    let attributes =
        |age: &str| vec!["HttpOnly".to_owned(), age.to_owned(), "Path=/".to_owned(), "SameSite=Lax".to_owned()];
    assert_eq!(cookie(&response, "access").unwrap().attributes, attributes("Max-Age=900"));
    assert_eq!(cookie(&response, "refresh").unwrap().attributes, attributes("Max-Age=2592000"));
    assert_eq!(response.header("etag"), "\"0\"");
    let user = SignedInUser::of(&response);
    // The length of 256 bits in base64url.
    assert_eq!(user.refresh.len(), 43);
    let claims = crate::support::claims(&user.access);
    let time = |name: &str| claims[name].as_i64().unwrap();
    assert_eq!((claims["sub"].as_str(), claims["iss"].as_str()), (Some(user.id()), Some("http://localhost:8080")));
    assert_eq!((claims["aud"].as_str(), time("exp") - time("iat"), time("nbf")), (Some("ticketing"), 900, time("iat")));
    let header = crate::support::part(&user.access, 0);
    let jwks = app.request("GET", "/api/users/jwks.json").send().await.expect(200).json();
    assert_eq!((&header["alg"], &header["kid"]), (&json!("EdDSA"), &jwks["keys"][0]["kid"]));
}
