//! How long it takes until the ticket shows what was done to its order, as a user would look.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use common::api::tickets::ReadListing;
use common::events::ticket::TicketStatus;
use common::id::TicketId;
use tokio::time::Instant;

use super::scale::Scale;
use crate::figures::{Figures, Reached};
use crate::http1::Pool;
use crate::load::{Outcome, paced};
use crate::shop::{Order, Shop, order_of, payment_of};

const RATES: [u32; 3] = [50, 150, 500];
/// How many of those a second are watched: watching all would be most of the load.
const WATCHED: u32 = 25;
/// How often a watcher looks.
const POLL: Duration = Duration::from_millis(2);
/// Between two on an idle fleet.
const PAUSE: Duration = Duration::from_millis(20);
/// Far beyond what an overload of ten seconds needs to be worked off.
const PATIENCE: Duration = Duration::from_secs(180);
const CONNECTIONS: usize = 256;

struct Watch<'a> {
    back_end: Pool,
    tickets: Pool,
    shop: &'a Shop,
}

impl<'a> Watch<'a> {
    fn new(shop: &'a Shop, service: &str) -> Result<Self> {
        let pool = |service| anyhow::Ok(Pool::new(shop.address(service)?, CONNECTIONS));
        Ok(Self { back_end: pool(service)?, tickets: pool("tickets")?, shop })
    }

    /// Orders a ticket; until when it is shown reserved, if that is watched.
    async fn order(&self, ticket: TicketId, watched: bool, scheduled: Instant) -> Result<Option<Duration>> {
        let cookie = self.shop.buyer(self.shop.ordered.get())?;
        let id = self.back_end.send(&order_of(ticket), Some(&cookie)).await?.id;
        self.shop.keep_order(Order { id, ticket, cookie });
        self.until(ticket, TicketStatus::Reserved, watched.then_some(scheduled)).await
    }

    /// Pays for an order; until when its ticket is shown sold, if that is watched.
    async fn pay(&self, order: &Order, watched: bool, scheduled: Instant) -> Result<Option<Duration>> {
        self.back_end.send(&payment_of(order), Some(&order.cookie)).await?;
        self.until(order.ticket, TicketStatus::Sold, watched.then_some(scheduled)).await
    }

    async fn until(&self, id: TicketId, status: TicketStatus, since: Option<Instant>) -> Result<Option<Duration>> {
        let Some(since) = since else { return Ok(None) };
        loop {
            let shown = self.tickets.send(&ReadListing { id }, None).await?.status;
            if shown == status {
                return Ok(Some(since.elapsed()));
            }
            ensure!(since.elapsed() < PATIENCE, "{id:?} is {shown:?} and not {status:?} after {PATIENCE:?}");
            tokio::time::sleep(POLL).await;
        }
    }
}

pub(super) async fn reserved(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    let watch = Watch::new(shop, "orders")?;
    let order = async |ticket, watched, scheduled| watch.order(ticket, watched, scheduled).await;
    let stock = async |count| {
        shop.stock_tickets(count).await?;
        Ok(take(&mut shop.tickets.borrow_mut(), count))
    };
    figures.reserved = reached(shop, scale, stock, order).await?;
    Ok(())
}

pub(super) async fn sold(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    let watch = Watch::new(shop, "payments")?;
    let pay = async |order: Order, watched, scheduled| watch.pay(&order, watched, scheduled).await;
    let stock = async |count| {
        shop.stock_orders(count).await?;
        Ok(take(&mut shop.orders.borrow_mut(), count))
    };
    figures.sold = reached(shop, scale, stock, pay).await?;
    Ok(())
}

fn take<T>(stock: &mut Vec<T>, count: usize) -> Vec<T> {
    stock.split_off(stock.len().saturating_sub(count))
}

/// On an idle fleet, one after the other; then at each rate.
async fn reached<T>(
    shop: &Shop,
    scale: &Scale,
    stock: impl AsyncFn(usize) -> Result<Vec<T>>,
    act: impl AsyncFn(T, bool, Instant) -> Result<Option<Duration>>,
) -> Result<Vec<Reached>> {
    // Connections, caches and the services' own pools: as in all rows, the first ones do not count.
    for item in stock(scale.idle_orders / 4).await? {
        act(item, true, Instant::now()).await?;
    }
    let mut idle = Outcome::default();
    for item in stock(scale.idle_orders).await? {
        tokio::time::sleep(PAUSE).await;
        idle.count += 1;
        if let Some(took) = act(item, true, Instant::now()).await.context("idle")? {
            idle.latencies.record(took);
        }
    }
    let mut all = vec![Reached { rate: None, outcome: idle }];
    for rate in RATES {
        let items = stock(rate as usize * scale.arrivals).await?;
        let every = rate.div_ceil(WATCHED) as usize;
        let numbered: Vec<(usize, T)> = items.into_iter().enumerate().collect();
        let act = async |(index, item): (usize, T), at| act(item, index % every == 0, at).await;
        let outcome = paced(numbered, rate, act).await.with_context(|| format!("{rate} a second"))?;
        all.push(Reached { rate: Some(rate), outcome });
        shop.processes()?.wait_until_idle().await?;
    }
    Ok(all)
}
