//! The real gateway in front of small servers that say what reached them.
#![allow(clippy::disallowed_methods, reason = "a test of processes and sockets")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use testkit::gateway::{GatewayOptions, prepare, routes_file};
use testkit::servers::ports::{Port, has_ipv6};
use testkit::servers::process::Process;
use testkit::tools::find_or_install;
use testkit::tools::pinned::Tool;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const NAMES: [&str; 5] = ["auth", "tickets", "orders", "payments", "web"];

/// Answers every request with its own name and the head of the request.
async fn echo(name: String) -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let name = Arc::new(name);
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let name = name.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).await.unwrap();
                    head.extend(byte);
                }
                let head = String::from_utf8_lossy(&head);
                let answer = if head.contains("Upgrade: websocket") {
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello"
                        .to_owned()
                } else {
                    let body = format!("served by {name}\n{head}");
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
                };
                stream.write_all(answer.as_bytes()).await.unwrap();
                let _ = stream.read(&mut [0; 64]).await;
            });
        }
    });
    (address, task)
}

async fn request(address: &str, head: &str) -> String {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.replace('\n', "\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    tokio::time::timeout(Duration::from_secs(20), exchange).await.unwrap()
}

async fn get(address: &str, path: &str, headers: &str) -> String {
    request(address, &format!("GET {path} HTTP/1.1\nHost: shop.example:8080\n{headers}Connection: close\n\n")).await
}

struct Gateway {
    _process: Process,
    _folder: tempfile::TempDir,
    port: Port,
    inner: Port,
}

async fn gateway(upstreams: BTreeMap<String, Vec<String>>) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let (port, inner) = (Port::free().unwrap(), Port::free().unwrap());
    let options = GatewayOptions {
        port: port.number(),
        upstreams,
        admin_ports: BTreeMap::new(),
        internal: BTreeMap::from([("orders".to_owned(), inner.number())]),
        routes: routes_file(),
        data: folder.path().join("gateway"),
        log: folder.path().join("gateway.log"),
    };
    let spec = prepare(&find_or_install(Tool::Caddy).unwrap(), &options).unwrap();
    let process = Process::spawn(&spec).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port.number())).await.is_err() {
        assert!(process.exited().is_none() && Instant::now() < deadline, "{}", process.exit_report());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Gateway { _process: process, _folder: folder, port, inner }
}

#[tokio::test]
async fn routes_by_segments_and_tells_who_asks() {
    let mut upstreams = BTreeMap::new();
    for name in NAMES {
        upstreams.insert(name.to_owned(), vec![echo(name.to_owned()).await.0]);
    }
    let gateway = gateway(upstreams).await;
    let address = format!("127.0.0.1:{}", gateway.port.number());
    let expected = [
        ("/api/users", "auth"),
        ("/api/users/", "auth"),
        ("/api/users?next=/api/tickets", "auth"),
        ("/api/users/signin", "auth"),
        ("/api/usersX", "web"),
        ("/API/users", "web"),
        ("/api/tickets/0190", "tickets"),
        ("/api/orders", "orders"),
        ("/api/payments/webhooks/stripe", "payments"),
        ("/api/refunds", "web"),
        ("/api", "web"),
        ("/", "web"),
        ("/tickets/0190", "web"),
    ];
    for (path, service) in expected {
        let answer = get(&address, path, "").await;
        assert!(answer.contains(&format!("served by {service}\nGET {path} HTTP/1.1")), "{path}: {answer}");
    }

    let forged = "X-Forwarded-For: 203.0.113.9\nForwarded: for=203.0.113.9\nX-Real-IP: 203.0.113.9\n";
    let answer = get(&address, "/", forged).await;
    assert!(answer.contains("Host: shop.example:8080"), "{answer}");
    assert!(answer.contains("X-Forwarded-For: 127.0.0.1\r\n"), "{answer}");
    assert!(!answer.contains("203.0.113.9"), "{answer}");

    // A service that calls another one is believed.
    let inner = format!("127.0.0.1:{}", gateway.inner.number());
    let answer = get(&inner, "/api/orders", "X-Forwarded-For: 203.0.113.9\n").await;
    assert!(answer.contains("served by orders"), "{answer}");
    assert!(answer.contains("X-Forwarded-For: 203.0.113.9, 127.0.0.1\r\n"), "{answer}");

    if has_ipv6() {
        let answer = get(&format!("[::1]:{}", gateway.port.number()), "/", "").await;
        assert!(answer.contains("X-Forwarded-For: ::1\r\n"), "{answer}");
    }

    let upgrade = "GET /live HTTP/1.1\nHost: shop.example\nConnection: Upgrade\nUpgrade: websocket\n\
                   Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n";
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.write_all(upgrade.replace('\n', "\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        let mut byte = [0];
        tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut byte)).await.unwrap().unwrap();
        answer.extend(byte);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"));
}

#[tokio::test]
async fn another_instance_answers_when_one_is_gone_and_none_is_503() {
    let (alive, task) = echo("second".to_owned()).await;
    let nobody = format!("127.0.0.1:{}", Port::free().unwrap().number());
    let mut upstreams: BTreeMap<_, _> = NAMES.iter().map(|name| ((*name).to_owned(), vec![nobody.clone()])).collect();
    upstreams.insert("orders".to_owned(), vec![nobody, alive]);
    let gateway = gateway(upstreams).await;
    let address = format!("127.0.0.1:{}", gateway.port.number());
    for _ in 0..4 {
        let post = "POST /api/orders HTTP/1.1\nHost: shop.example\nContent-Length: 0\nConnection: close\n\n";
        let answer = request(&address, post).await;
        assert!(answer.contains("served by second"), "{answer}");
    }
    task.abort();
    let answer = get(&address, "/api/tickets", "").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("Retry-After: 1\r\n") && answer.contains("application/problem+json"), "{answer}");
    let body: serde_json::Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(body["status"], 503);
    let id = body["instance"].as_str().unwrap();
    assert!(!id.contains('{') && answer.to_lowercase().contains(&format!("x-request-id: {id}")), "{answer}");
}
