//! Use cases with more than one caller.

pub mod authorize_payment;
pub mod give_back;
pub mod look_up_payment;
pub mod observe_payment;
pub mod reconcile_payment;
pub mod record_answer;
pub mod record_charge;
pub mod settle_intent;
pub mod settle_orphans;
