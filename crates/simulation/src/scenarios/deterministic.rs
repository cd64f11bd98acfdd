//! Deterministic scenarios: users wait for the state that their next action needs, and concurrent users do not
//! interact, so every schedule ends in the same state.

use anyhow::{Result, ensure};
use common::api::orders::Order;
use common::events::order::{CancelReason, OrderStatus};
use common::events::payment::PaymentStatus;
use common::events::ticket::{RefusalReason, TicketStatus};
use common::id::{OrderId, TicketId};
use futures::try_join;

use super::{confirmed_order, list_and_order, scenarios};
use crate::context::SimContext;
use crate::fleet::ORDER_TTL;
use crate::users::{CARD_3DS, CARD_DECLINED, CARD_OK, SimUser, Users};

scenarios! {
    bought,
    cancelled_then_sold_to_another,
    cancelled_unconfirmed_then_sold_to_another,
    declined_then_another_card,
    expired_then_bought,
    three_ds_then_bought,
    three_ds_abandoned_then_another_card,
    three_ds_then_cancelled,
    three_ds_then_expired,
    edited_then_refused,
    withdrawn_then_refused,
    withdrawn_after_release,
    edited_after_release,
    two_tickets_with_three_buyers,
    repeated_orders_and_cancellations,
    pairs_of_one_listing,
    different_numbers_of_seats,
    rest_withdrawn_then_bought,
    rest_withdrawn_then_released,
    price_edited_while_seats_are_held,
    some_seats_expire,
}

async fn buy(buyer: &SimUser, ticket: TicketId) -> Result<()> {
    let order = confirmed_order(buyer, ticket).await?;
    buyer.pay_expecting(order, CARD_OK, 201).await?;
    buyer.wait_for_order(order, OrderStatus::Completed).await?;
    buyer.wait_for_ticket(ticket, TicketStatus::Sold).await?;
    Ok(())
}

fn refusal_reason(order: &Order) -> Option<RefusalReason> {
    order.refusal.as_ref().map(|refusal| refusal.reason)
}

async fn bought(Users { seller, ann, .. }: Users) -> Result<()> {
    let ticket = seller.list_ticket("Jazz", 5_000).await?;
    let renamed = async {
        ann.rename("Anna").await?;
        ann.rename("Ann").await
    };
    try_join!(buy(&ann, ticket), renamed)?;
    Ok(())
}

async fn cancelled_then_sold_to_another(Users { seller, ann, ben, .. }: Users) -> Result<()> {
    let (ticket, order) = list_and_order(&seller, &ann).await?;
    ensure!(ann.cancel(order).await?, "an unpaid order can be cancelled");
    buy(&ben, ticket).await
}

async fn cancelled_unconfirmed_then_sold_to_another(Users { seller, ann, ben, .. }: Users) -> Result<()> {
    let ticket = seller.list_ticket("Jazz", 5_000).await?;
    let order = ann.order(ticket).await?;
    ensure!(ann.cancel(order).await?, "an unconfirmed order can be cancelled");
    buy(&ben, ticket).await
}

async fn declined_then_another_card(Users { seller, ann, .. }: Users) -> Result<()> {
    let (_, order) = list_and_order(&seller, &ann).await?;
    ann.pay_expecting(order, CARD_DECLINED, 402).await?;
    ann.pay_expecting(order, CARD_OK, 201).await?;
    ann.wait_for_order(order, OrderStatus::Completed).await?;
    Ok(())
}

async fn expired_then_bought(Users { seller, ann, ben, context, .. }: Users) -> Result<()> {
    let (ticket, order) = list_and_order(&seller, &ann).await?;
    context.clock.advance(ORDER_TTL);
    let order = ann.wait_for_order(order, OrderStatus::Cancelled).await?;
    ensure!(order.cancel_reason == Some(CancelReason::Expired), "{order:?}");
    buy(&ben, ticket).await
}

async fn three_ds_then_bought(Users { seller, ann, context, .. }: Users) -> Result<()> {
    let (_, order) = list_and_order(&seller, &ann).await?;
    let payment = ann.pay_expecting(order, CARD_3DS, 202).await?.payment?;
    let intent = payment.provider_ref.as_deref().unwrap_or_default();
    ensure!(context.card_network.complete_three_d_secure(intent).await, "the challenge still exists");
    ann.refresh_payment(payment.id).await?;
    ann.wait_for_order(order, OrderStatus::Completed).await?;
    Ok(())
}

