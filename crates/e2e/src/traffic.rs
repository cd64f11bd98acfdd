//! People who buy and sell while something else goes on: the background of every fault.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use common::api::orders::{CancelOrder, CreateOrder, NewOrder, Order};
use common::api::payments::{CreatePayment, NewPayment, Payment, RefreshPayment};
use common::api::tickets::{CreateListing, NewListing, ReplaceListing};
use common::events::order::{CancelReason, OrderStatus};
use common::events::payment::PaymentStatus;
use common::id::{OrderId, TicketId, UserId};
use common::text::Text;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;

use crate::exchange::{Answer, Error};
use crate::person::Person;
use crate::shop::{Shop, listing};

/// How often somebody new comes in.
const EVERY: Duration = Duration::from_millis(100);
/// How long an event may be on its way, and how soon somebody who waits for it asks again.
const DEADLINE: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(250);
/// How many are in the shop at once at most: on a slow machine the next one waits at the door.
const CROWD: usize = 40;

/// Sales that go on until they are told to stop.
pub struct Traffic {
    enough: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    all: JoinHandle<Result<Tally>>,
}

/// How many sales ended in which way.
pub type Tally = BTreeMap<&'static str, usize>;

impl Traffic {
    /// Lets people come in, ten a second, until told to stop and at least `least` have come.
    #[expect(clippy::disallowed_methods, reason = "the test that started it awaits its end")]
    pub fn start(shop: &Shop, least: usize) -> Result<Self> {
        let sellers = (0..3).map(|_| shop.anybody()).collect::<Result<Vec<_>>>()?;
        let buyers = (0..10).map(|_| Ok((shop.anybody()?, shop.anybody()?))).collect::<Result<Vec<_>>>()?;
        let fakestripe = shop.fleet.fakestripe().url();
        let (enough, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let all = tokio::spawn({
            let (enough, done) = (Arc::clone(&enough), Arc::clone(&done));
            async move {
                let mut sales = JoinSet::new();
                let mut tick = tokio::time::interval(EVERY);
                tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
                let door = Arc::new(Semaphore::new(CROWD));
                let people = sellers.into_iter().cycle().zip(buyers.into_iter().cycle());
                for (n, (seller, (buyer, other))) in people.enumerate() {
                    if enough.load(Ordering::SeqCst) && n >= least {
                        break;
                    }
                    tick.tick().await;
                    let room = Arc::clone(&door).acquire_owned().await?;
                    let (done, fakestripe) = (Arc::clone(&done), fakestripe.clone());
                    sales.spawn(async move {
                        let sale = Sale { n, seller, buyer, other, fakestripe };
                        let end = sale.run().await.with_context(|| format!("sale {n}"));
                        done.fetch_add(1, Ordering::SeqCst);
                        drop(room);
                        end
                    });
                }
                let mut tally = Tally::new();
                while let Some(end) = sales.join_next().await {
                    *tally.entry(end??).or_default() += 1;
                }
                Ok(tally)
            }
        });
        Ok(Self { enough, done, all })
    }

    /// How many sales have ended so far.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }

    /// Lets nobody in any more, and waits until everybody has left.
    pub async fn stop(self) -> Result<Tally> {
        self.enough.store(true, Ordering::SeqCst);
        self.all.await?
    }
}

struct Sale {
    n: usize,
    seller: Person,
    buyer: Person,
    other: Person,
    fakestripe: String,
}

impl Sale {
    /// Lists a ticket and does with it what falls to this number; how it ended.
    async fn run(&self) -> Result<&'static str> {
        let terms = listing(&format!("Night {}", self.n), 1_000 + i64::try_from(self.n)?);
        let listed = self.seller.insists(&CreateListing { body: terms.clone() }, Some(&key())).await?;
        let ticket = listed.body.id;
        match self.n % 10 {
            0..=3 => self.buys(&self.buyer, ticket).await,
            4 => self.edits_under_the_buyer(ticket, terms).await,
            5 => self.tries_another_card(ticket).await,
            6 => self.lets_go(ticket).await,
            7 => {
                let order = self.holds(&self.buyer, ticket).await?;
                self.ended(order).await
            }
            8 => self.passes_3d_secure(ticket).await,
            _ => self.changes_mind_while_paying(ticket).await,
        }
    }

