//! An order and what can happen to it.

use std::time::Duration;

use common::aggregate::Aggregate;
use common::error::{Error, Rejection};
use common::events::order::{CancelReason, OrderChange, OrderState, OrderStatus};
use common::events::ticket::{Refusal, TicketState, TicketStatus, TicketTerms};
use common::id::{OrderId, PaymentId, UserId};
use common::money::Money;
use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// Where an order stands, with what belongs to that state alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Status {
    /// Holds the ticket; tickets has yet to answer.
    Created,
    /// Confirmed by tickets; may be paid.
    AwaitingPayment,
    /// Won: this payment is authorised and no other one will be captured.
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
        /// Why.
        reason: CancelReason,
        /// What was in the way of the order, when tickets refused it.
        refusal: Option<Refusal>,
    },
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// Who buys.
    pub buyer_id: UserId,
    /// What the buyer agreed to, as the listing was then.
    pub ticket: TicketTerms,
    /// What the buyer agreed to pay.
    pub price: Money,
    /// Where it stands.
    pub status: Status,
    /// When an unpaid hold ends.
    pub expires_at: Timestamp,
    /// When the hold began.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What an order, or its state, does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// Nobody buys from themselves.
    #[error("the ticket is the buyer's own")]
    OwnTicket,
    /// The seller took the listing back.
    #[error("the ticket is withdrawn")]
    TicketWithdrawn,
    /// The ticket is for an event that has begun.
    #[error("the event has begun")]
    TicketBegun,
    /// Another open order holds the ticket.
    #[error("the ticket is taken")]
    TicketTaken,
    /// Another open order of the same buyer holds the ticket.
    #[error("the buyer holds the ticket already")]
    AlreadyHeld,
    /// Tickets has yet to answer.
    #[error("the order is not confirmed yet")]
    Created,
    /// It is confirmed and no payment of it is authorised.
    #[error("the order awaits its payment")]
    AwaitingPayment,
    /// It is won.
    #[error("the order's payment is authorised")]
    Authorized,
    /// It is paid.
    #[error("the order is completed")]
    Completed,
    /// It is closed.
    #[error("the order is cancelled")]
    Cancelled,
    /// Only a paid order lets its buyer in.
    #[error("the order is not completed")]
    NotCompleted,
    /// It has not come to its end yet, but will after this long.
    #[error("the hold ends in {0:?}")]
    NotDue(Duration),
    /// It was won by another payment.
    #[error("another payment has won the order")]
    OtherPayment,
}

impl From<OrderError> for Error {
    fn from(error: OrderError) -> Self {
        let (code, detail) = match error {
            OrderError::OwnTicket => {
                return Self::Forbidden(Rejection::new("own-ticket", "You can't buy a ticket that you sell yourself."));
            }
            OrderError::TicketWithdrawn => ("ticket-withdrawn", "The seller took this ticket back."),
            OrderError::TicketBegun => ("ticket-begun", "The event has begun, so its tickets are no longer sold."),
            OrderError::TicketTaken => {
                ("ticket-taken", "Somebody else was faster. The ticket comes back if they don't pay in time.")
            }
            OrderError::AlreadyHeld => ("ticket-held", "You have this ticket already; look at your orders."),
            OrderError::Created => ("order-unconfirmed", "The order is not confirmed yet. Try again in a moment."),
            OrderError::AwaitingPayment => ("order-unpaid", "The order awaits its payment."),
            OrderError::Authorized => ("order-authorized", "The card is being charged, so it is too late for that."),
            OrderError::Completed => ("order-completed", "The order is paid, so it is too late for that."),
            OrderError::Cancelled => ("order-closed", "The order is cancelled already."),
            OrderError::NotCompleted => ("order-not-completed", "There is a pass once the order is paid."),
            OrderError::NotDue(_) => ("order-not-due", "The hold has not ended yet."),
            OrderError::OtherPayment => ("other-payment", "Another payment has won the order."),
        };
        Self::conflict(code, detail)
    }
}

/// The order after a step, with what happened to it.
pub type Changed = Result<(Order, OrderChange), OrderError>;

impl Order {
    /// A buyer wants a listing on the terms that are known of it, and holds it until `now` + `hold`.
    ///
    /// Whether the listing is reserved says nothing: who holds it is decided by the orders alone, and
    /// the listing may not have seen yet that the order before was closed.
    pub fn place(id: OrderId, buyer_id: UserId, ticket: &TicketState, hold: Duration, now: Timestamp) -> Changed {
        if ticket.seller_id == buyer_id {
            return Err(OrderError::OwnTicket);
        }
        if ticket.status == TicketStatus::Withdrawn {
            return Err(OrderError::TicketWithdrawn);
        }
        if now >= ticket.terms.starts_at {
            return Err(OrderError::TicketBegun);
        }
        let order = Self {
            id,
            buyer_id,
            ticket: ticket.terms.clone(),
            price: ticket.price.clone(),
            status: Status::Created,
            expires_at: now.plus(hold),
            created_at: now,
            updated_at: now,
        };
        Ok((order, OrderChange::Created))
    }

