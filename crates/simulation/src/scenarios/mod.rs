//! User scenarios, independent of the schedule.

pub mod deterministic;
pub mod racing;

use anyhow::Result;
use common::events::order::OrderStatus;
use common::id::{OrderId, TicketId};
use futures::future::BoxFuture;

use crate::users::{SimUser, Users};

/// What users do in one schedule.
#[derive(Clone, Copy)]
pub struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) run: fn(Users) -> BoxFuture<'static, Result<()>>,
}

/// Makes a table of scenarios from functions.
macro_rules! scenarios {
    ($($name:ident,)*) => {
        /// Every scenario of this kind.
        pub const ALL: &[super::Scenario] =
            &[$(super::Scenario { name: stringify!($name), run: |users| Box::pin($name(users)) },)*];
    };
}
use scenarios;

/// Lists a ticket and orders seats of it.
async fn list_and_order(seller: &SimUser, buyer: &SimUser) -> Result<(TicketId, OrderId)> {
    let ticket = seller.list_ticket("Jazz", 5_000).await?;
    Ok((ticket, confirmed_order(buyer, ticket).await?))
}

/// Orders seats and waits until the order is confirmed.
async fn confirmed_order(buyer: &SimUser, ticket: TicketId) -> Result<OrderId> {
    let order = buyer.order(ticket).await?;
    buyer.wait_for_order(order, OrderStatus::AwaitingPayment).await?;
    Ok(order)
}
