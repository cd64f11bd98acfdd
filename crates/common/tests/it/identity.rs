//! Verification of access tokens, cookies, and the extractors.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::clock::{Clock, ShiftedClock};
use common::error::Error;
use common::id::{SessionId, UserId};
use common::identity::{AUDIENCE, Claims, CookieNames, CurrentUser, Role, Verifier, cookie};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use http::{HeaderMap, HeaderValue, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

const ISSUER: &str = "https://ticketing.dev";

struct Key {
    kid: &'static str,
    signing: SigningKey,
}

impl Key {
    fn new(kid: &'static str) -> Self {
        Self { kid, signing: SigningKey::generate(&mut rand_core::OsRng) }
    }

    fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.signing.verifying_key().as_bytes());
        json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.kid, "x": x })
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_as(Some(self.kid), claims)
    }

    fn sign_as(&self, kid: Option<&str>, claims: &Value) -> String {
        let pem = self.signing.to_pkcs8_pem(LineEnding::LF).unwrap();
        let header = Header { kid: kid.map(ToOwned::to_owned), ..Header::new(Algorithm::EdDSA) };
        encode(&header, claims, &EncodingKey::from_ed_pem(pem.as_bytes()).unwrap()).unwrap()
    }
}

fn jwks(keys: &[&Key]) -> String {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() }).to_string()
}

fn verifier(keys: &[&Key], clock: &ShiftedClock) -> Verifier {
    Verifier::new(&jwks(keys), ISSUER, Arc::new(clock.clone())).unwrap()
}

fn claims(clock: &ShiftedClock) -> Value {
    let now = clock.now().as_seconds();
    json!({ "sub": UserId::new(), "sid": SessionId::new(), "iss": ISSUER, "aud": AUDIENCE,
            "iat": now, "nbf": now, "exp": now + 900 })
}

/// The claims with one replaced, or removed if the value is null.
fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    let object = claims.as_object_mut().unwrap();
    if value.is_null() {
        object.remove(name)
    } else {
        object.insert(name.to_owned(), value)
    };
    claims
}

#[test]
fn valid_token_yields_its_claims() {
    let (key, clock) = (Key::new("k1"), ShiftedClock::default());
    let claims = claims(&clock);
    let verified = verifier(&[&key], &clock).verify(&key.sign(&claims)).expect("a valid token");
    assert_eq!(verified, serde_json::from_value::<Claims>(claims).unwrap());
}

#[test]
fn token_is_valid_from_nbf_to_exp() {
    let (key, clock) = (Key::new("k1"), ShiftedClock::default());
    let verifier = verifier(&[&key], &clock);
    // The token expires after 900 s.
    let token = key.sign(&claims(&clock));
    clock.advance(Duration::from_secs(895));
    assert!(verifier.verify(&token).is_some());
    clock.advance(Duration::from_secs(6));
    assert!(verifier.verify(&token).is_none(), "expired");
    let now = clock.now().as_seconds();
    // `nbf` may be up to 150 s ahead of the clock of this service.
    let early = |by: i64| key.sign(&with(&with(&claims(&clock), "nbf", json!(now + by)), "exp", json!(now + 900)));
    assert!(verifier.verify(&early(200)).is_none(), "not yet valid");
    assert!(verifier.verify(&early(120)).is_some(), "the clock of auth is two minutes ahead of ours");
}

#[test]
fn cached_tokens_still_expire_and_do_not_mix() {
    let (key, clock) = (Key::new("k1"), ShiftedClock::default());
    let verifier = verifier(&[&key], &clock);
    let first = key.sign(&claims(&clock));
    // These are several times as many tokens as fit into the cache. The first token is used only in the first half.
    for n in 0..10_000 {
        let token = key.sign(&with(&claims(&clock), "iat", json!(n)));
        assert!(verifier.verify(&token).is_some_and(|claims| claims.iat == n), "each token has its own claims");
        if n % 1_000 == 0 && n < 5_000 {
            assert!(verifier.verify(&first).is_some());
        }
    }
    assert!(verifier.verify(&first).is_some());
    // A cached token does not validate a similar one.
    let (body, signature) = first.rsplit_once('.').unwrap();
    assert!(verifier.verify(&format!("{body}.{}", signature.chars().rev().collect::<String>())).is_none());
    clock.advance(Duration::from_secs(901));
    assert!(verifier.verify(&first).is_none(), "expired");
}

