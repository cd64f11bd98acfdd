//! Serves a router over HTTP/1.1, and lets go of clients that only hold a connection.
//!
//! # Why
//! What `axum::serve` accepts it keeps for as long as the client likes: a head that is sent one byte a minute, an
//! answer that is never read. hyper's own timer of heads also runs between two requests, where a proxy's connection
//! has to rest for longer than a head may take. So the connection itself is watched: it knows what it waits for.

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

use crate::config::Config;

/// For how long a connection is kept that brings nothing.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// From the first byte of a request's head to its last.
    pub head: Duration,
    /// Between two requests, and before the first.
    pub idle: Duration,
    /// While the client takes nothing of what is sent.
    pub write: Duration,
}

impl From<&Config> for Patience {
    fn from(config: &Config) -> Self {
        Self { head: config.header_timeout, idle: config.idle_timeout, write: config.request_timeout }
    }
}

/// Serves until `closing` is cancelled and every request in flight is answered.
#[expect(clippy::disallowed_methods, reason = "a connection may end at any time, and its end is waited for")]
pub async fn serve(mut listener: TcpListener, router: Router, patience: Patience, closing: CancellationToken) {
    // Once for all connections, and not for each request.
    let router: Router = router.with_state(());
    let connections = TaskTracker::new();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = Listener::accept(&mut listener) => accepted,
            () = closing.cancelled() => break,
        };
        let conversation = converse(stream, peer, router.clone(), patience, closing.clone());
        tokio::spawn(connections.track_future(conversation));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn converse(stream: TcpStream, peer: SocketAddr, router: Router, patience: Patience, closing: CancellationToken) {
    let progress = Arc::new(Progress::default());
    let io = TokioIo::new(Watched::new(stream, patience, Arc::clone(&progress)));
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let pending = Pending::new(Arc::clone(&progress));
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = router.clone().call(request);
        async move {
            let response = answer.await?;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                pending.0.is_upgraded.store(true, Ordering::Relaxed);
            }
            Ok::<_, Infallible>(response.map(|body| Answer { body, _pending: pending }))
        }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    // With a timer of its own hyper looks at the stream again after each answer, and ours can begin.
    http.timer(TokioTimer::new()).header_read_timeout(patience.idle);
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

/// What a connection is at, told by its requests to its stream.
#[derive(Debug, Default)]
struct Progress {
    /// How many requests it has brought.
    begun: AtomicU64,
    /// Whether the last of them is not answered to its end.
    is_busy: AtomicBool,
    /// Whether it has become a WebSocket, which has rules of its own.
    is_upgraded: AtomicBool,
    /// Who looks at the stream again when the answer has ended: hyper need not, until something comes.
    reader: AtomicWaker,
}

/// A request that is not answered to its end.
struct Pending(Arc<Progress>);

impl Pending {
    fn new(progress: Arc<Progress>) -> Self {
        progress.begun.fetch_add(1, Ordering::Relaxed);
        progress.is_busy.store(true, Ordering::Relaxed);
        Self(progress)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.is_busy.store(false, Ordering::Relaxed);
        self.0.reader.wake();
    }
}

/// An answer's body, whose end is that of the request.
struct Answer {
    body: Body,
    _pending: Pending,
}

impl hyper::body::Body for Answer {
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

/// A stream that fails once its client has kept it waiting for too long.
struct Watched {
    stream: TcpStream,
    patience: Patience,
    progress: Arc<Progress>,
    /// The request that `reading` was set before or during.
    seen: u64,
    /// Whether some of a head has come.
    is_in_head: bool,
    reading: Option<Pin<Box<Sleep>>>,
    writing: Option<Pin<Box<Sleep>>>,
}

impl Watched {
    fn new(stream: TcpStream, patience: Patience, progress: Arc<Progress>) -> Self {
        Self { stream, patience, progress, seen: 0, is_in_head: false, reading: None, writing: None }
    }

    /// Whether the client is waited for: for a request's head, or for a request at all.
    fn awaits_client(&mut self) -> bool {
        let begun = self.progress.begun.load(Ordering::Relaxed);
        let is_ours =
            self.progress.is_busy.load(Ordering::Relaxed) || self.progress.is_upgraded.load(Ordering::Relaxed);
        // A request may have come and gone since the last look.
        if is_ours || begun != self.seen {
            self.seen = begun;
            self.is_in_head = false;
            self.reading = None;
        }
        !is_ours
    }

    /// What a write that does not end would do to the stream.
    fn written<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.writing = None;
            return written;
        }
        let deadline = self.patience.write;
        let timer = self.writing.get_or_insert_with(|| Box::pin(tokio::time::sleep(deadline)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(given_up("write")))
    }
}

/// Counts a connection that was closed since its client kept it waiting.
fn given_up(reason: &'static str) -> io::Error {
    metrics::counter!("http_connections_timed_out_total", "reason" => reason).increment(1);
    io::Error::from(io::ErrorKind::TimedOut)
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_pending() {
            self.progress.reader.register(context.waker());
        }
        if !self.awaits_client() {
            return read;
        }
        if read.is_ready() {
            if buffer.filled().len() > before && !self.is_in_head {
                self.is_in_head = true;
                let ends = Instant::now() + self.patience.head;
                self.reading = Some(Box::pin(tokio::time::sleep_until(ends)));
            }
            return read;
        }
        let idle = self.patience.idle;
        let timer = self.reading.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(given_up(if self.is_in_head { "head" } else { "idle" })))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.written(context, written)
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
