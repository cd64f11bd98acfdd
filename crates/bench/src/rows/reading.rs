//! GETs.

use std::cell::Cell;

use anyhow::{Context as _, Result};
use http::StatusCode;

use super::{Row, Scale, rate};
use crate::http1::get;
use crate::load::closed;
use crate::report::{Figures, Listed};
use crate::shop::{CONNECTIONS, Shop};

pub(super) async fn one_ticket(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    shop.stock_tickets(scale.listings).await?;
    let paths: Vec<String> = shop.tickets.borrow().iter().map(|id| format!("/api/tickets/{id}")).collect();
    let mut connections = shop.connections("tickets", CONNECTIONS).await?;
    let turn = Cell::new(0);
    let row = rate(shop, scale, "one ticket", Some("tickets"), async |duration| {
        closed(&mut connections, duration, async |connection| {
            let path = paths.get(turn.get() % paths.len()).context("there are tickets")?;
            turn.set(turn.get() + 1);
            connection.send(get(path)?, StatusCode::OK).await?;
            Ok(true)
        })
        .await
    });
    figures.rates.insert((Row::OneTicket, 0), row.await?);
    Ok(())
}

pub(super) async fn first_page(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    shop.stock_tickets(scale.listings).await?;
    for (place, (rows, path)) in [(20, "/api/tickets"), (100, "/api/tickets?limit=100")].into_iter().enumerate() {
        let bytes = Cell::new(0);
        let mut connections = shop.connections("tickets", CONNECTIONS).await?;
        let work = format!("first page, {rows} rows");
        let row = rate(shop, scale, &work, Some("tickets"), async |duration| {
            closed(&mut connections, duration, async |connection| {
                bytes.set(connection.send(get(path)?, StatusCode::OK).await?.len());
                Ok(true)
            })
            .await
        });
        let mut row = row.await?;
        row.listed = Some(Listed { rows, bytes: bytes.get() });
        figures.rates.insert((Row::FirstPage, place), row);
    }
    Ok(())
}
