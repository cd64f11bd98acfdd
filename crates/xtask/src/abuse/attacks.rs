//! The attacks: each goes on until the innocent have bought what they came for, and is bounded by itself.

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
use super::shop::Shop;
use crate::client::{Session, order, payment, status_of};

/// The attack that is measured most closely.
pub(super) const FLOOD: &str = "200 requests a second";
/// What one account may do in a minute, as it is unless somebody says otherwise.
const ORDERS: u64 = 60;
const PAYMENTS: u64 = 30;
/// How many tickets one account may hold at once.
const HOLDS: usize = 5;
/// How long a request's head may take, and how much later a connection is surely closed.
const HEAD: Duration = Duration::from_secs(10);
const SLACK: Duration = Duration::from_secs(10);
/// No attack goes on for longer.
const LONGEST: Duration = Duration::from_secs(120);

/// What an attack has seen.
pub(super) struct Attacked {
    pub(super) seen: String,
    pub(super) faults: Vec<String>,
}

type Attack = for<'a> fn(&'a Shop, watch::Receiver<bool>) -> BoxFuture<'a, Result<Attacked>>;

/// All of them, in the order in which they are tried.
pub(super) fn all() -> [(&'static str, Attack); 7] {
    [
        ("nonsense payments on one order", |shop, stop| Box::pin(nonsense_payments(shop, stop))),
        ("holding and cancelling", |shop, stop| Box::pin(holding_and_cancelling(shop, stop))),
        ("one buyer holds everything", |shop, _| Box::pin(holding_everything(shop))),
        (FLOOD, |shop, stop| Box::pin(flood(shop, stop))),
        ("webhook headers full of signatures", |shop, stop| Box::pin(webhook_headers(shop, stop))),
        ("invented methods", |shop, _| Box::pin(invented_methods(shop))),
        ("heads that drip", |shop, _| Box::pin(dripping_heads(shop))),
    ]
}

/// How many answers had which status.
#[derive(Debug, Default, Clone)]
struct Tally(Arc<Mutex<BTreeMap<u16, u64>>>);

impl Tally {
    fn add(&self, status: u16) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default() += 1;
    }

    fn count(&self, which: impl Fn(u16) -> bool) -> u64 {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().filter(|(status, _)| which(**status)).map(|(_, count)| count).sum()
    }

    fn told(&self) -> String {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told: Vec<_> = counts.iter().map(|(status, count)| format!("{count} × {status}")).collect();
        told.join(", ")
    }

    /// Nothing an attacker sends is a fault of ours.
    fn faults(&self) -> Vec<String> {
        let failed = self.count(|status| status >= 500 && status != 503);
        if failed == 0 { Vec::new() } else { vec![format!("{failed} answers were a fault of the shop")] }
    }
}

/// The largest number of one-minute rate-limit windows that a run of this length can touch.
fn minutes(elapsed: Duration) -> u64 {
    elapsed.as_secs() / 60 + 2
}

fn is_over(stop: &watch::Receiver<bool>, began: Instant) -> bool {
    *stop.borrow() || began.elapsed() > LONGEST
}

/// The status of the response, whatever it is.
async fn status<E: Endpoint>(session: &Session, request: &E) -> Result<u16> {
    Ok(session.exchange(request).await?.0)
}

async fn nonsense_payments(shop: &Shop, stop: watch::Receiver<bool>) -> Result<Attacked> {
    let (attacker, tickets) = (shop.person().await?, shop.tickets(1).await?);
    let id = attacker.send_patiently(&order(*tickets.first().context("a ticket")?)).await?.id;
    attacker.wait_for(id, OrderStatus::AwaitingPayment).await?;
    let (tally, began, number) = (Tally::default(), Instant::now(), AtomicU64::new(0));
    join_all((0..8).map(async |_| {
        while !is_over(&stop, began) {
            let method = format!("pm_nonsense{}", number.fetch_add(1, Ordering::Relaxed));
            if let Ok(status) = status(&attacker, &payment(id, &method)).await {
                tally.add(status);
            }
        }
    }))
    .await;
    let mut faults = tally.faults();
    let taken = tally.count(|status| status != 429);
    if taken > PAYMENTS * minutes(began.elapsed()) {
        faults.push(format!("{taken} payments on one order were tried"));
    }
    Ok(Attacked { seen: tally.told(), faults })
}

async fn holding_and_cancelling(shop: &Shop, stop: watch::Receiver<bool>) -> Result<Attacked> {
    let (attacker, tickets) = (shop.person().await?, shop.tickets(4).await?);
    let (tally, began) = (Tally::default(), Instant::now());
    join_all(tickets.iter().map(async |ticket| {
        let hold = order(*ticket);
        while !is_over(&stop, began) {
            let Ok((status, answer)) = attacker.exchange(&hold).await else { continue };
            tally.add(status);
            if let Ok(order) = answer {
                attacker.send(&CancelOrder { id: order.id }).await.ok();
            }
        }
    }))
    .await;
    let mut faults = tally.faults();
    let held = tally.count(|status| status == 201);
    if held > ORDERS * minutes(began.elapsed()) {
        faults.push(format!("{held} holds by one buyer"));
    }
    Ok(Attacked { seen: tally.told(), faults })
}

