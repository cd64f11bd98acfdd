//! People who sell, buy and look around while something is done to the cluster. Nothing is repeated for them: an
//! answer that is an error of ours is a failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::Cluster;
use super::gateway::Way;
use crate::client::{Answer, Session, text};

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
pub(super) async fn sell_one(cluster: &Cluster, way: &Way) -> Result<(String, Duration)> {
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
                    for path in ["/", "/api/tickets"] {
                        counted(&counts, reader.get(path).await, &[200])?;
                    }
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
            let body = json!({ "email": email, "password": "a long enough secret", "displayName": name });
            session.post("/api/users/signup", &body).await?.expect(201)?;
            anyhow::Ok(session)
        };
        Ok(Self { seller: person("Mara").await?, buyer: person("Ben").await? })
    }

    /// Lists a ticket, holds it and pays; the order's id, once it is completed.
    async fn trade(&self, counts: &Counts) -> Result<String> {
        let listing = json!({
            "title": "Carmen", "venue": "Opera House", "city": "Lyon", "startsAt": "2099-03-01T19:00:00Z",
            "timeZone": "Europe/Paris", "price": { "amount": 8900, "currency": "EUR" },
        });
        let ticket = counted(counts, self.seller.post("/api/tickets", &listing).await, &[201])?;
        let wanted = json!({ "ticketId": text(&ticket, "id")? });
        let began = Instant::now();
        let order = loop {
            // orders may not have heard of the listing yet.
            let answer = counted(counts, self.buyer.post("/api/orders", &wanted).await, &[201, 404])?;
            if answer.get("ticket").is_some() {
                break answer;
            }
            ensure!(began.elapsed() < PATIENCE, "orders does not know the listing after {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let id = text(&order, "id")?.to_owned();
        let path = format!("/api/orders/{id}");
        self.waits(counts, &path, "awaitingPayment").await?;
        let payment = json!({ "orderId": id, "paymentMethod": "pm_card_visa" });
        counted(counts, self.buyer.post("/api/payments", &payment).await, &[201])?;
        self.waits(counts, &path, "completed").await?;
        Ok(id)
    }

    async fn waits(&self, counts: &Counts, path: &str, status: &str) -> Result<()> {
        let began = Instant::now();
        loop {
            let order = counted(counts, self.buyer.get(path).await, &[200])?;
            if text(&order, "status")? == status {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                bail!("{path} is {} and not {status} after {PATIENCE:?}", text(&order, "status")?);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The body of an answer that has one of these statuses.
fn counted(counts: &Counts, answer: Result<Answer>, expected: &[u16]) -> Result<Value> {
    let number = counts.requests.fetch_add(1, Ordering::Relaxed);
    let answer = answer.with_context(|| format!("request {number}"))?;
    if let Some(status) = expected.iter().find(|status| **status == answer.status) {
        return answer.expect(*status);
    }
    answer.expect(expected.first().copied().unwrap_or(200)).with_context(|| format!("request {number}"))
}
