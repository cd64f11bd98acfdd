//! Gathers what somebody should know.

use std::collections::HashMap;

use common::error::Error;
use common::events::order::OrderStatus;
use common::id::UserId;

use crate::domain::notice::Notice;
use crate::state::AppState;
use crate::store;
use crate::store::model::Replicas;

/// How many of each kind are looked at.
const EACH: i64 = 20;

/// What a user should know, the latest first; and up to when they have seen it.
pub async fn notices(state: &AppState, model: &Replicas, user: UserId) -> Result<(Vec<Notice>, usize), Error> {
    let now = state.clock.now();
    let open = [OrderStatus::Created, OrderStatus::AwaitingPayment];
    let (sold, paid, held, watches, until) = tokio::try_join!(
        store::lists::sold_by(&model.tickets, user, EACH),
        store::lists::orders_in(&model.orders, user, &[OrderStatus::Completed], EACH),
        store::lists::orders_in(&model.orders, user, &open, EACH),
        state.own.watched_by(user, EACH * 5),
        state.own.read_until(user),
    )?;
    let since: HashMap<_, _> = watches.iter().map(|watch| (watch.ticket, watch.since)).collect();
    let watched = store::lists::tickets(&model.tickets, since.keys().copied()).await?;
    let mut notices: Vec<_> = sold.iter().filter_map(Notice::of_sale).collect();
    notices.extend(paid.iter().chain(&held).filter_map(|order| Notice::of_order(order, now)));
    notices.extend(watched.iter().filter_map(|ticket| Notice::of_drop(ticket, *since.get(&ticket.terms.id)?)));
    notices.sort_by_key(|notice| std::cmp::Reverse(notice.at));
    let unread = notices.iter().filter(|notice| until.is_none_or(|until| notice.at > until)).count();
    Ok((notices, unread))
}

/// How many of them they have not seen.
pub async fn unread(state: &AppState, model: &Replicas, user: UserId) -> Result<usize, Error> {
    Ok(notices(state, model, user).await?.1)
}
