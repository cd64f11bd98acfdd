//! Listings.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::{Validate, ValidationError};

use super::endpoints;
use super::page::{Cursor, Page};
use crate::clock::SharedClock;
use crate::events::ticket::{Category, TicketState, TicketStatus, TicketTerms};
use crate::id::{ShowId, TicketId, UserId};
use crate::money::{self, Currency, Money};
use crate::text::{self, Text};
use crate::timestamp::Timestamp;
use crate::validate::{self, invalid, invalid_part};

endpoints! { Tickets;
    /// List a ticket for sale.
    CreateListing { body: NewListing } = POST "/api/tickets" -> Listing,
        409 "show-cancelled", 422 "over-cap";
    /// List or search listings.
    ListListings { query: ListingQuery } = GET "/api/tickets" -> Page<Listing>;
    /// Read a listing.
    ReadListing { id: TicketId } = GET "/api/tickets/{id}" -> Listing;
    /// Replace a listing.
    ReplaceListing { id: TicketId, body: NewListing } = PUT "/api/tickets/{id}" -> Listing,
        403 "not-the-seller", 409 "ticket-reserved", 409 "ticket-sold", 409 "ticket-withdrawn", 409 "show-cancelled",
        422 "over-cap";
    /// Withdraw a listing.
    WithdrawListing { id: TicketId } = DELETE "/api/tickets/{id}" -> (),
        403 "not-the-seller", 409 "ticket-reserved", 409 "ticket-sold", 409 "ticket-withdrawn";
}

/// Validation context of [`NewListing`].
#[derive(Clone)]
pub struct ListingRules {
    /// The event must start later than the time of this clock.
    pub clock: SharedClock,
    /// The allowed currencies of the price.
    pub currencies: Arc<[Currency]>,
}

/// A listing to create, or the replacement of a listing. An optional field may be absent, null or blank.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[validate(context = ListingRules, schema(function = "validate_face_value", skip_on_field_errors = false))]
pub struct NewListing {
    /// The event.
    #[validate(length(min = 1, max = 200), custom(function = "text::single_line"))]
    #[schema(value_type = String, min_length = 1, max_length = 200, example = "Carmen")]
    pub title: Text,
    /// The venue.
    #[validate(length(min = 1, max = 200), custom(function = "text::single_line"))]
    #[schema(value_type = String, min_length = 1, max_length = 200, example = "Royal Opera House")]
    pub venue: Text,
    /// The venue's city.
    #[serde(default, deserialize_with = "text::blank_as_none")]
    #[validate(length(max = 100), custom(function = "text::single_line"))]
    #[schema(value_type = Option<String>, max_length = 100, example = "London")]
    pub city: Option<Text>,
    /// When the event starts; must be in the future.
    #[validate(custom(function = "is_in_future", use_context))]
    #[schema(example = "2099-06-01T18:30:00Z")]
    pub starts_at: Timestamp,
    /// IANA name of the venue's time zone; UTC by default.
    #[serde(default, deserialize_with = "text::blank_as_none")]
    #[validate(custom(function = "is_time_zone"))]
    #[schema(value_type = Option<String>, max_length = 64, example = "Europe/London")]
    pub time_zone: Option<Text>,
    /// The total price for the buyer, including all fees.
    #[serde(deserialize_with = "money::exact")]
    #[validate(custom(function = "is_valid_price", use_context))]
    pub price: Money,
    /// The price printed on the ticket, in the currency of `price`.
    #[serde(default, deserialize_with = "money::exact_or_none")]
    pub face_value: Option<Money>,
    /// The kind of event.
    #[serde(default)]
    pub category: Option<Category>,
    /// The section or block.
    #[serde(default, deserialize_with = "text::blank_as_none")]
    #[validate(length(max = 100), custom(function = "text::single_line"))]
    #[schema(value_type = Option<String>, max_length = 100, example = "Stalls")]
    pub section: Option<Text>,
    /// The row.
    #[serde(default, deserialize_with = "text::blank_as_none")]
    #[validate(length(max = 100), custom(function = "text::single_line"))]
    #[schema(value_type = Option<String>, max_length = 100, example = "C")]
    pub row: Option<Text>,
    /// The seat.
    #[serde(default, deserialize_with = "text::blank_as_none")]
    #[validate(length(max = 100), custom(function = "text::single_line"))]
    #[schema(value_type = Option<String>, max_length = 100, example = "12")]
    pub seat: Option<Text>,
    /// The seller's description; line breaks are preserved.
    #[serde(default, deserialize_with = "text::blank_as_none")]
    #[validate(length(max = 5_000), custom(function = "text::multi_line"))]
    #[schema(value_type = Option<String>, max_length = 5_000, example = "Two hours and a half, with one interval.")]
    pub description: Option<Text>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "validator passes references")]
