//! The timer of an order's hold: the aggregate and its transitions.

use common::aggregate::Aggregate;
use common::events::expiration::{ExpirationChange, ExpirationState};
use common::id::OrderId;
use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// Status of a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::AsRefStr)]
#[serde(tag = "name", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[strum(serialize_all = "camelCase")]
pub enum Status {
    /// Not fired yet.
    Pending,
    /// The hold expired before the order was paid; never changes again.
    Fired {
        /// When the timer fired: at the hold's end or later.
        at: Timestamp,
    },
    /// The order is authorised or has ended, and can't expire. Pending again only if `orders` was restored to a moment
    /// when it could.
    Closed,
}

/// A timer, identified by its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timer {
    /// Order whose hold the timer limits.
    pub order_id: OrderId,
    /// When the hold ends.
    pub expires_at: Timestamp,
    /// Current status.
    pub status: Status,
    pub(crate) updated_at: Timestamp,
}

/// Why a transition is not allowed in the timer's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TimerError {
    #[error("the timer is not due")]
    NotDue,
    #[error("the timer has fired")]
    Fired,
    #[error("the timer is closed")]
    Closed,
}

impl Timer {
    /// Creates a pending timer.
    pub fn new(order_id: OrderId, expires_at: Timestamp, now: Timestamp) -> Self {
        Self { order_id, expires_at, status: Status::Pending, updated_at: now }
    }

    /// Fires the timer when it is due: the only transition that publishes an event.
    pub(crate) fn fire(self, now: Timestamp) -> Result<(Self, ExpirationChange), TimerError> {
        self.ensure_pending()?;
        if !self.is_due(now) {
            return Err(TimerError::NotDue);
        }
        Ok((Self { status: Status::Fired { at: now }, updated_at: now, ..self }, ExpirationChange::Completed))
    }

    /// Closes the timer of an order that can't expire any more.
    pub(crate) fn close(self, now: Timestamp) -> Result<Self, TimerError> {
        self.ensure_pending()?;
        Ok(Self { status: Status::Closed, updated_at: now, ..self })
    }

    pub(crate) fn reschedule(self, expires_at: Timestamp, now: Timestamp) -> Result<Self, TimerError> {
        self.ensure_pending()?;
        Ok(Self { expires_at, updated_at: now, ..self })
    }

    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }

    fn ensure_pending(&self) -> Result<(), TimerError> {
        match self.status {
            Status::Pending => Ok(()),
            Status::Fired { .. } => Err(TimerError::Fired),
            Status::Closed => Err(TimerError::Closed),
        }
    }
}

impl Aggregate for Timer {
    type Payload = ExpirationState;
    const COLLECTION: &'static str = "timers";

    fn id(&self) -> String {
        self.order_id.to_string()
    }

    fn payload(&self) -> ExpirationState {
        ExpirationState { order_id: self.order_id, expires_at: self.expires_at }
    }

    fn present_change(&self) -> ExpirationChange {
        ExpirationChange::Completed
    }

    fn is_settled(&self) -> bool {
        self.status != Status::Pending
    }

    fn is_announced(&self) -> bool {
        // Every event of a timer means that it has fired.
        matches!(self.status, Status::Fired { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transition_in_every_status() {
        let (due, early) = (Timestamp::from_millis(10_000), Timestamp::from_millis(9_999));
        let pending = Timer::new(OrderId::new(), due, Timestamp::from_millis(0));
        let (fired, change) = pending.clone().fire(due).unwrap();
        let closed = pending.clone().close(early).unwrap();
        assert_eq!((fired.status, change), (Status::Fired { at: due }, ExpirationChange::Completed));
        assert_eq!((closed.status, closed.updated_at), (Status::Closed, early));
        assert_eq!(pending.clone().reschedule(early, early).unwrap().expires_at, early);
        assert_eq!(pending.clone().fire(early), Err(TimerError::NotDue));
        for (timer, error) in [(&fired, TimerError::Fired), (&closed, TimerError::Closed)] {
            assert_eq!(timer.clone().fire(due), Err(error));
            assert_eq!(timer.clone().close(due), Err(error));
            assert_eq!(timer.clone().reschedule(due, due), Err(error));
        }
        for timer in [&pending, &fired, &closed] {
            let stored = serde_json::to_value(timer.status).unwrap();
            assert_eq!(stored["name"], timer.status.as_ref(), "queries use this name");
        }
        let flags = |timer: &Timer| (timer.is_settled(), timer.is_announced());
        assert_eq!([flags(&pending), flags(&fired), flags(&closed)], [(false, false), (true, true), (true, false)]);
    }
}
