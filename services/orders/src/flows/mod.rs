//! Use cases with more than one caller.

pub mod hold_seats;
pub mod limit_holds;
pub mod reconcile_order;
pub mod record_refund_due;
