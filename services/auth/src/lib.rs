//! The auth service: users and the devices on which they are signed in.
//!
//! | owns | publishes | consumes |
//! |---|---|---|
//! | users, sessions | `user.registered` `user.updated` `user.passwordChanged` | nothing |
//!
//! In reading order: [`config`], [`domain`], [`keys`], [`hashing`], [`store`], [`state`], [`flows`],
//! [`routes`].

pub mod config;
pub mod domain;
pub mod flows;
pub mod hashing;
pub mod keys;
pub mod routes;
pub mod state;
pub mod store;

use platform::app::App;
use platform::context::Context;

/// The service's name.
pub const NAME: &str = "auth";

/// Puts the service together.
pub fn build(config: config::Config, context: &Context) -> anyhow::Result<App> {
    let state = state::AppState::new(config, context)?;
    let (routes, openapi) = routes::table();
    let app = App::new(routes.with_state(state.clone()), openapi)
        .limits(&state.verifier, routes::RATE_CLASSES)
        .store(&state.users, store::users::indexes());
    Ok(store::ordinary_collections().into_iter().fold(app, |app, (name, indexes)| app.indexes(name, indexes)))
}
