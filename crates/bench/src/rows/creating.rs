//! POSTs of tickets and orders.

use std::time::Duration;

use anyhow::Result;

use super::scale::Scale;
use crate::figures::{Figures, Row};
use crate::load::closed;
use crate::shop::{CONNECTIONS, Shop};

pub(super) async fn tickets(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    let mut connections = shop.connections("tickets", CONNECTIONS).await?;
    let row = scale.rate(shop, "creating a ticket", Some("tickets"), async |duration| {
        closed(&mut connections, duration, async |connection| {
            let ticket = shop.list_next(connection).await?;
            shop.tickets.borrow_mut().push(ticket);
            Ok(true)
        })
        .await
    });
    figures.rates.insert((Row::CreateTicket, 0), row.await?);
    Ok(())
}

pub(super) async fn orders(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    shop.stock_tickets(scale.stock).await?;
    let order = async |duration| shop.order(usize::MAX, duration).await;
    let row = scale.rate(shop, "creating an order", Some("orders"), order).await?;
    figures.rates.insert((Row::CreateOrder, 0), row);
    Ok(())
}

pub(super) async fn orders_grown(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    let missing = scale.earlier_orders.saturating_sub(shop.ordered.get());
    shop.stock_tickets(scale.stock + missing).await?;
    shop.order(missing, Duration::MAX).await?;
    let work = format!("creating an order, {} earlier ones", shop.ordered.get());
    let order = async |duration| shop.order(usize::MAX, duration).await;
    let row = scale.rate(shop, &work, Some("orders"), order).await?;
    figures.rates.insert((Row::CreateOrderGrown, 0), row);
    Ok(())
}
