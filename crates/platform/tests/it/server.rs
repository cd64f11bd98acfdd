//! The server closes connections of clients that only occupy them, and leaves connections with a request in progress
//! open.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::routing::{any, get, post};
use platform::http::server::{self, ConnectionTimeouts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const HEAD: Duration = Duration::from_millis(500);
const IDLE: Duration = Duration::from_millis(1500);
const WRITE: Duration = Duration::from_millis(500);
const REQUEST: &[u8] = b"GET /quick HTTP/1.1\r\nhost: a\r\n\r\n";

struct Served {
    address: SocketAddr,
    closing: CancellationToken,
    server: JoinHandle<()>,
}

async fn serve() -> Served {
    let routes = Router::new()
        .route("/quick", get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.ip().to_string()))
        .route("/slow", get(async || tokio::time::sleep(IDLE * 2).await))
        .route("/body", post(async |body: String| body.len().to_string()))
        .route("/large", get(async || vec![b'x'; 64 << 20]))
        .route(
            "/live",
            any(async |upgrade: WebSocketUpgrade| {
                upgrade.on_upgrade(async |mut socket| {
                    while let Some(Ok(message)) = socket.recv().await {
                        if let Message::Text(text) = message {
                            socket.send(Message::Text(text)).await.ok();
                        }
                    }
                })
            }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let closing = CancellationToken::new();
    let timeouts = ConnectionTimeouts { head: HEAD, idle: IDLE, write: WRITE };
    let server = tokio::spawn(server::serve(listener, routes, timeouts, closing.clone()));
    Served { address, closing, server }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// Returns what is read in `within`, and whether the server closed the connection.
async fn read(stream: &mut TcpStream, within: Duration) -> (String, bool) {
    let mut text = Vec::new();
    let is_closed = tokio::time::timeout(within, stream.read_to_end(&mut text)).await.is_ok();
    (String::from_utf8_lossy(&text).into_owned(), is_closed)
}

async fn request(stream: &mut TcpStream) -> String {
    stream.write_all(REQUEST).await.unwrap();
    let (text, _) = read(stream, Duration::from_millis(200)).await;
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_head_times_out() {
    let served = serve().await;
    // The first request of a connection, and a later one.
    for is_later in [false, true] {
        let mut stream = served.connect().await;
        if is_later {
            assert!(request(&mut stream).await.ends_with("127.0.0.1"), "the peer's address is known");
        }
        let start = Instant::now();
        let slow_head = async {
            for byte in b"GET /quick HTTP/1.1\r\nhost: a\r\nx: ".iter().chain(std::iter::repeat(&b'x')) {
                if stream.write_all(&[*byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(HEAD * 6, slow_head).await.expect("the connection is closed meanwhile");
        assert!(start.elapsed() >= HEAD, "closed after {:?}", start.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_may_idle_for_longer_than_the_head_timeout() {
    let served = serve().await;
    let mut stream = served.connect().await;
    for _ in 0..3 {
        assert!(request(&mut stream).await.starts_with("HTTP/1.1 200"));
        tokio::time::sleep(HEAD + Duration::from_millis(200)).await;
    }
    // The connection has been idle since the last response, for the 200 ms of reading and the pause.
    let start = Instant::now();
    let (_, is_closed) = read(&mut stream, IDLE * 4).await;
    assert!(is_closed && start.elapsed() > IDLE / 3, "closed while idle, after {:?}", start.elapsed());
    let mut silent = served.connect().await;
    assert!(read(&mut silent, IDLE * 4).await.1, "also one without any request");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_response_and_slow_body_are_not_closed() {
    let served = serve().await;
    let mut slow = served.connect().await;
    slow.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut body = served.connect().await;
    body.write_all(b"POST /body HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 3\r\n\r\n").await.unwrap();
    for byte in [b"a", b"b", b"c"] {
        tokio::time::sleep(IDLE / 2).await;
        body.write_all(byte).await.unwrap();
    }
    for stream in [&mut slow, &mut body] {
        let (text, is_closed) = read(stream, IDLE * 4).await;
        assert!(text.starts_with("HTTP/1.1 200") && is_closed, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_response_times_out() {
    let served = serve().await;
    let mut stream = served.connect().await;
    stream.write_all(b"GET /large HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    tokio::time::sleep(WRITE * 3).await;
    let mut read = 0;
    let mut buffer = vec![0; 1 << 20];
    while let Ok(some @ 1..) = stream.read(&mut buffer).await {
        read += some;
    }
    assert!(read < 64 << 20, "{read} bytes were sent to a client that did not read them");
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_stays_open_and_does_not_delay_shutdown() {
    let served = serve().await;
    let mut stream = served.connect().await;
    let upgrade = b"GET /live HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(upgrade).await.unwrap();
    let (response, is_closed) = read(&mut stream, IDLE * 2).await;
    assert!(response.starts_with("HTTP/1.1 101") && !is_closed, "{response}");
    // Sends a masked WebSocket text frame "hi" and expects it back.
    stream.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).await.unwrap();
    let mut echo = [0; 4];
    tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut echo)).await.expect("an echo").unwrap();
    assert_eq!(echo, [0x81, 2, b'h', b'i']);
    served.closing.cancel();
    tokio::time::timeout(Duration::from_secs(5), served.server).await.expect("the server ends").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_waits_for_responses_in_flight_but_not_for_idle_connections() {
    let served = serve().await;
    let mut idle = served.connect().await;
    request(&mut idle).await;
    let mut slow = served.connect().await;
    slow.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    served.closing.cancel();
    let start = Instant::now();
    assert!(read(&mut idle, HEAD).await.1, "closed at once");
    served.server.await.unwrap();
    assert!(start.elapsed() > IDLE, "ended after {:?}", start.elapsed());
    assert!(read(&mut slow, HEAD).await.0.starts_with("HTTP/1.1 200"));
    assert!(TcpStream::connect(served.address).await.is_err(), "the listener is closed");
}
