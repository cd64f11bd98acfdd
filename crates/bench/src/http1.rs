//! Kept-alive HTTP/1.1 connections straight to a service.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, HOST};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// A request, whoever it is sent to.
pub(crate) type Call = Request<Full<Bytes>>;

/// GET of a path.
pub(crate) fn get(path: &str) -> Result<Call> {
    Ok(Request::builder().uri(path.parse::<Uri>()?).body(Full::default())?)
}

/// POST of JSON, as a signed-in user when there is a cookie.
pub(crate) fn post(path: &str, cookie: Option<&HeaderValue>, body: String) -> Result<Call> {
    send(Method::POST, path, cookie, body)
}

/// PUT of JSON.
pub(crate) fn put(path: &str, cookie: Option<&HeaderValue>, body: String) -> Result<Call> {
    send(Method::PUT, path, cookie, body)
}

fn send(method: Method, path: &str, cookie: Option<&HeaderValue>, body: String) -> Result<Call> {
    let mut request = Request::builder().method(method).uri(path.parse::<Uri>()?);
    request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(cookie) = cookie {
        request = request.header(COOKIE, cookie);
    }
    Ok(request.body(Full::from(body))?)
}

/// One connection, with one request at a time on it.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
}

impl Connection {
    /// To `127.0.0.1:port`.
    pub(crate) async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Ends with the sender; what went wrong is told by the request that it went wrong for.
        tokio::spawn(connection);
        Ok(Self { sender, host: address.parse()? })
    }

    /// The body of an answer with the expected status; any other is an error.
    pub(crate) async fn send(&mut self, call: Call, expected: StatusCode) -> Result<Bytes> {
        Ok(self.timed(call, expected).await?.1)
    }

    /// The same, and how long it was until the answer began.
    pub(crate) async fn timed(&mut self, mut call: Call, expected: StatusCode) -> Result<(Duration, Bytes)> {
        call.headers_mut().insert(HOST, self.host.clone());
        let what = (call.method().clone(), call.uri().clone());
        self.sender.ready().await?;
        let sent = Instant::now();
        let response = self.sender.send_request(call).await.with_context(|| format!("{} {}", what.0, what.1))?;
        let (began, status) = (sent.elapsed(), response.status());
        let body = response.into_body().collect().await?.to_bytes();
        if status != expected {
            bail!("{} {} answered {status}: {}", what.0, what.1, String::from_utf8_lossy(&body));
        }
        Ok((began, body))
    }
}

/// As many connections as are needed at once, up to a bound.
pub(crate) struct Pool {
    address: String,
    idle: RefCell<Vec<Connection>>,
    permits: Semaphore,
}

impl Pool {
    pub(crate) fn new(address: String, bound: usize) -> Self {
        Self { address, idle: RefCell::default(), permits: Semaphore::new(bound) }
    }

    /// Like [`Connection::send`], on a connection that is free.
    pub(crate) async fn send(&self, call: Call, expected: StatusCode) -> Result<Bytes> {
        let _permit = self.permits.acquire().await?;
        let idle = self.idle.borrow_mut().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(&self.address).await?,
        };
        let body = connection.send(call, expected).await?;
        self.idle.borrow_mut().push(connection);
        Ok(body)
    }
}
