//! Listings.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::{Validate, ValidationError};

use super::endpoints;
use super::page::{Cursor, Page};
use crate::clock::SharedClock;
use crate::events::ticket::{Category, Seat, TicketState, TicketStatus, TicketTerms};
use crate::id::{ShowId, TicketId, UserId};
use crate::money::{self, Currency, Money};
use crate::seats::{Blocks, InvalidSplit, MAX_SEATS, Split};
use crate::text::{self, Text};
use crate::timestamp::Timestamp;
use crate::validate::{self, invalid, invalid_part};

endpoints! { Tickets;
    /// List a ticket for sale.
    CreateListing { body: NewListing } = POST "/api/tickets" -> Listing,
        409 "show-cancelled", 409 "seat-listed", 422 "over-cap";
    /// Check a new listing by the same rules, without creating it.
    CheckListing { body: NewListing } = POST "/api/tickets/check" -> (),
        409 "show-cancelled", 409 "seat-listed", 422 "over-cap";
    /// List or search listings.
    ListListings { query: ListingQuery } = GET "/api/tickets" -> Page<Listing>;
    /// List seats that more than one listing has, as a member of the staff.
    ListDuplicateSeats {} = GET "/api/tickets/duplicate-seats" -> DuplicateSeats,
        403 "role-required";
    /// Read a listing.
    ReadListing { id: TicketId } = GET "/api/tickets/{id}" -> Listing;
    /// Replace a listing.
    ReplaceListing { id: TicketId, body: NewListing } = PUT "/api/tickets/{id}" -> Listing,
        403 "not-the-seller", 409 "ticket-reserved", 409 "ticket-sold", 409 "ticket-withdrawn", 409 "show-cancelled",
        409 "seat-listed", 422 "over-cap";
    /// Check the replacement of a listing by the same rules, without making it.
    CheckReplacement { id: TicketId, body: NewListing } = POST "/api/tickets/{id}/check" -> (),
        403 "not-the-seller", 409 "ticket-reserved", 409 "ticket-sold", 409 "ticket-withdrawn", 409 "show-cancelled",
        409 "seat-listed", 422 "over-cap";
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
#[validate(schema(function = "validate_seats", skip_on_field_errors = false))]
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
    /// The price of a seat for the buyer, including all fees.
    #[serde(deserialize_with = "money::exact")]
    #[validate(custom(function = "is_valid_price", use_context))]
    pub price: Money,
    /// The price printed on the ticket of one seat, in the currency of `price`.
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
    /// The name of the only seat, such as its number; instead of `seats`.
    #[serde(default, deserialize_with = "text::blank_as_none")]
    #[validate(length(max = 100), custom(function = "text::single_line"))]
    #[schema(value_type = Option<String>, max_length = 100, example = "12")]
    pub seat: Option<Text>,
    /// The names of adjacent seats in their order, all different; instead of `seat`.
    #[serde(default)]
    #[validate(custom(function = "are_seat_names"))]
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 8)]
    pub seats: Option<Vec<Text>>,
    /// The number of seats, if they are not named; 1 by default.
    #[serde(default)]
    #[schema(value_type = Option<u8>, minimum = 1, maximum = 8, example = 2)]
    pub quantity: Option<u8>,
    /// How the seats may be divided among orders; all together by default.
    #[serde(default)]
    pub split: Option<Split>,
    /// The seller's description; line breaks are preserved.
    #[serde(default, deserialize_with = "text::blank_as_none")]
    #[validate(length(max = 5_000), custom(function = "text::multi_line"))]
    #[schema(value_type = Option<String>, max_length = 5_000, example = "Two hours and a half, with one interval.")]
    pub description: Option<Text>,
}

impl NewListing {
    /// The names of the seats, by slot: those of `seats`, or `seat`, or as many unnamed ones as `quantity` says.
    pub fn seat_names(&self) -> Vec<Option<String>> {
        match &self.seats {
            Some(names) => names.iter().map(|name| Some(name.to_string())).collect(),
            None => match &self.seat {
                Some(name) => vec![Some(name.to_string())],
                None => vec![None; usize::from(self.quantity.unwrap_or(1))],
            },
        }
    }

    /// The blocks that the seats are sold in.
    pub fn blocks(&self) -> Result<Blocks, InvalidSplit> {
        self.split.clone().unwrap_or_default().blocks(self.seat_names().len())
    }
}

