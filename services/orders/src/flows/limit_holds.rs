//! Keeps buyers to the number of holds that they may have: before one is placed, after it, and when its answer is
//! repeated.

use std::time::Duration;

use common::error::Error;
use common::id::{OrderId, TicketId, UserId};
use platform::store::error::StoreError;
use platform::store::idempotency::{self, IdempotencyKey};
use tokio::time::{Instant, sleep};

use super::reconcile_order::reconcile_order;
use crate::domain::holds::{HoldError, Verdict, judge};
use crate::domain::order::Order;
use crate::state::AppState;
use crate::store;

/// How long holds count that ended.
pub const WINDOW: Duration = Duration::from_secs(3600);
/// How long others have to give up, before those who wait for that do so one after the other, this far apart.
const PATIENCE: Duration = Duration::from_secs(3);
const APART: Duration = Duration::from_millis(100);
/// How many of them keep that distance: no request takes longer.
const MOST: usize = 30;
/// How often it is looked whether they have.
const POLL: Duration = Duration::from_millis(20);
/// After this long a request has answered, or ended without an answer.
const ANSWERED: Duration = Duration::from_secs(60);

/// Whether this buyer may try to hold this ticket.
pub async fn may_hold(state: &AppState, buyer: UserId, ticket: TicketId) -> Result<Result<(), HoldError>, Error> {
    let now = state.clock.now();
    let again = state.limits.per_listing;
    let (holds, ended) = tokio::try_join!(
        store::holds_of(&state.orders, buyer),
        store::ended_since(&state.orders, ticket, buyer, now.minus(WINDOW), again),
    )?;
    if holds.len() >= state.limits.per_buyer {
        return Ok(Err(HoldError::TooMany(holds)));
    }
    // The first of them has to be an hour ago.
    match ended.last() {
        Some(first) if ended.len() >= again => Ok(Err(HoldError::TooOften(first.plus(WINDOW).since(now)))),
        _ => Ok(Ok(())),
    }
}

/// Whether a hold that was just stored stays; if not, it is cancelled, and its key forgotten.
pub async fn settle_hold(state: &AppState, order: &Order) -> Result<Result<(), HoldError>, Error> {
    let began = Instant::now();
    loop {
        let mut others = others(state, order.id, order.buyer_id).await?;
        match judge(order.id, &others, state.limits.per_buyer) {
            Verdict::Stay => return Ok(Ok(())),
            Verdict::Wait { behind } if began.elapsed() < PATIENCE + APART * steps(behind) => sleep(POLL).await,
            Verdict::Wait { .. } | Verdict::GiveUp => {
                // Those behind them give up as well.
                others.truncate(state.limits.per_buyer);
                return Ok(if give_up(state, order.id).await? { Err(HoldError::TooMany(others)) } else { Ok(()) });
            }
        }
    }
}

fn steps(behind: usize) -> u32 {
    u32::try_from(behind.min(MOST)).unwrap_or_default()
}

async fn others(state: &AppState, own: OrderId, buyer: UserId) -> Result<Vec<OrderId>, StoreError> {
    let mut holds = store::holds_of(&state.orders, buyer).await?;
    holds.retain(|hold| *hold != own);
    Ok(holds)
}

/// Cancels a hold that nobody was told of. False when somebody was, or it is over already.
async fn give_up(state: &AppState, id: OrderId) -> Result<bool, Error> {
    // A repeat of the request may have been answered, and what was acknowledged stays. From here on one is a new
    // request.
    if !state.orders.release_key(id).await? {
        return Ok(false);
    }
    let given_up =
        state.orders.update(id, |order| order.state.clone().cancel(state.clock.now()).map_err(|_| Standing::IsOver));
    match given_up.await {
        Ok(Some(_)) => {
            reconcile_order(state, id).await?;
            Ok(true)
        }
        Ok(None) => Err(Error::NotFound),
        Err(Standing::IsOver) => Ok(false),
        Err(Standing::Unknown(error)) => Err(error.into()),
    }
}

/// Why a hold could not be given up.
enum Standing {
    /// It is over, or won.
    IsOver,
    Unknown(StoreError),
}

impl From<StoreError> for Standing {
    fn from(error: StoreError) -> Self {
        Self::Unknown(error)
    }
}

/// Whether the answer to a request that placed this order is repeated: not while the request may yet give its hold
/// up, and not once it has, when the key is forgotten and the request a new one.
pub async fn may_repeat(state: &AppState, id: OrderId, key: Option<&IdempotencyKey>) -> Result<bool, Error> {
    let Some(key) = key else { return Ok(false) };
    let Some(order) = state.orders.get(id).await? else { return Ok(false) };
    if state.clock.now().since(order.created_at) > ANSWERED {
        return Ok(true);
    }
    if order.is_unpaid() && others(state, id, order.buyer_id).await?.len() >= state.limits.per_buyer {
        return Err(idempotency::in_flight());
    }
    // Also of one that is over: whether its buyer ended it or its request gave it up, only the key tells.
    Ok(state.orders.pin_answer(id, key).await?)
}
