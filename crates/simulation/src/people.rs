//! What people do, through the real routes: they ask, wait for what they need, and ask again when they
//! got no answer.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::http::{Method, StatusCode};
use common::api::orders::{CancelOrder, CreateOrder, NewOrder, Order, ReadOrder};
use common::api::payments::{CreatePayment, NewPayment, Payment, ReadPayment, RefreshPayment};
use common::api::tickets::{CreateListing, Listing, ReadListing, ReplaceListing, WithdrawListing};
use common::api::users::{Profile, UpdateProfile};
use common::api::{ApiError, Endpoint, Service};
use common::events::ENTITIES;
use common::events::order::{CancelReason, OrderStatus};
use common::events::payment::PaymentStatus;
use common::events::ticket::TicketStatus;
use common::id::{OrderId, PaymentId, TicketId, UserId};
use common::text::Text;
use e2e::shop::listing;
use serde_json::Value;
use testkit::app::request::Response;
use tokio::sync::oneshot;

use crate::card_network::CardNetwork;
use crate::clock::HandClock;

/// A request that somebody makes, as it is sent.
#[derive(Clone)]
pub struct Request {
    /// Who answers.
    pub service: &'static str,
    /// `GET`.
    pub method: Method,
    /// `/api/orders`.
    pub path: String,
    /// The session.
    pub cookie: String,
    /// The body, if there is one.
    pub body: Option<Value>,
    /// The `Idempotency-Key`, if there is one.
    pub key: Option<String>,
}

/// A request with who waits for its answer; `None` tells that the connection broke.
pub struct Asked {
    /// What is asked.
    pub request: Request,
    /// Who waits.
    pub reply: oneshot::Sender<Option<Response>>,
}

/// What people share with the schedule.
pub struct Stage {
    /// The time.
    pub clock: HandClock,
    /// Where cards are checked.
    pub card_network: Arc<CardNetwork>,
    /// Requests that wait for their turn.
    pub asked: Mutex<Vec<Asked>>,
    /// People who wait before they look again.
    pub pausing: Mutex<Vec<oneshot::Sender<()>>>,
    /// (entity, service): events that are kept from a service until somebody says otherwise.
    pub withheld: Mutex<Vec<(&'static str, &'static str)>>,
    /// What was answered with 2xx: the entity's name and its view.
    pub acknowledged: Mutex<Vec<(&'static str, Value)>>,
    /// The newest version that was read, by path.
    seen: Mutex<HashMap<String, u64>>,
    keys: Mutex<u32>,
}

impl Stage {
    /// A stage on which nothing has happened yet.
    pub fn new(clock: HandClock, card_network: Arc<CardNetwork>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            card_network,
            asked: Mutex::default(),
            pausing: Mutex::default(),
            withheld: Mutex::default(),
            acknowledged: Mutex::default(),
            seen: Mutex::default(),
            keys: Mutex::default(),
        })
    }

    /// Keeps an entity's events from a service.
    pub fn withhold(&self, entity: &'static str, service: &'static str) {
        self.withheld.lock().unwrap().push((entity, service));
    }

    /// Lets everything through again.
    pub fn let_through(&self) {
        self.withheld.lock().unwrap().clear();
    }

    /// Time passes for everybody.
    pub fn time_passes(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Waits for the schedule to say that it is time to look again.
    pub async fn pause(&self) {
        let (turn, wait) = oneshot::channel();
        self.pausing.lock().unwrap().push(turn);
        // Dropped only together with the whole scenario.
        wait.await.ok();
    }

    fn key(&self) -> String {
        let mut keys = self.keys.lock().unwrap();
        *keys += 1;
        format!("key-{keys}")
    }
}

/// Who somebody is, on whatever stage.
#[derive(Clone)]
pub struct Identity {
    /// Their id.
    pub id: UserId,
    /// Their session.
    pub cookie: String,
}

/// Somebody with an account.
#[derive(Clone)]
pub struct Person {
    /// Who they are.
    pub identity: Identity,
    /// Where they act.
    pub stage: Arc<Stage>,
}

/// The people of every scenario.
#[derive(Clone)]
pub struct Cast {
    /// Sells.
    pub seller: Person,
    /// Buys.
    pub ann: Person,
    /// Buys.
    pub ben: Person,
    /// Buys.
    pub cleo: Person,
    /// Where they act.
    pub stage: Arc<Stage>,
}

/// A card that works, one that is declined, and one that wants 3-D Secure.
pub const CARDS: [&str; 3] = ["pm_card_visa", "pm_card_visa_chargeDeclined", "pm_card_threeDSecure2Required"];
/// A card that works.
pub const VISA: &str = CARDS[0];
/// A card that is declined.
pub const DECLINED: &str = CARDS[1];
/// A card that wants 3-D Secure.
pub const SECURE: &str = CARDS[2];

