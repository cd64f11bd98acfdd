//! Persistent HTTP/1.1 connections directly to a service.

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

/// A request without a target host.
pub(crate) type HttpRequest = Request<Full<Bytes>>;

pub(crate) fn get(path: &str) -> Result<HttpRequest> {
    Ok(Request::builder().uri(path.parse::<Uri>()?).body(Full::default())?)
}

/// A request to the public API, authenticated if there is a cookie.
pub(crate) fn api<E: Endpoint>(endpoint: &E, cookie: Option<&HeaderValue>) -> Result<HttpRequest> {
    let mut request = get(&endpoint.target()?)?;
    *request.method_mut() = E::METHOD;
    if let Some(cookie) = cookie {
        request.headers_mut().insert(COOKIE, cookie.clone());
    }
    if let Some(body) = endpoint.body() {
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = Full::from(serde_json::to_vec(body)?);
    }
    Ok(request)
}

/// A connection, which carries one request at a time.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
}

impl Connection {
    /// Connects to `127.0.0.1:port`.
    pub(crate) async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // The task ends with the sender. Errors surface on the pending request.
        tokio::spawn(connection);
        Ok(Self { sender, host: address.parse()? })
    }

    /// Sends a request to the public API, authenticated if there is a cookie.
    pub(crate) async fn send<E: Endpoint>(
        &mut self,
        endpoint: &E,
        cookie: Option<&HeaderValue>,
    ) -> Result<E::Response> {
        let (_, response) = self.exchange(api(endpoint, cookie)?).await?;
        let parsed = E::parse_response(response.status(), response.body());
        parsed.with_context(|| format!("{} {}", E::METHOD, endpoint.path()))
    }

    /// Sends a request and returns the unparsed body of the response. Any status but 200 is an error.
    pub(crate) async fn fetch(&mut self, request: HttpRequest) -> Result<Bytes> {
        Ok(self.fetch_timed(request).await?.1)
    }

    /// Like [`Connection::fetch`], with the time to first byte.
    pub(crate) async fn fetch_timed(&mut self, request: HttpRequest) -> Result<(Duration, Bytes)> {
        let uri = request.uri().clone();
        let (first_byte, response) = self.exchange(request).await?;
        let (status, body) = (response.status(), response.into_body());
        ensure!(status == StatusCode::OK, "{uri} returned {status}: {}", String::from_utf8_lossy(&body));
        Ok((first_byte, body))
    }

    async fn exchange(&mut self, mut request: HttpRequest) -> Result<(Duration, Response<Bytes>)> {
        request.headers_mut().insert(HOST, self.host.clone());
        let (method, uri) = (request.method().clone(), request.uri().clone());
        self.sender.ready().await?;
        let sent = Instant::now();
        let response = self.sender.send_request(request).await.with_context(|| format!("{method} {uri}"))?;
        let (first_byte, (head, body)) = (sent.elapsed(), response.into_parts());
        Ok((first_byte, Response::from_parts(head, body.collect().await?.to_bytes())))
    }
}

/// A pool of connections, opened on demand up to a maximum.
pub(crate) struct Pool {
    address: String,
    idle: RefCell<Vec<Connection>>,
    permits: Semaphore,
}

impl Pool {
    pub(crate) fn new(address: String, max_size: usize) -> Self {
        Self { address, idle: RefCell::default(), permits: Semaphore::new(max_size) }
    }

    /// Like [`Connection::send`], on an idle connection.
    pub(crate) async fn send<E: Endpoint>(&self, endpoint: &E, cookie: Option<&HeaderValue>) -> Result<E::Response> {
        let _permit = self.permits.acquire().await?;
        let idle = self.idle.borrow_mut().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(&self.address).await?,
        };
        let response = connection.send(endpoint, cookie).await?;
        self.idle.borrow_mut().push(connection);
        Ok(response)
    }
}
