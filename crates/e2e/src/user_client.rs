//! A user's HTTP client, through the gateway.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use common::api::Endpoint;
use common::api::orders::{CreateOrder, NewOrder, Order, ReadOrder};
use common::api::payments::{CreatePayment, NewPayment, Payment, ReadPayment};
use common::api::tickets::{CreateListing, Listing, NewListing, ReadListing};
use common::events::order::OrderStatus;
use common::events::payment::PaymentStatus;
use common::events::ticket::TicketStatus;
use common::id::{OrderId, PaymentId, TicketId};
use common::text::Text;
use reqwest::{Method, RequestBuilder, Url};
use serde::Serialize;

use crate::exchange::{Error, Request, Response, Success};
use crate::response_log::{self, ResponseLog};

/// A client with its own cookie jar, which records every response.
#[derive(Clone)]
pub struct UserClient {
    client: reqwest::Client,
    base: String,
    token: Option<String>,
    /// The client's number in the history of responses.
    number: u64,
    responses: Arc<ResponseLog>,
    /// The newest version of each entity that this client has received.
    seen: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Debug for UserClient {
    /// Omits the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserClient").field("number", &self.number).finish_non_exhaustive()
    }
}

/// Why a client stopped waiting for a page, or for the status of an entity.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{path} is not {expected} but {last}")]
pub(crate) struct TimedOut {
    pub(crate) client: UserClient,
    /// Path of the page or of the entity.
    pub(crate) path: String,
    /// What the client waited for.
    pub(crate) expected: String,
    /// The last response.
    pub(crate) last: String,
}

/// A page after all redirects.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its path.
    pub path: String,
    /// Its query, such as `price=new`.
    pub query: Option<String>,
    /// The status code.
    pub status: u16,
    /// The document.
    pub html: String,
}

