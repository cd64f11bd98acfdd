//! A load generator: users who buy and sell while a test injects faults.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use common::api::Endpoint;
use common::api::orders::{CancelOrder, CreateOrder, NewOrder, Order};
use common::api::payments::{CreatePayment, NewPayment, Payment, RefreshPayment};
use common::api::tickets::{CreateListing, NewListing, ReplaceListing};
use common::events::order::{CancelReason, OrderStatus};
use common::events::payment::PaymentStatus;
use common::id::{OrderId, TicketId, UserId};
use common::text::Text;
use fakestripe::control::{Challenge, ChallengeResult};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;

use crate::exchange::{Error, Success};
use crate::test_fleet::{TestFleet, listing, with_seats};
use crate::user_client::UserClient;

/// Time between the starts of two sales.
const ARRIVAL_INTERVAL: Duration = Duration::from_millis(100);
/// How long to wait for an event to arrive at another service.
const PROPAGATION_TIMEOUT: Duration = Duration::from_secs(60);
const RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// Maximum number of sales in progress, which bounds the load on slow machines.
const MAX_CONCURRENT_SALES: usize = 40;

/// Generates load: starts sales until it is stopped.
pub struct LoadGenerator {
    stopping: Arc<AtomicBool>,
    finished: Arc<AtomicUsize>,
    sales: JoinHandle<Result<OutcomeCounts>>,
}

/// Number of sales by outcome.
pub type OutcomeCounts = BTreeMap<&'static str, usize>;

impl LoadGenerator {
    /// Starts ten sales a second, until the generator is stopped and at least `min_sales` have started.
    #[expect(clippy::disallowed_methods, reason = "the test that started it awaits its end")]
    pub fn start(fleet: &TestFleet, min_sales: usize) -> Result<Self> {
        let sellers = (0..3).map(|_| fleet.token_user()).collect::<Result<Vec<_>>>()?;
        let buyers = (0..10).map(|_| Ok((fleet.token_user()?, fleet.token_user()?))).collect::<Result<Vec<_>>>()?;
        let fakestripe_url = fleet.processes.fakestripe().url();
        let (stopping, finished) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let sales = tokio::spawn({
            let (stopping, finished) = (Arc::clone(&stopping), Arc::clone(&finished));
            async move {
                let mut sales = JoinSet::new();
                let mut interval = tokio::time::interval(ARRIVAL_INTERVAL);
                interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
                let semaphore = Arc::new(Semaphore::new(MAX_CONCURRENT_SALES));
                let users = sellers.into_iter().cycle().zip(buyers.into_iter().cycle());
                for (n, (seller, (buyer, other))) in users.enumerate() {
                    if stopping.load(Ordering::SeqCst) && n >= min_sales {
                        break;
                    }
                    interval.tick().await;
                    let permit = Arc::clone(&semaphore).acquire_owned().await?;
                    let (finished, fakestripe_url) = (Arc::clone(&finished), fakestripe_url.clone());
                    sales.spawn(async move {
                        let sale = Sale { n, seller, buyer, other, fakestripe_url };
                        let outcome = sale.run().await.with_context(|| format!("sale {n}"));
                        finished.fetch_add(1, Ordering::SeqCst);
                        drop(permit);
                        outcome
                    });
                }
                let mut outcomes = OutcomeCounts::new();
                while let Some(outcome) = sales.join_next().await {
                    *outcomes.entry(outcome??).or_default() += 1;
                }
                Ok(outcomes)
            }
        });
        Ok(Self { stopping, finished, sales })
    }

    /// Number of sales finished so far.
    pub fn finished(&self) -> usize {
        self.finished.load(Ordering::SeqCst)
    }

    /// Starts no more sales and waits for those in progress.
    pub async fn stop(self) -> Result<OutcomeCounts> {
        self.stopping.store(true, Ordering::SeqCst);
        self.sales.await?
    }
}

/// A ticket's way from its listing to the end of its order.
pub(crate) struct Sale {
    /// The number of the sale, which determines its [`Scenario`] and its price.
    pub(crate) n: usize,
    pub(crate) seller: UserClient,
    pub(crate) buyer: UserClient,
    /// The user who buys the ticket after the buyer has cancelled.
    pub(crate) other: UserClient,
    pub(crate) fakestripe_url: String,
}

