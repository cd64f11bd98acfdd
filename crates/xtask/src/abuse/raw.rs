//! Requests over a plain TCP connection that no HTTP library would send.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Sends a request and returns the status of the response.
pub(super) async fn status(address: &str, request: &[u8]) -> Result<u16> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request).await?;
        // The length of `HTTP/1.1 200`.
        let mut head = [0; 12];
        stream.read_exact(&mut head).await?;
        let head = String::from_utf8_lossy(&head);
        head.split(' ').nth(1).and_then(|status| status.parse().ok()).with_context(|| format!("no response: {head}"))
    };
    tokio::time::timeout(RESPONSE_TIMEOUT, exchange).await.context("no response in time")?
}

/// Sends request headers byte by byte and never completes them. Returns how long the server kept the connection open,
/// at most `limit`.
pub(super) async fn send_slow_headers(address: &str, limit: Duration) -> Result<Duration> {
    let mut stream = TcpStream::connect(address).await?;
    let started = Instant::now();
    for byte in b"GET / HTTP/1.1\r\nhost: a\r\nx: ".iter().chain(std::iter::repeat(&b'x')) {
        let mut buffer = [0];
        let is_closed = match tokio::time::timeout(Duration::from_millis(250), stream.read(&mut buffer)).await {
            Ok(read) => !matches!(read, Ok(1..)),
            Err(_) => stream.write_all(&[*byte]).await.is_err(),
        };
        if is_closed || started.elapsed() > limit {
            break;
        }
    }
    Ok(started.elapsed())
}
