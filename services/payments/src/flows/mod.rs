//! Use cases with more than one caller.

pub mod authorize_payment;
pub mod reconcile_payment;
pub mod record_intent;
mod resolve_intent;
pub mod resolve_orphans;
pub mod sync_payment;
