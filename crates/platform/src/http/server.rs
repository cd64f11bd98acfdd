//! Serves a router over HTTP/1.1, and closes the connections of clients that only occupy them.
//!
//! # Why
//! `axum::serve` keeps a connection for as long as the client likes: one that sends a head at one byte a minute, or one
//! that never reads its response. hyper's own timer for heads also covers the time between two requests, where a
//! proxy's connection must be allowed to idle for longer than a head may take. So the stream itself tracks what the
//! connection is waiting for, and applies the timeout for it.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::serve::Listener;
use bytes::Bytes;
use futures::task::AtomicWaker;
use http::{Request, StatusCode};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

/// Maximum number of headers that are parsed. Higher than the limit that `shell` checks, so that most requests with too
/// many headers get a response that says so. To a request above this limit, hyper responds with a bare 431.
const PARSED_HEADERS: usize = 1024;

/// When a waiting connection is closed.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionTimeouts {
    /// Maximum time from the first byte of a request's head to its last byte.
    pub head: Duration,
    /// Maximum time between two requests, and before the first request.
    pub idle: Duration,
    /// Maximum time for which the client does not read the response.
    pub write: Duration,
}

/// Serves until `closing` is cancelled and every request in flight has its response.
#[expect(clippy::disallowed_methods, reason = "a connection may end at any time, and its end is awaited")]
pub async fn serve(
    mut listener: TcpListener,
    router: Router,
    timeouts: ConnectionTimeouts,
    closing: CancellationToken,
) {
    // Done once, this saves work for each request.
    let router: Router = router.with_state(());
    let connections = TaskTracker::new();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = Listener::accept(&mut listener) => accepted,
            () = closing.cancelled() => break,
        };
        let connection = serve_connection(stream, peer, router.clone(), timeouts, closing.clone());
        tokio::spawn(connections.track_future(connection));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    timeouts: ConnectionTimeouts,
    closing: CancellationToken,
) {
    let state = Arc::new(ConnectionState::default());
    let io = TokioIo::new(TimeoutStream::new(stream, timeouts, Arc::clone(&state)));
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let guard = RequestGuard::new(Arc::clone(&state));
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = router.clone().call(request);
        async move {
            let response = response.await?;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                guard.0.is_upgraded.store(true, Ordering::Relaxed);
            }
            Ok::<_, Infallible>(response.map(|body| TrackedBody { body, _guard: guard }))
        }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    // hyper's timer makes it poll the stream after each response, which starts the stream's own timer.
    http.timer(TokioTimer::new()).header_read_timeout(timeouts.idle).max_headers(PARSED_HEADERS);
    let connection = http.serve_connection(io, service).with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(error = %error, "a connection ended");
    }
}

/// The state of a connection, which its requests set and its stream reads.
#[derive(Debug, Default)]
struct ConnectionState {
    /// Number of requests that have started.
    requests: AtomicU64,
    /// Whether the last request is still without its complete response.
    is_busy: AtomicBool,
    /// Whether the connection has become a WebSocket, to which these timeouts do not apply.
    is_upgraded: AtomicBool,
    /// Wakes the reader at the end of a response. hyper would not poll the stream until more data arrives.
    reader: AtomicWaker,
}

/// Marks the connection as busy until it is dropped.
struct RequestGuard(Arc<ConnectionState>);

impl RequestGuard {
    fn new(state: Arc<ConnectionState>) -> Self {
        state.requests.fetch_add(1, Ordering::Relaxed);
        state.is_busy.store(true, Ordering::Relaxed);
        Self(state)
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.is_busy.store(false, Ordering::Relaxed);
        self.0.reader.wake();
    }
}

/// A response body that ends the request when it is dropped.
struct TrackedBody {
    body: Body,
    _guard: RequestGuard,
}

impl hyper::body::Body for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that fails when its client exceeds a timeout.
struct TimeoutStream {
    stream: TcpStream,
    timeouts: ConnectionTimeouts,
    state: Arc<ConnectionState>,
    /// Number of requests when `reading` was last reset.
    seen: u64,
    /// Whether part of a head has been read.
    is_in_head: bool,
    reading: Option<Pin<Box<Sleep>>>,
    writing: Option<Pin<Box<Sleep>>>,
}

impl TimeoutStream {
    fn new(stream: TcpStream, timeouts: ConnectionTimeouts, state: Arc<ConnectionState>) -> Self {
        Self { stream, timeouts, state, seen: 0, is_in_head: false, reading: None, writing: None }
    }

    /// Whether the connection waits for its client: for the rest of a head, or for the next request. Resets the read
    /// timer if a request has started since the last call.
    fn awaits_client(&mut self) -> bool {
        let requests = self.state.requests.load(Ordering::Relaxed);
        let is_busy = self.state.is_busy.load(Ordering::Relaxed) || self.state.is_upgraded.load(Ordering::Relaxed);
        // A whole request may have been served since the last poll.
        if is_busy || requests != self.seen {
            self.seen = requests;
            self.is_in_head = false;
            self.reading = None;
        }
        !is_busy
    }

    /// Applies the write timeout to the result of a write.
    fn with_write_timeout<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.writing = None;
            return written;
        }
        let timeout = self.timeouts.write;
        let timer = self.writing.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(timed_out("write")))
    }
}

/// Counts a connection that exceeded a timeout, and returns its error.
fn timed_out(reason: &'static str) -> io::Error {
    metrics::counter!("http_connections_timed_out_total", "reason" => reason).increment(1);
    io::Error::from(io::ErrorKind::TimedOut)
}

impl AsyncRead for TimeoutStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_pending() {
            self.state.reader.register(context.waker());
        }
        if !self.awaits_client() {
            return read;
        }
        if read.is_ready() {
            if buffer.filled().len() > before && !self.is_in_head {
                self.is_in_head = true;
                let ends = Instant::now() + self.timeouts.head;
                self.reading = Some(Box::pin(tokio::time::sleep_until(ends)));
            }
            return read;
        }
        let idle = self.timeouts.idle;
        let timer = self.reading.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(timed_out(if self.is_in_head { "head" } else { "idle" })))
    }
}

impl AsyncWrite for TimeoutStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.with_write_timeout(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.with_write_timeout(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
