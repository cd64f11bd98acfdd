//! A clock that only advances manually.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use common::clock::Clock;
use common::timestamp::Timestamp;

/// The clock of all instances, which the schedule advances.
#[derive(Debug, Clone)]
pub(crate) struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock at the beginning of the year 2000.
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(946_684_800_000)))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}