#[test]
fn invalid_claims_are_rejected() {
    let (key, clock) = (Key::new("k1"), ShiftedClock::default());
    let verifier = verifier(&[&key], &clock);
    let good = claims(&clock);
    for (name, value) in [
        ("aud", json!("elsewhere")),
        ("aud", json!(["elsewhere"])),
        ("aud", Value::Null),
        ("iss", json!("https://evil.example")),
        ("iss", json!("https://ticketing.dev/")),
        ("iss", Value::Null),
        ("exp", Value::Null),
        ("exp", json!("never")),
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("nbf", Value::Null),
        ("sub", Value::Null),
        ("sub", json!("somebody")),
        ("sid", Value::Null),
        ("roles", json!("operator")),
        ("roles", json!(["owner"])),
    ] {
        assert!(verifier.verify(&key.sign(&with(&good, name, value.clone()))).is_none(), "{name}: {value}");
    }
}

#[test]
fn forged_tokens_are_rejected() {
    let (key, clock) = (Key::new("k1"), ShiftedClock::default());
    let verifier = verifier(&[&key], &clock);
    let claims = claims(&clock);
    let good = key.sign(&claims);
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let [head, body, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let other_body = encoded(&with(&claims, "sub", json!(UserId::new())));
    let public = key.signing.verifying_key().to_bytes();
    let hs256 = |secret: &[u8]| {
        let header = Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::HS256) };
        encode(&header, &claims, &EncodingKey::from_secret(secret)).unwrap()
    };
    let head_of = |alg: &str| encoded(&json!({ "alg": alg, "typ": "JWT", "kid": "k1" }));
    let forged = [
        ("another key with our id", Key::new("k1").sign(&claims)),
        ("another body", format!("{head}.{other_body}.{signature}")),
        ("no signature", format!("{head}.{body}.")),
        ("two parts", format!("{head}.{body}")),
        ("a cut signature", good[..good.len() - 4].to_owned()),
        ("alg none", format!("{}.{body}.", head_of("none"))),
        ("alg None with a signature", format!("{}.{body}.{signature}", head_of("None"))),
        ("alg HS256, the public key as the secret", hs256(&public)),
        ("alg HS256, its text as the secret", hs256(URL_SAFE_NO_PAD.encode(public).as_bytes())),
        ("alg HS256, the set as the secret", hs256(jwks(&[&key]).as_bytes())),
        ("alg ES256 with our signature", format!("{}.{body}.{signature}", head_of("ES256"))),
        ("the attacker's key in the header", {
            let attacker = Key::new("k2");
            let head = encoded(&json!({ "alg": "EdDSA", "kid": "k2", "jwk": attacker.jwk() }));
            let token = attacker.sign(&claims);
            format!("{head}.{}", token.split_once('.').unwrap().1)
        }),
        ("an unknown kid", key.sign_as(Some("k9"), &claims)),
        ("no kid", key.sign_as(None, &claims)),
        ("an empty kid", key.sign_as(Some(""), &claims)),
        ("nothing", String::new()),
        ("dots", "..".to_owned()),
        ("text", "a.b.c".to_owned()),
    ];
    for (what, token) in forged {
        assert!(verifier.verify(&token).is_none(), "{what}");
    }
    assert!(verifier.verify(&good).is_some());
}

#[test]
fn keys_can_be_rotated() {
    let (old, new, clock) = (Key::new("k1"), Key::new("k2"), ShiftedClock::default());
    let (by_old, by_new) = (old.sign(&claims(&clock)), new.sign(&claims(&clock)));
    let both = verifier(&[&old, &new], &clock);
    assert!(both.verify(&by_old).is_some() && both.verify(&by_new).is_some());
    let after = verifier(&[&new], &clock);
    assert!(after.verify(&by_old).is_none() && after.verify(&by_new).is_some());
    // A signature of one key with the id of another key is invalid.
    assert!(both.verify(&old.sign_as(Some("k2"), &claims(&clock))).is_none());
}

#[test]
fn unusable_jwk_sets_are_rejected() {
    let clock = || Arc::new(ShiftedClock::default());
    let key = Key::new("k1");
    let mut without_kid = key.jwk();
    without_kid.as_object_mut().unwrap().remove("kid");
    let rsa = json!({ "kty": "RSA", "kid": "r", "n": "AQAB", "e": "AQAB", "alg": "RS256" });
    let symmetric = json!({ "kty": "oct", "kid": "s", "k": "c2VjcmV0", "alg": "HS256" });
    let mut damaged = key.jwk();
    damaged["x"] = json!("!");
    for (what, set, message) in [
        ("not JSON", "x".to_owned(), "not a JWK set"),
        ("another shape", "[]".to_owned(), "not a JWK set"),
        ("empty", json!({ "keys": [] }).to_string(), "the set contains no key"),
        ("no kid", json!({ "keys": [without_kid] }).to_string(), "a key has no kid"),
        ("RSA", json!({ "keys": [rsa] }).to_string(), "key r is not a usable Ed25519 key"),
        ("symmetric", json!({ "keys": [symmetric] }).to_string(), "key s is not a usable Ed25519 key"),
        ("damaged", json!({ "keys": [damaged] }).to_string(), "key k1 is not a usable Ed25519 key"),
    ] {
        let Err(error) = Verifier::new(&set, ISSUER, clock()) else { panic!("{what} is accepted") };
        assert!(error.to_string().starts_with(message), "{what}: {error}");
    }
}

