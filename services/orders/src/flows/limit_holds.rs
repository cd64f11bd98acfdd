//! Enforces the limits on holds: before a hold is inserted, after it, and before a stored response is replayed.

use std::time::Duration;

use common::error::Error;
use common::events::order::OrderStatus;
use common::id::{OrderId, TicketId, UserId};
use platform::reconcile::Current;
use platform::store::claims::{self, Claim};
use platform::store::error::StoreError;
use tokio::time::{Instant, sleep};

use super::reconcile_order::{Seen, reconcile_order};
use crate::domain::holds::{HoldDecision, HoldError, decide_hold};
use crate::domain::order::Order;
use crate::state::AppState;
use crate::store;

/// How long a hold that its buyer cancelled or let expire counts towards that buyer's limit for the listing.
const ABANDONED_WINDOW: Duration = Duration::from_secs(3600);
/// How long a request waits for newer holds to be withdrawn. After that, the waiting requests withdraw their own holds
/// one after the other, the newest first, [`WITHDRAW_INTERVAL`] apart.
const WITHDRAW_TIMEOUT: Duration = Duration::from_secs(3);
/// Time between the withdrawals of two waiting requests.
const WITHDRAW_INTERVAL: Duration = Duration::from_millis(100);
/// Maximum number of these intervals that a request waits, so that its duration is bounded.
const MAX_INTERVALS: usize = 30;
/// How often a waiting request reads the holds again.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// After this long, a request has ended, with or without a response.
const MAX_REQUEST_DURATION: Duration = Duration::from_secs(60);

/// Checks the limits before this buyer tries to hold seats of this listing. Returns the limit that is reached, if any.
pub async fn check_limits(state: &AppState, buyer: UserId, ticket: TicketId) -> Result<Option<HoldError>, Error> {
    let now = state.clock.now();
    let limit = state.config.holds_per_listing.get();
    let (holds, abandoned) = tokio::try_join!(
        store::unpaid_order_ids(&state.orders, buyer),
        store::abandoned_since(&state.orders, ticket, buyer, now.minus(ABANDONED_WINDOW), limit),
    )?;
    if holds.len() >= state.config.holds_per_buyer.get() {
        return Ok(Some(HoldError::TooMany(holds)));
    }
    // The buyer may try again when the oldest abandoned hold leaves the window.
    let oldest = abandoned.last().filter(|_| abandoned.len() >= limit);
    Ok(oldest.map(|oldest| HoldError::TooOften(oldest.plus(ABANDONED_WINDOW).since(now))))
}

/// Keeps a hold that was just stored, or withdraws it if the buyer has too many: cancels it and releases its claim, the
/// record of the request's idempotency key.
pub async fn keep_or_withdraw(state: &AppState, order: &Order, claim: &Claim<OrderId>) -> Result<(), Error> {
    let (started, limit) = (Instant::now(), state.config.holds_per_buyer.get());
    loop {
        let mut others = other_holds(state, order.id, order.buyer_id).await?;
        match decide_hold(order.id, &others, limit) {
            HoldDecision::Keep => return Ok(()),
            HoldDecision::Wait { ahead } if started.elapsed() < max_wait(ahead) => sleep(POLL_INTERVAL).await,
            HoldDecision::Wait { .. } | HoldDecision::Withdraw => {
                // Report only the holds within the limit: the newer ones are withdrawn as well.
                others.truncate(limit);
                return if withdraw(state, claim).await? { Err(HoldError::TooMany(others).into()) } else { Ok(()) };
            }
        }
    }
}

/// How long a request waits before it withdraws its own hold, if at most `ahead` waiting requests withdraw before it.
fn max_wait(ahead: usize) -> Duration {
    WITHDRAW_TIMEOUT + WITHDRAW_INTERVAL * u32::try_from(ahead.min(MAX_INTERVALS)).unwrap_or_default()
}

async fn other_holds(state: &AppState, order: OrderId, buyer: UserId) -> Result<Vec<OrderId>, StoreError> {
    let mut holds = store::unpaid_order_ids(&state.orders, buyer).await?;
    holds.retain(|hold| *hold != order);
    Ok(holds)
}

/// Cancels a hold that no response has acknowledged. Returns false if a replay has acknowledged it, or if it is being
/// paid or is paid.
async fn withdraw(state: &AppState, claim: &Claim<OrderId>) -> Result<bool, Error> {
    // A repeat of the request may have replayed the response, and an acknowledged hold is kept. Once the claim is
    // released, a repeat is a new request.
    let id = claim.entity_id;
    if !state.claims.release(claim).await? {
        return Ok(false);
    }
    // The error is `None` if the order can't be cancelled any more.
    let cancelled = state
        .orders
        .update::<Option<StoreError>>(id, |order| order.state.clone().cancel(state.clock.now()).map_err(|_| None));
    match cancelled.await {
        Ok(Some(cancelled)) => {
            reconcile_order(state, id, Current::from(cancelled), Seen::default()).await?;
            Ok(true)
        }
        Ok(None) => Err(Error::NotFound),
        Err(None) => {
            // The order may have been cancelled in the meantime, by the buyer or because its seats were refused. Then
            // the hold has ended already.
            let order = state.orders.get(id).await?.ok_or(Error::NotFound)?;
            Ok(order.status_name() == OrderStatus::Cancelled)
        }
        Err(Some(error)) => Err(error.into()),
    }
}

/// Whether the response to the request that placed this order may be replayed. False if the request has withdrawn its
/// hold and released its claim: the repeat is then a new request.
///
/// # Errors
/// `claims::in_flight` while the original request may still withdraw its hold.
pub async fn may_replay(state: &AppState, order: &Order, claim: &Claim<OrderId>) -> Result<bool, Error> {
    if state.clock.now().since(order.created_at) > MAX_REQUEST_DURATION {
        return Ok(true);
    }
    let limit = state.config.holds_per_buyer.get();
    if order.is_unpaid() && other_holds(state, order.id, order.buyer_id).await?.len() >= limit {
        return Err(claims::in_flight());
    }
    // This applies to cancelled orders, too: only the claim shows whether the buyer cancelled the order or its request
    // withdrew it.
    Ok(state.claims.pin(claim).await?)
}