fn is_in_future(time: &Timestamp, rules: &ListingRules) -> Result<(), ValidationError> {
    if *time > rules.clock.now() { Ok(()) } else { Err(invalid("past", "must be in the future")) }
}

pub(super) fn is_time_zone(name: &Text) -> Result<(), ValidationError> {
    let known = validate::time_zone(name).map(drop);
    known.ok_or_else(|| invalid("time_zone", "must be an IANA time zone such as Europe/Berlin"))
}

fn is_valid_price(price: &Money, rules: &ListingRules) -> Result<(), ValidationError> {
    validate::price(price, &rules.currencies)
}

fn validate_face_value(listing: &NewListing) -> Result<(), ValidationError> {
    match &listing.face_value {
        Some(face) if face.currency != listing.price.currency => {
            Err(invalid_part("faceValue.currency", "currency", "must be the price's currency"))
        }
        Some(face) => validate::within(face, 1).map_err(|message| invalid_part("faceValue.amount", "range", message)),
        None => Ok(()),
    }
}

/// Filters and pagination of the list of listings.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListingQuery {
    /// Only listings with this status; by default all except withdrawn ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub status: Option<TicketStatus>,
    /// Only listings of this seller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seller: Option<UserId>,
    /// Search words; each must occur in the title, venue or city.
    #[serde(default, deserialize_with = "text::blank_as_none", skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 200))]
    #[param(max_length = 200, value_type = Option<String>, example = "carmen")]
    pub q: Option<Text>,
    /// Maximum number of items: 1 to 100; 20 by default.
    #[serde(default, deserialize_with = "super::page::limit", skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 1, max = 100))]
    #[param(minimum = 1, maximum = 100, example = 20)]
    pub limit: Option<u32>,
    /// `nextCursor` of the previous page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, pattern = "^[0-9A-Fa-f]{32}$", example = "01970000000070008000000000000001")]
    pub cursor: Option<Cursor>,
}

/// A listing as the public sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Listing {
    /// The id of the listing.
    pub id: TicketId,
    /// The show that the ticket is for.
    pub show_id: ShowId,
    /// 0 at creation; incremented by each change.
    pub version: u64,
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
    /// The total price for the buyer, including all fees.
    pub price: Money,
    /// The price printed on the ticket.
    pub face_value: Option<Money>,
    /// The kind of event.
    pub category: Option<Category>,
    /// The section or block.
    pub section: Option<String>,
    /// The row.
    pub row: Option<String>,
    /// The seat.
    pub seat: Option<String>,
    /// The seller's description.
    pub description: Option<String>,
    /// The status of the listing.
    pub status: TicketStatus,
    /// The seller.
    pub seller_id: UserId,
    /// When the listing was created.
    pub created_at: Timestamp,
    /// When the listing was last changed.
    pub updated_at: Timestamp,
}

impl From<Listing> for TicketState {
    /// The state to show right after a command, until its event arrives. Refusals, order and last price drop are not
    /// part of the public API, so they are left empty.
    fn from(listing: Listing) -> Self {
        Self {
            terms: TicketTerms {
                id: listing.id,
                title: listing.title,
                venue: listing.venue,
                city: listing.city,
                starts_at: listing.starts_at,
                time_zone: listing.time_zone,
                section: listing.section,
                row: listing.row,
                seat: listing.seat,
            },
            show_id: listing.show_id,
            show_cancelled: false,
            seller_id: listing.seller_id,
            price: listing.price,
            price_drop: None,
            face_value: listing.face_value,
            category: listing.category,
            description: listing.description,
            status: listing.status,
            order_id: None,
            refusals: Vec::new(),
            created_at: listing.created_at,
            updated_at: listing.updated_at,
        }
    }
}
