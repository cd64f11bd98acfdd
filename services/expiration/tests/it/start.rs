//! What the service is told at its start, and what it answers.

use expiration::config::Config;

use crate::support::{NEVER, app};

#[test]
fn a_wrong_redis_or_one_without_its_secret_is_one_line() {
    let told = |redis: &str| {
        let mut arguments = vec![
            "expiration",
            "--public-url=http://localhost:8080",
            "--mongodb-url=mongodb://localhost",
            "--nats-url=nats://localhost",
        ];
        arguments.push(redis);
        let parsed = platform::config::parse::<Config>("expiration", arguments.into_iter().map(Into::into));
        let ended = parsed.expect_err("it must not start");
        assert_eq!((ended.code, ended.text.lines().count()), (2, 1), "{}", ended.text);
        ended.text
    };
    assert!(told("--redis-url=redis://host").starts_with("expiration: LIMIT_SECRET is not set: Hides accounts"));
    let secret = told("--redis-url=postgres://user:secret@host");
    assert!(secret.starts_with("expiration: REDIS_URL is wrong: must be an address such as"), "{secret}");
    assert!(!secret.contains("secret"), "{secret}");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_nothing_to_ask_for_but_that() {
    let app = app(NEVER).await;
    let document = app.request("GET", "/api/expiration/openapi.json").send().await.expect(200).json();
    assert_eq!(document["info"]["title"], "Expiration");
    assert_eq!(app.request("GET", "/api/expiration/timers").send().await.expect(404).problem(), "not-found");
}
