//! POSTs of tickets and orders.

use std::time::Duration;

use anyhow::Result;
use http::StatusCode;

use super::{Row, Scale, rate};
use crate::load::closed;
use crate::report::Figures;
use crate::shop::{CONNECTIONS, Entity, Shop};

pub(super) async fn tickets(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    let mut connections = shop.connections("tickets", CONNECTIONS).await?;
    let row = rate(shop, scale, "creating a ticket", Some("tickets"), async |duration| {
        closed(&mut connections, duration, async |connection| {
            let body = connection.send(shop.listing()?, StatusCode::CREATED).await?;
            shop.tickets.borrow_mut().push(Entity::read(&body)?.id);
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
    let row = rate(shop, scale, "creating an order", Some("orders"), order).await?;
    figures.rates.insert((Row::CreateOrder, 0), row);
    Ok(())
}

pub(super) async fn orders_grown(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    let missing = scale.earlier_orders.saturating_sub(shop.ordered.get());
    shop.stock_tickets(scale.stock + missing).await?;
    shop.order(missing, Duration::MAX).await?;
    let work = format!("creating an order, {} earlier ones", shop.ordered.get());
    let order = async |duration| shop.order(usize::MAX, duration).await;
    let row = rate(shop, scale, &work, Some("orders"), order).await?;
    figures.rates.insert((Row::CreateOrderGrown, 0), row);
    Ok(())
}
