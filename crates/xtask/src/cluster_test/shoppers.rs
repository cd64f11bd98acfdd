//! People who sell, buy and look around while something is done to the cluster. Nothing is repeated for them: an
//! answer that is an error of ours is a failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use common::api::orders::ReadOrder;
use common::api::tickets::{CreateListing, ListListings, ListingQuery, NewListing};
use common::events::order::OrderStatus;
use common::id::OrderId;
use common::text::Text;
use tokio::task::JoinSet;

use super::Cluster;
use super::gateway::Way;
use crate::client::{Session, listing, order, payment, sign_up, status_of};

/// How long a listing may take to be known to orders, and an order to be completed.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many buy at the same time.
const BUYERS: usize = 3;
/// How many look around.
const READERS: usize = 3;

/// How long everybody rests between two things: it is about errors, and a cluster may be small.
const PAUSE: Duration = Duration::from_millis(200);

/// Somebody who lists tickets and somebody who buys them.
struct Pair {
    seller: Session,
    buyer: Session,
}

/// How it went.
#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    purchases: AtomicU64,
}

/// A crowd that is in the shop until it is sent away.
pub(super) struct Crowd {
    closing: Arc<AtomicBool>,
    counts: Arc<Counts>,
    tasks: JoinSet<Result<()>>,
}

/// Sells one ticket, from the sign-up to the completed order; the order's id and how long it took.
pub(super) async fn sell_one(cluster: &Cluster, way: &Way) -> Result<(OrderId, Duration)> {
    let began = Instant::now();
    let pair = Pair::sign_up(cluster, way).await?;
    let order = pair.trade(&Counts::default()).await?;
    Ok((order, began.elapsed()))
}

impl Crowd {
    /// Lets them in.
    pub(super) async fn enter(cluster: &Cluster, way: &Way) -> Result<Self> {
        let (closing, counts) = (Arc::new(AtomicBool::new(false)), Arc::new(Counts::default()));
        let mut tasks = JoinSet::new();
        for _ in 0..BUYERS {
            let pair = Pair::sign_up(cluster, way).await?;
            let (closing, counts) = (Arc::clone(&closing), Arc::clone(&counts));
            tasks.spawn(async move {
                while !closing.load(Ordering::Relaxed) {
                    pair.trade(&counts).await?;
                    counts.purchases.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(())
            });
        }
        for _ in 0..READERS {
            let reader = Session::through(way.client()?, &cluster.overlay.shop)?;
            let (closing, counts) = (Arc::clone(&closing), Arc::clone(&counts));
            tasks.spawn(async move {
                while !closing.load(Ordering::Relaxed) {
                    let status = counted(&counts, reader.page("/").await)?;
                    ensure!(status == 200, "the home page is answered with {status}");
                    counted(&counts, reader.send(&ListListings { query: ListingQuery::default() }).await)?;
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(())
            });
        }
        Ok(Self { closing, counts, tasks })
    }

    /// Sends them away; how many requests and purchases there were, of which none failed.
    pub(super) async fn leave(mut self) -> Result<(u64, u64)> {
        self.closing.store(true, Ordering::Relaxed);
        while let Some(outcome) = self.tasks.join_next().await {
            outcome??;
        }
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        let (requests, purchases) = (count(&self.counts.requests), count(&self.counts.purchases));
        ensure!(purchases > 0, "nobody bought anything");
        Ok((requests, purchases))
    }
}

impl Pair {
    async fn sign_up(cluster: &Cluster, way: &Way) -> Result<Self> {
        let person = async |name: &str| {
            let session = Session::through(way.client()?, &cluster.overlay.shop)?;
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos();
            let email = format!("{}-{now}@example.com", name.to_lowercase());
            session.send(&sign_up(&email, "a long enough secret", name)).await?;
            anyhow::Ok(session)
        };
        Ok(Self { seller: person("Mara").await?, buyer: person("Ben").await? })
    }

    /// Lists a ticket, holds it and pays; the order's id, once it is completed.
    async fn trade(&self, counts: &Counts) -> Result<OrderId> {
        let listing = listing("Carmen", "Opera House", "2099-03-01T19:00:00Z", 8900)?;
        let (city, time_zone) = (Text::non_blank("Lyon"), Text::non_blank("Europe/Paris"));
        let listing = CreateListing { body: NewListing { city, time_zone, ..listing } };
        let wanted = order(counted(counts, self.seller.send(&listing).await)?.id);
        let began = Instant::now();
        let id = loop {
            match counted(counts, self.buyer.send(&wanted).await) {
                Ok(order) => break order.id,
                // orders may not have heard of the listing yet.
                Err(error) if status_of(&error) == Some(404) => {
                    ensure!(began.elapsed() < PATIENCE, "orders does not know the listing after {PATIENCE:?}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => return Err(error),
            }
        };
        self.waits(counts, id, OrderStatus::AwaitingPayment).await?;
        counted(counts, self.buyer.send(&payment(id, "pm_card_visa")).await)?;
        self.waits(counts, id, OrderStatus::Completed).await?;
        Ok(id)
    }

    async fn waits(&self, counts: &Counts, id: OrderId, status: OrderStatus) -> Result<()> {
        let began = Instant::now();
        loop {
            let now = counted(counts, self.buyer.send(&ReadOrder { id }).await)?.status;
            if now == status {
                return Ok(());
            }
            ensure!(began.elapsed() <= PATIENCE, "{id:?} is {now:?} and not {status:?} after {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The answer; an error says which request it was of all.
fn counted<T>(counts: &Counts, answer: Result<T>) -> Result<T> {
    let number = counts.requests.fetch_add(1, Ordering::Relaxed);
    answer.with_context(|| format!("request {number}"))
}
