//! GET /api/orders/{id}/pass and GET /api/orders/jwks.json: passes and their verification.

use std::sync::Arc;

use common::events::payment::PaymentStatus;
use common::events::ticket::{TicketState, TicketTerms};
use common::id::OrderId;
use common::identity::Verifier;
use common::timestamp::Timestamp;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use testkit::app::TestApp;
use testkit::app::request::Response;
use testkit::app::users::{PUBLIC_URL, Signer, User};

use crate::support::{
    add_listing, app, app_with, complete_order, confirm, create_listing, listing, path, payment, payment_transition,
    place, read,
};

async fn get_pass(app: &TestApp, user: &User, order: &Value) -> Response {
    app.request("GET", &format!("{}/pass", path(order))).as_user(user).send().await
}

/// The pass of a completed order.
async fn pass(app: &TestApp, buyer: &User, order: &Value) -> String {
    let answer = get_pass(app, buyer, order).await.expect(200).json();
    assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
    answer["pass"].as_str().unwrap().to_owned()
}

/// The served public keys.
async fn jwks(app: &TestApp) -> Value {
    let response = app.request("GET", "/api/orders/jwks.json").send().await.expect(200);
    assert_eq!(response.header("content-type"), "application/json");
    assert_eq!(response.header("cache-control"), "public, max-age=300");
    response.json()
}

/// The claims of a pass, verified offline with these keys; `None` if it is invalid.
fn verify(pass: &str, jwks: &Value) -> Option<Value> {
    let set: JwkSet = serde_json::from_value(jwks.clone()).unwrap();
    let header = decode_header(pass).ok()?;
    if header.typ.as_deref() != Some("ticket-pass+jwt") {
        return None;
    }
    let key = DecodingKey::from_jwk(set.find(&header.kid?)?).unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[PUBLIC_URL]);
    validation.set_audience(&["admission"]);
    // A pass does not expire; it states when the event starts.
    validation.set_required_spec_claims(&["iss", "aud", "sub"]);
    decode::<Value>(pass, &key, &validation).ok().map(|token| token.claims)
}

fn seconds(time: &Value) -> i64 {
    time.as_str().unwrap().parse::<Timestamp>().unwrap().as_seconds()
}

