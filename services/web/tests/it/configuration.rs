//! Configuration errors at start-up.

use web::config::Config;

#[test]
fn invalid_or_missing_auth_url_is_reported_in_one_line() {
    let error_for = |auth: Option<&str>| {
        let mut arguments = vec![
            "web",
            "--public-url=http://localhost:8080",
            "--mongodb-url=mongodb://localhost",
            "--nats-url=nats://localhost",
            "--jwks={}",
            "--tickets-url=http://tickets:3000",
            "--orders-url=http://orders:3000",
            "--stripe-publishable-key=pk_test_x",
        ];
        arguments.extend(auth);
        let parsed = platform::config::parse::<Config>("web", arguments.into_iter().map(Into::into));
        let ended = parsed.expect_err("it must not start");
        assert_eq!((ended.code, ended.text.lines().count()), (2, 1), "{}", ended.text);
        ended.text
    };
    assert!(error_for(None).starts_with("web: AUTH_URL is not set: Internal URL of the auth service"));
    for wrong in ["--auth-url=auth:3000", "--auth-url=https://auth:3000", "--auth-url=http://auth:3000/api"] {
        let text = error_for(Some(wrong));
        assert!(text.starts_with("web: AUTH_URL is wrong: '"), "{text}");
    }
}

#[test]
fn secret_stripe_key_is_rejected_and_not_printed() {
    let arguments = [
        "web",
        "--public-url=http://localhost:8080",
        "--mongodb-url=mongodb://localhost",
        "--nats-url=nats://localhost",
        "--jwks={}",
        "--auth-url=http://auth:3000",
        "--tickets-url=http://tickets:3000",
        "--orders-url=http://orders:3000",
        "--stripe-publishable-key=sk_live_secret",
    ];
    let parsed = platform::config::parse::<Config>("web", arguments.into_iter().map(Into::into));
    let text = parsed.expect_err("it must not start").text;
    assert!(text.contains("STRIPE_PUBLISHABLE_KEY") && text.contains("pk_") && !text.contains("secret"), "{text}");
}
