//! GET /api/orders/{id}/pass, GET /api/orders/{id}/passes and GET /api/orders/jwks.json: passes and their verification.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::events::payment::PaymentStatus;
use common::id::OrderId;
use common::identity::Verifier;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use orders::domain::pass::{KEY_ID_CHARS, MAX_PASS_BYTES};
use serde_json::{Value, json};
use testkit::app::TestApp;
use testkit::app::request::Response;
use testkit::app::users::{PUBLIC_URL, Signer, User};

use crate::support::{
    add_listing, app, app_with, complete_order, confirm, create_listing, id_of, listing, listing_of, path, payment,
    payment_transition, place, read,
};

async fn get_pass(app: &TestApp, user: &User, order: &Value) -> Response {
    app.request("GET", &format!("{}/pass", path(order))).as_user(user).send().await
}

/// The pass of a completed order.
async fn pass(app: &TestApp, buyer: &User, order: &Value) -> String {
    let response = get_pass(app, buyer, order).await.expect(200).json();
    assert_eq!((&response["slot"], &response["seat"]), (&json!(0), &order["seats"][0]));
    assert_eq!(response.as_object().unwrap().len(), 3, "{response}");
    response["pass"].as_str().unwrap().to_owned()
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
    if header.typ.as_deref() != Some("pass") {
        return None;
    }
    let key = DecodingKey::from_jwk(set.find(&header.kid?)?).unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    // A pass does not expire; it states when the event starts.
    validation.set_required_spec_claims(&["sub"]);
    decode::<Value>(pass, &key, &validation).ok().map(|token| token.claims)
}

/// The 16 bytes of the order's id in base64url.
fn short_id(order: &Value) -> String {
    let bytes = id_of(order).as_uuid().into_bytes();
    URL_SAFE_NO_PAD.encode(bytes)
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
        "sub": short_id(&order),
        "slot": 0,
        "start": ticket.terms.starts_at.as_seconds(),
        "seat": ["A", "3", "14"],
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
async fn each_seat_has_its_own_pass() {
    let app = app().await;
    let buyer = app.signer.user();
    let mut ticket = listing_of(&app, &[2]);
    // Names of the maximum length are cut, so that the code stays small.
    ticket.terms.section = Some("é".repeat(100));
    ticket.seats[1].name = None;
    let ticket = add_listing(&app, ticket).await;
    let order = complete_order(&app, &buyer, &ticket).await;
    assert_eq!(get_pass(&app, &buyer, &order).await.expect(409).problem(), "several-passes");
    let list = async |user: &User| app.request("GET", &format!("{}/passes", path(&order))).as_user(user).send().await;
    list(&app.signer.user()).await.expect(404);
    let response = list(&buyer).await.expect(200).json();
    let (items, jwks) = (response["items"].as_array().unwrap(), jwks(&app).await);
    let shown: Vec<_> = items.iter().map(|item| (item["slot"].clone(), item["seat"].clone())).collect();
    assert_eq!(shown, [(json!(0), json!("14")), (json!(1), Value::Null)]);
    for (slot, item) in items.iter().enumerate() {
        let pass = item["pass"].as_str().unwrap();
        assert!(pass.len() <= MAX_PASS_BYTES, "{pass}");
        let claims = verify(pass, &jwks).unwrap();
        assert_eq!((&claims["sub"], &claims["slot"]), (&json!(short_id(&order)), &json!(slot)));
        assert!(claims["seat"][0].as_str().unwrap().ends_with('~'), "{claims}");
        assert_eq!(claims["seat"][2], if slot == 0 { "14" } else { "" });
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
        for route in ["pass", "passes"] {
            let request = app.request("GET", &format!("{}/{route}", path(order))).as_user(&buyer);
            assert_eq!(request.send().await.expect(409).problem(), "order-not-completed", "{status}");
        }
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
    // A pass is not accepted as an access token, nor the reverse, even if both are verified with the same keys: the
    // audience and the claims differ too.
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
    // The ids of the keys of passes are the beginnings of the usual ones.
    let kid = |signer: &Signer| {
        let jwks: Value = serde_json::from_str(&signer.jwks).unwrap();
        json!(jwks["keys"][0]["kid"].as_str().unwrap()[..KEY_ID_CHARS])
    };
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
