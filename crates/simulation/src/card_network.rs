//! The simulated card network: fakestripe, our fake of Stripe's API, running in this process.
//!
//! The service `payments` sends HTTP requests to its port. The simulation calls its control API through the router.

use anyhow::Result;
use axum::Router;
use common::clock::Clock;
use serde_json::{Value, json};
use testkit::app::request::{Request, Response};
use tokio::task::AbortHandle;

use crate::clock::ManualClock;

/// The fakestripe of one simulated fleet. Its HTTP server stops when this value is dropped.
pub(crate) struct CardNetwork {
    pub(crate) url: String,
    routes: Router,
    server: AbortHandle,
}

impl CardNetwork {
    /// Starts fakestripe on a free port. It reads the time from the fleet's clock.
    pub(crate) async fn start(clock: &ManualClock) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let clock = clock.clone();
        let clock = fakestripe::Clock::new(move || clock.now().as_seconds());
        let routes = fakestripe::router(fakestripe::Config { clock, ..fakestripe::Config::default() });
        let server = axum::serve(listener, routes.clone());
        let server = tokio::spawn(async move { server.await }).abort_handle();
        Ok(Self { url, routes, server })
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> Response {
        Request::new(self.routes.clone(), method, path).json(body).send().await
    }

    pub(crate) async fn reset(&self) {
        self.call("POST", "/_fake/reset", &Value::Null).await.expect(204);
    }

    /// Replaces the whole fault configuration.
    pub(crate) async fn set_faults(&self, faults: &Value) {
        self.call("PUT", "/_fake/faults", faults).await.expect(200);
    }

    pub(crate) async fn state(&self) -> Value {
        self.call("GET", "/_fake/state", &Value::Null).await.expect(200).json()
    }

    /// Completes the 3-D Secure challenge of this payment intent as the cardholder. Returns false if there is no open
    /// challenge, for example because the intent was cancelled.
    pub(crate) async fn complete_three_d_secure(&self, intent: &str) -> bool {
        let path = format!("/_fake/payment_intents/{intent}/authenticate");
        self.call("POST", &path, &json!({ "outcome": "succeed" })).await.status == 200
    }
}

impl Drop for CardNetwork {
    fn drop(&mut self) {
        self.server.abort();
    }
}
