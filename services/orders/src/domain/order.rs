//! The order aggregate: its statuses, transitions and errors.

use std::time::Duration;

use common::aggregate::{Aggregate, ShardKey};
use common::error::{Error, Rejection};
use common::events::order::{CancelReason, OrderChange, OrderState, OrderStatus};
use common::events::ticket::{Refusal, TicketTerms};
use common::id::{OrderId, PaymentId, ShowId, UserId};
use common::money::Money;
use common::seats::Slot;
use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// An order's status, with the data that only this status has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Status {
    /// Holds the seats and waits until `tickets` reserves them.
    Created,
    /// Confirmed by `tickets`; can be paid.
    AwaitingPayment,
    /// A payment is authorised; no other payment will be captured.
    Authorized {
        /// The payment.
        payment_id: PaymentId,
    },
    /// Paid; final.
    Completed {
        /// The payment that was captured.
        payment_id: PaymentId,
    },
    /// Ended without a sale; final.
    Cancelled {
        /// The reason.
        reason: CancelReason,
        /// The refusal, if `tickets` refused the order.
        refusal: Option<Refusal>,
    },
}

/// The statuses of an unpaid hold, which can expire or be cancelled by its buyer.
pub const UNPAID: [OrderStatus; 2] = [OrderStatus::Created, OrderStatus::AwaitingPayment];

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// The order's id.
    pub id: OrderId,
    /// The buyer.
    pub buyer_id: UserId,
    /// The listing's terms when the order was placed.
    pub ticket: TicketTerms,
    /// The listing's show when the order was placed; it may have been merged into another one since.
    pub show_id: ShowId,
    /// The slots of the listing that the order takes, ascending; never empty. The unique index over them decides who
    /// holds a seat.
    pub slots: Vec<Slot>,
    /// The names of these seats when the order was placed.
    pub seats: Vec<Option<String>>,
    /// The price of a seat when the order was placed.
    pub unit_price: Money,
    /// The price of all seats of the order, fixed when it was placed.
    pub price: Money,
    /// The status.
    pub status: Status,
    /// When the hold ends if the order is unpaid.
    pub expires_at: Timestamp,
    /// When the order was placed.
    pub created_at: Timestamp,
    /// When the order last changed.
    pub updated_at: Timestamp,
}

/// How long a buyer should wait after others took the seats of every attempt.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Why an order can't be placed or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// The buyer is the seller.
    #[error("the ticket is the buyer's own")]
    OwnTicket,
    /// The seller has withdrawn the listing.
    #[error("the ticket is withdrawn")]
    TicketWithdrawn,
    /// The show was cancelled.
    #[error("the show was cancelled")]
    ShowCancelled,
    /// The ticket's event has started.
    #[error("the event has started")]
    EventBegun,
    /// Orders of other buyers hold all seats of the listing.
    #[error("other orders hold all seats")]
    TicketTaken,
    /// An unpaid order of the same buyer holds seats of the listing; or no seat is free, and this buyer has paid for
    /// some of them.
    #[error("the buyer holds seats of the listing already")]
    AlreadyHeld,
    /// In every attempt, another order took the chosen seats first.
    #[error("other orders took the chosen seats first")]
    SeatsTaken,
    /// The price of the seats together is out of range.
    #[error("the price of all seats is out of range")]
    PriceOutOfRange,
    /// The order's status does not allow the transition.
    #[error("the order is {0:?}")]
    InvalidStatus(OrderStatus),
    /// There is no pass before the order is completed.
    #[error("the order is not completed")]
    NotCompleted,
    /// The order has several passes, one for each seat.
    #[error("the order has several passes")]
    SeveralPasses,
    /// The hold has not ended yet; the time until then.
    #[error("the hold ends in {0:?}")]
    NotDue(Duration),
    /// The order is authorised by another payment.
    #[error("the order is authorised by another payment")]
    OtherPayment,
}

