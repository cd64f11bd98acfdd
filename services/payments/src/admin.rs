//! Admin routes specific to this service. After a restore they find money that moved since the backup, and return what
//! was paid for an order that is closed or lost.

use std::time::Duration;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use common::aggregate::Versioned;
use common::api::admin::{FindOrphans, ORPHANS, Orphans, RECONCILE, ReconciledPayments, VOID, Void, Voided};
use common::error::Error;
use common::events::payment::PaymentStatus;
use platform::http::extract::Body;
use platform::lifecycle::Tasks;

use crate::domain::payment::Payment;
use crate::domain::reconcile::is_closed;
use crate::flows::authorize_payment::retry_authorization;
use crate::flows::reconcile_payment::close_payment;
use crate::flows::resolve_orphans::resolve_orphans;
use crate::flows::sync_payment::{reload, sync_payment};
use crate::reconciler;
use crate::state::AppState;

/// The admin routes: POST /reconcile, POST /orphans and POST /void.
pub fn routes(state: AppState, tasks: Tasks) -> Router {
    Router::new()
        .route(RECONCILE, post(reconcile))
        .route(ORPHANS, post(orphans))
        .route(VOID, post(void))
        .with_state((state, tasks))
}

/// Synchronises every payment that is not final with the provider, however recently it changed.
async fn reconcile(State((state, tasks)): State<(AppState, Tasks)>) -> Result<Json<ReconciledPayments>, Error> {
    Ok(Json(reconciler::run_once(&state, &tasks, Duration::ZERO).await?))
}

async fn orphans(
    State((state, _)): State<(AppState, Tasks)>,
    Body(request): Body<FindOrphans>,
) -> Result<Json<Orphans>, Error> {
    Ok(Json(Orphans { orphans: resolve_orphans(&state, request.since, request.resolve).await? }))
}

/// Voids or refunds a payment, so that none of its amount remains authorised or charged.
///
/// # Errors
/// 409 if the order is not closed for this payment according to the replica. If the request says that the order is
/// lost: 409 if the replica is newer than the version that the caller has read. 503 if the provider did not carry out
/// the action or did not respond.
async fn void(State((state, _)): State<(AppState, Tasks)>, Body(request): Body<Void>) -> Result<Json<Voided>, Error> {
    let payment = reload(&state, request.id).await?;
    let order = state.orders.get(payment.order_id).await?;
    if request.order_is_lost {
        if order.map(|order| order.version) > request.order_version {
            let detail = "The order has changed since it was found to be lost.";
            return Err(Error::conflict("order-changed", detail));
        }
        Box::pin(close(&state, &payment)).await?;
    } else {
        if !order.is_some_and(|order| is_closed(&payment, &order)) {
            let detail = "As far as payments knows, the order is not closed for this payment.";
            return Err(Error::conflict("order-open", detail));
        }
        Box::pin(sync_payment(&state, &payment)).await?;
    }
    let payment = reload(&state, request.id).await?;
    let is_charged = payment.is_captured() && !payment.is_refunded();
    let status = payment.status_name();
    Ok(Json(Voided { status, is_settled: status.is_final() && !is_charged }))
}

async fn close(state: &AppState, payment: &Versioned<Payment>) -> Result<(), Error> {
    // Only an authorisation with a known result can be voided.
    if payment.status_name() == PaymentStatus::Authorizing {
        retry_authorization(state, payment).await?;
    }
    close_payment(state, payment.id).await?;
    Ok(())
}