fn cookies(lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(header::COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    headers
}

#[test]
fn cookies_are_found_among_others() {
    for (lines, expected) in [
        (&["access=a"][..], Some("a")),
        (&["theme=dark; access=a; x=y"][..], Some("a")),
        (&["theme=dark;access=a"][..], Some("a")),
        (&["theme=dark", "access=a"][..], Some("a")),
        (&["access=a=b=="][..], Some("a=b==")),
        (&["access=first; access=second"][..], Some("first")),
        (&["xaccess=a; accessx=b; ACCESS=c; __Host-access=d"][..], None),
        (&["visitor=J\u{f6}rg; access=a"][..], Some("a")),
        (&["access=a; \u{4f60}=\u{597d}"][..], Some("a")),
        (&["visitor=J\u{f6}rg", "access=a"][..], Some("a")),
        (&["=nameless; access=a"][..], Some("a")),
        (&["bare; access = a "][..], Some("a")),
        (&["theme=%zz; access=a%20b"][..], Some("a%20b")),
        (&["access"][..], None),
        (&["access="][..], Some("")),
        (&[""][..], None),
        (&[][..], None),
    ] {
        assert_eq!(cookie(&cookies(lines), "access"), expected, "{lines:?}");
    }
}

#[test]
fn non_utf8_cookie_does_not_hide_others() {
    let mut headers = HeaderMap::new();
    headers.append(header::COOKIE, HeaderValue::from_bytes(b"visitor=J\xf6rg; access=a; x=\xff\xfe").unwrap());
    assert_eq!((cookie(&headers, "access"), cookie(&headers, "x")), (Some("a"), None));
}

#[test]
fn https_uses_host_prefixed_cookies() {
    let secure = CookieNames::for_public_url("https://ticketing.dev");
    assert_eq!((secure.access, secure.refresh, secure.secure), ("__Host-access", "__Host-refresh", true));
    let plain = CookieNames::for_public_url("http://localhost:8080");
    assert_eq!((plain.access, plain.refresh, plain.secure), ("access", "refresh", false));
    let (key, clock) = (Key::new("k1"), ShiftedClock::default());
    let verifier = verifier(&[&key], &clock);
    let token = key.sign(&claims(&clock));
    assert!(verifier.identify(&cookies(&[&format!("__Host-access={token}")])).is_some());
    assert!(verifier.identify(&cookies(&[&format!("access={token}")])).is_none());
}

/// The output of a future that is immediately ready, as those of the extractors are.
fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("the future is not ready"),
    }
}

#[test]
fn extractors_return_the_user_or_401() {
    let (key, clock) = (Key::new("k1"), ShiftedClock::default());
    let verifier = verifier(&[&key], &clock);
    let claims = claims(&clock);
    let parts = |cookie: &str| {
        let request = http::Request::builder().header("cookie", cookie).body(()).unwrap();
        request.into_parts().0
    };
    let good = format!("__Host-access={}", key.sign(&claims));
    let required = |cookie: &str| {
        ready(<CurrentUser as FromRequestParts<Verifier>>::from_request_parts(&mut parts(cookie), &verifier))
    };
    let optional = |cookie: &str| {
        ready(<CurrentUser as OptionalFromRequestParts<Verifier>>::from_request_parts(&mut parts(cookie), &verifier))
    };
    let user = required(&good).unwrap();
    assert_eq!((json!(user.id), json!(user.session)), (claims["sub"].clone(), claims["sid"].clone()));
    assert_eq!(optional(&good).unwrap(), Some(user));
    for bad in ["", "__Host-access=a.b.c", "theme=dark"] {
        assert!(matches!(required(bad), Err(Error::Unauthenticated(_))), "{bad}");
        assert_eq!(optional(bad).unwrap(), None, "an invalid token counts as no token: {bad}");
    }
}

#[test]
fn roles_are_those_of_the_token() {
    let (key, clock) = (Key::new("k1"), ShiftedClock::default());
    let verifier = verifier(&[&key], &clock);
    for (roles, expected) in [
        (Value::Null, vec![]),
        (json!([]), vec![]),
        (json!(["support"]), vec![Role::Support]),
        (json!(["finance", "operator"]), vec![Role::Finance, Role::Operator]),
    ] {
        let token = key.sign(&with(&claims(&clock), "roles", roles.clone()));
        let user = verifier.identify(&cookies(&[&format!("__Host-access={token}")])).unwrap();
        assert_eq!(user.roles, expected, "{roles}");
    }
    // The token of a user without a role has no such claim.
    let plain: Claims = serde_json::from_value(claims(&clock)).unwrap();
    assert!(serde_json::to_value(plain).unwrap().get("roles").is_none());
}
