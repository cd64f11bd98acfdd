//! The timer of an order's hold.

use common::aggregate::Aggregate;
use common::events::expiration::{ExpirationChange, ExpirationState};
use common::id::OrderId;
use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a timer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::AsRefStr)]
#[serde(tag = "name", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[strum(serialize_all = "camelCase")]
pub enum Status {
    /// Waits for its moment.
    Pending,
    /// Its moment came while the order was unpaid; final.
    Fired {
        /// When, by our clock: at its moment or later.
        at: Timestamp,
    },
    /// The order is won or ended and can't expire; final.
    Closed,
}

/// A timer; its id is the order's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timer {
    /// The order.
    pub order_id: OrderId,
    /// The moment when the hold ends.
    pub expires_at: Timestamp,
    /// Where it stands.
    pub status: Status,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A transition that the timer's state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimerError {
    /// Its moment is yet to come.
    #[error("the timer is not due")]
    NotDue,
    /// It has fired.
    #[error("the timer has fired")]
    Fired,
    /// It was closed.
    #[error("the timer is closed")]
    Closed,
}

impl Timer {
    /// A timer for an order that may expire.
    pub fn set(order_id: OrderId, expires_at: Timestamp, now: Timestamp) -> Self {
        Self { order_id, expires_at, status: Status::Pending, updated_at: now }
    }

    /// Its moment has come. The only change that others are told.
    pub fn fire(self, now: Timestamp) -> Result<(Self, ExpirationChange), TimerError> {
        self.pending()?;
        if !self.is_due(now) {
            return Err(TimerError::NotDue);
        }
        Ok((Self { status: Status::Fired { at: now }, updated_at: now, ..self }, ExpirationChange::Completed))
    }

    /// The order can't expire any more.
    pub fn close(self, now: Timestamp) -> Result<Self, TimerError> {
        self.pending()?;
        Ok(Self { status: Status::Closed, updated_at: now, ..self })
    }

    /// The order's hold ends at another moment than was known.
    pub fn move_to(self, expires_at: Timestamp, now: Timestamp) -> Result<Self, TimerError> {
        self.pending()?;
        Ok(Self { expires_at, updated_at: now, ..self })
    }

    /// Whether its moment has come.
    pub fn is_due(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }

    fn pending(&self) -> Result<(), TimerError> {
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

    fn is_final(&self) -> bool {
        self.status != Status::Pending
    }

    fn is_announced(&self) -> bool {
        // Any event of a timer says that it has fired.
        matches!(self.status, Status::Fired { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transition_in_every_state() {
        let (due, early) = (Timestamp::from_millis(10_000), Timestamp::from_millis(9_999));
        let pending = Timer::set(OrderId::new(), due, Timestamp::from_millis(0));
        let (fired, change) = pending.clone().fire(due).unwrap();
        let closed = pending.clone().close(early).unwrap();
        assert_eq!((fired.status, change), (Status::Fired { at: due }, ExpirationChange::Completed));
        assert_eq!((closed.status, closed.updated_at), (Status::Closed, early));
        assert_eq!(pending.clone().move_to(early, early).unwrap().expires_at, early);
        assert_eq!(pending.clone().fire(early), Err(TimerError::NotDue));
        for (timer, refusal) in [(&fired, TimerError::Fired), (&closed, TimerError::Closed)] {
            assert_eq!(timer.clone().fire(due), Err(refusal));
            assert_eq!(timer.clone().close(due), Err(refusal));
            assert_eq!(timer.clone().move_to(due, due), Err(refusal));
        }
        for timer in [&pending, &fired, &closed] {
            let stored = serde_json::to_value(timer.status).unwrap();
            assert_eq!(stored["name"], timer.status.as_ref(), "queries name it so");
        }
        let told = |timer: &Timer| (timer.is_final(), timer.is_announced());
        assert_eq!([told(&pending), told(&fired), told(&closed)], [(false, false), (true, true), (true, false)]);
    }
}
