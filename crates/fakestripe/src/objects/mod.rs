//! Stored objects, rendered as JSON with every key that Stripe's fixtures have.

pub(crate) mod charge;
pub(crate) mod event;
mod extended;
pub mod intent;
pub(crate) mod payment_method;
pub(crate) mod refund;

use crate::table::Row;

macro_rules! impl_row {
    ($($object:ty),*) => {
        $(impl Row for $object {
            fn id(&self) -> &str {
                &self.id
            }

            fn created(&self) -> i64 {
                self.created
            }
        })*
    };
}
impl_row!(charge::Charge, event::Event, intent::Intent, payment_method::PaymentMethod, refund::Refund);
