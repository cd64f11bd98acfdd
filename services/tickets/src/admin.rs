//! The admin routes that only `tickets` has.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use common::aggregate::Versioned;
use common::api::admin::{RELEASE, Release, Released};
use common::error::Error;
use common::events::order::OrderStatus;
use common::id::OrderId;
use platform::http::extract::Body;
use platform::reconcile::Current;

use crate::domain::ticket::Ticket;
use crate::flows::reconcile_ticket::reconcile_ticket;
use crate::state::AppState;

/// The admin routes: POST /release.
pub(crate) fn routes(state: AppState) -> Router {
    Router::new().route(RELEASE, post(release)).with_state(state)
}

/// Ends the reservation of seats for an order that has ended or is lost, and reconciles the listing. Returns the
/// listing's status. If the order is not lost, it is no error that no seat is reserved for it.
///
/// # Errors
/// Not found if there is no such listing. If the order is not lost: a conflict if seats are still reserved for it,
/// because its replica has not ended. If it is lost: a conflict if no seat is reserved for it, or one of
/// [`ensure_lost`].
async fn release(State(state): State<AppState>, Body(request): Body<Release>) -> Result<Json<Released>, Error> {
    let Release { id, order_id, order_is_lost, order_version } = request;
    if order_is_lost {
        // The order's end may be stored although the listing has not followed it yet.
        reconcile_ticket(&state, id, Current::Unread, None).await?.ok_or(Error::NotFound)?;
        ensure_lost(&state, order_id, order_version).await?;
        let release =
            |ticket: &Versioned<Ticket>| ticket.state.clone().release(order_id, state.clock.now()).map_err(Error::from);
        state.tickets.update(id, release).await?.ok_or(Error::NotFound)?;
    }
    let ticket = reconcile_ticket(&state, id, Current::Unread, None).await?.ok_or(Error::NotFound)?;
    if ticket.seats.any_held_by(order_id) {
        let detail = "As far as tickets knows, the order that seats are reserved for has not ended.";
        return Err(Error::conflict("order-open", detail));
    }
    Ok(Json(Released { status: ticket.status.name }))
}

/// Fails with a conflict if the replica of an order refutes that the order is lost: it is newer than `version`, which
/// the caller has read, it waits for seats, which would be reserved for it again, or it is completed.
async fn ensure_lost(state: &AppState, id: OrderId, version: Option<u64>) -> Result<(), Error> {
    let order = state.orders.get(id).await?;
    if order.as_ref().map(|order| order.version) > version {
        return Err(Error::conflict("order-changed", "The order has changed since it was found to be lost."));
    }
    match order.map(|order| order.state.status) {
        Some(OrderStatus::Created) => {
            let detail = "As far as tickets knows, the order waits for seats, which would be reserved for it again.";
            Err(Error::conflict("order-waiting", detail))
        }
        Some(OrderStatus::Completed) => {
            Err(Error::conflict("order-completed", "As far as tickets knows, the order is completed."))
        }
        Some(OrderStatus::AwaitingPayment | OrderStatus::Authorized | OrderStatus::Cancelled) | None => Ok(()),
    }
}