async fn three_ds_abandoned_then_another_card(Users { seller, ann, .. }: Users) -> Result<()> {
    let (_, order) = list_and_order(&seller, &ann).await?;
    ann.pay_expecting(order, CARD_3DS, 202).await?;
    ann.pay_expecting(order, CARD_OK, 201).await?;
    ann.wait_for_order(order, OrderStatus::Completed).await?;
    Ok(())
}

async fn three_ds_then_cancelled(Users { seller, ann, ben, .. }: Users) -> Result<()> {
    let (ticket, order) = list_and_order(&seller, &ann).await?;
    let paid = ann.pay_expecting(order, CARD_3DS, 202).await?;
    ensure!(ann.cancel(order).await?, "an unpaid order can be cancelled");
    ann.wait_for_payment(paid.payment?.id, PaymentStatus::Voided).await?;
    buy(&ben, ticket).await
}

async fn three_ds_then_expired(Users { seller, ann, ben, context, .. }: Users) -> Result<()> {
    let (ticket, order) = list_and_order(&seller, &ann).await?;
    let paid = ann.pay_expecting(order, CARD_3DS, 202).await?;
    context.clock.advance(ORDER_TTL);
    ann.wait_for_order(order, OrderStatus::Cancelled).await?;
    ann.wait_for_payment(paid.payment?.id, PaymentStatus::Voided).await?;
    buy(&ben, ticket).await
}

/// Lists a ticket that is ordered and released once, then withholds further events of tickets from `orders`.
async fn list_behind_partition(seller: &SimUser, ann: &SimUser, context: &SimContext) -> Result<TicketId> {
    let (ticket, order) = list_and_order(seller, ann).await?;
    ensure!(ann.cancel(order).await?, "an unpaid order can be cancelled");
    seller.wait_for_ticket(ticket, TicketStatus::Available).await?;
    context.partition("ticket", orders::NAME);
    Ok(ticket)
}

/// Ann orders at the outdated price in the replica of `orders` and is refused; Ben buys at the current price.
async fn edited_then_refused(Users { seller, ann, ben, context, .. }: Users) -> Result<()> {
    let ticket = list_behind_partition(&seller, &ann, &context).await?;
    ensure!(seller.edit_price(ticket, 6_000).await?, "an available listing can be edited");
    let order = ann.order(ticket).await?;
    context.heal_partitions();
    let order = ann.wait_for_order(order, OrderStatus::Cancelled).await?;
    ensure!(refusal_reason(&order) == Some(RefusalReason::PriceChanged), "{order:?}");
    buy(&ben, ticket).await
}

async fn withdrawn_then_refused(Users { seller, ann, context, .. }: Users) -> Result<()> {
    let ticket = list_behind_partition(&seller, &ann, &context).await?;
    ensure!(seller.withdraw(ticket).await?, "an available listing can be withdrawn");
    let order = ann.order(ticket).await?;
    context.heal_partitions();
    let order = ann.wait_for_order(order, OrderStatus::Cancelled).await?;
    ensure!(refusal_reason(&order) == Some(RefusalReason::Withdrawn), "{order:?}");
    Ok(())
}

async fn withdrawn_after_release(Users { seller, ann, .. }: Users) -> Result<()> {
    let (ticket, order) = list_and_order(&seller, &ann).await?;
    ensure!(!seller.withdraw(ticket).await?, "a reserved listing cannot be withdrawn");
    ensure!(ann.cancel(order).await?, "an unpaid order can be cancelled");
    seller.wait_for_ticket(ticket, TicketStatus::Available).await?;
    ensure!(seller.withdraw(ticket).await?, "an available listing can be withdrawn");
    Ok(())
}

async fn edited_after_release(Users { seller, ann, .. }: Users) -> Result<()> {
    let (ticket, order) = list_and_order(&seller, &ann).await?;
    ensure!(!seller.edit_price(ticket, 6_000).await?, "a reserved listing cannot be edited");
    ensure!(ann.cancel(order).await?, "an unpaid order can be cancelled");
    seller.wait_for_ticket(ticket, TicketStatus::Available).await?;
    ensure!(seller.edit_price(ticket, 7_000).await?, "an available listing can be edited");
    Ok(())
}

async fn two_tickets_with_three_buyers(Users { seller, ann, ben, cleo, .. }: Users) -> Result<()> {
    let (one, two) = try_join!(seller.list_ticket("Jazz", 5_000), seller.list_ticket("Opera", 9_000))?;
    let second = async {
        let order = confirmed_order(&ben, two).await?;
        ben.pay_expecting(order, CARD_DECLINED, 402).await?;
        ensure!(ben.cancel(order).await?, "an unpaid order can be cancelled");
        buy(&cleo, two).await
    };
    try_join!(buy(&ann, one), second)?;
    Ok(())
}

