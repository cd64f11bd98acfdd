//! The payments service: authorises, captures and refunds. A card is charged only after its order is authorised.
//!
//! | owns | publishes | consumes |
//! |---|---|---|
//! | payments and their ledger, a replica of orders | `payment.started` `payment.authorizationDelayed` `payment.actionRequired` `payment.authorized` `payment.captureDelayed` `payment.captured` `payment.declined` `payment.failed` `payment.voided` `payment.refundStarted` `payment.overpaid` `payment.refunded` `payment.disputed` | `order.*` |

pub mod admin;
pub mod archiver;
pub mod config;
pub mod domain;
pub mod events;
pub mod flows;
pub mod gauges;
pub mod orphan_sweep;
pub mod providers;
pub mod reconciler;
pub mod routes;
pub mod state;
pub mod store;
pub mod view;

use common::aggregate::ShardKey;
use platform::app::App;
use platform::context::Context;

use crate::store::declined_archive;

/// The service's name.
pub const NAME: &str = "payments";

/// Assembles the service.
pub fn build(config: config::Config, context: &Context) -> anyhow::Result<App> {
    let state = state::AppState::new(config, context)?;
    let (routes, openapi) = routes::table();
    Ok(App::new(routes.with_state(state.clone()), openapi)
        .webhooks(&[routes::WEBHOOK])
        .rate_limits(&state.verifier, routes::RATE_CLASSES)
        .store(&state.payments, store::payment_indexes())
        .claims()
        .replica(&state.orders, Vec::new())
        .collection(declined_archive::ARCHIVE_COLLECTION, ShardKey::ID)
        .gauge("payments_unsettled_oldest_age_seconds", &state, gauges::oldest_unsettled)
        .admin(admin::routes(state.clone(), context.tasks.clone()))
        .reconcile(&state, flows::sync_payment::sync_changed)
        .subscribe(events::table(&state))
        .task("archiver", archiver::run(state.clone(), context.clone()))
        .task("reconciler", reconciler::run(state.clone(), context.clone()))
        .task("orphan_sweep", orphan_sweep::run(state, context.clone())))
}
