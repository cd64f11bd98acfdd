//! Rate limits: with Redis they are exact across all instances, and a Redis outage does not affect requests.

use std::cell::Cell;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use platform::limits::marker;
use testkit::app::request::Response;
use testkit::app::users::User;
use testkit::app::{TestApp, eventually};
use testkit::tools::Tools;

use crate::demo::{app_with, build};

/// A timeout for exact counts on a busy machine, where the default of 20 ms is sometimes too short.
const LONG_TIMEOUT: &str = "10s";

/// A Redis server for one test, which may stop, flush and kill it.
struct Redis {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Redis {
    async fn start() -> Self {
        let tools = tokio::task::spawn_blocking(Tools::find_or_install).await.unwrap().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(&tools.redis_server)
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string(), "--dir"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let redis = Self { child, port, _folder: folder };
        eventually("Redis to respond", async || redis.connection().await.is_ok()).await;
        redis
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    async fn connection(&self) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
        redis::Client::open(self.url())?.get_multiplexed_async_connection().await
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

async fn app_with_redis(redis: &Redis, settings: &[(&str, &str)]) -> TestApp {
    let url = redis.url();
    let mut all = vec![("REDIS_URL", url.as_str())];
    all.extend(settings);
    let app = app_with(&all).await;
    wait_for_redis(&app).await;
    app
}

/// Waits until the instance counts in Redis.
async fn wait_for_redis(app: &TestApp) {
    eventually("Redis to count", async || app.metric("rate_limit_redis_up").await == Some(1.0)).await;
}

async fn order(app: &TestApp, user: &User) -> Response {
    app.request("POST", "/api/demo/order").as_user(user).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn request_over_the_quota_is_rejected_by_any_instance() {
    let redis = Redis::start().await;
    let app = app_with_redis(&redis, &[("ORDERS_PER_MINUTE", "60"), ("LIMIT_REDIS_TIMEOUT", LONG_TIMEOUT)]).await;
    let other = app.start_second_instance(build).await;
    wait_for_redis(&other).await;
    let (user, neighbour) = (app.signer.user(), app.signer.user());
    for number in 0..60 {
        let response = order(if number % 2 == 0 { &app } else { &other }, &user).await.expect(204);
        assert_eq!(response.header("ratelimit-policy"), r#""orders";q=60;w=60"#);
        let state = response.header("ratelimit");
        let seconds = state.strip_prefix(&format!(r#""orders";r={};t="#, 59 - number)).expect(state);
        assert!((1..=60).contains(&seconds.parse::<u64>().unwrap()), "{state}");
    }
    for instance in [&app, &other] {
        let rejected = order(instance, &user).await.expect(429);
        assert_eq!(rejected.problem(), "rate-limited");
        assert_eq!(rejected.header("content-type"), "application/problem+json");
        assert!((1..=60).contains(&rejected.header("retry-after").parse::<u64>().unwrap()));
        assert!(rejected.header("ratelimit").starts_with(r#""orders";r=0;t="#), "{}", rejected.header("ratelimit"));
        order(instance, &neighbour).await.expect(204);
        // Requests of another class and to an exempt route are accepted.
        instance.request("GET", "/page").as_user(&user).send().await.expect(200);
        let webhook = instance.request("POST", "/api/demo/webhook").as_user(&user).send().await.expect(204);
        assert_eq!(webhook.header("ratelimit"), "");
    }
    // Redis keys do not reveal the client, and they expire.
    let mut connection = redis.connection().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    assert!(keys.len() >= 2 && keys.iter().all(|key| key.starts_with("ticketing:limit:")), "{keys:?}");
    for key in &keys {
        assert!(!key.contains(&user.id.to_string()) && !key.contains("127.0.0.1"), "{key}");
        let left: i64 = redis::cmd("PTTL").arg(key).query_async(&mut connection).await.unwrap();
        assert!((1..=60_000).contains(&left), "{key} ends in {left} ms");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rate_limited_page_gets_an_html_error() {
    let app = app_with(&[("READS_PER_MINUTE", "2")]).await;
    let user = app.signer.user();
    let page = || app.request("GET", "/page").as_user(&user).send();
    page().await.expect(200);
    assert!(page().await.expect(200).header("ratelimit").starts_with(r#""reads";r=0;t="#));
    let rejected = page().await.expect(429);
    assert!(rejected.text().contains("<h1>Too many requests</h1>"), "{}", rejected.text());
    assert!(!rejected.header("retry-after").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_are_counted_by_address_and_users_by_account() {
    let app = app_with(&[("GUEST_REQUESTS_PER_MINUTE", "3"), ("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let from = |address: &str| app.request("GET", "/page").header("x-forwarded-for", address).send();
    for address in ["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::3"] {
        assert!(from(address).await.expect(200).header("ratelimit-policy").starts_with(r#""guest";q=3;"#));
    }
    from("2001:db8::4").await.expect(429);
    from("2001:db8:0:1::1").await.expect(200);
    from("198.51.100.7").await.expect(200);
    // A guest's commands count too, but not the requests of users at the same address.
    let command = app.request("POST", "/api/demo/order").header("x-forwarded-for", "2001:db8::5");
    command.send().await.expect(429);
    for _ in 0..10 {
        let user = app.signer.user();
        app.request("GET", "/page").as_user(&user).header("x-forwarded-for", "2001:db8::6").send().await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn marked_request_is_not_counted_again() {
    let app = app_with(&[("READS_PER_MINUTE", "1")]).await;
    let user = app.signer.user();
    let marked = |marker: &str| app.request("GET", "/page").as_user(&user).header("x-counted", marker).send();
    let valid = marker::header_value(&app.context.counters).unwrap();
    for _ in 0..3 {
        assert_eq!(marked(valid.to_str().unwrap()).await.expect(200).header("ratelimit"), "");
    }
    marked("invented").await.expect(200);
    marked("invented").await.expect(429);
}

#[tokio::test(flavor = "multi_thread")]
async fn local_counts_are_synchronised_every_second() {
    let redis = Redis::start().await;
    let app = app_with_redis(&redis, &[("READS_PER_MINUTE", "10000")]).await;
    let other = app.start_second_instance(build).await;
    wait_for_redis(&other).await;
    let user = app.signer.user();
    for _ in 0..300 {
        app.request("GET", "/page").as_user(&user).send().await.expect(200);
    }
    // These requests are counted too.
    let sent = Cell::new(0);
    let others = async || {
        sent.set(sent.get() + 1);
        let response = other.request("GET", "/page").as_user(&user).send().await.expect(200);
        let state = response.header("ratelimit");
        let remaining = state.split("r=").nth(1).unwrap().split(';').next().unwrap().parse::<u32>().unwrap();
        10_000 - remaining - sent.get()
    };
    eventually("the other instance to have the counts", async || others().await == 300).await;
}

/// Places orders one after the other. Returns the number of failures, the longest duration, and the total duration.
async fn place_orders(app: &TestApp, users: &[User], rounds: usize) -> (usize, Duration, Duration) {
    let (mut failed, mut longest) = (0, Duration::ZERO);
    let start = Instant::now();
    for _ in 0..rounds {
        for user in users {
            let sent = Instant::now();
            failed += usize::from(order(app, user).await.status != 204);
            longest = longest.max(sent.elapsed());
        }
    }
    (failed, longest, start.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_failures_neither_reject_nor_delay_requests() {
    let redis = Redis::start().await;
    let app = app_with_redis(&redis, &[("ORDERS_PER_MINUTE", "300")]).await;
    let users: Vec<_> = (0..20).map(|_| app.signer.user()).collect();
    let flushing = async {
        let mut connection = redis.connection().await.unwrap();
        for _ in 0..20 {
            redis::cmd("FLUSHALL").exec_async(&mut connection).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let (placed, ()) = tokio::join!(place_orders(&app, &users, 10), flushing);
    assert_eq!(placed.0, 0, "FLUSHALL causes no failures");

    let check = |what: &str, (failed, longest, all): (usize, Duration, Duration)| {
        assert_eq!(failed, 0, "{what}");
        // A request that calls Redis waits 20 ms. Of 200 requests, only about one per second calls it.
        assert!(all < Duration::from_secs(2), "{what}: {all:?}");
        assert!(longest < Duration::from_millis(500), "{what}: {longest:?}");
    };
    redis.signal("-STOP");
    check("while Redis hangs", place_orders(&app, &users, 10).await);
    eventually("the outage to be reported", async || app.metric("rate_limit_redis_up").await == Some(0.0)).await;
    redis.signal("-CONT");
    wait_for_redis(&app).await;
    check("after Redis hung", place_orders(&app, &users, 2).await);
    // Requests during the outage are counted once, even if Redis executed a call after its timeout.
    let user = app.signer.user();
    redis.signal("-STOP");
    for _ in 0..100 {
        assert_eq!(order(&app, &user).await.status, 204);
    }
    // The pause is long enough for a synchronisation to be sent and to time out.
    tokio::time::sleep(Duration::from_secs(4)).await;
    redis.signal("-CONT");
    wait_for_redis(&app).await;
    for _ in 0..190 {
        assert_eq!(order(&app, &user).await.status, 204, "within 300");
    }
    redis.signal("-KILL");
    check("after Redis was killed", place_orders(&app, &users, 10).await);
    // Local counts still enforce the quota.
    let busy = app.signer.user();
    let mut responses = Vec::new();
    for _ in 0..301 {
        responses.push(order(&app, &busy).await.status);
    }
    assert_eq!(responses.iter().filter(|status| **status == 429).count(), 1);
}
