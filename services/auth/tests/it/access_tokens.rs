//! Access tokens: only unexpired tokens that this service signed for this audience are accepted.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::identity::Claims;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use testkit::app::TestApp;
use testkit::app::users::Signer;

use crate::support::{app, app_with, part, sign_up, whoami, with_cookies};

async fn jwks(app: &TestApp) -> Vec<Value> {
    let response = app.request("GET", "/api/users/jwks.json").send().await.expect(200);
    assert_eq!(response.header("content-type"), "application/json");
    assert!(response.header("cache-control").starts_with("public"));
    response.json()["keys"].as_array().unwrap().clone()
}

/// Asserts that every route treats a request with this token as anonymous.
async fn assert_anonymous(app: &TestApp, what: &str, token: &str) {
    assert!(whoami(app, token).await.is_null(), "{what}");
    let cookies = [("access", token)];
    let body = json!({ "displayName": "Mallory" });
    let session = format!("/api/users/sessions/{}", common::id::SessionId::new());
    let requests = [
        with_cookies(app, "PUT", "/api/users/me", &cookies).json(&body),
        with_cookies(app, "GET", "/api/users/sessions", &cookies),
        with_cookies(app, "DELETE", &session, &cookies),
    ];
    for request in requests {
        assert_eq!(request.send().await.expect(401).problem(), "unauthenticated", "{what}");
    }
}

fn encoded(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_tokens_are_treated_as_anonymous() {
    let app = app().await;
    let ana = sign_up(&app).await;
    let good = Signer::claims(ana.id().parse().unwrap());
    assert_eq!(whoami(&app, &app.signer.sign(&good)).await, ana.view, "the unmodified token is accepted");
    let keys = jwks(&app).await;
    let kid = keys[0]["kid"].as_str().unwrap().to_owned();
    let (mallory, ours) = (Signer::new(), EncodingKey::from_ed_pem(app.signer.pem.as_bytes()).unwrap());
    let theirs = EncodingKey::from_ed_pem(mallory.pem.as_bytes()).unwrap();
    let header = |kid: Option<&str>, algorithm| Header { kid: kid.map(ToOwned::to_owned), ..Header::new(algorithm) };
    let eddsa = |kid: Option<&str>| header(kid, Algorithm::EdDSA);
    let sign = |header: &Header, key: &EncodingKey| encode(header, &good, key).unwrap();
    let signed = sign(&eddsa(Some(&kid)), &ours);
    let [head, body, signature] = signed.split('.').collect::<Vec<_>>().try_into().unwrap();
    let mut other = part(&signed, 1);
    other["sub"] = json!(common::id::UserId::new());
    let none = encoded(&json!({ "alg": "none", "kid": kid }));
    let public = URL_SAFE_NO_PAD.decode(keys[0]["x"].as_str().unwrap()).unwrap();
    let hs256 = header(Some(&kid), Algorithm::HS256);
    let table = [
        ("an unknown kid", mallory.sign(&good)),
        ("another key under our kid", sign(&eddsa(Some(&kid)), &theirs)),
        ("no kid", sign(&eddsa(None), &ours)),
        ("alg none without a signature", format!("{none}.{body}.")),
        ("alg none with a signature", format!("{none}.{body}.{signature}")),
        ("our public key as a shared secret", sign(&hs256, &EncodingKey::from_secret(&public))),
        ("our JWK's text as a shared secret", sign(&hs256, &EncodingKey::from_secret(keys[0].to_string().as_bytes()))),
        ("other claims under our signature", format!("{head}.{}.{signature}", encoded(&other))),
        ("a truncated signature", format!("{head}.{body}.{}", &signature[..40])),
        ("no signature", format!("{head}.{body}.")),
        ("two parts", format!("{head}.{body}")),
        ("text", "nonsense".to_owned()),
        ("an empty token", String::new()),
        ("a refresh token", ana.refresh.clone()),
    ];
    for (what, token) in table {
        assert_anonymous(&app, what, &token).await;
    }
}

type Change = fn(&mut Claims);

#[tokio::test(flavor = "multi_thread")]
async fn wrong_audience_issuer_or_time_is_treated_as_anonymous() {
    let app = app().await;
    let ana = sign_up(&app).await;
    let good = Signer::claims(ana.id().parse().unwrap());
    let table: [(&str, Change); 6] = [
        ("expired", |claims| claims.exp = claims.iat - 1),
        ("expiring at this instant", |claims| claims.exp = claims.iat),
        ("not valid yet", |claims| claims.nbf = claims.iat + 3600),
        ("another audience", |claims| claims.aud = "elsewhere".to_owned()),
        ("another issuer", |claims| claims.iss = "http://localhost:8081".to_owned()),
        ("the issuer with a slash", |claims| claims.iss.push('/')),
    ];
    for (what, change) in table {
        let mut claims = good.clone();
        change(&mut claims);
        assert_anonymous(&app, what, &app.signer.sign(&claims)).await;
    }
    // No claim may be missing.
    for missing in ["sub", "sid", "iss", "aud", "nbf", "exp", "iat"] {
        let mut claims = serde_json::to_value(&good).unwrap();
        claims.as_object_mut().unwrap().remove(missing);
        let kid = jwks(&app).await[0]["kid"].as_str().map(ToOwned::to_owned);
        let key = EncodingKey::from_ed_pem(app.signer.pem.as_bytes()).unwrap();
        let token = encode(&Header { kid, ..Header::new(Algorithm::EdDSA) }, &claims, &key).unwrap();
        assert_anonymous(&app, missing, &token).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn token_is_valid_for_the_configured_lifetime() {
    let app = app_with(&[("ACCESS_TOKEN_TTL", "10h")]).await;
    let ana = sign_up(&app).await;
    app.clock.advance(Duration::from_secs(9 * 3600));
    assert_eq!(whoami(&app, &ana.access).await, ana.view);
    app.clock.advance(Duration::from_secs(3600));
    assert_anonymous(&app, "expired", &ana.access).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn key_rotation_keeps_users_signed_in() {
    let (old, new) = (Signer::new(), Signer::new());
    let published = |signer: &Signer| serde_json::from_str::<Value>(&signer.jwks).unwrap()["keys"][0].clone();
    // The new key is first published after the old one, then it signs, then the old one is removed.
    let steps = [(vec![&old, &new], &old), (vec![&new, &old], &new), (vec![&new], &new)];
    for (keys, signing) in steps {
        let pems: String = keys.iter().map(|signer| signer.pem.as_str()).collect();
        let app = app_with(&[("JWT_PRIVATE_KEYS", &pems)]).await;
        assert_eq!(jwks(&app).await, keys.iter().map(|signer| published(signer)).collect::<Vec<_>>());
        let ana = sign_up(&app).await;
        assert_eq!(part(&ana.access, 0)["kid"], published(signing)["kid"]);
        for signer in [&old, &new] {
            let token = signer.sign(&Signer::claims(ana.id().parse().unwrap()));
            let expected = if keys.iter().any(|key| key.pem == signer.pem) { ana.view.clone() } else { Value::Null };
            assert_eq!(whoami(&app, &token).await, expected);
        }
    }
}
