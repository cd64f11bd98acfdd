//! Use cases with more than one caller.

pub mod limit_holds;
pub mod reconcile_order;
pub mod record_refund_due;
