//! Racing scenarios: users conflict, and the schedule decides who wins. Only the invariants hold in every schedule.

use std::time::Duration;

use anyhow::Result;
use common::id::{OrderId, TicketId};
use futures::try_join;
use serde_json::json;

use super::{list_and_order, scenarios};
use crate::fleet::{CAPTURE_RETRY_WINDOW, ORDER_TTL};
use crate::users::{CARD_3DS, CARD_DECLINED, CARD_OK, SimUser, Users};

scenarios! {
    cancel_races_payment,
    expiry_races_payment,
    three_concurrent_buyers,
    edit_races_order,
    withdrawal_races_order,
    two_concurrent_cards,
    three_ds_races_cancel,
    three_ds_races_expiry,
    three_ds_races_another_card,
    repeated_orders,
    edits_race_repeated_orders,
    captures_fail,
    show_moves_during_orders,
    opposite_merges_race_listings,
    show_cancelled_during_orders,
    withdrawal_of_the_rest_races_its_orders,
    blocks_change_during_orders,
    seats_expire_one_after_another,
}

async fn order_and_pay(buyer: &SimUser, ticket: TicketId, card: &str) -> Result<()> {
    if let Ok(order) = buyer.try_order(ticket).await? {
        buyer.pay(order, card).await?;
    }
    Ok(())
}

/// Advances the clock after some pauses; then Ben tries to buy.
async fn advance_then_ben_buys(users: &Users, pauses: usize, by: Duration, ticket: TicketId) -> Result<()> {
    for _ in 0..pauses {
        users.context.pause().await;
    }
    users.context.clock.advance(by);
    order_and_pay(&users.ben, ticket, CARD_OK).await
}

async fn cancel_races_payment(users: Users) -> Result<()> {
    let (ticket, order) = list_and_order(&users.seller, &users.ann).await?;
    let other = order_and_pay(&users.ben, ticket, CARD_OK);
    try_join!(users.ann.pay(order, CARD_OK), users.ann.cancel(order), other)?;
    Ok(())
}

async fn expiry_races_payment(users: Users) -> Result<()> {
    let (ticket, order) = list_and_order(&users.seller, &users.ann).await?;
    try_join!(users.ann.pay(order, CARD_OK), advance_then_ben_buys(&users, 1, ORDER_TTL, ticket))?;
    Ok(())
}

async fn three_concurrent_buyers(users: Users) -> Result<()> {
    let ticket = users.seller.list_ticket("Jazz", 5_000).await?;
    let [ann, ben, cleo] = [(&users.ann, CARD_OK), (&users.ben, CARD_DECLINED), (&users.cleo, CARD_3DS)]
        .map(|(buyer, card)| order_and_pay(buyer, ticket, card));
    try_join!(ann, ben, cleo)?;
    Ok(())
}

async fn edit_races_order(users: Users) -> Result<()> {
    let ticket = users.seller.list_ticket("Jazz", 5_000).await?;
    let edits = edit_prices(&users, ticket, &[6_000, 7_000]);
    try_join!(edits, order_and_pay(&users.ann, ticket, CARD_OK), order_and_pay(&users.ben, ticket, CARD_OK))?;
    Ok(())
}

async fn edit_prices(users: &Users, ticket: TicketId, prices: &[i64]) -> Result<()> {
    for price in prices {
        users.seller.edit_price(ticket, *price).await?;
    }
    Ok(())
}

async fn withdrawal_races_order(users: Users) -> Result<()> {
    let ticket = users.seller.list_ticket("Jazz", 5_000).await?;
    let withdrawal = users.seller.withdraw(ticket);
    try_join!(withdrawal, order_and_pay(&users.ann, ticket, CARD_OK), order_and_pay(&users.ben, ticket, CARD_OK))?;
    Ok(())
}

async fn two_concurrent_cards(users: Users) -> Result<()> {
    let (_, order) = list_and_order(&users.seller, &users.ann).await?;
    let ann = &users.ann;
    try_join!(ann.pay(order, CARD_OK), ann.pay(order, CARD_3DS), ann.pay(order, CARD_DECLINED))?;
    Ok(())
}

/// Ann pays, passes the 3-D Secure challenge if there still is one, and refreshes the payment.
async fn pay_with_3ds(users: &Users, order: OrderId) -> Result<()> {
    let result = users.ann.pay(order, CARD_3DS).await?;
    if result.status == 202 {
        users.context.pause().await;
        let payment = result.payment?;
        let intent = payment.provider_ref.as_deref().unwrap_or_default();
        users.context.card_network.complete_three_d_secure(intent).await;
        users.ann.refresh_payment(payment.id).await?;
    }
    Ok(())
}

async fn three_ds_races_cancel(users: Users) -> Result<()> {
    let (ticket, order) = list_and_order(&users.seller, &users.ann).await?;
    let other = order_and_pay(&users.ben, ticket, CARD_OK);
    try_join!(pay_with_3ds(&users, order), users.ann.cancel(order), other)?;
    Ok(())
}

async fn three_ds_races_expiry(users: Users) -> Result<()> {
    let (ticket, order) = list_and_order(&users.seller, &users.ann).await?;
    try_join!(pay_with_3ds(&users, order), advance_then_ben_buys(&users, 2, ORDER_TTL, ticket))?;
    Ok(())
}

async fn three_ds_races_another_card(users: Users) -> Result<()> {
    let (_, order) = list_and_order(&users.seller, &users.ann).await?;
    try_join!(pay_with_3ds(&users, order), users.ann.pay(order, CARD_OK))?;
    Ok(())
}

