//! Shared state of the request handlers.

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::config::Config;
use crate::faults::Faults;
use crate::idempotency::IdempotencyStore;
use crate::store::Store;
use crate::webhook_endpoint::WebhookEndpoint;

/// A cheaply cloneable handle to the [`Shared`] state.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) store: Locked<Store>,
    pub(crate) faults: Locked<Faults>,
    pub(crate) keys: Locked<IdempotencyStore>,
    pub(crate) webhook: Locked<WebhookEndpoint>,
    /// One record per delivery attempt, for the control API.
    pub(crate) deliveries: Locked<Vec<Value>>,
    pub(crate) http: reqwest::Client,
}

/// A mutex that ignores poisoning: a request that panicked must not fail all later ones.
#[derive(Default)]
pub(crate) struct Locked<T>(Mutex<T>);

impl<T> Locked<T> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    pub(crate) fn new(config: Config) -> Self {
        Self(Arc::new(Shared {
            store: Locked(Mutex::new(Store::new(config.clock.clone()))),
            faults: Locked::default(),
            keys: Locked::default(),
            webhook: Locked(Mutex::new(WebhookEndpoint::new(config.webhook_url.as_ref(), &config.webhook_secret))),
            deliveries: Locked::default(),
            http: http_client(),
            config,
        }))
    }
}

/// No proxy and no redirects: deliveries go to exactly the configured URL.
fn http_client() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    client.build().unwrap_or_default()
}
