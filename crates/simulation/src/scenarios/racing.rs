//! Scenarios in which people are in each other's way: who wins is the schedule's business, and
//! whatever happens, nobody is cheated.

use anyhow::Result;
use common::events::order::OrderStatus;
use common::id::{OrderId, TicketId};
use futures::try_join;
use serde_json::json;

use super::scenarios;
use crate::fleet::{CAPTURE_RETRY_WINDOW, HOLD};
use crate::people::{Cast, DECLINED, Person, SECURE, VISA};

scenarios! {
    cancel_against_pay,
    expiry_against_pay,
    three_buyers_at_once,
    edit_against_order,
    withdraw_against_order,
    two_cards_at_once,
    secured_against_cancel,
    secured_against_expiry,
    secured_against_another_card,
    order_again_and_again,
    edits_against_many_orders,
    captures_fail,
}

async fn held(cast: &Cast) -> Result<(TicketId, OrderId)> {
    let ticket = cast.seller.lists("Jazz", 5_000).await?;
    let order = cast.ann.orders(ticket).await?;
    cast.ann.sees_order(order, OrderStatus::AwaitingPayment).await?;
    Ok((ticket, order))
}

async fn wants(buyer: &Person, ticket: TicketId, card: &str) -> Result<()> {
    if let Ok(order) = buyer.tries_to_order(ticket).await? {
        buyer.pays(order, card).await?;
    }
    Ok(())
}

async fn cancel_against_pay(cast: Cast) -> Result<()> {
    let (ticket, order) = held(&cast).await?;
    try_join!(cast.ann.pays(order, VISA), cast.ann.cancels(order), wants(&cast.ben, ticket, VISA))?;
    Ok(())
}

async fn expiry_against_pay(cast: Cast) -> Result<()> {
    let (ticket, order) = held(&cast).await?;
    let late = async {
        cast.stage.pause().await;
        cast.stage.time_passes(HOLD);
        wants(&cast.ben, ticket, VISA).await
    };
    try_join!(cast.ann.pays(order, VISA), late)?;
    Ok(())
}

async fn three_buyers_at_once(cast: Cast) -> Result<()> {
    let ticket = cast.seller.lists("Jazz", 5_000).await?;
    let [ann, ben, cleo] = [(&cast.ann, VISA), (&cast.ben, DECLINED), (&cast.cleo, SECURE)]
        .map(|(buyer, card)| wants(buyer, ticket, card));
    try_join!(ann, ben, cleo)?;
    Ok(())
}

async fn edit_against_order(cast: Cast) -> Result<()> {
    let ticket = cast.seller.lists("Jazz", 5_000).await?;
    let edits = async {
        cast.seller.edits(ticket, "Jazz", 6_000).await?;
        cast.seller.edits(ticket, "Jazz", 7_000).await
    };
    try_join!(edits, wants(&cast.ann, ticket, VISA), wants(&cast.ben, ticket, VISA))?;
    Ok(())
}

async fn withdraw_against_order(cast: Cast) -> Result<()> {
    let ticket = cast.seller.lists("Jazz", 5_000).await?;
    try_join!(cast.seller.withdraws(ticket), wants(&cast.ann, ticket, VISA), wants(&cast.ben, ticket, VISA))?;
    Ok(())
}

async fn two_cards_at_once(cast: Cast) -> Result<()> {
    let (_, order) = held(&cast).await?;
    let ann = &cast.ann;
    try_join!(ann.pays(order, VISA), ann.pays(order, SECURE), ann.pays(order, DECLINED))?;
    Ok(())
}

/// The buyer passes 3-D Secure, if it is still to be passed, and says so.
async fn passes(cast: &Cast, order: OrderId) -> Result<()> {
    let paid = cast.ann.pays(order, SECURE).await?;
    if paid.status == 202 {
        cast.stage.pause().await;
        let payment = paid.payment?;
        cast.stage.card_network.pass(payment.provider_ref.as_deref().unwrap_or_default()).await;
        cast.ann.refreshes(payment.id).await?;
    }
    Ok(())
}

async fn secured_against_cancel(cast: Cast) -> Result<()> {
    let (ticket, order) = held(&cast).await?;
    try_join!(passes(&cast, order), cast.ann.cancels(order), wants(&cast.ben, ticket, VISA))?;
    Ok(())
}

async fn secured_against_expiry(cast: Cast) -> Result<()> {
    let (ticket, order) = held(&cast).await?;
    let late = async {
        cast.stage.pause().await;
        cast.stage.pause().await;
        cast.stage.time_passes(HOLD);
        wants(&cast.ben, ticket, VISA).await
    };
    try_join!(passes(&cast, order), late)?;
    Ok(())
}

async fn secured_against_another_card(cast: Cast) -> Result<()> {
    let (_, order) = held(&cast).await?;
    try_join!(passes(&cast, order), cast.ann.pays(order, VISA))?;
    Ok(())
}

/// A buyer who changes their mind twice.
async fn hesitates(buyer: &Person, ticket: TicketId) -> Result<()> {
    for _ in 0..2 {
        if let Ok(order) = buyer.tries_to_order(ticket).await? {
            buyer.cancels(order).await?;
        }
    }
    wants(buyer, ticket, VISA).await
}

async fn order_again_and_again(cast: Cast) -> Result<()> {
    let ticket = cast.seller.lists("Jazz", 5_000).await?;
    try_join!(hesitates(&cast.ann, ticket), hesitates(&cast.ben, ticket), hesitates(&cast.cleo, ticket))?;
    Ok(())
}

async fn edits_against_many_orders(cast: Cast) -> Result<()> {
    let ticket = cast.seller.lists("Jazz", 5_000).await?;
    let edits = async {
        for price in [6_000, 7_000, 8_000, 9_000] {
            cast.seller.edits(ticket, "Jazz", price).await?;
        }
        anyhow::Ok(())
    };
    try_join!(edits, hesitates(&cast.ann, ticket), hesitates(&cast.ben, ticket))?;
    Ok(())
}

/// The card network takes no captures for longer than we are patient.
async fn captures_fail(cast: Cast) -> Result<()> {
    let (ticket, order) = held(&cast).await?;
    cast.stage.card_network.faults(&json!({ "error500BeforeWork": 1.0, "paths": ["/capture"] })).await;
    let late = async {
        cast.stage.pause().await;
        cast.stage.pause().await;
        cast.stage.time_passes(CAPTURE_RETRY_WINDOW);
        anyhow::Ok(())
    };
    try_join!(cast.ann.pays(order, VISA), late, wants(&cast.ben, ticket, VISA))?;
    Ok(())
}
