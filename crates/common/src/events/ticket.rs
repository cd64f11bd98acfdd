//! Events of listings, published by tickets.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{changes, text_enum};
use crate::id::{OrderId, TicketId, UserId};
use crate::money::Money;
use crate::timestamp::Timestamp;

changes! {
    /// What can happen to a listing.
    TicketChange of "ticket" by "tickets" with TicketState {
        Created = "created": "A seller listed a ticket.",
        Updated = "updated": "The seller changed the listing, or a refusal that is no longer needed was dropped.",
        Reserved = "reserved": "The listing is held for an order.",
        Refused = "refused": "An order can't have the listing; `refusals` says why.",
        Released = "released": "The order that held the listing is closed; it is for sale again.",
        Sold = "sold": "The order that held the listing is completed.",
        Withdrawn = "withdrawn": "The seller took the listing back.",
    }
}

text_enum! {
    /// What kind of event the ticket is for.
    Category {
        /// Music.
        Concert,
        /// A match or race.
        Sport,
        /// A play, musical, opera or ballet.
        Theatre,
        /// Stand-up and the like.
        Comedy,
        /// Several acts or days.
        Festival,
        /// Anything else.
        Other,
    }
}

text_enum! {
    /// Whether a listing can be bought.
    TicketStatus {
        /// For sale.
        Available,
        /// Held for an order.
        Reserved,
        /// Sold; final.
        Sold,
        /// Taken back by the seller; final.
        Withdrawn,
    }
}

/// What a buyer agrees to: everything about the listing that an order is bound to, price aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct TicketTerms {
    /// The listing.
    pub id: TicketId,
    /// What it is for.
    pub title: String,
    /// Where it takes place.
    pub venue: String,
    /// The venue's city.
    pub city: Option<String>,
    /// When it begins.
    pub starts_at: Timestamp,
    /// The IANA time zone of the venue.
    pub time_zone: String,
    /// Section or block.
    pub section: Option<String>,
    /// Row.
    pub row: Option<String>,
    /// Seat.
    pub seat: Option<String>,
}

/// Why an order can't have the listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Refusal {
    /// What is in the way.
    pub reason: RefusalReason,
    /// The present price, when it is the price that changed.
    pub price: Option<Money>,
}

text_enum! {
    /// What is in the way of an order.
    RefusalReason {
        /// The seller took the listing back.
        Withdrawn,
        /// The event has begun.
        Begun,
        /// The price is not the one that the buyer saw.
        PriceChanged,
        /// Date, venue, seat or title are not what the buyer saw.
        TermsChanged,
    }
}

/// A refusal that stands until its order is seen closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct RefusedOrder {
    /// The order.
    pub order_id: OrderId,
    /// Why.
    #[serde(flatten)]
    pub refusal: Refusal,
}

/// The seller has lowered the price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct PriceDrop {
    /// The price before, in the present price's currency.
    pub from: Money,
    /// When it was lowered.
    pub at: Timestamp,
}

/// A listing as the other services know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TicketState {
    /// What a buyer agrees to, with the listing's id.
    #[serde(flatten)]
    pub terms: TicketTerms,
    /// Who sells it.
    pub seller_id: UserId,
    /// What it costs, all-in.
    pub price: Money,
    /// The last change of the price, if that lowered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_drop: Option<PriceDrop>,
    /// What is printed on it.
    pub face_value: Option<Money>,
    /// What kind of event it is for.
    pub category: Option<Category>,
    /// The seller's own words.
    pub description: Option<String>,
    /// Whether it can be bought.
    pub status: TicketStatus,
    /// The order that holds or has bought it; with reserved and sold.
    pub order_id: Option<OrderId>,
    /// The orders that can't have it and are not known to be closed.
    pub refusals: Vec<RefusedOrder>,
    /// When it was listed.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}
