//! Scenarios that end in one way alone: everybody waits for the state in which what they do next is
//! possible, and what two people do at the same time is none of the other's business.

use anyhow::{Result, ensure};
use common::api::orders::Order;
use common::events::order::{CancelReason, OrderStatus};
use common::events::payment::PaymentStatus;
use common::events::ticket::{RefusalReason, TicketStatus};
use common::id::{OrderId, TicketId};
use futures::try_join;

use super::scenarios;
use crate::fleet::HOLD;
use crate::people::{Cast, DECLINED, Person, SECURE, VISA};

scenarios! {
    bought,
    cancelled_then_bought_by_another,
    cancelled_unconfirmed_then_bought_by_another,
    declined_then_another_card,
    expired_then_bought,
    secured_then_bought,
    secured_then_given_up_for_another_card,
    secured_then_cancelled,
    secured_then_expired,
    edited_then_refused,
    withdrawn_then_refused,
    withdrawn_after_release,
    edited_after_release,
    two_tickets_with_three_buyers,
    many_who_change_their_minds,
}

async fn buys(buyer: &Person, ticket: TicketId) -> Result<()> {
    let order = buyer.orders(ticket).await?;
    buyer.sees_order(order, OrderStatus::AwaitingPayment).await?;
    buyer.pays_and_gets(order, VISA, 201).await?;
    buyer.sees_order(order, OrderStatus::Completed).await?;
    buyer.sees_ticket(ticket, TicketStatus::Sold).await?;
    Ok(())
}

async fn holds(buyer: &Person, ticket: TicketId) -> Result<OrderId> {
    let order = buyer.orders(ticket).await?;
    buyer.sees_order(order, OrderStatus::AwaitingPayment).await?;
    Ok(order)
}

fn refused_for(order: &Order) -> Option<RefusalReason> {
    order.refusal.as_ref().map(|refusal| refusal.reason)
}

async fn bought(Cast { seller, ann, .. }: Cast) -> Result<()> {
    let ticket = seller.lists("Jazz", 5_000).await?;
    let renamed = async {
        ann.renames("Anna").await?;
        ann.renames("Ann").await
    };
    try_join!(buys(&ann, ticket), renamed)?;
    Ok(())
}

async fn cancelled_then_bought_by_another(Cast { seller, ann, ben, .. }: Cast) -> Result<()> {
    let ticket = seller.lists("Jazz", 5_000).await?;
    let order = holds(&ann, ticket).await?;
    ensure!(ann.cancels(order).await?, "an unpaid order can be cancelled");
    buys(&ben, ticket).await
}

async fn cancelled_unconfirmed_then_bought_by_another(Cast { seller, ann, ben, .. }: Cast) -> Result<()> {
    let ticket = seller.lists("Jazz", 5_000).await?;
    let order = ann.orders(ticket).await?;
    ensure!(ann.cancels(order).await?, "an unconfirmed order can be cancelled");
    buys(&ben, ticket).await
}

async fn declined_then_another_card(Cast { seller, ann, .. }: Cast) -> Result<()> {
    let ticket = seller.lists("Jazz", 5_000).await?;
    let order = holds(&ann, ticket).await?;
    ann.pays_and_gets(order, DECLINED, 402).await?;
    ann.pays_and_gets(order, VISA, 201).await?;
    ann.sees_order(order, OrderStatus::Completed).await?;
    Ok(())
}

async fn expired_then_bought(Cast { seller, ann, ben, stage, .. }: Cast) -> Result<()> {
    let ticket = seller.lists("Jazz", 5_000).await?;
    let order = holds(&ann, ticket).await?;
    stage.time_passes(HOLD);
    let order = ann.sees_order(order, OrderStatus::Cancelled).await?;
    ensure!(order.cancel_reason == Some(CancelReason::Expired), "{order:?}");
    buys(&ben, ticket).await
}

async fn secured_then_bought(Cast { seller, ann, stage, .. }: Cast) -> Result<()> {
    let ticket = seller.lists("Jazz", 5_000).await?;
    let order = holds(&ann, ticket).await?;
    let payment = ann.pays_and_gets(order, SECURE, 202).await?.payment?;
    let intent = payment.provider_ref.as_deref().unwrap_or_default();
    ensure!(stage.card_network.pass(intent).await, "the challenge stands");
    ann.refreshes(payment.id).await?;
    ann.sees_order(order, OrderStatus::Completed).await?;
    Ok(())
}

async fn secured_then_given_up_for_another_card(Cast { seller, ann, .. }: Cast) -> Result<()> {
    let ticket = seller.lists("Jazz", 5_000).await?;
    let order = holds(&ann, ticket).await?;
    ann.pays_and_gets(order, SECURE, 202).await?;
    ann.pays_and_gets(order, VISA, 201).await?;
    ann.sees_order(order, OrderStatus::Completed).await?;
    Ok(())
}