impl From<OrderError> for Error {
    fn from(error: OrderError) -> Self {
        let (code, detail) = match error {
            OrderError::OwnTicket => {
                return Self::Forbidden(Rejection::new("own-ticket", "You can't buy your own ticket."));
            }
            OrderError::TicketWithdrawn => ("ticket-withdrawn", "The seller has withdrawn this ticket."),
            OrderError::ShowCancelled => {
                ("show-cancelled", "The show was cancelled, so its tickets are no longer for sale.")
            }
            OrderError::EventBegun => ("ticket-begun", "The show has started, so its tickets are no longer for sale."),
            OrderError::TicketTaken => (
                "ticket-taken",
                "Someone else got this ticket first. It may become available again if they don't pay in time.",
            ),
            OrderError::AlreadyHeld => ("held-already", "You already have seats from this listing. See your orders."),
            OrderError::SeatsTaken => {
                let detail = "Other buyers took the remaining seats first. Try again in a moment.";
                return Self::Conflict(Rejection::new("seats-taken", detail).retry_after(TRY_AGAIN_AFTER));
            }
            OrderError::PriceOutOfRange => {
                ("price-out-of-range", "The total for this many seats is too high for one payment. Choose fewer seats.")
            }
            OrderError::InvalidStatus(status) => match status {
                OrderStatus::Created => ("order-unconfirmed", "The order is not confirmed yet. Try again in a moment."),
                OrderStatus::AwaitingPayment => ("order-unpaid", "The order has not been paid yet."),
                OrderStatus::Authorized => {
                    ("order-authorized", "The card is being charged, so the order can no longer be changed.")
                }
                OrderStatus::Completed => ("order-completed", "The order is paid and can no longer be changed."),
                OrderStatus::Cancelled => ("order-closed", "The order is already cancelled."),
            },
            OrderError::NotCompleted => ("order-not-completed", "Passes are available once the order is paid."),
            OrderError::SeveralPasses => ("several-passes", "This order has a pass for each seat; get all of them."),
            OrderError::NotDue(_) => ("order-not-due", "The hold has not ended yet."),
            OrderError::OtherPayment => ("other-payment", "Another payment has authorised the order."),
        };
        Self::conflict(code, detail)
    }
}

/// The order after a transition, with the change to publish.
pub type Transition = Result<(Order, OrderChange), OrderError>;

impl Order {
    /// The order as it was when it was placed. Terms, show, seats, price and the hold's end never change.
    #[must_use]
    pub fn as_placed(&self) -> Self {
        Self { status: Status::Created, updated_at: self.created_at, ..self.clone() }
    }

    /// `tickets` has reserved all seats of the order for it.
    pub fn confirm(self, now: Timestamp) -> Transition {
        self.ensure_status_in(&[OrderStatus::Created])?;
        Ok(self.with_status(Status::AwaitingPayment, OrderChange::Confirmed, now))
    }

    /// `tickets` refused the order.
    pub fn refuse(self, refusal: Refusal, now: Timestamp) -> Transition {
        self.ensure_status_in(&[OrderStatus::Created])?;
        Ok(self.cancel_with(CancelReason::Refused, Some(refusal), now))
    }

    /// A payment of the order is authorised; any other payment will be voided.
    pub fn authorize(self, payment_id: PaymentId, now: Timestamp) -> Transition {
        self.ensure_status_in(&[OrderStatus::AwaitingPayment])?;
        Ok(self.with_status(Status::Authorized { payment_id }, OrderChange::Authorized, now))
    }

    /// The authorised payment is captured.
    pub fn complete(self, payment_id: PaymentId, now: Timestamp) -> Transition {
        self.ensure_authorized_by(payment_id)?;
        Ok(self.with_status(Status::Completed { payment_id }, OrderChange::Completed, now))
    }

    /// The capture of the authorised payment failed.
    pub fn fail_payment(self, payment_id: PaymentId, now: Timestamp) -> Transition {
        self.ensure_authorized_by(payment_id)?;
        Ok(self.cancel_with(CancelReason::PaymentFailed, None, now))
    }

    /// The buyer cancels the unpaid order.
    pub fn cancel(self, now: Timestamp) -> Transition {
        self.ensure_status_in(&UNPAID)?;
        Ok(self.cancel_with(CancelReason::Buyer, None, now))
    }

    /// The show was cancelled and the order is unpaid.
    pub fn cancel_for_show(self, now: Timestamp) -> Transition {
        self.ensure_status_in(&UNPAID)?;
        Ok(self.cancel_with(CancelReason::ShowCancelled, None, now))
    }

    /// The hold ended and the order is unpaid.
    pub fn expire(self, now: Timestamp) -> Transition {
        self.ensure_status_in(&UNPAID)?;
        if now < self.expires_at {
            return Err(OrderError::NotDue(self.expires_at.since(now)));
        }
        Ok(self.cancel_with(CancelReason::Expired, None, now))
    }

    fn ensure_status_in(&self, allowed: &[OrderStatus]) -> Result<(), OrderError> {
        let status = self.status_name();
        if allowed.contains(&status) { Ok(()) } else { Err(OrderError::InvalidStatus(status)) }
    }

    fn ensure_authorized_by(&self, payment: PaymentId) -> Result<(), OrderError> {
        self.ensure_status_in(&[OrderStatus::Authorized])?;
        if self.payment_id() == Some(payment) { Ok(()) } else { Err(OrderError::OtherPayment) }
    }

