//! The attacks. Meanwhile a control buyer, an honest user, buys tickets, and must not be slowed down much. Each attack
//! runs until that buyer has finished or its own time limit has passed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use common::api::Endpoint;
use common::api::orders::{CancelOrder, ListOrders};
use common::api::page::PageQuery;
use common::api::tickets::{ListListings, ListingQuery};
use common::events::order::OrderStatus;
use common::id::OrderId;
use futures::future::{BoxFuture, join_all};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::raw;
use super::target::Target;
use crate::client::{Session, order, payment, status_of};

/// Name of the flood, which has a stricter slowdown limit than the other attacks.
pub(super) const FLOOD: &str = "200 requests a second";
/// The default limit of payments of one account, per minute.
const PAYMENTS: u64 = 30;
/// The number of payment methods that may be tried for one order.
const ATTEMPTS: u64 = 10;
/// The number of holds of one listing by one buyer that may end within an hour.
const HOLDS_PER_LISTING: usize = 3;
/// Rate in requests per second that the flood must reach. At a lower rate, the attack would prove nothing.
const MIN_FLOOD_RATE: f64 = 150.0;
/// The number of holds that one account may have at once.
const HOLDS: usize = 5;
/// How long a client may take to send a request's headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How soon after that timeout the connection must be closed.
const TOLERANCE: Duration = Duration::from_secs(10);
/// Time limit of every attack.
const MAX_DURATION: Duration = Duration::from_secs(120);

/// The result of an attack.
pub(super) struct AttackReport {
    pub(super) summary: String,
    pub(super) violations: Vec<String>,
}

type Attack = for<'a> fn(&'a Target, watch::Receiver<bool>) -> BoxFuture<'a, Result<AttackReport>>;

/// All attacks in the order in which they run.
pub(super) fn all() -> [(&'static str, Attack); 7] {
    [
        ("invalid payments of one order", |target, stop| Box::pin(invalid_payments(target, stop))),
        ("holding and cancelling", |target, stop| Box::pin(holding_and_cancelling(target, stop))),
        ("one buyer holds everything", |target, _| Box::pin(holding_everything(target))),
        (FLOOD, |target, stop| Box::pin(flood(target, stop))),
        ("webhook headers with many signatures", |target, stop| Box::pin(webhook_headers(target, stop))),
        ("unknown HTTP methods", |target, _| Box::pin(unknown_methods(target))),
        ("slow headers (slowloris)", |target, _| Box::pin(slowloris(target))),
    ]
}

/// Counts responses by status; status 0 stands for no response.
#[derive(Debug, Default, Clone)]
struct Tally(Arc<Mutex<BTreeMap<u16, u64>>>);

impl Tally {
    fn add(&self, status: u16) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default() += 1;
    }

    fn count(&self, matches: impl Fn(u16) -> bool) -> u64 {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().filter(|(status, _)| matches(**status)).map(|(_, count)| count).sum()
    }

    fn summary(&self) -> String {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counts: Vec<_> = counts.iter().map(|(status, count)| format!("{count} × {status}")).collect();
        counts.join(", ")
    }

    /// Creates the report. No attack may cause a server error other than 503; `checks` are further guarantees, each
    /// with whether it is violated.
    fn report<const N: usize>(&self, summary: String, checks: [(bool, String); N]) -> AttackReport {
        let failed = self.count(|status| status >= 500 && status != 503);
        let server_errors = (failed > 0, format!("{failed} responses were server errors"));
        let violated = [server_errors].into_iter().chain(checks).filter(|(is_violated, _)| *is_violated);
        AttackReport { summary, violations: violated.map(|(_, text)| text).collect() }
    }
}

/// Returns the maximum number of one-minute rate-limit windows that an attack of this duration overlaps.
fn rate_limit_windows(elapsed: Duration) -> u64 {
    elapsed.as_secs() / 60 + 2
}

fn is_over(stop: &watch::Receiver<bool>, started: Instant) -> bool {
    *stop.borrow() || started.elapsed() > MAX_DURATION
}

