//! Listings.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::{Validate, ValidationError};

use super::endpoints;
use super::page::{Cursor, Page};
use crate::clock::SharedClock;
use crate::events::ticket::{Category, TicketState, TicketStatus, TicketTerms};
use crate::id::{TicketId, UserId};
use crate::money::{Currency, MAXIMUM, Money};
use crate::text::{self, Text};
use crate::timestamp::Timestamp;
use crate::validate::{self, fault, fault_within};

endpoints! { Tickets;
    /// List a ticket for sale.
    CreateListing { body: NewListing } = POST "/api/tickets" -> Listing;
    /// List tickets.
    ListListings { query: ListingQuery } = GET "/api/tickets" -> Page<Listing>;
    /// Read a listing.
    ReadListing { id: TicketId } = GET "/api/tickets/{id}" -> Listing;
    /// Replace a listing.
    ReplaceListing { id: TicketId, body: NewListing } = PUT "/api/tickets/{id}" -> Listing,
        403 "not-the-seller", 409 "ticket-reserved", 409 "ticket-sold", 409 "ticket-withdrawn";
    /// Take a listing back.
    WithdrawListing { id: TicketId } = DELETE "/api/tickets/{id}" -> (),
        403 "not-the-seller", 409 "ticket-reserved", 409 "ticket-sold", 409 "ticket-withdrawn";
}

/// What the rules of a [`NewListing`] depend on beside its own fields.
#[derive(Clone)]
pub struct ListingRules {
    /// An event must begin later than this clock says.
    pub clock: SharedClock,
    /// The currencies that a price may have.
    pub currencies: Arc<[Currency]>,
}

/// A ticket to be listed. An optional field that is absent, null or blank is empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[validate(context = ListingRules, schema(function = "face_value_fits", skip_on_field_errors = false))]
pub struct NewListing {
    /// What it is a ticket for.
    #[validate(length(min = 1, max = 200), custom(function = "text::single_line"))]
    #[schema(value_type = String, min_length = 1, max_length = 200, example = "Carmen")]
    pub title: Text,
    /// Where it takes place.
    #[validate(length(min = 1, max = 200), custom(function = "text::single_line"))]
    #[schema(value_type = String, min_length = 1, max_length = 200, example = "Royal Opera House")]
    pub venue: Text,
    /// The venue's city.
    #[serde(default, deserialize_with = "text::blank_as_none")]
    #[validate(length(max = 100), custom(function = "text::single_line"))]
    #[schema(value_type = Option<String>, max_length = 100, example = "London")]
    pub city: Option<Text>,
    /// When it begins, in the future.
    #[validate(custom(function = "lies_ahead", use_context))]
    #[schema(example = "2099-06-01T18:30:00Z")]
    pub starts_at: Timestamp,
    /// IANA name of the venue's time zone; UTC unless given.
    #[serde(default, deserialize_with = "text::blank_as_none")]
    #[validate(custom(function = "is_time_zone"))]
    #[schema(value_type = Option<String>, example = "Europe/London")]
    pub time_zone: Option<Text>,
    /// What the buyer pays, all-in.
    #[validate(custom(function = "is_offered", use_context))]
    pub price: Money,
    /// What is printed on the ticket, in the price's currency.
    #[serde(default)]
    pub face_value: Option<Money>,
    /// What kind of event it is for.
    #[serde(default)]
    pub category: Option<Category>,
    /// Section or block.
    #[serde(default, deserialize_with = "text::blank_as_none")]
    #[validate(length(max = 100), custom(function = "text::single_line"))]
    #[schema(value_type = Option<String>, max_length = 100)]
    pub section: Option<Text>,
    /// Row.
    #[serde(default, deserialize_with = "text::blank_as_none")]
    #[validate(length(max = 100), custom(function = "text::single_line"))]
    #[schema(value_type = Option<String>, max_length = 100)]
    pub row: Option<Text>,
    /// Seat.
    #[serde(default, deserialize_with = "text::blank_as_none")]
    #[validate(length(max = 100), custom(function = "text::single_line"))]
    #[schema(value_type = Option<String>, max_length = 100)]
    pub seat: Option<Text>,
    /// The seller's own words; line breaks are kept.
    #[serde(default, deserialize_with = "text::blank_as_none")]
    #[validate(length(max = 5_000), custom(function = "text::multi_line"))]
    #[schema(value_type = Option<String>, max_length = 5_000)]
    pub description: Option<Text>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "validator passes references")]
fn lies_ahead(time: &Timestamp, rules: &ListingRules) -> Result<(), ValidationError> {
    if *time > rules.clock.now() { Ok(()) } else { Err(fault("past", "must lie in the future")) }
}

fn is_time_zone(name: &Text) -> Result<(), ValidationError> {
    let known = validate::time_zone(name).map(drop);
    known.ok_or_else(|| fault("time_zone", "must be an IANA time zone such as Europe/Berlin"))
}

fn is_offered(price: &Money, rules: &ListingRules) -> Result<(), ValidationError> {
    validate::price(price, &rules.currencies)
}

fn face_value_fits(listing: &NewListing) -> Result<(), ValidationError> {
    match &listing.face_value {
        Some(face) if face.currency != listing.price.currency => {
            Err(fault_within("faceValue.currency", "currency", "must be the price's currency"))
        }
        Some(face) if !(1..=MAXIMUM).contains(&face.amount) => {
            Err(fault_within("faceValue.amount", "range", format!("must be 1 to {MAXIMUM} in minor units")))
        }
        _ => Ok(()),
    }
}

/// How a list is narrowed.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListingQuery {
    /// All but withdrawn unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub status: Option<TicketStatus>,
    /// Of this seller alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seller: Option<UserId>,
    /// Words that title, venue or city must all hold.
    #[serde(default, deserialize_with = "text::blank_as_none", skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 200))]
    #[param(max_length = 200, value_type = Option<String>)]
    pub q: Option<Text>,
    /// How many items at most: 1 to 100, 20 unless told.
    #[serde(default, deserialize_with = "super::page::limit", skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 1, max = 100))]
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
    /// `nextCursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub cursor: Option<Cursor>,
}

/// A listing, as the public sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Listing {
    /// Its id.
    pub id: TicketId,
    /// 0 at creation, one more with each change.
    pub version: u64,
    /// What it is a ticket for.
    pub title: String,
    /// Where it takes place.
    pub venue: String,
    /// The venue's city.
    pub city: Option<String>,
    /// When it begins.
    pub starts_at: Timestamp,
    /// IANA name of the venue's time zone.
    pub time_zone: String,
    /// What the buyer pays, all-in.
    pub price: Money,
    /// What is printed on the ticket.
    pub face_value: Option<Money>,
    /// What kind of event it is for.
    pub category: Option<Category>,
    /// Section or block.
    pub section: Option<String>,
    /// Row.
    pub row: Option<String>,
    /// Seat.
    pub seat: Option<String>,
    /// The seller's own words.
    pub description: Option<String>,
    /// Whether it can be bought.
    pub status: TicketStatus,
    /// Who sells it.
    pub seller_id: UserId,
    /// When it was listed.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl From<Listing> for TicketState {
    /// With the public fields alone: refusals, the order and the last price drop are left empty.
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
