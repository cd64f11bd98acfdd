//! Kept-alive HTTP/1.1 connections straight to a service.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use common::api::Endpoint;
use http::header::{CONTENT_TYPE, COOKIE, HOST};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
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

/// A request to the public API, as a signed-in user when there is a cookie.
pub(crate) fn call<E: Endpoint>(request: &E, cookie: Option<&HeaderValue>) -> Result<Call> {
    let mut call = get(&request.target()?)?;
    *call.method_mut() = E::METHOD;
    if let Some(cookie) = cookie {
        call.headers_mut().insert(COOKIE, cookie.clone());
    }
    if let Some(body) = request.body() {
        call.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *call.body_mut() = Full::from(serde_json::to_vec(body)?);
    }
    Ok(call)
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

    /// Sends a request to the public API, as a signed-in user when there is a cookie.
    pub(crate) async fn send<E: Endpoint>(&mut self, request: &E, cookie: Option<&HeaderValue>) -> Result<E::Answer> {
        let (_, response) = self.exchange(call(request, cookie)?).await?;
        E::read(response.status(), response.body()).with_context(|| format!("{} {}", E::METHOD, request.path()))
    }

    /// Sends a request and returns the response body unparsed. An error unless the status is 200.
    pub(crate) async fn fetch(&mut self, call: Call) -> Result<Bytes> {
        Ok(self.timed(call).await?.1)
    }

    /// The same, and how long it was until the response began.
    pub(crate) async fn timed(&mut self, call: Call) -> Result<(Duration, Bytes)> {
        let uri = call.uri().clone();
        let (began, response) = self.exchange(call).await?;
        let (status, body) = (response.status(), response.into_body());
        ensure!(status == StatusCode::OK, "{uri} answered {status}: {}", String::from_utf8_lossy(&body));
        Ok((began, body))
    }

    async fn exchange(&mut self, mut call: Call) -> Result<(Duration, Response<Bytes>)> {
        call.headers_mut().insert(HOST, self.host.clone());
        let what = (call.method().clone(), call.uri().clone());
        self.sender.ready().await?;
        let sent = Instant::now();
        let response = self.sender.send_request(call).await.with_context(|| format!("{} {}", what.0, what.1))?;
        let (began, (head, body)) = (sent.elapsed(), response.into_parts());
        Ok((began, Response::from_parts(head, body.collect().await?.to_bytes())))
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
    pub(crate) async fn send<E: Endpoint>(&self, request: &E, cookie: Option<&HeaderValue>) -> Result<E::Answer> {
        let _permit = self.permits.acquire().await?;
        let idle = self.idle.borrow_mut().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(&self.address).await?,
        };
        let answer = connection.send(request, cookie).await?;
        self.idle.borrow_mut().push(connection);
        Ok(answer)
    }
}