/// Sends a request and returns the status, even of an error.
async fn status<E: Endpoint>(session: &Session, request: &E) -> Result<u16> {
    Ok(session.exchange(request).await?.0)
}

async fn invalid_payments(target: &Target, stop: watch::Receiver<bool>) -> Result<AttackReport> {
    let (attacker, tickets) = (target.sign_up().await?, target.list_tickets(1).await?);
    let id = attacker.send_retrying(&order(*tickets.first().context("a ticket")?)).await?.id;
    attacker.wait_for(id, OrderStatus::AwaitingPayment).await?;
    let (tally, started, number) = (Tally::default(), Instant::now(), AtomicU64::new(0));
    join_all((0..8).map(async |_| {
        while !is_over(&stop, started) {
            let method = format!("pm_nonsense{}", number.fetch_add(1, Ordering::Relaxed));
            if let Ok(status) = status(&attacker, &payment(id, &method)).await {
                tally.add(status);
            }
        }
    }))
    .await;
    let accepted = tally.count(|status| status != 429);
    let is_violated = accepted > PAYMENTS * rate_limit_windows(started.elapsed());
    let rejected = tally.count(|status| status == 400);
    let checks = [
        (is_violated, format!("{accepted} payments of one order were attempted")),
        (rejected > ATTEMPTS, format!("{rejected} payment methods of one order were sent to the card network")),
    ];
    Ok(tally.report(tally.summary(), checks))
}

async fn holding_and_cancelling(target: &Target, stop: watch::Receiver<bool>) -> Result<AttackReport> {
    let (attacker, tickets) = (target.sign_up().await?, target.list_tickets(4).await?);
    let (tally, started) = (Tally::default(), Instant::now());
    join_all(tickets.iter().map(async |ticket| {
        let hold = order(*ticket);
        while !is_over(&stop, started) {
            let Ok((status, response)) = attacker.exchange(&hold).await else { continue };
            tally.add(status);
            if let Ok(order) = response {
                attacker.send(&CancelOrder { id: order.id }).await.ok();
            }
        }
    }))
    .await;
    let held = tally.count(|status| status == 201);
    let is_violated = held > (HOLDS_PER_LISTING * tickets.len()) as u64;
    Ok(tally.report(tally.summary(), [(is_violated, format!("one buyer created {held} holds"))]))
}

async fn holding_everything(target: &Target) -> Result<AttackReport> {
    let (attacker, tickets) = (target.sign_up().await?, target.list_tickets(30).await?);
    let tally = Tally::default();
    join_all(tickets.iter().map(async |ticket| {
        let response = attacker.send_retrying(&order(*ticket)).await;
        tally.add(response.map_or_else(|error| status_of(&error).unwrap_or(0), |_| 201));
    }))
    .await;
    let orders = attacker.send(&ListOrders { query: PageQuery { limit: Some(100), cursor: None } }).await?;
    let open = orders.items.iter().filter(|order| !order.status.is_final()).count();
    let violation = format!("one buyer holds {open} of {} tickets", tickets.len());
    Ok(tally.report(format!("{}; {open} held", tally.summary()), [(open > HOLDS, violation)]))
}

async fn flood(target: &Target, stop: watch::Receiver<bool>) -> Result<AttackReport> {
    let (attacker, tickets) = (target.sign_up().await?, target.list_tickets(1).await?);
    let ticket = *tickets.first().context("a ticket")?;
    let (tally, started) = (Tally::default(), Instant::now());
    // Send requests at a fixed rate without waiting for responses, but never have more than 400 in flight.
    let permits = Arc::new(Semaphore::new(400));
    let mut requests = JoinSet::new();
    let mut interval = tokio::time::interval(Duration::from_millis(5));
    let mut number = 0_u64;
    while !is_over(&stop, started) {
        interval.tick().await;
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else { continue };
        number += 1;
        let (attacker, tally) = (attacker.clone(), tally.clone());
        requests.spawn(async move {
            let _permit = permit;
            let status = match number % 5 {
                0 => status(&attacker, &order(ticket)).await,
                1 => {
                    let query = ListingQuery { limit: Some(100), ..ListingQuery::default() };
                    status(&attacker, &ListListings { query }).await
                }
                2 => attacker.page("/").await.map(|(status, _)| status),
                // No order has the ticket's id.
                3 => status(&attacker, &payment(OrderId::from_uuid(ticket.as_uuid()), "pm_card_visa")).await,
                _ => status(&attacker, &ListOrders { query: PageQuery::default() }).await,
            };
            if let Ok(status) = status {
                tally.add(status);
            }
        });
        while requests.try_join_next().is_some() {}
    }
    #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
    let rate = number as f64 / started.elapsed().as_secs_f64();
    requests.join_all().await;
    let is_unlimited = tally.count(|status| status == 429) == 0;
    let summary = format!("{rate:.0} a second: {}", tally.summary());
    let checks = [
        (is_unlimited, "no request was rate-limited".to_owned()),
        (rate < MIN_FLOOD_RATE, format!("only {rate:.0} requests a second were sent")),
    ];
    Ok(tally.report(summary, checks))
}