    async fn buys(&self, buyer: &Person, ticket: TicketId) -> Result<&'static str> {
        let order = self.holds(buyer, ticket).await?;
        self.pays(buyer, order, "pm_card_visa").await?;
        Ok(name(&buyer.sees_end(order).await?))
    }

    async fn edits_under_the_buyer(&self, ticket: TicketId, mut terms: NewListing) -> Result<&'static str> {
        terms.price.amount = 5_000;
        let edit = ReplaceListing { id: ticket, body: terms };
        let (order, _) = tokio::join!(self.holds(&self.buyer, ticket), self.seller.send(&edit));
        let order = order?;
        self.pays(&self.buyer, order, "pm_card_visa").await?;
        self.ended(order).await
    }

    async fn tries_another_card(&self, ticket: TicketId) -> Result<&'static str> {
        let order = self.holds(&self.buyer, ticket).await?;
        self.pays(&self.buyer, order, "pm_card_visa_chargeDeclined").await?;
        self.pays(&self.buyer, order, "pm_card_visa").await?;
        self.ended(order).await
    }

    async fn lets_go(&self, ticket: TicketId) -> Result<&'static str> {
        let order = self.holds(&self.buyer, ticket).await?;
        self.cancels(order).await?;
        self.buys(&self.other, ticket).await
    }

    async fn passes_3d_secure(&self, ticket: TicketId) -> Result<&'static str> {
        let order = self.holds(&self.buyer, ticket).await?;
        let payment = self.pays(&self.buyer, order, "pm_card_authenticationRequired").await?;
        if let Some(Payment { id, status: PaymentStatus::RequiresAction, provider_ref, .. }) = payment {
            let intent = provider_ref.unwrap_or_default();
            let url = format!("{}/_fake/payment_intents/{intent}/authenticate", self.fakestripe);
            reqwest::Client::new().post(url).json(&json!({ "outcome": "succeed" })).send().await?;
            // Half of the browsers come back and say so; the webhook or the reconciler tells of the others.
            if self.n.is_multiple_of(4) {
                done_or_refused(self.buyer.insists(&RefreshPayment { id }, Some(&key())).await)?;
            }
        }
        self.ended(order).await
    }

    async fn changes_mind_while_paying(&self, ticket: TicketId) -> Result<&'static str> {
        let order = self.holds(&self.buyer, ticket).await?;
        let (paid, cancelled) = tokio::join!(self.pays(&self.buyer, order, "pm_card_visa"), self.cancels(order));
        paid?;
        cancelled?;
        self.ended(order).await
    }

    /// Cancels the order, unless it is too late.
    async fn cancels(&self, order: OrderId) -> Result<()> {
        done_or_refused(self.buyer.insists(&CancelOrder { id: order }, None).await)
    }

    /// Holds the ticket, waiting for the listing to arrive at orders; the order's id.
    async fn holds(&self, buyer: &Person, ticket: TicketId) -> Result<OrderId> {
        let (began, key, request) = (Instant::now(), key(), CreateOrder { body: NewOrder { ticket_id: ticket } });
        loop {
            match buyer.insists(&request, Some(&key)).await {
                Ok(order) => return Ok(order.body.id),
                // Not arrived yet; or the order before this one is not closed yet.
                Err(error) if matches!(error.status(), Some(404 | 409)) && began.elapsed() < DEADLINE => {}
                Err(error) => return Err(error).context(format!("no hold of {ticket} in {:?}", began.elapsed())),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Pays until the answer is definite; the payment, unless it was refused.
    async fn pays(&self, buyer: &Person, order: OrderId, card: &str) -> Result<Option<Payment>> {
        let body = NewPayment { order_id: order, payment_method: Text::new(card) };
        let (began, key, request) = (Instant::now(), key(), CreatePayment { body });
        loop {
            match buyer.insists(&request, Some(&key)).await {
                Ok(payment) => return Ok(Some(payment.body)),
                Err(error) if matches!(error.status(), Some(402 | 409 | 410)) => return Ok(None),
                // The order has not arrived at payments yet.
                Err(error) if error.status() == Some(404) && began.elapsed() < DEADLINE => {}
                Err(error) => return Err(error).context(format!("no payment of {order} in {:?}", began.elapsed())),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Waits for the order's end, as its buyer sees it.
    async fn ended(&self, order: OrderId) -> Result<&'static str> {
        Ok(name(&self.buyer.sees_end(order).await?))
    }
}

/// Accepts an answer and a problem alike.
fn done_or_refused<T>(end: Result<Answer<T>, Error>) -> Result<()> {
    match end {
        Err(error) if error.problem().is_none() => Err(error.into()),
        _ => Ok(()),
    }
}

fn name(order: &Order) -> &'static str {
    match (order.status, order.cancel_reason) {
        (OrderStatus::Completed, _) => "completed",
        (_, Some(CancelReason::Buyer)) => "cancelled by the buyer",
        (_, Some(CancelReason::Expired)) => "expired",
        (_, Some(CancelReason::Refused)) => "refused",
        _ => "payment failed",
    }
}

fn key() -> String {
    UserId::new().to_string()
}
