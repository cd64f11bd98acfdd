//! Clients that only hold a connection are let go; those that wait for us, or talk, are not.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::routing::{any, get, post};
use platform::http::server::{self, Patience};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const HEAD: Duration = Duration::from_millis(500);
const IDLE: Duration = Duration::from_millis(1500);
const WRITE: Duration = Duration::from_millis(500);
const ASK: &[u8] = b"GET /quick HTTP/1.1\r\nhost: a\r\n\r\n";

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
    let patience = Patience { head: HEAD, idle: IDLE, write: WRITE };
    let server = tokio::spawn(server::serve(listener, routes, patience, closing.clone()));
    Served { address, closing, server }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// What is read in `within`, and whether the other side closed the connection meanwhile.
async fn read(stream: &mut TcpStream, within: Duration) -> (String, bool) {
    let mut text = Vec::new();
    let is_closed = tokio::time::timeout(within, stream.read_to_end(&mut text)).await.is_ok();
    (String::from_utf8_lossy(&text).into_owned(), is_closed)
}

async fn ask(stream: &mut TcpStream) -> String {
    stream.write_all(ASK).await.unwrap();
    let (text, _) = read(stream, Duration::from_millis(200)).await;
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_drips_is_not_waited_for() {
    let served = serve().await;
    // The first request of a connection, and a later one.
    for warm in [false, true] {
        let mut stream = served.connect().await;
        if warm {
            assert!(ask(&mut stream).await.ends_with("127.0.0.1"), "the peer's address is known");
        }
        let began = Instant::now();
        let dripping = async {
            for byte in b"GET /quick HTTP/1.1\r\nhost: a\r\nx: ".iter().chain(std::iter::repeat(&b'x')) {
                if stream.write_all(&[*byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(HEAD * 6, dripping).await.expect("the connection is closed while it drips");
        assert!(began.elapsed() >= HEAD, "closed after {:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_rests_between_requests_for_longer_than_a_head_may_take() {
    let served = serve().await;
    let mut stream = served.connect().await;
    for _ in 0..3 {
        assert!(ask(&mut stream).await.starts_with("HTTP/1.1 200"));
        tokio::time::sleep(HEAD + Duration::from_millis(200)).await;
    }
    let began = Instant::now();
    let (_, is_closed) = read(&mut stream, IDLE * 4).await;
    assert!(is_closed && began.elapsed() > IDLE / 3, "closed at rest, after {:?}", began.elapsed());
    let mut silent = served.connect().await;
    assert!(read(&mut silent, IDLE * 4).await.1, "also one that never says a word");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_an_answer_and_who_still_sends_a_body_is_kept() {
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
async fn an_answer_that_nobody_reads_is_given_up() {
    let served = serve().await;
    let mut stream = served.connect().await;
    stream.write_all(b"GET /large HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    tokio::time::sleep(WRITE * 3).await;
    let mut read = 0;
    let mut buffer = vec![0; 1 << 20];
    while let Ok(some @ 1..) = stream.read(&mut buffer).await {
        read += some;
    }
    assert!(read < 64 << 20, "{read} bytes were sent to somebody who did not read them");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_lives_on_and_ends_do_not_wait_for_it() {
    let served = serve().await;
    let mut stream = served.connect().await;
    let upgrade = b"GET /live HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(upgrade).await.unwrap();
    let (answer, is_closed) = read(&mut stream, IDLE * 2).await;
    assert!(answer.starts_with("HTTP/1.1 101") && !is_closed, "{answer}");
    // Sends a masked WebSocket text frame "hi" and expects it back.
    stream.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).await.unwrap();
    let mut echo = [0; 4];
    tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut echo)).await.expect("an echo").unwrap();
    assert_eq!(echo, [0x81, 2, b'h', b'i']);
    served.closing.cancel();
    tokio::time::timeout(Duration::from_secs(5), served.server).await.expect("the server ends").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_waits_for_the_answer_in_flight_and_for_nobody_at_rest() {
    let served = serve().await;
    let mut resting = served.connect().await;
    ask(&mut resting).await;
    let mut slow = served.connect().await;
    slow.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    served.closing.cancel();
    let began = Instant::now();
    assert!(read(&mut resting, HEAD).await.1, "closed at once");
    served.server.await.unwrap();
    assert!(began.elapsed() > IDLE, "ended after {:?}", began.elapsed());
    assert!(read(&mut slow, HEAD).await.0.starts_with("HTTP/1.1 200"));
    assert!(TcpStream::connect(served.address).await.is_err(), "the door is closed");
}
