//! The auth service: users and the devices on which they are signed in.
//!
//! | owns | publishes | consumes |
//! |---|---|---|
//! | users, sessions | `user.registered` `user.updated` `user.passwordChanged` `user.rolesChanged` | nothing |
//!
//! In reading order: [`config`], [`domain`], `token_signer`, `hashing`, [`store`], `state`, `flows`, `routes`, `admin`.

mod admin;
pub mod config;
pub mod domain;
mod flows;
mod hashing;
mod routes;
mod state;
pub mod store;
mod token_signer;

use platform::app::App;
use platform::context::Context;

/// The service's name.
pub const NAME: &str = "auth";

/// Builds the service.
pub fn build(config: config::Config, context: &Context) -> anyhow::Result<App> {
    let state = state::AppState::new(config, context)?;
    let (routes, openapi) = routes::table();
    let app = App::new(routes.with_state(state.clone()), openapi)
        .rate_limits(&state.verifier, routes::RATE_CLASSES)
        .store(&state.users, store::user_indexes())
        .admin(admin::routes(state.clone()));
    let others = store::non_aggregate_collections().into_iter();
    Ok(others.fold(app, |app, (name, shard_key, indexes)| app.indexes(name, shard_key, indexes)))
}
