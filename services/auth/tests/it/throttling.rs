//! Failed sign-ins and frequent sign-ups are throttled, and no account is locked permanently.

use std::time::Duration;

use common::clock::Clock as _;
use serde_json::json;
use testkit::app::TestApp;
use testkit::app::request::Response;

use crate::support::{PASSWORD, app, app_with, email, post, sign_in, sign_in_from, sign_up, verify_count};

/// Delays so long that the speed of the test makes no difference.
const LONG_BACKOFF: [(&str, &str); 3] =
    [("SIGNIN_WINDOW", "1000h"), ("SIGNIN_BACKOFF", "1h"), ("TRUSTED_PROXIES", "127.0.0.1")];
const HOUR: Duration = Duration::from_secs(3600);

async fn app_with_long_backoff(more: &[(&str, &str)]) -> TestApp {
    app_with(&[&LONG_BACKOFF, more].concat()).await
}

/// Asserts a 429 with a `Retry-After` of about this many hours.
fn assert_retry_after_hours(response: Response, hours: u64) {
    let response = response.expect(429);
    assert_eq!(response.problem(), "rate-limited");
    let after: u64 = response.header("retry-after").parse().unwrap();
    assert!((hours * 3600 - 300..=hours * 3600).contains(&after), "{after} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn backoff_starts_at_the_tenth_failure_and_doubles() {
    let app = app_with_long_backoff(&[]).await;
    let ana = sign_up(&app).await;
    for _ in 0..9 {
        sign_in(&app, ana.email(), "wrong password").await.expect(401);
    }
    assert_retry_after_hours(sign_in(&app, ana.email(), "wrong password").await, 1);
    // Rejects even the correct password, without hashing.
    let before = verify_count(&app).await;
    assert_retry_after_hours(sign_in(&app, &ana.email().to_uppercase(), PASSWORD).await, 1);
    assert_retry_after_hours(sign_in(&app, ana.email(), "wrong password").await, 1);
    assert_eq!(verify_count(&app).await, before);
    for hours in [2, 4, 8] {
        app.clock.advance(HOUR * u32::try_from(hours).unwrap() / 2);
        assert_retry_after_hours(sign_in(&app, ana.email(), "wrong password").await, hours);
    }
    // After the delay the owner can sign in.
    app.clock.advance(HOUR * 8);
    sign_in(&app, ana.email(), PASSWORD).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_account_is_throttled_in_the_same_way() {
    let app = app_with_long_backoff(&[("SIGNIN_FAILURES", "2")]).await;
    let nobody = email();
    sign_in(&app, &nobody, "wrong password").await.expect(401);
    assert_retry_after_hours(sign_in(&app, &nobody, "wrong password").await, 1);
    assert_retry_after_hours(sign_in(&app, &nobody, "wrong password").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_failures_count_and_only_for_a_while() {
    let app = app_with_long_backoff(&[("SIGNIN_FAILURES", "3")]).await;
    let ana = sign_up(&app).await;
    for _ in 0..2 {
        sign_in(&app, ana.email(), "wrong password").await.expect(401);
        for _ in 0..3 {
            sign_in(&app, ana.email(), PASSWORD).await.expect(200);
        }
    }
    app.clock.advance(HOUR * 1000);
    // The two failures no longer count: it takes three more.
    for _ in 0..2 {
        sign_in(&app, ana.email(), "wrong password").await.expect(401);
    }
    sign_in(&app, ana.email(), PASSWORD).await.expect(200);
    assert_retry_after_hours(sign_in(&app, ana.email(), "wrong password").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_from_another_address_do_not_lock_out_the_owner() {
    let app = app_with_long_backoff(&[("SIGNIN_FAILURES", "2")]).await;
    let (ana, ben) = (sign_up(&app).await, sign_up(&app).await);
    let from = |address: &'static str, email: String, password: &'static str| {
        let app = &app;
        async move { sign_in_from(app, address, &email, password).await }
    };
    from("203.0.113.7", ana.email().to_owned(), "wrong password").await.expect(401);
    assert_retry_after_hours(from("203.0.113.7", ana.email().to_owned(), "wrong password").await, 1);
    from("198.51.100.2", ana.email().to_owned(), PASSWORD).await.expect(200);
    // Failed attempts do not lock out other users at the same address either.
    from("203.0.113.7", ben.email().to_owned(), PASSWORD).await.expect(200);
    // IPv6 addresses of one /64 are counted together.
    from("2001:db8:1:1::1", ben.email().to_owned(), "wrong password").await.expect(401);
    assert_retry_after_hours(from("2001:db8:1:1:2::2", ben.email().to_owned(), "wrong password").await, 1);
    from("2001:db8:1:2::1", ben.email().to_owned(), PASSWORD).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_that_tries_many_accounts_is_throttled() {
    let app = app_with_long_backoff(&[("SIGNIN_ADDRESS_FAILURES", "5")]).await;
    let ana = sign_up(&app).await;
    for _ in 0..4 {
        sign_in_from(&app, "203.0.113.7", &email(), "wrong password").await.expect(401);
    }
    assert_retry_after_hours(sign_in_from(&app, "203.0.113.7", &email(), "wrong password").await, 1);
    assert_retry_after_hours(sign_in_from(&app, "203.0.113.7", ana.email(), PASSWORD).await, 1);
    sign_in_from(&app, "198.51.100.2", ana.email(), PASSWORD).await.expect(200);
    app.clock.advance(HOUR);
    sign_in_from(&app, "203.0.113.7", ana.email(), PASSWORD).await.expect(200);
    // Only a trusted proxy can report the client address.
    let strict = app_with(&[("SIGNIN_ADDRESS_FAILURES", "1"), LONG_BACKOFF[0], LONG_BACKOFF[1]]).await;
    assert_retry_after_hours(sign_in_from(&strict, "203.0.113.7", &email(), "wrong password").await, 1);
    assert_retry_after_hours(sign_in_from(&strict, "203.0.113.8", &email(), "wrong password").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_count_across_instances() {
    let app = app_with_long_backoff(&[("SIGNIN_FAILURES", "4")]).await;
    let other = app.start_second_instance(auth::build).await;
    let ana = sign_up(&app).await;
    for app in [&app, &other, &app] {
        sign_in(app, ana.email(), "wrong password").await.expect(401);
    }
    assert_retry_after_hours(sign_in(&other, ana.email(), "wrong password").await, 1);
    assert_retry_after_hours(sign_in(&app, ana.email(), PASSWORD).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_guesses_do_not_exceed_the_limit() {
    let app = app_with_long_backoff(&[("SIGNIN_FAILURES", "3"), ("HASHING_CONCURRENCY", "1")]).await;
    let ana = sign_up(&app).await;
    let before = verify_count(&app).await;
    let guesses = (0..30).map(|_| sign_in(&app, ana.email(), "wrong password"));
    let responses = futures::future::join_all(guesses).await;
    let count = |status: u16| responses.iter().filter(|response| response.status == status).count();
    assert_eq!((count(401), count(429)), (2, 28));
    assert_eq!(verify_count(&app).await - before, 3);
}

/// Moves the clock to the start of a minute, so that the minute does not end while the test counts.
fn advance_to_next_minute(app: &TestApp) {
    let into = app.clock.now().as_millis().rem_euclid(60_000);
    app.clock.advance(Duration::from_millis(u64::try_from(60_000 - into).unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_ups_are_limited_to_four_hundred_per_minute_and_address() {
    let app = app().await;
    advance_to_next_minute(&app);
    let body = json!({ "email": email(), "password": PASSWORD });
    post(&app, "signup", &body).await.expect(201);
    // Invalid requests do not count.
    post(&app, "signup", &json!({ "email": "nonsense", "password": PASSWORD })).await.expect(400);
    for _ in 1..400 {
        post(&app, "signup", &body).await.expect(409);
    }
    let rejected = post(&app, "signup", &body).await.expect(429);
    assert!((1..=60).contains(&rejected.header("retry-after").parse::<u64>().unwrap()));
    app.clock.advance(Duration::from_secs(60));
    post(&app, "signup", &json!({ "email": email(), "password": PASSWORD })).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_ups_are_counted_per_address() {
    let app = app_with(&[("SIGNUPS_PER_MINUTE", "1"), ("TRUSTED_PROXIES", "127.0.0.1")]).await;
    advance_to_next_minute(&app);
    let from = |address: &str| {
        let body = json!({ "email": email(), "password": PASSWORD });
        app.request("POST", "/api/users/signup").header("x-forwarded-for", address).json(&body).send()
    };
    from("203.0.113.7").await.expect(201);
    from("203.0.113.7").await.expect(429);
    from("203.0.113.8").await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn successful_sign_ins_are_limited_per_account() {
    let app = app_with(&[("SIGNINS_PER_MINUTE", "3")]).await;
    let (ana, ben) = (sign_up(&app).await, sign_up(&app).await);
    advance_to_next_minute(&app);
    // A stranger without the password can't use up the account's sign-ins.
    sign_in(&app, ana.email(), "wrong password").await.expect(401);
    for _ in 0..3 {
        sign_in(&app, ana.email(), PASSWORD).await.expect(200);
    }
    let rejected = sign_in(&app, ana.email(), PASSWORD).await.expect(429);
    assert!((1..=60).contains(&rejected.header("retry-after").parse::<u64>().unwrap()));
    sign_in(&app, ben.email(), PASSWORD).await.expect(200);
    app.clock.advance(Duration::from_secs(60));
    sign_in(&app, ana.email(), PASSWORD).await.expect(200);
}