    /// Tickets has reserved the listing for it.
    pub fn confirm(self, now: Timestamp) -> Changed {
        match self.status {
            Status::Created => Ok(self.turn(Status::AwaitingPayment, OrderChange::Confirmed, now)),
            _ => Err(self.obstacle()),
        }
    }

    /// Tickets can't give it the listing.
    pub fn refuse(self, refusal: Refusal, now: Timestamp) -> Changed {
        match self.status {
            Status::Created => Ok(self.close(CancelReason::Refused, Some(refusal), now)),
            _ => Err(self.obstacle()),
        }
    }

    /// A payment of it is authorised: that payment wins.
    pub fn authorize(self, payment_id: PaymentId, now: Timestamp) -> Changed {
        match self.status {
            Status::AwaitingPayment => Ok(self.turn(Status::Authorized { payment_id }, OrderChange::Authorized, now)),
            _ => Err(self.obstacle()),
        }
    }

    /// The payment that won is captured.
    pub fn complete(self, payment: PaymentId, now: Timestamp) -> Changed {
        let payment_id = self.won_by(payment)?;
        Ok(self.turn(Status::Completed { payment_id }, OrderChange::Completed, now))
    }

    /// The payment that won could not be captured.
    pub fn fail_payment(self, payment: PaymentId, now: Timestamp) -> Changed {
        self.won_by(payment)?;
        Ok(self.close(CancelReason::PaymentFailed, None, now))
    }

    /// The buyer gives it up.
    pub fn cancel(self, now: Timestamp) -> Changed {
        match self.status {
            Status::Created | Status::AwaitingPayment => Ok(self.close(CancelReason::Buyer, None, now)),
            _ => Err(self.obstacle()),
        }
    }

    /// Its time has come.
    pub fn expire(self, now: Timestamp) -> Changed {
        match self.status {
            Status::Created | Status::AwaitingPayment if now < self.expires_at => {
                Err(OrderError::NotDue(self.expires_at.since(now)))
            }
            Status::Created | Status::AwaitingPayment => Ok(self.close(CancelReason::Expired, None, now)),
            _ => Err(self.obstacle()),
        }
    }

    fn won_by(&self, payment: PaymentId) -> Result<PaymentId, OrderError> {
        match self.status {
            Status::Authorized { payment_id } if payment_id == payment => Ok(payment_id),
            Status::Authorized { .. } => Err(OrderError::OtherPayment),
            _ => Err(self.obstacle()),
        }
    }

    fn close(self, reason: CancelReason, refusal: Option<Refusal>, now: Timestamp) -> (Self, OrderChange) {
        self.turn(Status::Cancelled { reason, refusal }, OrderChange::Cancelled, now)
    }

    fn turn(self, status: Status, change: OrderChange, now: Timestamp) -> (Self, OrderChange) {
        (Self { status, updated_at: now, ..self }, change)
    }

    /// The present state, as what stands in the way.
    fn obstacle(&self) -> OrderError {
        match self.status {
            Status::Created => OrderError::Created,
            Status::AwaitingPayment => OrderError::AwaitingPayment,
            Status::Authorized { .. } => OrderError::Authorized,
            Status::Completed { .. } => OrderError::Completed,
            Status::Cancelled { .. } => OrderError::Cancelled,
        }
    }

    /// Where it stands, in the words of the contract.
    pub fn status_name(&self) -> OrderStatus {
        match self.status {
            Status::Created => OrderStatus::Created,
            Status::AwaitingPayment => OrderStatus::AwaitingPayment,
            Status::Authorized { .. } => OrderStatus::Authorized,
            Status::Completed { .. } => OrderStatus::Completed,
            Status::Cancelled { .. } => OrderStatus::Cancelled,
        }
    }

    /// Whether it holds its ticket without having been won: the end of its time ends it.
    pub fn is_unpaid(&self) -> bool {
        matches!(self.status, Status::Created | Status::AwaitingPayment)
    }

    /// Why it ended without a sale.
    pub fn cancel_reason(&self) -> Option<CancelReason> {
        match self.status {
            Status::Cancelled { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// Why the listing could not be had.
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.status {
            Status::Cancelled { refusal, .. } => refusal.as_ref(),
            _ => None,
        }
    }

    /// The payment that won.
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
            price: self.price.clone(),
            expires_at: self.expires_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    fn is_final(&self) -> bool {
        self.status_name().is_final()
    }
}
