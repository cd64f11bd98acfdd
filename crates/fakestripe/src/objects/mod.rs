//! What is stored, and how each looks as Stripe's JSON: every key of Stripe's own example.

pub(crate) mod charge;
pub(crate) mod event;
pub(crate) mod intent;
pub(crate) mod payment_method;
pub(crate) mod refund;