async fn webhook_headers(target: &Target, stop: watch::Receiver<bool>) -> Result<AttackReport> {
    let address = target.url.trim_start_matches("http://");
    let body = "x".repeat(512 << 10);
    let now = jiff::Timestamp::now().as_second();
    let signatures = "v1=00,".repeat((8 << 10) / 6);
    let request = format!(
        "POST /api/payments/webhooks/stripe HTTP/1.1\r\nhost: localhost\r\nstripe-signature: t={now},{signatures}\r\n\
         content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (tally, started, slowest) = (Tally::default(), Instant::now(), AtomicU64::new(0));
    join_all((0..2).map(async |_| {
        while !is_over(&stop, started) {
            let sent = Instant::now();
            tally.add(raw::status(address, request.as_bytes()).await.unwrap_or(0));
            let millis = u64::try_from(sent.elapsed().as_millis()).unwrap_or(u64::MAX);
            slowest.fetch_max(millis, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }))
    .await;
    let slowest = slowest.into_inner();
    let checks = [
        (tally.count(|status| status != 400) > 0, "not all requests were rejected as malformed".to_owned()),
        (slowest > 1_000, format!("a request was rejected only after {slowest} ms")),
    ];
    Ok(tally.report(format!("{}, the slowest after {slowest} ms", tally.summary()), checks))
}

/// Sends unknown methods, paths and hosts, which must not create metric series.
async fn unknown_methods(target: &Target) -> Result<AttackReport> {
    let tally = Tally::default();
    let addresses = target.addresses();
    for number in 0..100 {
        // Every third address is a public one; the others are those of the admin and the metrics servers.
        for (_, address) in addresses.iter().step_by(3) {
            let request = format!(
                "BREW{number} /invented{number} HTTP/1.1\r\nhost: invented{number}\r\nconnection: close\r\n\r\n"
            );
            tally.add(raw::status(address, request.as_bytes()).await.unwrap_or(0));
        }
    }
    let metrics = target.metrics().await?;
    let created = metrics.lines().filter(|line| line.contains("BREW") || line.contains("invented")).count();
    let total = metrics.lines().filter(|line| !line.starts_with('#')).count();
    let violation = format!("the requests created {created} metric series");
    Ok(tally.report(format!("{}; {total} metric series in total", tally.summary()), [(created > 0, violation)]))
}

async fn slowloris(target: &Target) -> Result<AttackReport> {
    let addresses = target.addresses();
    let connections = addresses.iter().flat_map(|address| std::iter::repeat_n(address, 20));
    let limit = HEADER_TIMEOUT + TOLERANCE;
    let results = connections.map(async |(service, address)| {
        let open = raw::send_slow_headers(address, limit + TOLERANCE).await;
        open.with_context(|| format!("{service} accepts no connection"))
    });
    let open: Vec<_> = join_all(results).await.into_iter().collect::<Result<_>>()?;
    let longest = open.iter().max().copied().unwrap_or_default();
    let summary = format!("{} connections, the last closed after {} s", open.len(), longest.as_secs());
    let violation = format!("a connection stayed open for more than {} s", limit.as_secs());
    Ok(Tally::default().report(summary, [(longest > limit, violation)]))
}
