//! The control buyer, whose purchases show how an attack slows other users down.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use common::events::order::OrderStatus;
use common::id::TicketId;

use super::target::Target;
use crate::client::{Session, order, payment};

/// Pause between two purchases, since a human buyer does not buy without a break.
const PAUSE: Duration = Duration::from_millis(100);
/// Purchases per account, few enough to stay below every rate limit.
const PURCHASES_PER_BUYER: usize = 10;

/// Buys `count` tickets one after the other and returns the median duration of a purchase.
pub(super) async fn buy(target: &Target, count: usize) -> Result<Duration> {
    let tickets = target.list_tickets(count).await?;
    let mut durations = Vec::with_capacity(count);
    for tickets in tickets.chunks(PURCHASES_PER_BUYER) {
        let buyer = target.sign_up().await?;
        for ticket in tickets {
            let started = Instant::now();
            let context = || format!("a purchase of the control buyer, after {:?}", started.elapsed());
            purchase(&buyer, *ticket).await.with_context(context)?;
            durations.push(started.elapsed());
            tokio::time::sleep(PAUSE).await;
        }
    }
    durations.sort_unstable();
    durations.get(durations.len() / 2).copied().context("nothing was bought")
}

async fn purchase(buyer: &Session, ticket: TicketId) -> Result<()> {
    let id = buyer.send_retrying(&order(ticket)).await?.id;
    buyer.send_retrying(&payment(id, "pm_card_visa")).await?;
    buyer.wait_for(id, OrderStatus::Completed).await
}
