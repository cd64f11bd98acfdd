//! A development server that emulates Stripe over HTTP, with its state in memory.
//!
//! `api` serves `/v1` (authentication, idempotency keys, fault injection) and dispatches to `flows`, the state
//! machine over `store`; `objects` renders the stored objects as JSON; `webhooks` delivers the events;
//! `control` is `/_fake`, for tests and fault injection; `pages` has Stripe.js and the 3-D Secure page.
//! The other modules are helpers that several of these use.
#![recursion_limit = "256"]
#![allow(clippy::disallowed_methods, reason = "not built on `platform`, so its clock and task rules do not apply")]

mod api;
mod app;
mod cards;
mod config;
pub mod control;
mod error;
pub mod faults;
mod flows;
mod id;
mod idempotency;
pub mod objects;
mod pages;
mod params;
mod store;
mod table;
mod webhook_endpoint;
mod webhooks;

use std::future::{Future, pending};
use std::io;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::app::App;
pub use crate::config::{Clock, Config};

/// How long open requests may continue after the stop signal.
const GRACE: Duration = Duration::from_secs(1);

/// All routes of a server with an empty state.
pub fn router(config: Config) -> Router {
    Router::new()
        .merge(pages::router())
        .nest("/_fake", control::router())
        .fallback(api::handle)
        .layer(api::cors())
        .with_state(App::new(config))
}

/// Serves on `listener` until the future is dropped.
pub async fn serve(listener: TcpListener, config: Config) -> io::Result<()> {
    serve_until(listener, config, pending()).await
}

/// Serves on `listener` until `stop` resolves; open requests then get one more second.
pub async fn serve_until(
    listener: TcpListener,
    config: Config,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (sender, stopped) = oneshot::channel();
    let server = axum::serve(listener, router(config)).with_graceful_shutdown(async move {
        stop.await;
        let _ = sender.send(());
    });
    tokio::select! {
        ended = server => ended,
        () = async {
            let _ = stopped.await;
            tokio::time::sleep(GRACE).await;
        } => Ok(()),
    }
}