async fn secured_then_cancelled(Cast { seller, ann, ben, .. }: Cast) -> Result<()> {
    let ticket = seller.lists("Jazz", 5_000).await?;
    let order = holds(&ann, ticket).await?;
    let paid = ann.pays_and_gets(order, SECURE, 202).await?;
    ensure!(ann.cancels(order).await?, "an unpaid order can be cancelled");
    ann.sees_payment(paid.payment?.id, PaymentStatus::Voided).await?;
    buys(&ben, ticket).await
}

async fn secured_then_expired(Cast { seller, ann, ben, stage, .. }: Cast) -> Result<()> {
    let ticket = seller.lists("Jazz", 5_000).await?;
    let order = holds(&ann, ticket).await?;
    let paid = ann.pays_and_gets(order, SECURE, 202).await?;
    stage.time_passes(HOLD);
    ann.sees_order(order, OrderStatus::Cancelled).await?;
    ann.sees_payment(paid.payment?.id, PaymentStatus::Voided).await?;
    buys(&ben, ticket).await
}

/// Ann's order is on terms that orders believes to hold; Ben, who knows better, gets the ticket.
async fn edited_then_refused(Cast { seller, ann, ben, stage, .. }: Cast) -> Result<()> {
    let ticket = seller.lists("Jazz", 5_000).await?;
    let first = holds(&ann, ticket).await?;
    ensure!(ann.cancels(first).await?, "an unpaid order can be cancelled");
    seller.sees_ticket(ticket, TicketStatus::Available).await?;
    stage.withhold("ticket", orders::NAME);
    ensure!(seller.edits(ticket, "Jazz", 6_000).await?, "what is for sale can be edited");
    let order = ann.orders(ticket).await?;
    stage.let_through();
    let order = ann.sees_order(order, OrderStatus::Cancelled).await?;
    ensure!(refused_for(&order) == Some(RefusalReason::PriceChanged), "{order:?}");
    buys(&ben, ticket).await
}

async fn withdrawn_then_refused(Cast { seller, ann, stage, .. }: Cast) -> Result<()> {
    let ticket = seller.lists("Jazz", 5_000).await?;
    let first = holds(&ann, ticket).await?;
    ensure!(ann.cancels(first).await?, "an unpaid order can be cancelled");
    seller.sees_ticket(ticket, TicketStatus::Available).await?;
    stage.withhold("ticket", orders::NAME);
    ensure!(seller.withdraws(ticket).await?, "what is for sale can be withdrawn");
    let order = ann.orders(ticket).await?;
    stage.let_through();
    let order = ann.sees_order(order, OrderStatus::Cancelled).await?;
    ensure!(refused_for(&order) == Some(RefusalReason::Withdrawn), "{order:?}");
    Ok(())
}

async fn withdrawn_after_release(Cast { seller, ann, .. }: Cast) -> Result<()> {
    let ticket = seller.lists("Jazz", 5_000).await?;
    let order = holds(&ann, ticket).await?;
    ensure!(!seller.withdraws(ticket).await?, "what is held can't be withdrawn");
    ensure!(ann.cancels(order).await?, "an unpaid order can be cancelled");
    seller.sees_ticket(ticket, TicketStatus::Available).await?;
    ensure!(seller.withdraws(ticket).await?, "what is for sale can be withdrawn");
    Ok(())
}

async fn edited_after_release(Cast { seller, ann, .. }: Cast) -> Result<()> {
    let ticket = seller.lists("Jazz", 5_000).await?;
    let order = holds(&ann, ticket).await?;
    ensure!(!seller.edits(ticket, "Jazz", 6_000).await?, "what is held can't be edited");
    ensure!(ann.cancels(order).await?, "an unpaid order can be cancelled");
    seller.sees_ticket(ticket, TicketStatus::Available).await?;
    ensure!(seller.edits(ticket, "Jazz", 7_000).await?, "what is for sale can be edited");
    Ok(())
}

async fn two_tickets_with_three_buyers(Cast { seller, ann, ben, cleo, .. }: Cast) -> Result<()> {
    let (one, two) = try_join!(seller.lists("Jazz", 5_000), seller.lists("Opera", 9_000))?;
    let second = async {
        let order = holds(&ben, two).await?;
        ben.pays_and_gets(order, DECLINED, 402).await?;
        ensure!(ben.cancels(order).await?, "an unpaid order can be cancelled");
        buys(&cleo, two).await
    };
    try_join!(buys(&ann, one), second)?;
    Ok(())
}

async fn many_who_change_their_minds(Cast { seller, ann, ben, cleo, .. }: Cast) -> Result<()> {
    let ticket = seller.lists("Jazz", 5_000).await?;
    for buyer in [&ann, &ben, &cleo, &ann] {
        let order = buyer.orders(ticket).await?;
        ensure!(buyer.cancels(order).await?, "an unpaid order can be cancelled");
    }
    buys(&ben, ticket).await
}