    fn cancel_with(self, reason: CancelReason, refusal: Option<Refusal>, now: Timestamp) -> (Self, OrderChange) {
        self.with_status(Status::Cancelled { reason, refusal }, OrderChange::Cancelled, now)
    }

    fn with_status(self, status: Status, change: OrderChange, now: Timestamp) -> (Self, OrderChange) {
        (Self { status, updated_at: now, ..self }, change)
    }

    /// The status as the API and the events name it.
    pub fn status_name(&self) -> OrderStatus {
        match self.status {
            Status::Created => OrderStatus::Created,
            Status::AwaitingPayment => OrderStatus::AwaitingPayment,
            Status::Authorized { .. } => OrderStatus::Authorized,
            Status::Completed { .. } => OrderStatus::Completed,
            Status::Cancelled { .. } => OrderStatus::Cancelled,
        }
    }

    /// Whether the order is an unpaid hold.
    pub fn is_unpaid(&self) -> bool {
        UNPAID.contains(&self.status_name())
    }

    /// Why the order was cancelled.
    pub fn cancel_reason(&self) -> Option<CancelReason> {
        match self.status {
            Status::Cancelled { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// Why `tickets` refused the order.
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.status {
            Status::Cancelled { refusal, .. } => refusal.as_ref(),
            _ => None,
        }
    }

    /// The payment that authorised the order.
    pub fn payment_id(&self) -> Option<PaymentId> {
        match self.status {
            Status::Authorized { payment_id } | Status::Completed { payment_id } => Some(payment_id),
            _ => None,
        }
    }
}

impl Aggregate for Order {
    type Payload = OrderState;
    const COLLECTION: &'static str = "orders";
    /// All orders of a listing are on one shard, so that one unique index decides who holds its seats.
    const SHARD_KEY: ShardKey = ShardKey("state.ticket.id");

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn payload(&self) -> OrderState {
        OrderState {
            id: self.id,
            buyer_id: self.buyer_id,
            status: self.status_name(),
            cancel_reason: self.cancel_reason(),
            refusal: self.refusal().cloned(),
            payment_id: self.payment_id(),
            ticket: self.ticket.clone(),
            show_id: self.show_id,
            slots: self.slots.clone(),
            seats: self.seats.clone(),
            unit_price: self.unit_price.clone(),
            price: self.price.clone(),
            expires_at: self.expires_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    fn present_change(&self) -> OrderChange {
        match self.status_name() {
            OrderStatus::Created => OrderChange::Created,
            OrderStatus::AwaitingPayment => OrderChange::Confirmed,
            OrderStatus::Authorized => OrderChange::Authorized,
            OrderStatus::Completed => OrderChange::Completed,
            OrderStatus::Cancelled => OrderChange::Cancelled,
        }
    }

    /// `None` if the payload lacks what its status requires, or has no slots, so that it would collide with no other
    /// order.
    fn from_payload(payload: OrderState) -> Option<Self> {
        if payload.slots.is_empty() {
            return None;
        }
        let status = match payload.status {
            OrderStatus::Created => Status::Created,
            OrderStatus::AwaitingPayment => Status::AwaitingPayment,
            OrderStatus::Authorized => Status::Authorized { payment_id: payload.payment_id? },
            OrderStatus::Completed => Status::Completed { payment_id: payload.payment_id? },
            OrderStatus::Cancelled => Status::Cancelled { reason: payload.cancel_reason?, refusal: payload.refusal },
        };
        Some(Self {
            id: payload.id,
            buyer_id: payload.buyer_id,
            ticket: payload.ticket,
            show_id: payload.show_id,
            slots: payload.slots,
            seats: payload.seats,
            unit_price: payload.unit_price,
            price: payload.price,
            status,
            expires_at: payload.expires_at,
            created_at: payload.created_at,
            updated_at: payload.updated_at,
        })
    }

    fn contradicts(&self, replicated: &Self) -> bool {
        // A replica lacks the fields of the terms that its service's release did not know.
        let has_same_ticket = replicated.ticket.agree_with(&self.ticket) && self.show_id == replicated.show_id;
        let has_same_seats = self.slots == replicated.slots && self.seats == replicated.seats;
        let has_same_price = self.price == replicated.price && self.unit_price == replicated.unit_price;
        self.buyer_id != replicated.buyer_id || !has_same_ticket || !has_same_seats || !has_same_price
    }

    fn is_changed_since(&self, replicated: &Self) -> bool {
        self.status_name().is_final() || self.updated_at > replicated.updated_at
    }

    fn is_settled(&self) -> bool {
        self.status_name().is_final()
    }
}
