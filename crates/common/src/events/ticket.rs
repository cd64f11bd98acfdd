//! Listing events, published by `tickets`.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::changes;
use crate::id::{OrderId, ShowId, TicketId, UserId};
use crate::money::Money;
use crate::seats::{Blocks, Slot};
use crate::string_form::text_enum;
use crate::timestamp::Timestamp;

changes! {
    /// The changes of a listing.
    TicketChange(entity "ticket", source "tickets", payload TicketState) {
        Created = "created": "A seller listed a ticket.",
        Updated = "updated": "The seller changed the listing, or an obsolete refusal was removed.",
        Reserved = "reserved": "Seats of the listing are reserved for an order.",
        Refused = "refused": "The reservation for an order was refused; see `refusals`.",
        Released = "released": "An order that held seats was cancelled; they are for sale again, unless the listing is withdrawn.",
        Sold = "sold": "An order that held seats is completed.",
        Withdrawn = "withdrawn": "The seller withdrew the seats that are not held or sold.",
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
    /// The status of a listing, or of one of its seats.
    TicketStatus {
        /// For sale; of a listing: at least one seat is.
        Available,
        /// Reserved for an order; of a listing: no seat is for sale, and not all are sold.
        Reserved,
        /// Sold. Final.
        Sold,
        /// Withdrawn by the seller. A withdrawn listing may have seats that are still reserved for orders.
        Withdrawn,
    }
}

impl TicketStatus {
    /// Whether a listing with this status is never for sale again.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Sold | Self::Withdrawn)
    }
}

/// The terms of a listing that a buyer agrees to, except the price and the names of the seats.
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
    /// The blocks of seats that the listing is sold in.
    pub blocks: Blocks,
}

impl TicketTerms {
    /// Whether these terms, which the buyer of an order agreed to, equal those of the listing. Compares only the fields
    /// that the order has: the release that stored it may not have known the others.
    ///
    /// # Why
    /// An order may have been placed by an older release, which did not know a field that was added later. Such an
    /// order must not be refused because of that field. So the type of a later field is `Option<Option<_>>`: absent
    /// means that the order's release did not know the field, null that the listing has no value. The field needs a
    /// `deserialize_with` that decodes null as `Some(None)`, since derived code decodes it as `None`.
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
    /// The current price of a seat; null unless `reason` is `priceChanged`.
    pub price: Option<Money>,
}

text_enum! {
    /// The reason of a refusal.
    RefusalReason {
        /// The seller has withdrawn the listing.
        Withdrawn,
        /// The event has started.
        Begun,
        /// The price of a seat differs from the one that the buyer saw.
        PriceChanged,
        /// Date, venue, seats or title differ from what the buyer saw.
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

/// A reduction of the price by the seller below the lowest price of the 30 days before it. So a price that is raised
/// and then lowered again is not shown as reduced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct PriceDrop {
    /// The lowest price of the 30 days before the current one, in its currency.
    pub from: Money,
    /// When the price was reduced.
    pub at: Timestamp,
}

/// A seat of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Seat {
    /// What is printed on the ticket, such as its number; null if the seller named none.
    pub name: Option<String>,
    /// The status of the seat.
    pub status: TicketStatus,
    /// The order that holds or bought the seat; null unless `status` is `reserved` or `sold`.
    pub order_id: Option<OrderId>,
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
    /// The price of a seat for the buyer, including all fees.
    pub price: Money,
    /// The last change of the price, if it was a reduction below the lowest price of the 30 days before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_drop: Option<PriceDrop>,
    /// The price printed on the ticket of one seat.
    pub face_value: Option<Money>,
    /// The kind of event.
    pub category: Option<Category>,
    /// The seller's description.
    pub description: Option<String>,
    /// The status of the listing: `withdrawn` if its seller withdrew it, although seats may still be reserved; else
    /// `sold` if all seats are, `reserved` if none is free, and `available` if any is.
    pub status: TicketStatus,
    /// The seats, by slot.
    pub seats: Vec<Seat>,
    /// The refused orders that are not known to be closed.
    pub refusals: Vec<RefusedOrder>,
    /// When the listing was created.
    pub created_at: Timestamp,
    /// When the listing was last changed.
    pub updated_at: Timestamp,
}

impl TicketState {
    /// Whether each of these slots is reserved for the order or sold to it.
    pub fn has_seats_for(&self, order: OrderId, slots: &[Slot]) -> bool {
        let is_for = |slot: &Slot| self.seats.get(usize::from(*slot)).is_some_and(|seat| seat.order_id == Some(order));
        !slots.is_empty() && slots.iter().all(is_for)
    }

    /// The slots that are for sale, ascending.
    pub fn free_slots(&self) -> Vec<Slot> {
        let numbered = (0..).zip(&self.seats);
        numbered.filter(|(_, seat)| seat.status == TicketStatus::Available).map(|(slot, _)| slot).collect()
    }

    /// The orders that hold a seat which they have not bought yet, each once.
    pub fn holders(&self) -> BTreeSet<OrderId> {
        let reserved = self.seats.iter().filter(|seat| seat.status == TicketStatus::Reserved);
        reserved.filter_map(|seat| seat.order_id).collect()
    }

    /// The names of the seats, by slot.
    pub fn seat_names(&self) -> impl Iterator<Item = Option<&str>> {
        self.seats.iter().map(|seat| seat.name.as_deref())
    }
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
