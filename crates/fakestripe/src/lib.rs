//! A development server that stands in for Stripe over HTTP, its state in memory.
//!
//! `api` answers `/v1` (authorization, idempotency keys, faults) around `flows`, the state
//! machine over `world`; `objects` shapes the answers; `webhooks` delivers the events;
//! `control` is `/_fake` for tests and chaos; `pages` has Stripe.js and the 3-D Secure page.
//! What several of them need has a file of its own below all of them.
#![recursion_limit = "256"]
#![allow(clippy::disallowed_methods, reason = "stands outside the platform and its rules on clocks and tasks")]

mod api;
mod app;
mod cards;
mod config;
mod control;
mod error;
mod faults;
mod flows;
mod hook;
mod id;
mod idempotency;
mod objects;
mod pages;
mod params;
mod table;
mod webhooks;
mod world;

use std::future::{Future, pending};
use std::io;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::app::App;
pub use crate::config::{Clock, Config};

/// How long open requests may go on after the signal to stop.
const GRACE: Duration = Duration::from_secs(1);

/// All routes of the server over a fresh, empty state.
pub fn router(config: Config) -> Router {
    let app = App::new(config);
    Router::new()
        .merge(pages::router())
        .nest("/_fake", control::router())
        .fallback(api::answer)
        .layer(api::cors())
        .with_state(app)
}

/// Serves on `listener` until the future is dropped.
pub async fn serve(listener: TcpListener, config: Config) -> io::Result<()> {
    serve_until(listener, config, pending()).await
}

/// Serves on `listener` until `stop` is ready; open requests then get one more second.
pub async fn serve_until(
    listener: TcpListener,
    config: Config,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (sender, mut stopped) = watch::channel(false);
    let server = axum::serve(listener, router(config)).with_graceful_shutdown(async move {
        stop.await;
        sender.send_replace(true);
    });
    tokio::select! {
        ended = server => ended,
        () = async {
            // An error means that the sender is gone: the stop was signalled as well.
            let _ = stopped.wait_for(|stopped| *stopped).await;
            tokio::time::sleep(GRACE).await;
        } => Ok(()),
    }
}