#[tokio::test(flavor = "multi_thread")]
async fn pass_is_verified_by_the_served_keys_and_describes_the_purchase() {
    let app = app().await;
    let buyer = app.signer.user();
    let mut ticket = listing(&app);
    ticket.terms.section = Some("A".to_owned());
    ticket.terms.row = Some("3".to_owned());
    let ticket = add_listing(&app, ticket).await;
    let order = complete_order(&app, &buyer, &ticket).await;
    let (pass, jwks) = (pass(&app, &buyer, &order).await, jwks(&app).await);
    let expected = json!({
        "iss": PUBLIC_URL,
        "aud": "admission",
        "sub": order["id"],
        "iat": seconds(&order["updatedAt"]),
        "tid": ticket.terms.id,
        "title": "Nina Simone Tribute",
        "venue": "Town Hall",
        "start": ticket.terms.starts_at.as_seconds(),
        "sec": "A",
        "row": "3",
        "seat": "14",
    });
    assert_eq!(verify(&pass, &jwks), Some(expected));
    let key = &jwks["keys"][0];
    assert_eq!((&key["kty"], &key["crv"], &key["alg"]), (&json!("OKP"), &json!("Ed25519"), &json!("EdDSA")));
    assert!(key.get("d").is_none(), "the private half is not served: {key}");

    // A manipulated pass is invalid.
    let [head, claims, signature] = pass.split('.').collect::<Vec<_>>().try_into().unwrap();
    let other = complete_order(&app, &buyer, &create_listing(&app).await).await;
    let others = self::pass(&app, &buyer, &other).await;
    let others_claims = others.split('.').nth(1).unwrap();
    assert!(verify(&others, &jwks).is_some());
    for forged in [
        format!("{head}.{others_claims}.{signature}"),
        format!("{head}.{claims}."),
        format!("{head}.{claims}"),
        Signer::new().sign(&Signer::claims(buyer.id)),
    ] {
        assert_eq!(verify(&forged, &jwks), None, "{forged}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn absent_fields_are_omitted_and_long_names_are_truncated() {
    let app = app().await;
    let buyer = app.signer.user();
    let ticket = listing(&app);
    let terms = TicketTerms { title: "é".repeat(200), seat: None, ..ticket.terms.clone() };
    let ticket = add_listing(&app, TicketState { terms, ..ticket }).await;
    let order = complete_order(&app, &buyer, &ticket).await;
    let claims = verify(&pass(&app, &buyer, &order).await, &jwks(&app).await).unwrap();
    assert_eq!(claims["title"], format!("{}…", "é".repeat(63)));
    for absent in ["sec", "row", "seat"] {
        assert!(claims.get(absent).is_none(), "{claims}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pass_is_always_the_same_on_every_instance() {
    let app = app().await;
    let other = app.start_second_instance(orders::build).await;
    let buyer = app.signer.user();
    let order = complete_order(&app, &buyer, &create_listing(&app).await).await;
    let first = pass(&app, &buyer, &order).await;
    assert_eq!(pass(&app, &buyer, &order).await, first);
    assert_eq!(pass(&other, &buyer, &order).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_buyer_gets_the_pass() {
    let app = app().await;
    let buyer = app.signer.user();
    let order = complete_order(&app, &buyer, &create_listing(&app).await).await;
    let get = |path: &str| app.request("GET", path);
    get(&format!("{}/pass", path(&order))).send().await.expect(401);
    get_pass(&app, &app.signer.user(), &order).await.expect(404);
    get(&format!("/api/orders/{}/pass", OrderId::new())).as_user(&buyer).send().await.expect(404);
    assert_eq!(get("/api/orders/1/pass").as_user(&buyer).send().await.expect(400).fields(), ["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_completed_order_has_a_pass() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    let expect_no_pass = async |order: &Value, status: &str| {
        assert_eq!(read(&app, &buyer, order).await["status"], status);
        let problem = get_pass(&app, &buyer, order).await.expect(409).problem();
        assert_eq!(problem, "order-not-completed", "{status}");
    };
    expect_no_pass(&order, "created").await;
    confirm(&app, &ticket, &order).await;
    expect_no_pass(&order, "awaitingPayment").await;
    let (change, version, state) =
        payment_transition(&payment(&order, PaymentStatus::Authorizing), PaymentStatus::Authorized);
    app.handle(&app.event(change, state.id, version, state)).await.unwrap();
    expect_no_pass(&order, "authorized").await;

    let order = place(&app, &buyer, &create_listing(&app).await).await;
    app.request("DELETE", &path(&order)).as_user(&buyer).send().await.expect(200);
    expect_no_pass(&order, "cancelled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passes_and_access_tokens_are_not_interchangeable() {
    let app = app().await;
    let buyer = app.signer.user();
    let order = complete_order(&app, &buyer, &create_listing(&app).await).await;
    let (pass, jwks) = (pass(&app, &buyer, &order).await, jwks(&app).await);
    // Even with interchanged keys: the audience and the claims differ as well.
    for keys in [app.signer.jwks.clone(), jwks.to_string()] {
        let verifier = Verifier::new(&keys, PUBLIC_URL, Arc::clone(&app.context.clock)).unwrap();
        assert_eq!(verifier.verify(&pass), None);
    }
    let as_cookie = app.request("GET", "/api/orders").header("cookie", format!("access={pass}"));
    as_cookie.send().await.expect(401);
    for keys in [jwks, serde_json::from_str(&app.signer.jwks).unwrap()] {
        assert_eq!(verify(&buyer.token, &keys), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn key_rotation_keeps_printed_passes_valid() {
    let (old, new) = (Signer::new(), Signer::new());
    let kid = |signer: &Signer| serde_json::from_str::<Value>(&signer.jwks).unwrap()["keys"][0]["kid"].clone();
    let app = app_with(&[("PASS_PRIVATE_KEYS", &old.pem)]).await;
    let buyer = app.signer.user();
    let order = complete_order(&app, &buyer, &create_listing(&app).await).await;
    let printed = pass(&app, &buyer, &order).await;
    app.wait_until_idle().await;
    app.stop().await;

    // The pass of the same order and the served keys, after a restart with these keys.
    let database = app.context.config.mongodb_database.clone().unwrap();
    let restarted = async |keys: &str| {
        let settings = [
            ("MONGODB_DATABASE", database.as_str()),
            ("NATS_PREFIX", app.context.config.nats_prefix.as_str()),
            ("JWKS", app.signer.jwks.as_str()),
            ("PASS_PRIVATE_KEYS", keys),
        ];
        let later = app_with(&settings).await;
        let served = (pass(&later, &buyer, &order).await, jwks(&later).await);
        later.stop().await;
        // Kept until the end, because dropping an app drops its database.
        (served, later)
    };
    let signed_by = |pass: &str| json!(decode_header(pass).unwrap().kid);

    // Step 1: the new key is only published.
    let ((same, both), _announced) = restarted(&format!("{}{}", old.pem, new.pem)).await;
    assert_eq!((&both["keys"][0]["kid"], &both["keys"][1]["kid"]), (&kid(&old), &kid(&new)));
    assert_eq!((same.as_str(), signed_by(&same)), (printed.as_str(), kid(&old)));

    // Step 2: the new key signs.
    let ((fresh, both), _replaced) = restarted(&format!("{}{}", new.pem, old.pem)).await;
    assert_eq!((&both["keys"][0]["kid"], &both["keys"][1]["kid"]), (&kid(&new), &kid(&old)));
    assert_eq!(signed_by(&fresh), kid(&new));
    // A pass that was printed before is as valid as the present one and has the same claims.
    assert_eq!(verify(&printed, &both), verify(&fresh, &both));
    assert!(verify(&printed, &both).is_some());

    // Step 3: the old key is removed.
    let ((last, one), _retired) = restarted(&new.pem).await;
    assert_eq!((one["keys"].as_array().unwrap().len(), last), (1, fresh.clone()));
    assert_eq!((verify(&printed, &one), verify(&fresh, &one).is_some()), (None, true));
}
