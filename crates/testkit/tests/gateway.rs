//! Tests of the real gateway in front of echo servers.
#![allow(clippy::disallowed_methods, reason = "a test of processes and sockets")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use testkit::gateway::{GatewayOptions, prepare};
use testkit::servers::ports::{Port, has_ipv6};
use testkit::servers::process::Process;
use testkit::tools::find_or_install;
use testkit::tools::pinned::Tool;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const NAMES: [&str; 5] = ["auth", "tickets", "orders", "payments", "web"];

/// Responds to every request with its own name and the head of the request.
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
                let response = if head.contains("Upgrade: websocket") {
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello"
                        .to_owned()
                } else {
                    let body = format!("served by {name}\n{head}");
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
                };
                stream.write_all(response.as_bytes()).await.unwrap();
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
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
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
    internal_port: Port,
}

async fn gateway(upstreams: BTreeMap<String, Vec<String>>) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let (port, internal_port) = (Port::free().unwrap(), Port::free().unwrap());
    let options = GatewayOptions {
        port: port.number(),
        upstreams,
        metrics_ports: BTreeMap::new(),
        internal_ports: BTreeMap::from([("orders".to_owned(), internal_port.number())]),
        data: folder.path().join("gateway"),
        log: folder.path().join("gateway.log"),
    };
    let spec = prepare(&find_or_install(&Tool::CADDY).unwrap(), &options).unwrap();
    let process = Process::spawn(&spec).unwrap();
    let is_ready = async || TcpStream::connect(("127.0.0.1", port.number())).await.is_ok();
    process.wait_until_ready(Duration::from_secs(20), is_ready).await.unwrap();
    Gateway { _process: process, _folder: folder, port, internal_port }
}

#[tokio::test]
async fn gateway_routes_by_path_segment_and_sets_forwarded_for() {
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
        ("/api/shows?q=carmen", "tickets"),
        ("/api/orders", "orders"),
        ("/api/payments/webhooks/stripe", "payments"),
        ("/api/refunds", "web"),
        ("/api", "web"),
        ("/", "web"),
        ("/tickets/0190", "web"),
    ];
    for (path, service) in expected {
        let response = get(&address, path, "").await;
        assert!(response.contains(&format!("served by {service}\nGET {path} HTTP/1.1")), "{path}: {response}");
    }

    let forged = "X-Forwarded-For: 203.0.113.9\nForwarded: for=203.0.113.9\nX-Real-IP: 203.0.113.9\n";
    let response = get(&address, "/", forged).await;
    assert!(response.contains("Host: shop.example:8080"), "{response}");
    assert!(response.contains("X-Forwarded-For: 127.0.0.1\r\n"), "{response}");
    assert!(!response.contains("203.0.113.9"), "{response}");

    // A service that calls another one is trusted.
    let internal = format!("127.0.0.1:{}", gateway.internal_port.number());
    let response = get(&internal, "/api/orders", "X-Forwarded-For: 203.0.113.9\n").await;
    assert!(response.contains("served by orders"), "{response}");
    assert!(response.contains("X-Forwarded-For: 203.0.113.9, 127.0.0.1\r\n"), "{response}");

    if has_ipv6() {
        let response = get(&format!("[::1]:{}", gateway.port.number()), "/", "").await;
        assert!(response.contains("X-Forwarded-For: ::1\r\n"), "{response}");
    }

    let upgrade = "GET /live HTTP/1.1\nHost: shop.example\nConnection: Upgrade\nUpgrade: websocket\n\
                   Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n";
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.write_all(upgrade.replace('\n', "\r\n").as_bytes()).await.unwrap();
    let mut response = Vec::new();
    while !response.ends_with(b"hello") {
        let mut byte = [0];
        tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut byte)).await.unwrap().unwrap();
        response.extend(byte);
    }
    assert!(response.starts_with(b"HTTP/1.1 101"));
}

#[tokio::test]
async fn gateway_fails_over_and_returns_503_without_instances() {
    let (alive, task) = echo("second".to_owned()).await;
    let unused = format!("127.0.0.1:{}", Port::free().unwrap().number());
    let mut upstreams: BTreeMap<_, _> = NAMES.iter().map(|name| ((*name).to_owned(), vec![unused.clone()])).collect();
    upstreams.insert("orders".to_owned(), vec![unused, alive]);
    let gateway = gateway(upstreams).await;
    let address = format!("127.0.0.1:{}", gateway.port.number());
    for _ in 0..4 {
        let post = "POST /api/orders HTTP/1.1\nHost: shop.example\nContent-Length: 0\nConnection: close\n\n";
        let response = request(&address, post).await;
        assert!(response.contains("served by second"), "{response}");
    }
    task.abort();
    let response = get(&address, "/api/tickets", "").await;
    assert!(response.starts_with("HTTP/1.1 503"), "{response}");
    assert!(response.contains("Retry-After: 1\r\n") && response.contains("application/problem+json"), "{response}");
    let body: serde_json::Value = serde_json::from_str(response.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(body["status"], 503);
    let id = body["instance"].as_str().unwrap();
    assert!(!id.contains('{') && response.to_lowercase().contains(&format!("x-request-id: {id}")), "{response}");
}