async fn holding_everything(shop: &Shop) -> Result<Attacked> {
    let (attacker, tickets) = (shop.person().await?, shop.tickets(30).await?);
    let tally = Tally::default();
    join_all(tickets.iter().map(async |ticket| {
        let answer = attacker.send_patiently(&order(*ticket)).await;
        tally.add(answer.map_or_else(|error| status_of(&error).unwrap_or(0), |_| 201));
    }))
    .await;
    let mine = attacker.send(&ListOrders { query: PageQuery { limit: Some(100), cursor: None } }).await?;
    let open = mine.items.iter().filter(|order| !order.status.is_final()).count();
    let mut faults = tally.faults();
    if open > HOLDS {
        faults.push(format!("one buyer holds {open} of {} tickets", tickets.len()));
    }
    Ok(Attacked { seen: format!("{}; {open} held", tally.told()), faults })
}

async fn flood(shop: &Shop, stop: watch::Receiver<bool>) -> Result<Attacked> {
    let (attacker, tickets) = (shop.person().await?, shop.tickets(1).await?);
    let ticket = *tickets.first().context("a ticket")?;
    let (tally, began) = (Tally::default(), Instant::now());
    // Sent when its time has come, whether or not the last was answered; only so many wait at once.
    let room = Arc::new(Semaphore::new(400));
    let mut requests = JoinSet::new();
    let mut clock = tokio::time::interval(Duration::from_millis(5));
    let mut number = 0_u64;
    while !is_over(&stop, began) {
        clock.tick().await;
        number += 1;
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { continue };
        let (attacker, tally) = (attacker.clone(), tally.clone());
        requests.spawn(async move {
            let _permit = permit;
            let status = match number % 5 {
                0 => status(&attacker, &order(ticket)).await,
                1 => {
                    let query = ListingQuery { limit: Some(100), ..ListingQuery::default() };
                    status(&attacker, &ListListings { query }).await
                }
                2 => attacker.page("/").await,
                3 => status(&attacker, &payment(OrderId::from_uuid(ticket.as_uuid()), "pm_card_visa")).await,
                _ => status(&attacker, &ListOrders { query: PageQuery::default() }).await,
            };
            if let Ok(status) = status {
                tally.add(status);
            }
        });
        while requests.try_join_next().is_some() {}
    }
    let rate = number / began.elapsed().as_secs().max(1);
    requests.join_all().await;
    let mut faults = tally.faults();
    if tally.count(|status| status == 429) == 0 {
        faults.push("nothing was refused".to_owned());
    }
    Ok(Attacked { seen: format!("{rate} a second: {}", tally.told()), faults })
}

async fn webhook_headers(shop: &Shop, stop: watch::Receiver<bool>) -> Result<Attacked> {
    let address = shop.url.trim_start_matches("http://");
    let body = "x".repeat(512 << 10);
    let now = jiff::Timestamp::now().as_second();
    let signatures = "v1=00,".repeat((8 << 10) / 6);
    let request = format!(
        "POST /api/payments/webhooks/stripe HTTP/1.1\r\nhost: localhost\r\nstripe-signature: t={now},{signatures}\r\n\
         content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (tally, began, longest) = (Tally::default(), Instant::now(), Mutex::new(Duration::ZERO));
    join_all((0..2).map(async |_| {
        while !is_over(&stop, began) {
            let asked = Instant::now();
            tally.add(raw::status(address, request.as_bytes()).await.unwrap_or(0));
            {
                let mut longest = longest.lock().unwrap_or_else(PoisonError::into_inner);
                *longest = longest.max(asked.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }))
    .await;
    let longest = longest.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut faults = tally.faults();
    if tally.count(|status| status != 400) > 0 {
        faults.push("not all were refused as malformed".to_owned());
    }
    if longest > Duration::from_secs(1) {
        faults.push(format!("one was refused after {} ms", longest.as_millis()));
    }
    Ok(Attacked { seen: format!("{}, the slowest after {} ms", tally.told(), longest.as_millis()), faults })
}

async fn invented_methods(shop: &Shop) -> Result<Attacked> {
    let tally = Tally::default();
    let public = shop.addresses();
    for number in 0..100 {
        for (_, address) in public.iter().step_by(2) {
            let request = format!(
                "BREW{number} /invented{number} HTTP/1.1\r\nhost: invented{number}\r\nconnection: close\r\n\r\n"
            );
            tally.add(raw::status(address, request.as_bytes()).await.unwrap_or(0));
        }
    }
    let metrics = shop.metrics().await?;
    let mut faults = tally.faults();
    let invented = metrics.lines().filter(|line| line.contains("BREW") || line.contains("invented")).count();
    if invented > 0 {
        faults.push(format!("{invented} series of what was invented"));
    }
    let series = metrics.lines().filter(|line| !line.starts_with('#')).count();
    Ok(Attacked { seen: format!("{}; {series} series in all", tally.told()), faults })
}

async fn dripping_heads(shop: &Shop) -> Result<Attacked> {
    let addresses = shop.addresses();
    let all = addresses.iter().flat_map(|address| std::iter::repeat_n(address, 20));
    let ends =
        join_all(all.map(async |(service, address)| (*service, raw::drips(address, HEAD + SLACK * 2).await))).await;
    let mut faults = Vec::new();
    let (mut longest, mut count) = (Duration::ZERO, 0);
    for (service, end) in ends {
        let took = end.with_context(|| format!("{service} takes no connection"))?;
        count += 1;
        longest = longest.max(took);
    }
    if longest > HEAD + SLACK {
        faults.push(format!("a head was waited for longer than {} s", (HEAD + SLACK).as_secs()));
    }
    Ok(Attacked { seen: format!("{count} connections, the last closed after {} s", longest.as_secs()), faults })
}
