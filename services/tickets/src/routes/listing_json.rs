//! Serialises a stored listing as JSON without decoding the aggregate.
//!
//! # Why
//! Listings are read far more often than anything else, up to a hundred in a request. Decoding each into the aggregate
//! and formatting it again was most of the service's work. The types of this module borrow all strings from the stored
//! document. Ids and times are stored as strings in the format of the JSON, so they are copied without being parsed.

use common::aggregate::Versioned;
use platform::store::StoredAggregate;
use platform::store::error::StoreError;
use serde::{Deserialize, Serialize};

/// The same JSON as [`Listing`](common::api::tickets::Listing).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListingJson<'a> {
    id: &'a str,
    show_id: &'a str,
    pub(super) version: u64,
    #[serde(flatten)]
    details: Details<'a>,
    seat: Option<&'a str>,
    seats: Vec<Seat<'a>>,
    free: u8,
    status: &'a str,
    seller_id: &'a str,
    created_at: &'a str,
    updated_at: &'a str,
}

/// The part of a stored [`Ticket`](crate::domain::ticket::Ticket) that is public.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored<'a> {
    id: &'a str,
    seller_id: &'a str,
    #[serde(borrow)]
    show: Show<'a>,
    #[serde(borrow)]
    listing: Details<'a>,
    #[serde(borrow)]
    status: Status<'a>,
    #[serde(borrow)]
    seats: Vec<Seat<'a>>,
    created_at: &'a str,
    updated_at: &'a str,
}

#[derive(Debug, Deserialize)]
struct Show<'a> {
    id: &'a str,
}

/// The details that the seller entered. They have the same form in the stored document and in the JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    title: &'a str,
    venue: &'a str,
    city: Option<&'a str>,
    starts_at: &'a str,
    time_zone: &'a str,
    #[serde(borrow)]
    price: Price<'a>,
    #[serde(borrow)]
    face_value: Option<Price<'a>>,
    category: Option<&'a str>,
    section: Option<&'a str>,
    row: Option<&'a str>,
    blocks: Vec<u8>,
    description: Option<&'a str>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Price<'a> {
    amount: i64,
    currency: &'a str,
}

#[derive(Debug, Deserialize)]
struct Status<'a> {
    name: &'a str,
    free: u8,
}

/// A seat without its order, which is not public.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Seat<'a> {
    name: Option<&'a str>,
    status: &'a str,
}

/// The name of the seat, if there is only one.
pub(super) fn only_name<'s, S, N>(seats: &'s [S], name: impl Fn(&'s S) -> Option<N>) -> Option<N> {
    match seats {
        [only] => name(only),
        _ => None,
    }
}

impl<'a> ListingJson<'a> {
    /// Reads the public part of a stored listing.
    pub(super) fn read(stored: &'a StoredAggregate) -> Result<Self, StoreError> {
        let Versioned { version, state } = stored.decode::<Stored<'a>>()?;
        let Stored { id, seller_id, show, listing: details, status, seats, created_at, updated_at } = state;
        let (show_id, Status { name: status, free }) = (show.id, status);
        let seat = only_name(&seats, |seat| seat.name);
        Ok(Self { id, show_id, version, details, seat, seats, free, status, seller_id, created_at, updated_at })
    }
}
