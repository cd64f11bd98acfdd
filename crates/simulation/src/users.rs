//! Simulated users, who call the real routes: they wait for the state that they need, and repeat requests whose
//! response was lost.

use std::fmt::Debug;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use axum::http::StatusCode;
use common::api::orders::{CancelOrder, CreateOrder, NewOrder, Order, ReadOrder};
use common::api::payments::{CreatePayment, NewPayment, Payment, ReadPayment, RefreshPayment};
use common::api::shows::{CancelShow, MergeShow, ReplaceShow, ShowCancellation, ShowMerge, ShowUpdate};
use common::api::tickets::{CreateListing, Listing, NewListing, ReadListing, ReplaceListing, WithdrawListing};
use common::api::users::{Profile, UpdateProfile};
use common::api::{ApiError, Endpoint};
use common::events::ENTITIES;
use common::events::order::{CancelReason, OrderStatus};
use common::events::payment::PaymentStatus;
use common::events::ticket::TicketStatus;
use common::id::{OrderId, PaymentId, ShowId, TicketId, UserId};
use common::seats::Split;
use common::text::Text;
use e2e::invariants::names::MONOTONIC_READS;
use e2e::test_fleet::listing;
use testkit::app::request::Response;
use tokio::sync::oneshot;

use crate::context::{PendingRequest, Request, SimContext};

/// A user's id and session, which outlive a schedule.
#[derive(Clone)]
pub(crate) struct UserSession {
    pub(crate) id: UserId,
    pub(crate) cookie: String,
}

/// A signed-in user during one schedule.
#[derive(Clone)]
pub(crate) struct SimUser {
    pub(crate) session: UserSession,
    pub(crate) context: Arc<SimContext>,
}

/// The users of every scenario: one seller, three buyers, and a member of the staff.
#[derive(Clone)]
pub(crate) struct Users {
    pub(crate) seller: SimUser,
    pub(crate) ann: SimUser,
    pub(crate) ben: SimUser,
    pub(crate) cleo: SimUser,
    pub(crate) staff: SimUser,
    pub(crate) context: Arc<SimContext>,
}

pub(crate) const CARD_OK: &str = "pm_card_visa";
pub(crate) const CARD_DECLINED: &str = "pm_card_visa_chargeDeclined";
pub(crate) const CARD_3DS: &str = "pm_card_threeDSecure2Required";

#[derive(Debug)]
pub(crate) struct PaymentResult {
    /// The status code.
    pub(crate) status: u16,
    pub(crate) payment: Result<Payment, ApiError>,
}

/// Name and owner of the entity type that a path is about. Paths contain the plural of the name.
fn entity_of(path: &str) -> (&'static str, &'static str) {
    let area = path.split('/').nth(2);
    let [user, ..] = ENTITIES;
    let name = area.and_then(|area| area.strip_suffix('s'));
    let entity = ENTITIES.into_iter().find(|entity| Some(entity.name) == name).unwrap_or(user);
    (entity.name, entity.source)
}

impl SimUser {
    /// Sends a request once; `None` without a response.
    async fn send(&self, request: Request) -> Result<Option<Response>> {
        let (reply, response) = oneshot::channel();
        let path = request.path.clone();
        let known = self.context.last_read_versions.lock().unwrap().get(&path).copied();
        self.context.pending_requests.lock().unwrap().push(PendingRequest { request, reply });
        let Ok(Some(response)) = response.await else { return Ok(None) };
        if matches!(response.status, 200..=299) {
            let view = response.json();
            if let Some(version) = view["version"].as_u64() {
                if known.is_some_and(|known| version < known) {
                    bail!("{MONOTONIC_READS}: {path} went back from version {known:?} to {version}");
                }
                // The entity's own path, `/api/orders/{id}`; other paths get the id from the response.
                let key = if path.matches('/').count() == 3 {
                    path.clone()
                } else {
                    format!("{path}/{}", view["id"].as_str().unwrap_or_default())
                };
                let mut versions = self.context.last_read_versions.lock().unwrap();
                let newest = versions.entry(key).or_default();
                *newest = version.max(*newest);
                self.context.acknowledged.lock().unwrap().push((entity_of(&path).0, view));
            }
        }
        Ok(Some(response))
    }

    /// Repeats a request until the response is definitive; returns the status code and the body, or the problem.
    async fn request_until_definitive<E: Endpoint>(
        &self,
        request: &E,
        key: Option<&str>,
    ) -> Result<Result<(u16, E::Response), ApiError>> {
        let path = request.target()?;
        let wire = Request {
            service: entity_of(&path).1,
            method: E::METHOD,
            path,
            cookie: self.session.cookie.clone(),
            body: request.body().map(serde_json::to_value).transpose()?,
            key: key.map(ToOwned::to_owned),
        };
        loop {
            if let Some(response) = self.send(wire.clone()).await? {
                match E::parse_response(StatusCode::from_u16(response.status)?, &response.bytes) {
                    Err(failed) if failed.status() == 503 || failed.code() == "in-flight" => {}
                    result => return Ok(result.map(|body| (response.status, body))),
                }
            }
            self.context.pause().await;
        }
    }

