//! The program as a process: start-up, start-up errors, and graceful shutdown.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::app::proxy::Proxy;
use testkit::app::{TestApp, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::support::{app, body};

/// The program with an empty environment.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickets"));
    command.env_clear().kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A process that shares the database and the streams of a [`TestApp`].
struct Instance {
    child: Child,
    public: u16,
    metrics: u16,
}

impl Instance {
    fn start(app: &TestApp, mongodb: &Proxy, grace: &str) -> Self {
        // The port is released before the service binds it, so another process could take it in between.
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (public, metrics) = (free(), free());
        let mut command = program();
        command.envs([
            ("BIND", format!("127.0.0.1:{public}")),
            ("ADMIN_BIND", "127.0.0.1:0".to_owned()),
            ("METRICS_BIND", format!("127.0.0.1:{metrics}")),
            ("PUBLIC_URL", app.context.config.public_url.clone()),
            ("MONGODB_URL", mongodb.url()),
            ("MONGODB_DATABASE", app.context.database.name().to_owned()),
            ("NATS_URL", app.context.config.nats_url.clone()),
            ("NATS_PREFIX", app.context.config.nats_prefix.clone()),
            ("STREAM_MAX_BYTES", app.context.config.stream_max_bytes.to_string()),
            ("JWKS", app.signer.jwks.clone()),
            ("SHUTDOWN_GRACE", grace.to_owned()),
        ]);
        Self { child: command.spawn().expect("the program starts"), public, metrics }
    }

    /// Status and body of the response; status 0 if there is none.
    async fn monitor(&self, path: &str) -> (u16, String) {
        send(self.metrics, &format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")).await
    }

    fn terminate(&self) {
        let pid = self.child.id().expect("it runs").to_string();
        let status = std::process::Command::new("kill").args(["-TERM", &pid]).status().expect("kill");
        assert!(status.success());
    }

    /// Waits until the process exits, and returns the exit code.
    async fn ended(mut self) -> Option<i32> {
        let status = tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await.expect("it ends");
        status.expect("a status").code()
    }
}

async fn send(port: u16, request: &str) -> (u16, String) {
    let response = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        std::io::Result::Ok(text)
    };
    let text = response.await.unwrap_or_default();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

fn create_request(app: &TestApp) -> String {
    let (user, body) = (app.signer.user(), body().to_string());
    format!(
        "POST /api/tickets HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncookie: access={}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        user.token,
        body.len()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_configuration_is_reported_in_one_line_with_exit_code_2() {
    let good = [
        ("PUBLIC_URL", "http://localhost:8080"),
        ("MONGODB_URL", "mongodb://127.0.0.1"),
        ("NATS_URL", "nats://127.0.0.1"),
        ("JWKS", r#"{"keys":[]}"#),
    ];
    for (changed, value, line) in [
        ("MONGODB_URL", None, "tickets: MONGODB_URL is not set: "),
        ("JWKS", None, "tickets: JWKS is not set: "),
        ("PUBLIC_URL", Some("nowhere"), "tickets: PUBLIC_URL is wrong: 'nowhere' must be an address"),
        ("CURRENCIES", Some("USD,dollars"), "tickets: CURRENCIES is wrong: 'dollars' must be an ISO 4217 code"),
        ("CURRENCIES", Some("USD,IQD"), "tickets: CURRENCIES is wrong: 'IQD' can't be charged by the card network"),
        ("BIND", Some("3000"), "tickets: BIND is wrong: '3000'"),
        ("MONGODB_URL", Some("hunter2"), "tickets: MONGODB_URL is wrong: "),
        ("NATS_URL", Some("nats://"), "tickets: NATS_URL is wrong"),
        ("LOG", Some("a=b=c"), "LOG is wrong"),
        ("JWKS", Some("hunter2"), "tickets: JWKS is wrong: not a JWK set"),
        ("JWKS", Some(r#"{"keys":[]}"#), "tickets: JWKS is wrong: the set contains no key"),
    ] {
        let mut command = program();
        for bind in ["BIND", "ADMIN_BIND", "METRICS_BIND"] {
            command.env(bind, "127.0.0.1:0");
        }
        command.envs(good);
        match value {
            Some(value) => command.env(changed, value),
            None => command.env_remove(changed),
        };
        let output = tokio::time::timeout(Duration::from_secs(20), command.output()).await.expect("ends").unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{changed}: {error}");
        assert_eq!(error.trim_end().lines().count(), 1, "{changed}: {error}");
        assert!(error.starts_with(line), "{changed}: {error}");
        assert!(!error.contains("hunter2"), "a secret is not shown: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn port_in_use_is_reported_in_one_line() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut command = program();
    command.envs([
        ("PUBLIC_URL", "http://a"),
        ("MONGODB_URL", "mongodb://a"),
        ("NATS_URL", "nats://a"),
        ("JWKS", "{}"),
    ]);
    let output = command.env("BIND", &address).output().await.unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(error.starts_with(&format!("tickets: BIND is wrong: can't listen on {address}")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn help_lists_every_variable() {
    let output = program().arg("--help").output().await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    for variable in [
        "BIND",
        "ADMIN_BIND",
        "METRICS_BIND",
        "PUBLIC_URL",
        "MONGODB_URL",
        "NATS_URL",
        "JWKS",
        "CURRENCIES",
        "ANNOUNCE_AFTER",
    ] {
        assert!(help.contains(&format!("[env: {variable}")), "{variable}: {help}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn service_starts_without_its_database_and_exits_with_0() {
    let (app, mongodb) = (app().await, Proxy::of_mongodb());
    mongodb.disconnect();
    let instance = Instance::start(&app, &mongodb, "5s");
    eventually("the service to be live", async || instance.monitor("/healthz").await.0 == 200).await;
    assert_eq!(instance.monitor("/readyz").await.0, 503);
    assert_eq!(send(instance.public, &create_request(&app)).await.0, 503);
    mongodb.restore();
    eventually("the service to be ready", async || instance.monitor("/readyz").await.0 == 200).await;
    assert_eq!(send(instance.public, &create_request(&app)).await.0, 201);
    instance.terminate();
    assert_eq!(instance.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_completes_requests_in_flight_and_publishes_their_events() {
    let (app, mongodb) = (app().await, Proxy::of_mongodb());
    let instance = Instance::start(&app, &mongodb, "15s");
    eventually("the service to be ready", async || instance.monitor("/readyz").await.0 == 200).await;
    mongodb.stall();
    let (public, request) = (instance.public, create_request(&app));
    let in_flight = tokio::spawn(async move { send(public, &request).await });
    // The request is in flight once the service waits for the stalled database. That can't be observed from outside,
    // so the test waits until the kernel shows the connection as established.
    eventually("the connection of the request", async || {
        let sockets = tokio::fs::read_to_string("/proc/net/tcp").await.unwrap();
        let port = format!(":{public:04X}");
        sockets.lines().any(|line| {
            line.split_whitespace().nth(1).is_some_and(|local| local.ends_with(&port))
                && line.split_whitespace().nth(3) == Some("01")
        })
    })
    .await;
    instance.terminate();
    eventually("the service to drain", async || TcpStream::connect(("127.0.0.1", public)).await.is_err()).await;
    assert!(!in_flight.is_finished(), "the request waits for the database");
    mongodb.restore();
    let (status, response) = in_flight.await.unwrap();
    assert_eq!(status, 201, "{response}");
    assert_eq!(instance.ended().await, Some(0));
    assert_eq!(app.outbox_backlog().await, 0, "the relay was flushed");
    let ticket: serde_json::Value = serde_json::from_str(&response).unwrap();
    assert_eq!(app.history("tickets", ticket["id"].as_str().unwrap()).await, [("ticket.created.v1".to_owned(), 0)]);
    assert_eq!(json!("available"), ticket["status"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn grace_period_bounds_the_shutdown() {
    let (app, mongodb) = (app().await, Proxy::of_mongodb());
    let instance = Instance::start(&app, &mongodb, "1s");
    eventually("the service to be ready", async || instance.monitor("/readyz").await.0 == 200).await;
    mongodb.stall();
    let (public, request) = (instance.public, create_request(&app));
    let hangs = tokio::spawn(async move { send(public, &request).await });
    let began = Instant::now();
    instance.terminate();
    assert_eq!(instance.ended().await, Some(0), "unpublished events are in the outbox");
    // The grace period of 1 s, at most another second each for the tasks and for NATS, and a margin.
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    hangs.abort();
}