/// How a payment was answered.
#[derive(Debug)]
pub struct Paid {
    /// The status code.
    pub status: u16,
    /// The payment, or why it was refused.
    pub payment: Result<Payment, ApiError>,
}

fn service_name(service: Service) -> &'static str {
    match service {
        Service::Auth => auth::NAME,
        Service::Tickets => tickets::NAME,
        Service::Orders => orders::NAME,
        Service::Payments => payments::NAME,
    }
}

fn entity_of(path: &str) -> &'static str {
    let owner = path.split('/').nth(2);
    ENTITIES.into_iter().find(|entity| Some(entity.source) == owner).map_or("user", |entity| entity.name)
}

impl Person {
    /// Asks once.
    async fn ask(&self, request: Request) -> Result<Option<Response>> {
        let (reply, answer) = oneshot::channel();
        let path = request.path.clone();
        let known = self.stage.seen.lock().unwrap().get(&path).copied();
        self.stage.asked.lock().unwrap().push(Asked { request, reply });
        let Ok(Some(answer)) = answer.await else { return Ok(None) };
        if matches!(answer.status, 200..=299) {
            let view = answer.json();
            if let Some(version) = view["version"].as_u64() {
                if known.is_some_and(|known| version < known) {
                    bail!("15: {path} went back from version {known:?} to {version}");
                }
                let key = if path.matches('/').count() == 3 {
                    path.clone()
                } else {
                    format!("{path}/{}", view["id"].as_str().unwrap_or_default())
                };
                let mut seen = self.stage.seen.lock().unwrap();
                let newest = seen.entry(key).or_default();
                *newest = version.max(*newest);
                self.stage.acknowledged.lock().unwrap().push((entity_of(&path), view));
            }
        }
        Ok(Some(answer))
    }

    /// Repeats a request until there is a definite response: the status code and the answer, or why it failed.
    async fn insist<E: Endpoint>(&self, request: &E, key: Option<&str>) -> Result<Result<(u16, E::Answer), ApiError>> {
        let wire = Request {
            service: service_name(E::SERVICE),
            method: E::METHOD,
            path: request.target()?,
            cookie: self.identity.cookie.clone(),
            body: request.body().map(serde_json::to_value).transpose()?,
            key: key.map(ToOwned::to_owned),
        };
        loop {
            if let Some(response) = self.ask(wire.clone()).await? {
                match E::read(StatusCode::from_u16(response.status)?, &response.bytes) {
                    Err(failed) if failed.status() == 503 || failed.code() == "in-flight" => {}
                    end => return Ok(end.map(|answer| (response.status, answer))),
                }
            }
            self.stage.pause().await;
        }
    }

    /// Like [`Person::insist`], for a request that must succeed.
    async fn obtain<E: Endpoint>(&self, request: &E, key: Option<&str>) -> Result<E::Answer> {
        let end = self.insist(request, key).await?;
        end.map(|(_, answer)| answer).with_context(|| format!("{} {}", E::METHOD, request.path()))
    }

    /// Waits until an entity has the wanted status; the entity. `judge` says whether it has that status, and whether
    /// its status is final.
    async fn sees<E: Endpoint<Answer: Debug>>(
        &self,
        request: &E,
        judge: impl Fn(&E::Answer) -> (bool, bool),
    ) -> Result<E::Answer> {
        loop {
            let view = self.obtain(request, None).await?;
            match judge(&view) {
                (true, _) => return Ok(view),
                (false, true) => bail!("{} has another final status: {view:?}", request.path()),
                (false, false) => self.stage.pause().await,
            }
        }
    }

    /// Waits until the order has this status.
    pub async fn sees_order(&self, id: OrderId, status: OrderStatus) -> Result<Order> {
        self.sees(&ReadOrder { id }, |order| (order.status == status, order.status.is_final())).await
    }

    /// Waits until the listing has this status.
    pub async fn sees_ticket(&self, id: TicketId, status: TicketStatus) -> Result<Listing> {
        let is_final = |status| matches!(status, TicketStatus::Sold | TicketStatus::Withdrawn);
        self.sees(&ReadListing { id }, |listing| (listing.status == status, is_final(listing.status))).await
    }

    /// Waits until the payment has this status.
    pub async fn sees_payment(&self, id: PaymentId, status: PaymentStatus) -> Result<Payment> {
        self.sees(&ReadPayment { id }, |payment| (payment.status == status, payment.status.is_final())).await
    }