    /// Like [`SimUser::request_until_definitive`], for a request that must succeed.
    async fn request_ok<E: Endpoint>(&self, request: &E, key: Option<&str>) -> Result<E::Response> {
        let result = self.request_until_definitive(request, key).await?;
        result.map(|(_, body)| body).with_context(|| format!("{} {}", E::METHOD, request.path()))
    }

    /// Repeats a request while it returns 404, which means that an event has not arrived yet.
    async fn request_until_found<E: Endpoint>(&self, request: &E) -> Result<Result<(u16, E::Response), ApiError>> {
        let key = self.context.key();
        loop {
            match self.request_until_definitive(request, Some(&key)).await? {
                Err(failed) if failed.status() == 404 => self.context.pause().await,
                result => return Ok(result),
            }
        }
    }

    /// Sends a request that gets a 409 when it comes too late; returns whether it took effect. After a 409, `is_done`
    /// decides this, since an earlier attempt may have succeeded although its response was lost.
    async fn request_unless_late<E: Endpoint, R: Endpoint>(
        &self,
        request: &E,
        read: &R,
        is_done: impl Fn(R::Response) -> bool,
    ) -> Result<bool> {
        match self.request_until_definitive(request, None).await? {
            Ok(_) => Ok(true),
            Err(failed) if failed.status() == 409 => Ok(is_done(self.request_ok(read, None).await?)),
            Err(failed) => Err(failed).with_context(|| format!("{} {}", E::METHOD, request.path())),
        }
    }

    /// Waits for a status. `check` returns whether the entity has that status, and whether its status is final.
    async fn wait_for<E: Endpoint<Response: Debug>>(
        &self,
        request: &E,
        check: impl Fn(&E::Response) -> (bool, bool),
    ) -> Result<E::Response> {
        loop {
            let view = self.request_ok(request, None).await?;
            match check(&view) {
                (true, _) => return Ok(view),
                (false, true) => bail!("{} has another final status: {view:?}", request.path()),
                (false, false) => self.context.pause().await,
            }
        }
    }

    pub(crate) async fn wait_for_order(&self, id: OrderId, status: OrderStatus) -> Result<Order> {
        self.wait_for(&ReadOrder { id }, |order| (order.status == status, order.status.is_final())).await
    }

    pub(crate) async fn wait_for_ticket(&self, id: TicketId, status: TicketStatus) -> Result<Listing> {
        let is_final = |status| matches!(status, TicketStatus::Sold | TicketStatus::Withdrawn);
        self.wait_for(&ReadListing { id }, |listing| (listing.status == status, is_final(listing.status))).await
    }

    pub(crate) async fn wait_for_payment(&self, id: PaymentId, status: PaymentStatus) -> Result<Payment> {
        self.wait_for(&ReadPayment { id }, |payment| (payment.status == status, payment.status.is_final())).await
    }

    /// Creates a listing with the seats of this schedule; the price of a seat is in cents.
    pub(crate) async fn list_ticket(&self, title: &str, price: i64) -> Result<TicketId> {
        self.list(self.context.listing(title, price, None)).await
    }

    /// Like [`SimUser::list_ticket`], with seats in these blocks.
    pub(crate) async fn list_blocks(&self, title: &str, price: i64, blocks: &[u8]) -> Result<TicketId> {
        self.list(self.context.listing(title, price, Some(blocks))).await
    }

    async fn list(&self, body: NewListing) -> Result<TicketId> {
        let request = CreateListing { body };
        let id = self.request_ok(&request, Some(&self.context.key())).await?.id;
        self.context.listings.lock().unwrap().insert(id, request.body);
        Ok(id)
    }

    /// Changes the price of a seat; returns whether the edit was accepted.
    pub(crate) async fn edit_price(&self, id: TicketId, price: i64) -> Result<bool> {
        self.edit(id, |listing| listing.price.amount = price, |listing| listing.price.amount == price).await
    }

    /// Changes the blocks of as many seats; returns whether the edit was accepted.
    pub(crate) async fn edit_blocks(&self, id: TicketId, blocks: &[u8]) -> Result<bool> {
        let change = |listing: &mut NewListing| listing.split = Some(Split::Sizes(blocks.to_vec()));
        self.edit(id, change, |listing| listing.blocks.sizes() == blocks).await
    }

    async fn edit(
        &self,
        id: TicketId,
        change: impl FnOnce(&mut NewListing),
        is_done: impl Fn(Listing) -> bool,
    ) -> Result<bool> {
        let mut body = self.context.listings.lock().unwrap()[&id].clone();
        change(&mut body);
        let edit = ReplaceListing { id, body };
        let is_accepted = self.request_unless_late(&edit, &ReadListing { id }, is_done).await?;
        if is_accepted {
            self.context.listings.lock().unwrap().insert(id, edit.body);
        }
        Ok(is_accepted)
    }

