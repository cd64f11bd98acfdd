//! What handlers and background work share; cheap to clone.

use std::sync::Arc;

use common::clock::SharedClock;
use common::events::order::OrderState;
use platform::context::Context;
use platform::lifecycle::Tasks;
use platform::store::Store;
use platform::store::replica::Replica;
use tokio::sync::Mutex;

use crate::domain::timer::Timer;
use crate::timers::schedule::WakeUps;

/// What handlers and background work share.
#[derive(Clone)]
pub struct AppState {
    /// The timers.
    pub timers: Store<Timer>,
    /// What orders told of its orders.
    pub orders: Replica<OrderState>,
    /// Asks Redis to wake the service.
    pub wake_ups: WakeUps,
    /// The time.
    pub clock: SharedClock,
    /// The signal to end.
    pub tasks: Tasks,
    /// Held by whoever fires, so that a wake-up and the sweep do not race for the same timers.
    pub firing: Arc<Mutex<()>>,
}

impl AppState {
    /// The shared state of one instance.
    pub fn new(context: &Context, wake_ups: WakeUps) -> Self {
        Self {
            timers: context.store(),
            orders: context.replica(),
            wake_ups,
            clock: Arc::clone(&context.clock),
            tasks: context.tasks.clone(),
            firing: Arc::default(),
        }
    }
}