async fn repeated_orders_and_cancellations(Users { seller, ann, ben, cleo, .. }: Users) -> Result<()> {
    let ticket = seller.list_ticket("Jazz", 5_000).await?;
    for buyer in [&ann, &ben, &cleo, &ann] {
        let order = buyer.order(ticket).await?;
        ensure!(buyer.cancel(order).await?, "an unpaid order can be cancelled");
    }
    buy(&ben, ticket).await
}

/// Orders this number of seats and waits until the order is confirmed.
async fn confirmed_order_of(buyer: &SimUser, ticket: TicketId, quantity: u8) -> Result<OrderId> {
    let order = buyer.order_seats(ticket, quantity).await?;
    buyer.wait_for_order(order, OrderStatus::AwaitingPayment).await?;
    Ok(order)
}

async fn pay(buyer: &SimUser, order: OrderId) -> Result<()> {
    buyer.pay_expecting(order, CARD_OK, 201).await?;
    buyer.wait_for_order(order, OrderStatus::Completed).await?;
    Ok(())
}

async fn pairs_of_one_listing(Users { seller, ann, ben, .. }: Users) -> Result<()> {
    let ticket = seller.list_blocks("Jazz", 5_000, &[2, 2, 2]).await?;
    // One after the other, so that the seats of each are the same in every schedule.
    let one = confirmed_order_of(&ann, ticket, 2).await?;
    let two = confirmed_order_of(&ben, ticket, 2).await?;
    try_join!(pay(&ann, one), pay(&ben, two))?;
    Ok(())
}

async fn different_numbers_of_seats(Users { seller, ann, ben, cleo, .. }: Users) -> Result<()> {
    let ticket = seller.list_blocks("Jazz", 5_000, &[1, 1, 1, 1]).await?;
    let one = ann.order_seats(ticket, 1).await?;
    let two = ben.order_seats(ticket, 3).await?;
    ensure!(ben.cancel(two).await?, "an unpaid order can be cancelled");
    let three = cleo.order_seats(ticket, 2).await?;
    try_join!(pay(&ann, one), pay(&cleo, three))?;
    Ok(())
}

async fn rest_withdrawn_then_bought(Users { seller, ann, .. }: Users) -> Result<()> {
    let ticket = seller.list_blocks("Jazz", 5_000, &[2, 3]).await?;
    let order = confirmed_order_of(&ann, ticket, 3).await?;
    ensure!(seller.withdraw(ticket).await?, "free seats can be withdrawn");
    pay(&ann, order).await
}

async fn rest_withdrawn_then_released(Users { seller, ann, .. }: Users) -> Result<()> {
    let ticket = seller.list_blocks("Jazz", 5_000, &[2, 2]).await?;
    let order = confirmed_order_of(&ann, ticket, 2).await?;
    ensure!(seller.withdraw(ticket).await?, "free seats can be withdrawn");
    ensure!(ann.cancel(order).await?, "an unpaid order can be cancelled");
    Ok(())
}

async fn price_edited_while_seats_are_held(Users { seller, ann, .. }: Users) -> Result<()> {
    let ticket = seller.list_blocks("Jazz", 5_000, &[1, 1, 1]).await?;
    let order = confirmed_order_of(&ann, ticket, 2).await?;
    ensure!(seller.edit_price(ticket, 6_000).await?, "the price of free seats can be changed");
    ensure!(!seller.edit_blocks(ticket, &[1, 2]).await?, "the terms of held seats can't be changed");
    let order = ann.wait_for_order(order, OrderStatus::AwaitingPayment).await?;
    ensure!(order.price.amount == 10_000, "{order:?}");
    pay(&ann, order.id).await
}

async fn some_seats_expire(Users { seller, ann, ben, cleo, context, .. }: Users) -> Result<()> {
    let ticket = seller.list_blocks("Jazz", 5_000, &[2, 2, 2]).await?;
    let paid = confirmed_order_of(&ann, ticket, 2).await?;
    pay(&ann, paid).await?;
    let unpaid = confirmed_order_of(&ben, ticket, 4).await?;
    context.clock.advance(ORDER_TTL);
    ben.wait_for_order(unpaid, OrderStatus::Cancelled).await?;
    let order = confirmed_order_of(&cleo, ticket, 4).await?;
    pay(&cleo, order).await?;
    cleo.wait_for_ticket(ticket, TicketStatus::Sold).await?;
    Ok(())
}
