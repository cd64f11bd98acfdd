//! Records which completed orders have to be refunded because their show was cancelled, and which no longer have to.
//!
//! # Why
//! The changes of an order, its show and its payment may be stored in any sequence. After each of them, all three are
//! compared, so that the comparison after the last one sees the others.

use common::error::Error;
use common::events::payment::PaymentState;
use common::events::show::ShowStatus;
use common::id::{PaymentId, ShowId};
use futures::future::try_join_all;

use crate::domain::order::{Order, Status};
use crate::state::AppState;
use crate::store;

/// Compares an order with its show and its payment, after one of the order and the payment was stored.
pub async fn record_refund_due(state: &AppState, order: &Order) -> Result<(), Error> {
    let Status::Completed { payment_id } = order.status else { return Ok(()) };
    let show = store::find_show(&state.shows, order.show_id).await?;
    if show.is_none_or(|show| show.status != ShowStatus::Cancelled) {
        return Ok(());
    }
    loop {
        let refunded = is_refunded(state, payment_id).await?;
        if refunded {
            state.refunds_due.remove(order.id).await?;
        } else {
            state.refunds_due.add(order.id).await?;
        }
        // The payment may have been changed since it was read, and the handler of that change may have updated the
        // entry before this write. Then decide again.
        if is_refunded(state, payment_id).await? == refunded {
            return Ok(());
        }
    }
}

/// Compares the completed orders of a show, and of the shows that were merged into it, after the show was stored.
pub async fn record_refunds_due_of_show(state: &AppState, id: ShowId) -> Result<(), Error> {
    let show = store::find_show(&state.shows, id).await?;
    if show.is_none_or(|show| show.status != ShowStatus::Cancelled) {
        return Ok(());
    }
    for id in store::merged_shows(&state.shows, id).await? {
        let mut after = String::new();
        loop {
            let orders = store::completed_of_show(&state.orders, id, &after).await?;
            let Some(last) = orders.last() else { break };
            after = last.id.to_string();
            try_join_all(orders.into_iter().map(|order| async move { record_refund_due(state, &order).await })).await?;
        }
    }
    Ok(())
}

async fn is_refunded(state: &AppState, id: PaymentId) -> Result<bool, Error> {
    let payment = state.payments.get(id).await?;
    Ok(payment.as_deref().is_some_and(PaymentState::is_refunded))
}