/// What happens in a sale.
#[derive(Clone, Copy)]
enum Scenario {
    /// The buyer pays.
    Payment,
    /// The seller changes the price while the buyer orders; then the buyer pays.
    PriceChange,
    /// The buyer's first card is declined, and the second one is not.
    DeclinedCard,
    /// The buyer cancels, and another user buys the ticket.
    Cancellation,
    /// Nobody pays, so the hold expires.
    Expiry,
    /// The buyer's card asks for 3-D Secure.
    ThreeDSecure,
    /// The buyer pays and cancels. In half of these sales both happen at the same time; in the others the buyer cancels as
    /// soon as the card is authorised, when the order usually is not yet.
    PaymentAndCancellation,
}

/// The blocks of a listing, and how many of its seats each buyer orders, by the number of the sale.
const LAYOUTS: [(&[u8], u8); 3] = [(&[1], 1), (&[2], 2), (&[2, 2, 2], 2)];

/// Number of consecutive sales in which every scenario occurs.
pub(crate) const SCENARIO_CYCLE: usize = 10;

impl Scenario {
    fn of_sale(n: usize) -> Self {
        match n % SCENARIO_CYCLE {
            4 => Self::PriceChange,
            5 => Self::DeclinedCard,
            6 => Self::Cancellation,
            7 => Self::Expiry,
            8 => Self::ThreeDSecure,
            9 => Self::PaymentAndCancellation,
            _ => Self::Payment,
        }
    }
}

impl Sale {
    /// Lists a ticket and sells it in the scenario of this sale; returns the outcome.
    pub(crate) async fn run(&self) -> Result<&'static str> {
        let (blocks, quantity) = LAYOUTS[self.n % LAYOUTS.len()];
        // The row makes the seats different from those of other sales with this number.
        let row = Text::non_blank(&key());
        let listing = NewListing { row, ..listing(&format!("Night {}", self.n), 1_000 + i64::try_from(self.n)?) };
        let mut terms = with_seats(listing, blocks);
        let request = CreateListing { body: terms.clone() };
        let ticket = self.seller.send_until_definitive(&request, Some(&key())).await?.body.id;
        let scenario = Scenario::of_sale(self.n);
        let order = if matches!(scenario, Scenario::PriceChange) {
            terms.price.amount = 5_000;
            let edit = ReplaceListing { id: ticket, body: terms };
            tokio::join!(create_order(&self.buyer, ticket, quantity), self.seller.send(&edit)).0?
        } else {
            create_order(&self.buyer, ticket, quantity).await?
        };
        if blocks.iter().sum::<u8>() > quantity {
            // The other user buys as many seats at the same time.
            let (outcome, others) =
                tokio::join!(self.end(ticket, order, scenario, quantity), self.buy_as_other(ticket, quantity));
            others?;
            return outcome;
        }
        self.end(ticket, order, scenario, quantity).await
    }

    async fn buy_as_other(&self, ticket: TicketId, quantity: u8) -> Result<&'static str> {
        let order = create_order(&self.other, ticket, quantity).await?;
        pay(&self.other, order, "pm_card_visa").await?;
        outcome(&self.other, order).await
    }

    /// Continues the buyer's order as the scenario says; returns its outcome.
    async fn end(&self, ticket: TicketId, order: OrderId, scenario: Scenario, quantity: u8) -> Result<&'static str> {
        match scenario {
            Scenario::Payment | Scenario::PriceChange => _ = pay(&self.buyer, order, "pm_card_visa").await?,
            Scenario::DeclinedCard => {
                pay(&self.buyer, order, "pm_card_visa_chargeDeclined").await?;
                pay(&self.buyer, order, "pm_card_visa").await?;
            }
            Scenario::Cancellation => {
                self.cancel(order).await?;
                return self.buy_as_other(ticket, quantity).await;
            }
            Scenario::Expiry => {}
            Scenario::ThreeDSecure => self.pay_with_3ds(order).await?,
            Scenario::PaymentAndCancellation if (self.n / SCENARIO_CYCLE).is_multiple_of(2) => {
                pay(&self.buyer, order, "pm_card_visa").await?;
                self.cancel(order).await?;
            }
            Scenario::PaymentAndCancellation => {
                let (paid, cancelled) = tokio::join!(pay(&self.buyer, order, "pm_card_visa"), self.cancel(order));
                paid?;
                cancelled?;
            }
        }
        outcome(&self.buyer, order).await
    }

    async fn pay_with_3ds(&self, order: OrderId) -> Result<()> {
        let payment = pay(&self.buyer, order, "pm_card_authenticationRequired").await?;
        if let Some(Payment { id, status: PaymentStatus::RequiresAction, provider_ref, .. }) = payment {
            let intent = provider_ref.unwrap_or_default();
            let url = format!("{}/_fake/payment_intents/{intent}/authenticate", self.fakestripe_url);
            reqwest::Client::new().post(url).json(&Challenge { outcome: ChallengeResult::Succeed }).send().await?;
            // In half of these sales the buyer refreshes the payment; otherwise the webhook or the reconciler completes
            // it.
            if self.n.is_multiple_of(4) {
                ignore_problem(self.buyer.send_until_definitive(&RefreshPayment { id }, Some(&key())).await)?;
            }
        }
        Ok(())
    }

    /// Cancels the order, unless it is too late.
    async fn cancel(&self, order: OrderId) -> Result<()> {
        ignore_problem(self.buyer.send_until_definitive(&CancelOrder { id: order }, None).await)
    }
}

