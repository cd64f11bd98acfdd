//! Traders and readers that use the shop while the cluster changes. Nothing is retried for them: any server error
//! fails the test.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use common::api::tickets::{CreateListing, ListListings, ListingQuery, NewListing};
use common::events::order::OrderStatus;
use common::id::OrderId;
use common::text::Text;
use tokio::task::JoinSet;

use super::Cluster;
use super::gateway::GatewayForward;
use crate::client::{Session, listing, order, payment};

const TRADERS: usize = 3;
const READERS: usize = 3;

/// Pause between requests. The load shows errors, not throughput, and a cluster may be small.
const PAUSE: Duration = Duration::from_millis(200);

/// A seller, and a buyer of the seller's tickets.
struct Traders {
    seller: Session,
    buyer: Session,
}

/// Buyers and readers that send requests in the background until they are stopped.
pub(super) struct Load {
    stopping: Arc<AtomicBool>,
    sessions: Vec<Session>,
    purchases: Arc<AtomicU64>,
    tasks: JoinSet<Result<()>>,
}

/// Sells one ticket to a new buyer. Returns the id of the completed order and the duration since before the sign-ups.
pub(super) async fn sell_one(cluster: &Cluster, gateway: &GatewayForward) -> Result<(OrderId, Duration)> {
    let started = Instant::now();
    let order = Traders::sign_up(cluster, gateway).await?.sell().await?;
    Ok((order, started.elapsed()))
}

impl Load {
    pub(super) async fn start(cluster: &Cluster, gateway: &GatewayForward) -> Result<Self> {
        let (stopping, purchases) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (mut tasks, mut sessions) = (JoinSet::new(), Vec::new());
        for _ in 0..TRADERS {
            let traders = Traders::sign_up(cluster, gateway).await?;
            sessions.extend([traders.seller.clone(), traders.buyer.clone()]);
            let (stopping, purchases) = (Arc::clone(&stopping), Arc::clone(&purchases));
            tasks.spawn(async move {
                while !stopping.load(Ordering::Relaxed) {
                    traders.sell().await?;
                    purchases.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(())
            });
        }
        for _ in 0..READERS {
            let reader = Session::with_client(gateway.client()?, &cluster.overlay.shop)?;
            sessions.push(reader.clone());
            let stopping = Arc::clone(&stopping);
            tasks.spawn(async move {
                while !stopping.load(Ordering::Relaxed) {
                    let status = reader.page("/").await?;
                    ensure!(status == 200, "the home page returned {status}");
                    reader.send(&ListListings { query: ListingQuery::default() }).await?;
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(())
            });
        }
        Ok(Self { stopping, sessions, purchases, tasks })
    }

    /// Stops the load and returns the numbers of requests and purchases, none of which failed.
    pub(super) async fn stop(mut self) -> Result<(u64, u64)> {
        self.stopping.store(true, Ordering::Relaxed);
        while let Some(outcome) = self.tasks.join_next().await {
            outcome??;
        }
        let purchases = self.purchases.load(Ordering::Relaxed);
        ensure!(purchases > 0, "nothing was bought");
        Ok((self.sessions.iter().map(Session::request_count).sum(), purchases))
    }
}

impl Traders {
    async fn sign_up(cluster: &Cluster, gateway: &GatewayForward) -> Result<Self> {
        let user = async |name| Session::sign_up(gateway.client()?, &cluster.overlay.shop, name).await;
        Ok(Self { seller: user("Mara").await?, buyer: user("Ben").await? })
    }

    /// Lists a ticket, orders it and pays. Returns the id of the completed order.
    async fn sell(&self) -> Result<OrderId> {
        let listing = listing("Carmen", "Opera House", "2099-03-01T19:00:00Z", 8900)?;
        let (city, time_zone) = (Text::non_blank("Lyon"), Text::non_blank("Europe/Paris"));
        let listing = CreateListing { body: NewListing { city, time_zone, ..listing } };
        let ticket = self.seller.send(&listing).await?.id;
        // The listing may not have reached orders yet.
        let id = self.buyer.send_while(&[404], &order(ticket)).await?.id;
        self.buyer.wait_for(id, OrderStatus::AwaitingPayment).await?;
        self.buyer.send(&payment(id, "pm_card_visa")).await?;
        self.buyer.wait_for(id, OrderStatus::Completed).await?;
        Ok(id)
    }
}
