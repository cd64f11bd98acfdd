//! Start-up errors, and the routes of the service.

use expiration::config::Config;

use crate::support::{NO_SWEEP, app};

#[test]
fn invalid_redis_url_or_missing_limit_secret_is_reported_in_one_line() {
    let error = |redis: &str| {
        let mut arguments = vec![
            "expiration",
            "--public-url=http://localhost:8080",
            "--mongodb-url=mongodb://localhost",
            "--nats-url=nats://localhost",
        ];
        arguments.push(redis);
        let parsed = platform::config::parse::<Config>("expiration", arguments.into_iter().map(Into::into));
        let exit = parsed.expect_err("invalid arguments");
        assert_eq!((exit.code, exit.text.lines().count()), (2, 1), "{}", exit.text);
        exit.text
    };
    let limit_secret = error("--redis-url=redis://host");
    let expected = "expiration: LIMIT_SECRET is not set: Secret key that pseudonymises account ids";
    assert!(limit_secret.starts_with(expected), "{limit_secret}");
    let secret = error("--redis-url=postgres://user:secret@host");
    assert!(secret.starts_with("expiration: REDIS_URL is wrong: must be an address such as"), "{secret}");
    assert!(!secret.contains("secret"), "{secret}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_openapi_document_is_served() {
    let app = app(NO_SWEEP).await;
    let document = app.request("GET", "/api/expiration/openapi.json").send().await.expect(200).json();
    assert_eq!(document["info"]["title"], "Expiration");
    assert_eq!(app.request("GET", "/api/expiration/timers").send().await.expect(404).problem(), "not-found");
}
