//! Somebody who only wants a ticket.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use common::events::order::OrderStatus;
use common::id::TicketId;

use super::shop::Shop;
use crate::client::{Session, order, payment};

/// Pause between two purchases, so that the buyer behaves like a person.
const PAUSE: Duration = Duration::from_millis(100);
/// How many tickets each buyer buys: below every rate limit.
const EACH: usize = 10;

/// Buys `count` tickets one after the other and returns the median duration of a purchase.
pub(super) async fn buys(shop: &Shop, count: usize) -> Result<Duration> {
    let tickets = shop.tickets(count).await?;
    let mut took = Vec::with_capacity(count);
    for some in tickets.chunks(EACH) {
        let buyer = shop.person().await?;
        for ticket in some {
            let began = Instant::now();
            purchase(&buyer, *ticket)
                .await
                .with_context(|| format!("an innocent purchase after {:?}", began.elapsed()))?;
            took.push(began.elapsed());
            tokio::time::sleep(PAUSE).await;
        }
    }
    took.sort_unstable();
    took.get(took.len() / 2).copied().context("nothing was bought")
}

/// From the wish to the ticket.
async fn purchase(buyer: &Session, ticket: TicketId) -> Result<()> {
    let id = buyer.send_patiently(&order(ticket)).await?.id;
    buyer.send_patiently(&payment(id, "pm_card_visa")).await?;
    buyer.wait_for(id, OrderStatus::Completed).await
}
