//! What the handlers share: the settings, the world under its lock, faults, keys, deliveries.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::config::Config;
use crate::faults::Faults;
use crate::hook::Hook;
use crate::idempotency::Keys;
use crate::world::World;

/// A cheap-clone handle on the server's state.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

struct Shared {
    config: Config,
    world: Mutex<World>,
    faults: Mutex<Faults>,
    keys: Mutex<Keys>,
    hook: Mutex<Hook>,
    deliveries: Mutex<Vec<Value>>,
    http: reqwest::Client,
}

impl App {
    pub(crate) fn new(config: Config) -> Self {
        let hook = Hook::new(config.webhook_url.as_ref(), &config.webhook_secret);
        Self(Arc::new(Shared {
            world: Mutex::new(World::new(config.clock.clone())),
            config,
            faults: Mutex::default(),
            keys: Mutex::default(),
            hook: Mutex::new(hook),
            deliveries: Mutex::default(),
            http: direct(),
        }))
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.0.http
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        locked(&self.0.world)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        locked(&self.0.faults)
    }

    pub(crate) fn keys(&self) -> MutexGuard<'_, Keys> {
        locked(&self.0.keys)
    }

    pub(crate) fn hook(&self) -> MutexGuard<'_, Hook> {
        locked(&self.0.hook)
    }

    pub(crate) fn deliveries(&self) -> MutexGuard<'_, Vec<Value>> {
        locked(&self.0.deliveries)
    }
}

/// No proxy and no redirects: a delivery goes where the settings say.
fn direct() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    client.build().unwrap_or_default()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
