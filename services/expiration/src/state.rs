//! State shared by handlers and background tasks; cheap to clone.

use std::sync::Arc;

use common::clock::SharedClock;
use platform::context::Context;
use platform::lifecycle::Tasks;
use platform::store::Store;
use tokio::sync::Mutex;

use crate::domain::timer::Timer;
use crate::timers::wake_ups::WakeUps;

/// State shared by handlers and background tasks.
#[derive(Clone)]
pub struct AppState {
    pub(crate) timers: Store<Timer>,
    pub(crate) wake_ups: WakeUps,
    pub(crate) clock: SharedClock,
    pub(crate) tasks: Tasks,
    /// Held while timers are fired, so that a wake-up and the sweep do not race for the same timers.
    pub(crate) fire_lock: Arc<Mutex<()>>,
}

impl AppState {
    /// The shared state of one instance.
    pub fn new(context: &Context, wake_ups: WakeUps) -> Self {
        Self {
            timers: context.store(),
            wake_ups,
            clock: Arc::clone(&context.clock),
            tasks: context.tasks.clone(),
            fire_lock: Arc::default(),
        }
    }
}