fn are_seat_names(names: &[Text]) -> Result<(), ValidationError> {
    let distinct: HashSet<&Text> = names.iter().collect();
    if names.is_empty() || names.len() > MAX_SEATS {
        return Err(invalid("seat-count", format!("must have 1 to {MAX_SEATS} names")));
    }
    if names.iter().any(|name| name.is_empty() || name.chars().count() > 100) {
        return Err(invalid("seat-name", "must be names of 1 to 100 characters"));
    }
    if distinct.len() < names.len() {
        return Err(invalid("unique", "must be different names"));
    }
    names.iter().try_for_each(|name| text::single_line(name))
}

/// Checks that the fields about seats agree, and that all seats together can be charged.
fn validate_seats(listing: &NewListing) -> Result<(), ValidationError> {
    let names = listing.seat_names();
    let named = listing.seat.is_some() || listing.seats.is_some();
    if listing.seat.is_some() && listing.seats.is_some() {
        return Err(invalid_part("seats", "seats", "must be absent if seat is given"));
    }
    let quantity = listing.quantity.map(usize::from);
    if quantity.is_some_and(|quantity| !(1..=MAX_SEATS).contains(&quantity)) {
        return Err(invalid_part("quantity", "quantity", format!("must be a number from 1 to {MAX_SEATS}")));
    }
    if named && quantity.is_some_and(|quantity| quantity != names.len()) {
        return Err(invalid_part("quantity", "seats", "must be the number of named seats, or absent"));
    }
    // The names are reported by their own validation.
    if !(1..=MAX_SEATS).contains(&names.len()) {
        return Ok(());
    }
    listing.blocks().map_err(|error| invalid_part("split", error.code(), error.to_string()))?;
    // The same for a price that is out of range for one seat.
    if validate::within(&listing.price, 0, "price.amount").is_err() {
        return Ok(());
    }
    match listing.price.times(names.len()) {
        Some(total) => validate::within(&total, 0, "price.amount").map_err(|error| {
            let message = format!("all seats together {}", error.message.as_deref().unwrap_or_default());
            ValidationError { code: "total".into(), message: Some(message.into()), ..error }
        }),
        None => Err(invalid_part("price.amount", "total", "all seats together are more than can be charged")),
    }
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
            Err(invalid_part("faceValue.currency", "same-currency", "must be the price's currency"))
        }
        Some(face) => validate::within(face, 1, "faceValue.amount"),
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

/// Seats that more than one listing has, for sale, held or sold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DuplicateSeats {
    /// The seats, at most 100.
    pub items: Vec<DuplicateSeat>,
}

/// A seat that more than one listing has, for sale, held or sold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DuplicateSeat {
    /// The show.
    pub show_id: ShowId,
    /// The section or block.
    pub section: Option<String>,
    /// The row.
    pub row: Option<String>,
    /// The name of the seat.
    pub seat: String,
    /// The listings that have it.
    pub listings: Vec<DuplicateListing>,
}

/// One of several listings of the same seat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DuplicateListing {
    /// The id of the listing.
    pub id: TicketId,
    /// The seller.
    pub seller_id: UserId,
    /// The status of the seat.
    pub status: TicketStatus,
}

/// A seat of a listing as the public sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListedSeat {
    /// What is printed on the ticket, such as its number; null if the seller named none.
    pub name: Option<String>,
    /// The status of the seat.
    pub status: TicketStatus,
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
    /// The price of a seat for the buyer, including all fees.
    pub price: Money,
    /// The price printed on the ticket of one seat.
    pub face_value: Option<Money>,
    /// The kind of event.
    pub category: Option<Category>,
    /// The section or block.
    pub section: Option<String>,
    /// The row.
    pub row: Option<String>,
    /// The name of the seat, if there is only one and it has a name.
    pub seat: Option<String>,
    /// The seats, in their order.
    pub seats: Vec<ListedSeat>,
    /// How many seats each block has; an order takes consecutive whole blocks.
    pub blocks: Blocks,
    /// The number of seats that are for sale.
    #[schema(minimum = 0, maximum = 8)]
    pub free: u8,
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

impl From<ListedSeat> for Seat {
    fn from(ListedSeat { name, status }: ListedSeat) -> Self {
        Self { name, status, order_id: None }
    }
}

impl From<Seat> for ListedSeat {
    fn from(Seat { name, status, order_id: _ }: Seat) -> Self {
        Self { name, status }
    }
}

impl From<Listing> for TicketState {
    /// The state to show right after a command, until its event arrives. Refusals, orders and last price drop are not
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
                blocks: listing.blocks,
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
            seats: listing.seats.into_iter().map(Seat::from).collect(),
            refusals: Vec::new(),
            created_at: listing.created_at,
            updated_at: listing.updated_at,
        }
    }
}
