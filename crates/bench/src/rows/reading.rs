//! GETs. Responses are not parsed, which would take CPU from the fleet.

use std::cell::Cell;

use anyhow::{Context as _, Result};
use common::api::tickets::{ListListings, ListingQuery, ReadListing};

use super::scale::Scale;
use crate::figures::{Figures, Listed, Row};
use crate::http1::call;
use crate::load::closed;
use crate::shop::{CONNECTIONS, Shop};

pub(super) async fn one_ticket(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    shop.stock_tickets(scale.listings).await?;
    let calls = shop.tickets.borrow().iter().map(|&id| call(&ReadListing { id }, None)).collect::<Result<Vec<_>>>()?;
    let mut connections = shop.connections("tickets", CONNECTIONS).await?;
    let turn = Cell::new(0);
    let row = scale.rate(shop, "one ticket", Some("tickets"), async |duration| {
        closed(&mut connections, duration, async |connection| {
            let call = calls.get(turn.get() % calls.len()).context("there are tickets")?;
            turn.set(turn.get() + 1);
            connection.fetch(call.clone()).await?;
            Ok(true)
        })
        .await
    });
    figures.rates.insert((Row::OneTicket, 0), row.await?);
    Ok(())
}

pub(super) async fn first_page(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    shop.stock_tickets(scale.listings).await?;
    for (place, (rows, limit)) in [(20, None), (100, Some(100))].into_iter().enumerate() {
        let call = call(&ListListings { query: ListingQuery { limit, ..ListingQuery::default() } }, None)?;
        let bytes = Cell::new(0);
        let mut connections = shop.connections("tickets", CONNECTIONS).await?;
        let work = format!("first page, {rows} rows");
        let row = scale.rate(shop, &work, Some("tickets"), async |duration| {
            closed(&mut connections, duration, async |connection| {
                bytes.set(connection.fetch(call.clone()).await?.len());
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