    /// Withdraws the listing; returns whether that was possible.
    pub(crate) async fn withdraw(&self, id: TicketId) -> Result<bool> {
        let is_withdrawn = |listing: Listing| listing.status == TicketStatus::Withdrawn;
        self.request_unless_late(&WithdrawListing { id }, &ReadListing { id }, is_withdrawn).await
    }

    /// The show of a listing.
    pub(crate) async fn show_of(&self, ticket: TicketId) -> Result<ShowId> {
        Ok(self.request_ok(&ReadListing { id: ticket }, None).await?.show_id)
    }

    /// Moves the show of [`listing`] to another time, unless it has ended.
    pub(crate) async fn move_show(&self, id: ShowId, title: &str, starts_at: &str) -> Result<()> {
        let NewListing { title, venue, city, time_zone, .. } = listing(title, 5_000);
        let (country, ends_at, category, starts_at) = (None, None, None, starts_at.parse()?);
        let body = ShowUpdate { title, venue, city, country, starts_at, ends_at, time_zone, category };
        self.change_show(&ReplaceShow { id, body }).await
    }

    /// Merges a show into another one, unless either has ended.
    pub(crate) async fn merge_show(&self, id: ShowId, into: ShowId) -> Result<()> {
        self.change_show(&MergeShow { id, body: ShowMerge { into } }).await
    }

    /// Cancels a show, unless it has ended.
    pub(crate) async fn cancel_show(&self, id: ShowId) -> Result<()> {
        self.change_show(&CancelShow { id, body: ShowCancellation { reason: Text::new("Rain") } }).await
    }

    async fn change_show<E: Endpoint>(&self, request: &E) -> Result<()> {
        match self.request_until_definitive(request, None).await? {
            Err(failed) if failed.status() != 409 => Err(failed).context("changing a show"),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Orders as many seats as the schedule draws, once the listing has arrived at `orders`; the inner error is a
    /// conflict.
    pub(crate) async fn try_order(&self, ticket: TicketId) -> Result<Result<OrderId, ApiError>> {
        self.try_order_of(ticket, self.context.quantity(ticket)).await
    }

    async fn try_order_of(&self, ticket_id: TicketId, quantity: Option<u8>) -> Result<Result<OrderId, ApiError>> {
        let request = CreateOrder { body: NewOrder { ticket_id, quantity } };
        match self.request_until_found(&request).await? {
            Err(failed) if failed.status() != 409 => Err(failed).context("ordering"),
            result => Ok(result.map(|(_, order)| order.id)),
        }
    }

    /// Like [`SimUser::try_order`], of a listing that must be available.
    pub(crate) async fn order(&self, ticket: TicketId) -> Result<OrderId> {
        self.try_order(ticket).await?.context("ordering")
    }

    /// Like [`SimUser::order`], for this number of seats.
    pub(crate) async fn order_seats(&self, ticket: TicketId, quantity: u8) -> Result<OrderId> {
        self.try_order_of(ticket, Some(quantity)).await?.context("ordering")
    }

    /// Cancels an order; returns whether that was possible.
    pub(crate) async fn cancel(&self, id: OrderId) -> Result<bool> {
        let is_cancelled = |order: Order| order.cancel_reason == Some(CancelReason::Buyer);
        self.request_unless_late(&CancelOrder { id }, &ReadOrder { id }, is_cancelled).await
    }

    /// Pays once the order has arrived at `payments`.
    pub(crate) async fn pay(&self, order: OrderId, card: &str) -> Result<PaymentResult> {
        let body = NewPayment { order_id: order, payment_method: Text::new(card) };
        match self.request_until_found(&CreatePayment { body }).await? {
            Ok((status, payment)) => Ok(PaymentResult { status, payment: Ok(payment) }),
            Err(failed) if matches!(failed.status(), 402 | 409 | 410) => {
                Ok(PaymentResult { status: failed.status(), payment: Err(failed) })
            }
            Err(failed) => Err(failed).context("paying"),
        }
    }

    /// Pays until the response has the expected status code.
    pub(crate) async fn pay_expecting(&self, order: OrderId, card: &str, status: u16) -> Result<PaymentResult> {
        loop {
            let result = self.pay(order, card).await?;
            match &result.payment {
                // The provider failed, and replays that failure under the payment's idempotency key. Only a new payment
                // shows whether the card is accepted.
                Err(ApiError::Problem(problem))
                    if problem.status == 402 && problem.detail.starts_with("Your bank could not be reached") => {}
                _ if result.status == status => return Ok(result),
                // The previous payment is not recorded as final yet.
                Err(failed) if failed.status() == 409 && failed.code() == "order-being-paid" => {}
                _ => bail!("paying with {card} returned {result:?}, not {status}"),
            }
            self.context.pause().await;
        }
    }

    /// Makes `payments` look the payment up at the provider.
    pub(crate) async fn refresh_payment(&self, id: PaymentId) -> Result<Payment> {
        self.request_ok(&RefreshPayment { id }, None).await
    }

    /// Changes the display name.
    pub(crate) async fn rename(&self, name: &str) -> Result<()> {
        self.request_ok(&UpdateProfile { body: Profile { display_name: Text::new(name) } }, None).await?;
        Ok(())
    }
}
