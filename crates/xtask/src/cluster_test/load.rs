//! Visitors that buy and read while the cluster changes. Like people, and like the shop's own scripts, they repeat
//! requests that get no response or a server error. Failed requests and the time spent on repeating them are counted.

use std::fmt;
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, bail, ensure};
use common::api::orders::ReadOrder;
use common::api::tickets::{CreateListing, ListListings, ListingQuery, NewListing};
use common::api::{ApiError, Endpoint};
use common::events::order::OrderStatus;
use common::id::{OrderId, TicketId};
use common::text::Text;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::gateway::Connector;
use crate::client::{Session, listing, order, payment};

const TRADERS: usize = 3;
const READERS: usize = 3;

/// Pause between requests. The load shows errors, not throughput, and a cluster may be small.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a visitor repeats one request.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long a pair of traders stays signed in; less than the lifetime of an access token.
const SESSION: Duration = Duration::from_secs(300);

/// The failures that visitors saw, and how long they had to repeat requests.
#[derive(Debug, Default)]
pub(super) struct Cost {
    /// Number of requests without a response, or with a server error.
    pub(super) failed: u64,
    /// The longest time for which a visitor repeated one request.
    pub(super) longest: Duration,
    /// The first failure.
    pub(super) example: Option<String>,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.example {
            None => f.write_str("no request failed"),
            Some(example) => {
                let (failed, longest) = (self.failed, self.longest.as_secs_f32());
                write!(f, "{failed} requests failed, nobody waited for more than {longest:.1} s ({example})")
            }
        }
    }
}

/// The counts that all visitors share.
#[derive(Debug, Default)]
struct Tally {
    requests: AtomicU64,
    purchases: AtomicU64,
    cost: Mutex<Cost>,
}

/// The attempts at one request.
struct Attempts<'a> {
    tally: &'a Tally,
    started: Instant,
    failing_since: Option<Instant>,
}

impl<'a> Attempts<'a> {
    fn new(tally: &'a Tally) -> Self {
        Self { tally, started: Instant::now(), failing_since: None }
    }

    /// Waits before the next attempt. `failure` says how the last one failed, if it did.
    async fn pause(&mut self, failure: Option<String>) -> Result<()> {
        if let Some(failure) = failure {
            self.failing_since.get_or_insert_with(Instant::now);
            let mut cost = self.tally.cost.lock().unwrap_or_else(PoisonError::into_inner);
            cost.failed += 1;
            cost.example.get_or_insert(failure);
        }
        if self.started.elapsed() > PATIENCE {
            let cost = self.tally.cost.lock().unwrap_or_else(PoisonError::into_inner);
            bail!("a visitor gave up after {PATIENCE:?}: {cost}");
        }
        sleep(PAUSE).await;
        Ok(())
    }

    fn succeed(self) {
        if let Some(since) = self.failing_since {
            let mut cost = self.tally.cost.lock().unwrap_or_else(PoisonError::into_inner);
            cost.longest = cost.longest.max(since.elapsed());
        }
    }
}

/// A user who repeats requests that fail.
#[derive(Debug, Clone)]
struct Visitor {
    session: Session,
    tally: Arc<Tally>,
}

impl Visitor {
    async fn sign_up(connector: &Connector, tally: &Arc<Tally>, name: &str) -> Result<Self> {
        let mut attempts = Attempts::new(tally);
        loop {
            tally.requests.fetch_add(1, Ordering::Relaxed);
            match Session::sign_up(connector.client()?, &connector.shop, name).await {
                Ok(session) => {
                    attempts.succeed();
                    return Ok(Self { session, tally: Arc::clone(tally) });
                }
                Err(error) => attempts.pause(Some(format!("{error:#}"))).await?,
            }
        }
    }

