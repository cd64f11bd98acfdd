//! Listing events, published by `tickets`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{changes, text_enum};
use crate::id::{OrderId, ShowId, TicketId, UserId};
use crate::money::Money;
use crate::timestamp::Timestamp;

changes! {
    /// The changes of a listing.
    TicketChange(entity "ticket", source "tickets", payload TicketState) {
        Created = "created": "A seller listed a ticket.",
        Updated = "updated": "The seller changed the listing, or an obsolete refusal was removed.",
        Reserved = "reserved": "The listing is reserved for an order.",
        Refused = "refused": "The reservation for an order was refused; see `refusals`.",
        Released = "released": "The order that held the listing was cancelled; the listing is for sale again.",
        Sold = "sold": "The order that held the listing is completed.",
        Withdrawn = "withdrawn": "The seller withdrew the listing.",
    }
}

text_enum! {
    /// The kind of event that a ticket is for.
    Category {
        /// Music.
        Concert,
        /// A match or a race.
        Sport,
        /// A play, musical, opera or ballet.
        Theatre,
        /// Stand-up and other comedy.
        Comedy,
        /// An event of several acts or days.
        Festival,
        /// Any other kind.
        Other,
    }
}

text_enum! {
    /// The status of a listing.
    TicketStatus {
        /// For sale.
        Available,
        /// Reserved for an order.
        Reserved,
        /// Sold. Final.
        Sold,
        /// Withdrawn by the seller. Final.
        Withdrawn,
    }
}

impl TicketStatus {
    /// Whether the status never changes again.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Sold | Self::Withdrawn)
    }
}

/// The terms of a listing that a buyer agrees to, except the price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct TicketTerms {
    /// The id of the listing.
    pub id: TicketId,
    /// The event.
    pub title: String,
    /// The venue.
    pub venue: String,
    /// The venue's city.
    pub city: Option<String>,
    /// When the event starts.
    pub starts_at: Timestamp,
    /// IANA name of the venue's time zone.
    pub time_zone: String,
    /// The section or block.
    pub section: Option<String>,
    /// The row.
    pub row: Option<String>,
    /// The seat.
    pub seat: Option<String>,
}

impl TicketTerms {
    /// Whether these terms of an order are those of the listing, in every field that the order's release knew.
    ///
    /// # Why
    /// While releases are mixed, and after that for stored orders, an order can be of a release that did not know a
    /// newer field, and must not be rejected for it. So a field that is added later is an `Option<Option<_>>`: absent
    /// means that the order's release did not know it, null that the listing has none. It needs a `deserialize_with`
    /// that decodes null as `Some(None)`, which derived code decodes as `None`. An absent field is not compared.
    pub fn agree_with(&self, listing: &Self) -> bool {
        match (serde_json::to_value(self), serde_json::to_value(listing)) {
            (Ok(Value::Object(agreed)), Ok(Value::Object(current))) => is_part_of(&agreed, &current),
            _ => false,
        }
    }
}

/// Whether every field of `part` is in `whole` with the same value.
fn is_part_of(part: &Map<String, Value>, whole: &Map<String, Value>) -> bool {
    part.iter().all(|(field, value)| whole.get(field) == Some(value))
}

/// Why the reservation for an order was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Refusal {
    /// The reason.
    pub reason: RefusalReason,
    /// The current price; null unless `reason` is `priceChanged`.
    pub price: Option<Money>,
}

text_enum! {
    /// The reason of a refusal.
    RefusalReason {
        /// The seller has withdrawn the listing.
        Withdrawn,
        /// The event has started.
        Begun,
        /// The price differs from the one that the buyer saw.
        PriceChanged,
        /// Date, venue, seat or title differ from what the buyer saw.
        TermsChanged,
        /// The show is cancelled.
        ShowCancelled,
    }
}

/// A refusal, retained until its order is known to be closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct RefusedOrder {
    /// The refused order.
    pub order_id: OrderId,
    /// Why it was refused.
    #[serde(flatten)]
    pub refusal: Refusal,
}

/// A reduction of the price by the seller, measured against the lowest price of the 30 days before it, so that raising
/// and lowering a price is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct PriceDrop {
    /// The lowest price of the 30 days before the current one, in its currency.
    pub from: Money,
    /// When the price was reduced.
    pub at: Timestamp,
}

/// The public state of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TicketState {
    /// The terms that a buyer agrees to, with the listing's id.
    #[serde(flatten)]
    pub terms: TicketTerms,
    /// The show that the ticket is for. It is no part of the terms: merging two shows changes it and nothing else.
    pub show_id: ShowId,
    /// Whether the show is cancelled, so that the ticket can't be ordered any more; absent if it is not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub show_cancelled: bool,
    /// The seller.
    pub seller_id: UserId,
    /// The total price for the buyer, including all fees.
    pub price: Money,
    /// The last change of the price, if it was a reduction below the lowest price of the 30 days before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_drop: Option<PriceDrop>,
    /// The price printed on the ticket.
    pub face_value: Option<Money>,
    /// The kind of event.
    pub category: Option<Category>,
    /// The seller's description.
    pub description: Option<String>,
    /// The status of the listing.
    pub status: TicketStatus,
    /// The order that holds or bought the listing; null unless `status` is `reserved` or `sold`.
    pub order_id: Option<OrderId>,
    /// The refused orders that are not known to be closed.
    pub refusals: Vec<RefusedOrder>,
    /// When the listing was created.
    pub created_at: Timestamp,
    /// When the listing was last changed.
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Map<String, Value> {
        let Value::Object(fields) = value else { panic!("not an object: {value}") };
        fields
    }

    #[test]
    fn terms_are_compared_in_the_fields_of_the_order() {
        let next_release = |gate: Value| fields(json!({ "title": "Carmen", "seat": null, "gate": gate }));
        let this_release = fields(json!({ "title": "Carmen", "seat": null }));
        assert!(is_part_of(&this_release, &next_release(json!("B"))), "the order's release did not know gates");
        assert!(is_part_of(&next_release(json!("B")), &next_release(json!("B"))));
        for gate in [json!("A"), Value::Null] {
            assert!(!is_part_of(&next_release(gate), &next_release(json!("B"))), "the buyer saw another gate, or none");
        }
        let other = fields(json!({ "title": "Carmen", "seat": "14", "gate": "B" }));
        assert!(!is_part_of(&this_release, &other));
    }
}