    /// Lists a ticket; its id.
    pub async fn lists(&self, title: &str, price: i64) -> Result<TicketId> {
        let request = CreateListing { body: listing(title, price) };
        Ok(self.obtain(&request, Some(&self.stage.key())).await?.id)
    }

    /// Asks another price; whether it was taken.
    pub async fn edits(&self, id: TicketId, title: &str, price: i64) -> Result<bool> {
        match self.insist(&ReplaceListing { id, body: listing(title, price) }, None).await? {
            Ok(_) => Ok(true),
            // Perhaps an earlier try went through, and the answer alone was lost.
            Err(failed) if failed.status() == 409 => {
                Ok(self.obtain(&ReadListing { id }, None).await?.price.amount == price)
            }
            Err(failed) => Err(failed).context("editing"),
        }
    }

    /// Takes the listing back; whether that was possible.
    pub async fn withdraws(&self, id: TicketId) -> Result<bool> {
        match self.insist(&WithdrawListing { id }, None).await? {
            Ok(_) => Ok(true),
            Err(failed) if failed.status() == 409 => {
                Ok(self.obtain(&ReadListing { id }, None).await?.status == TicketStatus::Withdrawn)
            }
            Err(failed) => Err(failed).context("withdrawing"),
        }
    }

    /// Holds a ticket, waiting for the listing to arrive at orders; the order, or why there is none.
    pub async fn tries_to_order(&self, ticket: TicketId) -> Result<Result<OrderId, ApiError>> {
        let (request, key) = (CreateOrder { body: NewOrder { ticket_id: ticket } }, self.stage.key());
        loop {
            match self.insist(&request, Some(&key)).await? {
                Ok((_, order)) => return Ok(Ok(order.id)),
                Err(failed) if failed.status() == 409 => return Ok(Err(failed)),
                Err(failed) if failed.status() == 404 => self.stage.pause().await,
                Err(failed) => return Err(failed).context("ordering"),
            }
        }
    }

    /// Holds a ticket that is there to be held.
    pub async fn orders(&self, ticket: TicketId) -> Result<OrderId> {
        self.tries_to_order(ticket).await?.context("ordering")
    }

    /// Gives an order up; whether that was possible.
    pub async fn cancels(&self, id: OrderId) -> Result<bool> {
        match self.insist(&CancelOrder { id }, None).await? {
            Ok(_) => Ok(true),
            Err(failed) if failed.status() == 409 => {
                Ok(self.obtain(&ReadOrder { id }, None).await?.cancel_reason == Some(CancelReason::Buyer))
            }
            Err(failed) => Err(failed).context("cancelling"),
        }
    }

    /// Pays, waiting for the order to arrive at payments.
    pub async fn pays(&self, order: OrderId, card: &str) -> Result<Paid> {
        let body = NewPayment { order_id: order, payment_method: Text::new(card) };
        let (request, key) = (CreatePayment { body }, self.stage.key());
        loop {
            match self.insist(&request, Some(&key)).await? {
                Ok((status, payment)) => return Ok(Paid { status, payment: Ok(payment) }),
                Err(failed) if matches!(failed.status(), 402 | 409 | 410) => {
                    return Ok(Paid { status: failed.status(), payment: Err(failed) });
                }
                Err(failed) if failed.status() == 404 => self.stage.pause().await,
                Err(failed) => return Err(failed).context("paying"),
            }
        }
    }

    /// Pays, and is answered as expected.
    pub async fn pays_and_gets(&self, order: OrderId, card: &str, status: u16) -> Result<Paid> {
        loop {
            let paid = self.pays(order, card).await?;
            match &paid.payment {
                // The card network failed, and kept its failure under the payment's key: whatever the card is like,
                // nobody knows yet.
                Err(ApiError::Problem(problem))
                    if problem.status == 402 && problem.detail.starts_with("The bank could not be asked") => {}
                _ if paid.status == status => return Ok(paid),
                // The payment before this one is not recorded as over yet.
                Err(failed) if failed.status() == 409 && failed.code() == "order-being-paid" => {}
                _ => bail!("paying with {card} was answered with {paid:?}, not {status}"),
            }
            self.stage.pause().await;
        }
    }

    /// Has a payment looked up at the provider.
    pub async fn refreshes(&self, id: PaymentId) -> Result<Payment> {
        self.obtain(&RefreshPayment { id }, None).await
    }

    /// Takes another name.
    pub async fn renames(&self, name: &str) -> Result<()> {
        self.obtain(&UpdateProfile { body: Profile { display_name: Text::new(name) } }, None).await?;
        Ok(())
    }
}