    /// Sends a request until it gets a response, and while the status is one of `not_yet`: the entity has not reached
    /// the other service. Its idempotency key makes that safe.
    async fn send<E: Endpoint>(&self, request: &E, not_yet: &[u16]) -> Result<Result<E::Response, ApiError>> {
        let key = unique_key()?;
        let mut attempts = Attempts::new(&self.tally);
        loop {
            self.tally.requests.fetch_add(1, Ordering::Relaxed);
            let failure = match self.session.exchange_with_key(request, Some(&key)).await {
                // An earlier attempt is still being processed.
                Ok((409, Err(error))) if error.code() == "in-flight" => None,
                Ok((status, _)) if not_yet.contains(&status) => None,
                Ok((status, response)) if status < 500 => {
                    attempts.succeed();
                    return Ok(response);
                }
                Ok((status, _)) => Some(format!("{} {} returned {status}", E::METHOD, E::PATH)),
                Err(error) => Some(format!("{error:#}")),
            };
            attempts.pause(failure).await?;
        }
    }

    async fn wait_for(&self, id: OrderId, wanted: OrderStatus) -> Result<()> {
        let started = Instant::now();
        loop {
            let status = self.send(&ReadOrder { id }, &[]).await??.status;
            if status == wanted {
                return Ok(());
            }
            ensure!(!status.is_final() && started.elapsed() < PATIENCE, "{id:?} is {status:?}, not {wanted:?}");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A key that no other request has.
fn unique_key() -> Result<String> {
    static KEYS: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
    Ok(format!("{}-{now}-{}", process::id(), KEYS.fetch_add(1, Ordering::Relaxed)))
}

/// A seller, and a buyer of the seller's tickets.
#[derive(Debug)]
pub(super) struct Traders {
    seller: Visitor,
    buyer: Visitor,
    signed_up: Instant,
}

impl Traders {
    /// Signs up a seller and a buyer.
    pub(super) async fn sign_up(connector: &Connector) -> Result<Self> {
        Self::sign_up_counted(connector, &Arc::default()).await
    }

    async fn sign_up_counted(connector: &Connector, tally: &Arc<Tally>) -> Result<Self> {
        let seller = Visitor::sign_up(connector, tally, "Mara").await?;
        let buyer = Visitor::sign_up(connector, tally, "Ben").await?;
        Ok(Self { seller, buyer, signed_up: Instant::now() })
    }

    /// The buyer's session.
    pub(super) fn buyer(&self) -> &Session {
        &self.buyer.session
    }

    /// Lists a ticket.
    pub(super) async fn list(&self) -> Result<TicketId> {
        let listing = listing("Carmen", "Opera House", "2099-03-01T19:00:00Z", 8900)?;
        let (city, time_zone) = (Text::non_blank("Lyon"), Text::non_blank("Europe/Paris"));
        let listing = CreateListing { body: NewListing { city, time_zone, ..listing } };
        Ok(self.seller.send(&listing, &[]).await??.id)
    }

    /// Orders the ticket and waits until the order may be paid.
    pub(super) async fn hold(&self, ticket: TicketId) -> Result<OrderId> {
        let id = self.buyer.send(&order(ticket), &[404]).await??.id;
        self.buyer.wait_for(id, OrderStatus::AwaitingPayment).await?;
        Ok(id)
    }

    /// Pays for the order and waits until it is completed.
    pub(super) async fn pay(&self, id: OrderId) -> Result<()> {
        match self.buyer.send(&payment(id, "pm_card_visa"), &[404]).await? {
            // The payment is already made or being made by an attempt that got no response; the order shows it.
            Err(error) if error.status() == 409 => {}
            response => drop(response?),
        }
        self.buyer.wait_for(id, OrderStatus::Completed).await
    }

    /// Lists a ticket, orders it and pays. Returns the id of the completed order.
    pub(super) async fn sell(&self) -> Result<OrderId> {
        let id = self.hold(self.list().await?).await?;
        self.pay(id).await?;
        Ok(id)
    }

    /// Fails if a request of these two has failed.
    pub(super) fn ensure_nothing_failed(&self) -> Result<()> {
        let cost = self.seller.tally.cost.lock().unwrap_or_else(PoisonError::into_inner);
        ensure!(cost.failed == 0, "{cost}");
        Ok(())
    }
}

/// Sells one ticket to a new buyer, without a failed request. Returns the id of the completed order and the duration
/// since before the sign-ups.
pub(super) async fn sell_one(connector: &Connector) -> Result<(OrderId, Duration)> {
    let started = Instant::now();
    let traders = Traders::sign_up(connector).await?;
    let order = traders.sell().await?;
    traders.ensure_nothing_failed()?;
    Ok((order, started.elapsed()))
}

/// Visitors that send requests in the background until they are stopped.
pub(super) struct Load {
    stopping: Arc<AtomicBool>,
    tally: Arc<Tally>,
    tasks: JoinSet<Result<()>>,
}

impl Load {
    /// Starts buyers and readers.
    pub(super) fn start(connector: &Connector) -> Self {
        let mut load = Self { stopping: Arc::default(), tally: Arc::default(), tasks: JoinSet::new() };
        for _ in 0..TRADERS {
            let (connector, tally, stopping) = (connector.clone(), Arc::clone(&load.tally), Arc::clone(&load.stopping));
            load.tasks.spawn(async move {
                let mut traders = Traders::sign_up_counted(&connector, &tally).await?;
                while !stopping.load(Ordering::Relaxed) {
                    if traders.signed_up.elapsed() > SESSION {
                        traders = Traders::sign_up_counted(&connector, &tally).await?;
                    }
                    traders.sell().await?;
                    tally.purchases.fetch_add(1, Ordering::Relaxed);
                    sleep(PAUSE).await;
                }
                Ok(())
            });
        }
        load.add_readers(connector, READERS, PAUSE);
        load
    }

    /// Adds visitors who read pages with this pause in between.
    pub(super) fn add_readers(&mut self, connector: &Connector, count: usize, pause: Duration) {
        for _ in 0..count {
            let (connector, tally, stopping) = (connector.clone(), Arc::clone(&self.tally), Arc::clone(&self.stopping));
            self.tasks.spawn(async move {
                let session = Session::with_client(connector.client()?, &connector.shop)?;
                let visitor = Visitor { session, tally };
                while !stopping.load(Ordering::Relaxed) {
                    visitor.read_home_page().await?;
                    visitor.send(&ListListings { query: ListingQuery::default() }, &[]).await??;
                    sleep(pause).await;
                }
                Ok(())
            });
        }
    }

    /// Returns the cost to the visitors since the last call. Fails if one of them gave up.
    pub(super) fn take_cost(&mut self) -> Result<Cost> {
        while let Some(ended) = self.tasks.try_join_next() {
            ended??;
        }
        Ok(std::mem::take(&mut *self.tally.cost.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Stops the load. Returns the numbers of requests and purchases, and the cost to the visitors.
    pub(super) async fn stop(mut self) -> Result<(u64, u64, Cost)> {
        self.stopping.store(true, Ordering::Relaxed);
        while let Some(outcome) = self.tasks.join_next().await {
            outcome??;
        }
        let purchases = self.tally.purchases.load(Ordering::Relaxed);
        ensure!(purchases > 0, "nothing was bought");
        let cost = self.take_cost()?;
        Ok((self.tally.requests.load(Ordering::Relaxed), purchases, cost))
    }
}

impl Visitor {
    async fn read_home_page(&self) -> Result<()> {
        let mut attempts = Attempts::new(&self.tally);
        loop {
            self.tally.requests.fetch_add(1, Ordering::Relaxed);
            let failure = match self.session.page("/").await {
                Ok((200, _)) => {
                    attempts.succeed();
                    return Ok(());
                }
                Ok((status, _)) => format!("the home page returned {status}"),
                Err(error) => format!("{error:#}"),
            };
            attempts.pause(Some(failure)).await?;
        }
    }
}
