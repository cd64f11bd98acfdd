//! POSTs of payments.

use anyhow::{Result, ensure};
use common::events::payment::PaymentStatus;

use super::scale::Scale;
use crate::figures::{Figures, Row};
use crate::load::closed;
use crate::shop::{CONNECTIONS, Shop, payment_of};

pub(super) async fn pay(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    shop.stock_orders(scale.stock / 2).await?;
    let mut connections = shop.connections("payments", CONNECTIONS).await?;
    let row = scale.rate(shop, "paying", Some("payments"), async |duration| {
        closed(&mut connections, duration, async |connection| {
            let order = shop.orders.borrow_mut().pop();
            let Some(order) = order else { return Ok(false) };
            let paid = connection.send(&payment_of(&order), Some(&order.cookie)).await?;
            ensure!(matches!(paid.status, PaymentStatus::Authorized | PaymentStatus::Captured), "{:?}", paid.status);
            Ok(true)
        })
        .await
    });
    figures.rates.insert((Row::Pay, 0), row.await?);
    Ok(())
}