async fn create_order(buyer: &UserClient, ticket: TicketId, quantity: u8) -> Result<OrderId> {
    // 404: the listing has not arrived at `orders`. 409: the previous order is not closed yet.
    let request = CreateOrder { body: NewOrder { ticket_id: ticket, quantity: Some(quantity) } };
    let order = send_until_propagated(buyer, &request, &[404, 409]).await;
    Ok(order.with_context(|| format!("ordering {ticket}"))?.id)
}

/// Pays; `None` if the payment was declined or came too late.
pub(crate) async fn pay(buyer: &UserClient, order: OrderId, card: &str) -> Result<Option<Payment>> {
    let body = NewPayment { order_id: order, payment_method: Text::new(card) };
    // 404: the order has not arrived at `payments`.
    match send_until_propagated(buyer, &CreatePayment { body }, &[404]).await {
        Err(error) if matches!(error.status(), Some(402 | 409 | 410)) => Ok(None),
        result => Ok(Some(result.with_context(|| format!("paying {order}"))?)),
    }
}

/// Repeats a request while it fails with one of these statuses, which mean that an event has not arrived yet.
pub(crate) async fn send_until_propagated<E: Endpoint>(
    client: &UserClient,
    request: &E,
    retry_on: &[u16],
) -> Result<E::Response, Error> {
    let (began, key) = (Instant::now(), key());
    loop {
        match client.send_until_definitive(request, Some(&key)).await {
            Err(error)
                if error.status().is_some_and(|status| retry_on.contains(&status))
                    && began.elapsed() < PROPAGATION_TIMEOUT => {}
            result => return result.map(|success| success.body),
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

/// Accepts a success and a problem alike.
pub(crate) fn ignore_problem<T>(result: Result<Success<T>, Error>) -> Result<()> {
    match result {
        Err(error) if error.problem().is_none() => Err(error.into()),
        _ => Ok(()),
    }
}

/// Waits for the end of the order.
pub(crate) async fn outcome(buyer: &UserClient, order: OrderId) -> Result<&'static str> {
    let Order { status, cancel_reason, .. } = buyer.wait_for_order_end(order).await?;
    Ok(match (status, cancel_reason) {
        (OrderStatus::Completed, _) => "completed",
        (_, Some(CancelReason::Buyer)) => "cancelled by the buyer",
        (_, Some(CancelReason::Expired)) => "expired",
        (_, Some(CancelReason::Refused)) => "refused",
        _ => "payment failed",
    })
}

pub(crate) fn key() -> String {
    UserId::new().to_string()
}