impl Page {
    /// The value of the form's hidden field of this name.
    pub fn hidden_field(&self, name: &str) -> Option<String> {
        let (_, rest) = self.html.split_once(&format!("name=\"{name}\" value=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    }
}

/// How long to repeat a request or to wait for a status. Longer than any injected fault, and than a hold that an
/// instance creates with its clock two minutes fast.
const TIMEOUT: Duration = Duration::from_secs(180);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(40);

/// The pause before a request is repeated, given how long it has been repeated. It grows, so that users who wait for a
/// hold to end are not most of the load.
fn pause_after(waited: Duration) -> Duration {
    (waited / 4).clamp(Duration::from_millis(25), Duration::from_secs(1))
}

impl UserClient {
    pub(crate) fn new(base: String, token: Option<String>, responses: Arc<ResponseLog>) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().cookie_store(true).timeout(REQUEST_TIMEOUT).build()?;
        Ok(Self { client, base, token, number: responses.add_client(), responses, seen: Arc::default() })
    }

    /// Another client of the same fleet, which is not signed in.
    pub(crate) fn signed_out(&self) -> anyhow::Result<Self> {
        Self::new(self.base.clone(), None, Arc::clone(&self.responses))
    }

    /// The access token of a user who did not sign in through the API.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Sends a request once.
    pub async fn send<E: Endpoint>(&self, request: &E) -> Result<Success<E::Response>, Error> {
        self.send_with(None, request).await
    }

    /// Repeats a request, with the same idempotency key, until the response is definitive.
    pub async fn send_until_definitive<E: Endpoint>(
        &self,
        request: &E,
        key: Option<&str>,
    ) -> Result<Success<E::Response>, Error> {
        let began = Instant::now();
        loop {
            match self.send_with(key, request).await {
                Err(last) if !last.is_definitive() => {
                    if began.elapsed() > TIMEOUT {
                        let request = format!("{} {} has no definitive response", E::METHOD, request.path());
                        return Err(Error::NoResponse(request, last.into()));
                    }
                }
                definitive => return definitive,
            }
            tokio::time::sleep(pause_after(began.elapsed())).await;
        }
    }

    /// Sends a request once and gives up waiting after this time, as a user does who reloads.
    pub async fn send_impatiently<E: Endpoint>(&self, request: &E, key: &str, patience: Duration) {
        let sent = tokio::time::timeout(patience, self.send_with(Some(key), request)).await;
        if let (Err(_), Ok(target)) = (sent, request.target()) {
            let request = Request { method: &E::METHOD, target: &target, key: Some(key) };
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            self.responses.record(self.number, request, None, &mut seen, None);
        }
    }

    /// Requests a page, which has no [`Endpoint`]; returns the status code.
    pub async fn get_page(&self, page: &str) -> Result<u16, Error> {
        let request = Request { method: &Method::GET, target: page, key: None };
        Ok(self.exchange(request, None::<&()>).await?.status.as_u16())
    }

    async fn send_with<E: Endpoint>(&self, key: Option<&str>, request: &E) -> Result<Success<E::Response>, Error> {
        let target = request.target().map_err(|error| Error::NoResponse(request.path(), error.into()))?;
        let wire = Request { method: &E::METHOD, target: &target, key };
        let Response { status, body, .. } = self.exchange(wire, request.body()).await?;
        match E::parse_response(status, body.as_bytes()) {
            Ok(body) => Ok(Success { status: status.as_u16(), body }),
            Err(failed) => Err(Error::Failed(wire.to_string(), failed)),
        }
    }

    async fn exchange(&self, request: Request<'_>, body: Option<&impl Serialize>) -> Result<Response, Error> {
        // The response must not be older than what this client knew when it sent the request.
        let known = {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let entity = response_log::entity(request.target, None);
            entity.and_then(|(area, id)| seen.get(&format!("{area}/{id}")).copied())
        };
        let response = self.attempt(request, body).await;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        self.responses.record(self.number, request, response.as_ref().ok(), &mut seen, known);
        response.map_err(|error| Error::NoResponse(request.to_string(), error.into()))
    }

    /// Opens a page or, with the fields of a form, submits the form; follows redirects as a browser does.
    pub async fn visit(&self, page: &str, form: Option<&[(&str, &str)]>) -> Result<Page, Error> {
        let method = if form.is_some() { Method::POST } else { Method::GET };
        let request = Request { method: &method, target: page, key: None };
        let visited = self.follow(request, form).await;
        let response = visited.as_ref().ok().map(|(_, response)| response);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        self.responses.record(self.number, request, response, &mut seen, None);
        let (url, Response { status, body, .. }) =
            visited.map_err(|error| Error::NoResponse(request.to_string(), error.into()))?;
        let (path, query) = (url.path().to_owned(), url.query().map(ToOwned::to_owned));
        // The redirect acknowledges the hold, even if the checkout can't be shown.
        if let (Some(fields), Some(order)) = (form, path.strip_prefix("/checkout/")) {
            let key = fields.iter().find(|(name, _)| *name == "key").map(|(_, key)| *key);
            self.responses.record_redirect_to_order(order, key);
        }
        Ok(Page { path, query, status: status.as_u16(), html: body })
    }

    async fn follow(&self, request: Request<'_>, form: Option<&[(&str, &str)]>) -> reqwest::Result<(Url, Response)> {
        let wire = match form {
            Some(fields) => self.request(request).form(fields),
            None => self.request(request),
        };
        let response = wire.send().await?;
        let url = response.url().clone();
        Ok((url, Response::read(response).await?))
    }

    fn request(&self, request: Request<'_>) -> RequestBuilder {
        let wire = self.client.request(request.method.clone(), format!("{}{}", self.base, request.target));
        match &self.token {
            Some(token) => wire.header("cookie", format!("access={token}")),
            None => wire,
        }
    }

    async fn attempt(&self, request: Request<'_>, body: Option<&impl Serialize>) -> reqwest::Result<Response> {
        let mut wire = self.request(request);
        if let Some(body) = body {
            wire = wire.json(body);
        }
        if let Some(key) = request.key {
            wire = wire.header("idempotency-key", key);
        }
        Response::read(wire.send().await?).await
    }

    /// Lists a ticket.
    pub async fn create_listing(&self, listing: NewListing) -> Result<TicketId, Error> {
        Ok(self.send(&CreateListing { body: listing }).await?.body.id)
    }

    /// Orders a ticket; repeats the request while the listing has not arrived at `orders`.
    pub async fn create_order(&self, ticket: TicketId) -> Result<Order, Error> {
        self.create_order_of(ticket, None).await
    }

    /// Like [`UserClient::create_order`], for this number of seats.
    pub async fn create_order_of(&self, ticket: TicketId, quantity: Option<u8>) -> Result<Order, Error> {
        let (began, request) = (Instant::now(), CreateOrder { body: NewOrder { ticket_id: ticket, quantity } });
        loop {
            match self.send(&request).await {
                Err(error) if error.status() == Some(404) && began.elapsed() < TIMEOUT => {
                    tokio::time::sleep(pause_after(began.elapsed())).await;
                }
                result => return Ok(result?.body),
            }
        }
    }

    /// Pays for an order.
    pub async fn pay(&self, order: OrderId, card: &str) -> Result<Success<Payment>, Error> {
        let body = NewPayment { order_id: order, payment_method: Text::new(card) };
        self.send(&CreatePayment { body }).await
    }

    /// Waits until the listing has this status; ignores failing requests meanwhile.
    pub async fn wait_for_ticket(&self, id: TicketId, status: TicketStatus) -> anyhow::Result<Listing> {
        self.wait_for(&ReadListing { id }, &[status], |listing| listing.status).await
    }

    /// Like [`UserClient::wait_for_ticket`], for an order.
    pub async fn wait_for_order(&self, id: OrderId, status: OrderStatus) -> anyhow::Result<Order> {
        self.wait_for(&ReadOrder { id }, &[status], |order| order.status).await
    }

    /// Waits until the order is completed or cancelled.
    pub async fn wait_for_order_end(&self, id: OrderId) -> anyhow::Result<Order> {
        self.wait_for(&ReadOrder { id }, &[OrderStatus::Completed, OrderStatus::Cancelled], |order| order.status).await
    }

    /// Like [`UserClient::wait_for_ticket`], for a payment.
    pub async fn wait_for_payment(&self, id: PaymentId, status: PaymentStatus) -> anyhow::Result<Payment> {
        self.wait_for(&ReadPayment { id }, &[status], |payment| payment.status).await
    }

    async fn wait_for<E: Endpoint<Response: Debug>, S: Debug + PartialEq>(
        &self,
        request: &E,
        expected: &[S],
        status: fn(&E::Response) -> S,
    ) -> anyhow::Result<E::Response> {
        let began = Instant::now();
        loop {
            let last = match self.send(request).await {
                Ok(success) if expected.contains(&status(&success.body)) => return Ok(success.body),
                last => last,
            };
            if began.elapsed() > TIMEOUT {
                let (path, expected, last) = (request.path(), format!("{expected:?}"), format!("{last:?}"));
                anyhow::bail!(TimedOut { client: self.clone(), path, expected, last });
            }
            tokio::time::sleep(pause_after(began.elapsed())).await;
        }
    }
}
