//! Listing events, published by `tickets`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{changes, text_enum};
use crate::id::{OrderId, TicketId, UserId};
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

/// A reduction of the price by the seller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct PriceDrop {
    /// The previous price, in the currency of the current price.
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
    /// The seller.
    pub seller_id: UserId,
    /// The total price for the buyer, including all fees.
    pub price: Money,
    /// The last change of the price, if it was a reduction.
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
