//! The payment as an aggregate: its collection, its shard key, and the payload of its events.

use common::aggregate::{Aggregate, ShardKey};
use common::events::payment::{PaymentChange, PaymentState, PaymentStatus};

use super::payment::Payment;

impl Aggregate for Payment {
    type Payload = PaymentState;
    const COLLECTION: &'static str = "payments";
    /// All payments of an order are on one shard. So a unique index, which holds within one shard, can ensure that at
    /// most one of them is not declined.
    const SHARD_KEY: ShardKey = ShardKey("state.orderId");

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn payload(&self) -> PaymentState {
        PaymentState {
            id: self.id,
            order_id: self.order_id,
            buyer_id: self.buyer_id,
            status: self.status_name(),
            amount: self.amount.clone(),
            provider: self.provider.clone(),
            provider_ref: self.provider_ref.clone(),
            decline_reason: self.reason().map(ToOwned::to_owned),
            authorized_at: self.authorized_at(),
            received: self.received.clone(),
            refunded: self.refunded.clone(),
            disputed: self.disputed,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    fn present_change(&self) -> PaymentChange {
        match self.status_name() {
            PaymentStatus::Authorizing => PaymentChange::Started,
            PaymentStatus::RequiresAction => PaymentChange::ActionRequired,
            PaymentStatus::Authorized => PaymentChange::Authorized,
            PaymentStatus::Captured => PaymentChange::Captured,
            PaymentStatus::Declined => PaymentChange::Declined,
            PaymentStatus::Failed => PaymentChange::Failed,
            PaymentStatus::Voided => PaymentChange::Voided,
        }
    }

    fn is_settled(&self) -> bool {
        self.status_name().is_final()
    }
}
