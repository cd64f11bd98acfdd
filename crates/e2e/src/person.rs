//! Somebody who uses the shop through the gateway.

use std::collections::BTreeMap;
use std::fmt::Debug;
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
use reqwest::Method;
use serde::Serialize;

use crate::exchange::{Answer, Error, Request, Response};
use crate::journal::{self, Journal};

/// A client with a cookie jar of its own, whose every request is written down.
#[derive(Clone)]
pub struct Person {
    client: reqwest::Client,
    base: String,
    token: Option<String>,
    journal: Arc<Journal>,
    /// The newest version of each entity that this client was shown.
    seen: Arc<Mutex<BTreeMap<String, u64>>>,
}

/// How long [`Person::insists`] and the waits for a status go on: longer than any fault, and than a hold
/// that was made by a clock which is wrong by two minutes.
const DEADLINE: Duration = Duration::from_secs(180);
/// How long one answer is waited for.
const PATIENCE: Duration = Duration::from_secs(40);

impl Person {
    pub(crate) fn new(base: String, token: Option<String>, journal: Arc<Journal>) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().cookie_store(true).timeout(PATIENCE).build()?;
        Ok(Self { client, base, token, journal, seen: Arc::default() })
    }

    /// The access token, of somebody who never signed in by the front door.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Sends a request once.
    pub async fn send<E: Endpoint>(&self, request: &E) -> Result<Answer<E::Answer>, Error> {
        self.send_with(None, request).await
    }

    /// Sends a request again, with the same key, until the response says for good what happened.
    pub async fn insists<E: Endpoint>(&self, request: &E, key: Option<&str>) -> Result<Answer<E::Answer>, Error> {
        let began = Instant::now();
        loop {
            match self.send_with(key, request).await {
                Err(last) if !last.is_definite() => {
                    if began.elapsed() > DEADLINE {
                        let request = format!("{} {} has no definite answer", E::METHOD, request.path());
                        return Err(Error::Unanswered(request, last.into()));
                    }
                }
                definite => return definite,
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Requests a page, which has no [`Endpoint`]; the status code.
    pub async fn opens(&self, page: &str) -> Result<u16, Error> {
        let request = Request { method: &Method::GET, target: page, key: None };
        Ok(self.exchange(request, None::<&()>).await?.status.as_u16())
    }

    async fn send_with<E: Endpoint>(&self, key: Option<&str>, request: &E) -> Result<Answer<E::Answer>, Error> {
        let target = request.target().map_err(|error| Error::Unanswered(request.path(), error.into()))?;
        let wire = Request { method: &E::METHOD, target: &target, key };
        let Response { status, body, entity } = self.exchange(wire, request.body()).await?;
        match E::read(status, body.as_bytes()) {
            Ok(body) => Ok(Answer { status: status.as_u16(), version: entity.version, body }),
            Err(failed) => Err(Error::Failed(wire.to_string(), failed)),
        }
    }

    async fn exchange(&self, request: Request<'_>, body: Option<&impl Serialize>) -> Result<Response, Error> {
        let known = {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            journal::entity(request.target, None).and_then(|(area, id)| seen.get(&format!("{area}/{id}")).copied())
        };
        let response = self.attempt(request, body).await;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        self.journal.record(request, response.as_ref().ok(), &mut seen, known);
        response.map_err(|error| Error::Unanswered(request.to_string(), error.into()))
    }

    async fn attempt(&self, request: Request<'_>, body: Option<&impl Serialize>) -> reqwest::Result<Response> {
        let mut wire = self.client.request(request.method.clone(), format!("{}{}", self.base, request.target));
        if let Some(body) = body {
            wire = wire.json(body);
        }
        if let Some(token) = &self.token {
            wire = wire.header("cookie", format!("access={token}"));
        }
        if let Some(key) = request.key {
            wire = wire.header("idempotency-key", key);
        }
        Response::read(wire.send().await?).await
    }

    /// Lists a ticket; its id.
    pub async fn lists(&self, listing: NewListing) -> Result<TicketId, Error> {
        Ok(self.send(&CreateListing { body: listing }).await?.body.id)
    }

    /// Holds a ticket, waiting for the listing to arrive at orders; the order.
    pub async fn holds(&self, ticket: TicketId) -> Result<Order, Error> {
        let (began, request) = (Instant::now(), CreateOrder { body: NewOrder { ticket_id: ticket } });
        loop {
            match self.send(&request).await {
                Err(error) if error.status() == Some(404) && began.elapsed() < DEADLINE => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                end => return Ok(end?.body),
            }
        }
    }

    /// Pays for an order.
    pub async fn pays(&self, order: OrderId, card: &str) -> Result<Answer<Payment>, Error> {
        let body = NewPayment { order_id: order, payment_method: Text::new(card) };
        self.send(&CreatePayment { body }).await
    }

    /// Waits until the listing has this status, whatever it is answered meanwhile; the listing.
    pub async fn sees_ticket(&self, id: TicketId, status: TicketStatus) -> anyhow::Result<Listing> {
        self.sees(&ReadListing { id }, &[status], |listing| listing.status).await
    }

    /// Like [`Person::sees_ticket`], for an order.
    pub async fn sees_order(&self, id: OrderId, status: OrderStatus) -> anyhow::Result<Order> {
        self.sees(&ReadOrder { id }, &[status], |order| order.status).await
    }

    /// Like [`Person::sees_ticket`], for an order that is completed or cancelled.
    pub async fn sees_end(&self, id: OrderId) -> anyhow::Result<Order> {
        self.sees(&ReadOrder { id }, &[OrderStatus::Completed, OrderStatus::Cancelled], |order| order.status).await
    }

    /// Like [`Person::sees_ticket`], for a payment.
    pub async fn sees_payment(&self, id: PaymentId, status: PaymentStatus) -> anyhow::Result<Payment> {
        self.sees(&ReadPayment { id }, &[status], |payment| payment.status).await
    }

    async fn sees<E: Endpoint<Answer: Debug>, S: Debug + PartialEq>(
        &self,
        request: &E,
        wanted: &[S],
        status: fn(&E::Answer) -> S,
    ) -> anyhow::Result<E::Answer> {
        let began = Instant::now();
        loop {
            let last = match self.send(request).await {
                Ok(answer) if wanted.contains(&status(&answer.body)) => return Ok(answer.body),
                last => last,
            };
            anyhow::ensure!(began.elapsed() < DEADLINE, "{} is not {wanted:?} but {last:?}", request.path());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
