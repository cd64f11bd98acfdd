//! Requests as no library would send them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends this text and reads the answer's status.
pub(super) async fn status(address: &str, request: &[u8]) -> Result<u16> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request).await?;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await?;
        let head = String::from_utf8_lossy(&head).into_owned();
        head.split(' ').nth(1).and_then(|status| status.parse().ok()).with_context(|| format!("no answer: {head}"))
    };
    tokio::time::timeout(PATIENCE, exchange).await.context("no answer in time")?
}

/// Sends a head byte by byte that has no end, until the other side has had enough; how long that took.
pub(super) async fn drips(address: &str, at_most: Duration) -> Result<Duration> {
    let mut stream = TcpStream::connect(address).await?;
    let began = Instant::now();
    for byte in b"GET / HTTP/1.1\r\nhost: a\r\nx: ".iter().chain(std::iter::repeat(&b'x')) {
        let mut nothing = [0];
        let is_closed = match tokio::time::timeout(Duration::from_millis(250), stream.read(&mut nothing)).await {
            Ok(read) => !matches!(read, Ok(1..)),
            Err(_) => stream.write_all(&[*byte]).await.is_err(),
        };
        if is_closed || began.elapsed() > at_most {
            break;
        }
    }
    Ok(began.elapsed())
}