/// Orders and cancels twice, then buys.
async fn order_repeatedly(buyer: &SimUser, ticket: TicketId) -> Result<()> {
    for _ in 0..2 {
        if let Ok(order) = buyer.try_order(ticket).await? {
            buyer.cancel(order).await?;
        }
    }
    order_and_pay(buyer, ticket, CARD_OK).await
}

async fn repeated_orders(users: Users) -> Result<()> {
    let ticket = users.seller.list_ticket("Jazz", 5_000).await?;
    let [ann, ben, cleo] = [&users.ann, &users.ben, &users.cleo].map(|buyer| order_repeatedly(buyer, ticket));
    try_join!(ann, ben, cleo)?;
    Ok(())
}

async fn edits_race_repeated_orders(users: Users) -> Result<()> {
    let ticket = users.seller.list_ticket("Jazz", 5_000).await?;
    let edits = edit_prices(&users, ticket, &[6_000, 7_000, 8_000, 9_000]);
    try_join!(edits, order_repeatedly(&users.ann, ticket), order_repeatedly(&users.ben, ticket))?;
    Ok(())
}

/// Captures fail for longer than they are retried.
async fn captures_fail(users: Users) -> Result<()> {
    let (ticket, order) = list_and_order(&users.seller, &users.ann).await?;
    let faults = json!({ "error500BeforeProcessing": 1.0, "paths": ["/capture"] });
    users.context.card_network.set_faults(&faults).await;
    let deadline = async {
        users.context.pause().await;
        users.context.pause().await;
        users.context.clock.advance(CAPTURE_RETRY_WINDOW);
        anyhow::Ok(())
    };
    try_join!(users.ann.pay(order, CARD_OK), deadline, order_and_pay(&users.ben, ticket, CARD_OK))?;
    Ok(())
}

async fn show_moves_during_orders(users: Users) -> Result<()> {
    let ticket = users.seller.list_ticket("Jazz", 5_000).await?;
    let show = users.seller.show_of(ticket).await?;
    let moves = async {
        users.staff.move_show(show, "Jazz", "2099-05-02T18:00:00Z").await?;
        users.staff.move_show(show, "Jazz", "2099-06-02T18:00:00Z").await
    };
    // The new listing describes the show as it was.
    let another = users.seller.list_ticket("Jazz", 6_000);
    try_join!(moves, another, order_repeatedly(&users.ann, ticket), order_repeatedly(&users.ben, ticket))?;
    Ok(())
}

async fn opposite_merges_race_listings(users: Users) -> Result<()> {
    let (seller, staff) = (&users.seller, &users.staff);
    let jazz = seller.list_ticket("Jazz", 5_000).await?;
    let blues = seller.list_ticket("Blues", 5_000).await?;
    let (one, other) = (seller.show_of(jazz).await?, seller.show_of(blues).await?);
    let merges = async { try_join!(staff.merge_show(one, other), staff.merge_show(other, one)) };
    let listings = async { try_join!(seller.list_ticket("Jazz", 6_000), seller.list_ticket("Blues", 6_000)) };
    try_join!(merges, listings, order_and_pay(&users.ann, jazz, CARD_OK), order_repeatedly(&users.ben, blues))?;
    Ok(())
}

async fn show_cancelled_during_orders(users: Users) -> Result<()> {
    let ticket = users.seller.list_ticket("Jazz", 5_000).await?;
    let show = users.seller.show_of(ticket).await?;
    let cancellation = users.staff.cancel_show(show);
    try_join!(cancellation, order_repeatedly(&users.ann, ticket), order_and_pay(&users.ben, ticket, CARD_OK))?;
    Ok(())
}

/// Ann holds seats while the seller withdraws the others, which Ben and Cleo want.
async fn withdrawal_of_the_rest_races_its_orders(users: Users) -> Result<()> {
    let (ticket, order) = list_and_order(&users.seller, &users.ann).await?;
    let ann = async { try_join!(users.ann.pay(order, CARD_3DS), users.ann.cancel(order)) };
    let (ben, cleo) = (order_and_pay(&users.ben, ticket, CARD_OK), order_repeatedly(&users.cleo, ticket));
    try_join!(users.seller.withdraw(ticket), ann, ben, cleo)?;
    Ok(())
}

async fn blocks_change_during_orders(users: Users) -> Result<()> {
    let ticket = users.seller.list_blocks("Jazz", 5_000, &[2, 2]).await?;
    let edits = async {
        for blocks in [&[1, 3][..], &[4], &[1, 1, 1, 1]] {
            users.seller.edit_blocks(ticket, blocks).await?;
        }
        anyhow::Ok(())
    };
    try_join!(edits, order_repeatedly(&users.ann, ticket), order_repeatedly(&users.ben, ticket))?;
    Ok(())
}

/// Three buyers hold seats, and time passes while they pay.
async fn seats_expire_one_after_another(users: Users) -> Result<()> {
    let ticket = users.seller.list_blocks("Jazz", 5_000, &[2, 2, 2, 2]).await?;
    let time = async {
        for _ in 0..3 {
            users.context.pause().await;
            users.context.clock.advance(ORDER_TTL / 2);
        }
        anyhow::Ok(())
    };
    let [ann, ben, cleo] = [&users.ann, &users.ben, &users.cleo].map(|buyer| order_repeatedly(buyer, ticket));
    try_join!(time, ann, ben, cleo)?;
    Ok(())
}
