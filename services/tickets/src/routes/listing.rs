//! The body of POST and PUT: what the seller says of the ticket.

use common::error::Error;
use common::events::ticket::Category;
use common::money::{Currency, MAXIMUM, Money};
use common::timestamp::Timestamp;
use common::validate::Check;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::domain::ticket::Listing;

/// A listing; an optional field that is absent, null or blank is empty.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Listing)]
pub(super) struct ListingBody {
    /// 1 to 200 characters.
    title: String,
    /// 1 to 200 characters.
    venue: String,
    /// Up to 100 characters.
    city: Option<String>,
    /// In the future.
    starts_at: Timestamp,
    /// IANA name; UTC unless given.
    time_zone: Option<String>,
    /// What the buyer pays, all-in.
    price: Money,
    /// What is printed on the ticket, in the price's currency.
    face_value: Option<Money>,
    category: Option<Category>,
    /// Up to 100 characters.
    section: Option<String>,
    /// Up to 100 characters.
    row: Option<String>,
    /// Up to 100 characters.
    seat: Option<String>,
    /// Up to 5,000 characters.
    description: Option<String>,
}

impl ListingBody {
    /// The listing, if every field is right.
    pub(super) fn check(self, now: Timestamp, currencies: &[Currency]) -> Result<Listing, Error> {
        let mut check = Check::default();
        check.price("price", &self.price, currencies);
        if let Some(face) = &self.face_value {
            if face.currency != self.price.currency {
                check.fault("faceValue.currency", "must be the price's currency");
            } else if !(1..=MAXIMUM).contains(&face.amount) {
                check.fault("faceValue.amount", format!("must be 1 to {MAXIMUM} in minor units"));
            }
        }
        if self.starts_at <= now {
            check.fault("startsAt", "must lie in the future");
        }
        let time_zone = self.time_zone.as_deref().map(str::trim).filter(|name| !name.is_empty()).unwrap_or("UTC");
        let known = jiff::tz::TimeZone::get(time_zone).ok();
        // The name as the database has it, however the seller wrote it.
        let time_zone = known.as_ref().and_then(jiff::tz::TimeZone::iana_name).unwrap_or_else(|| {
            check.fault("timeZone", "must be an IANA time zone such as Europe/Berlin");
            time_zone
        });
        let listing = Listing {
            title: check.text("title", &self.title, 1..=200),
            venue: check.text("venue", &self.venue, 1..=200),
            city: check.optional_text("city", self.city.as_deref(), 100),
            starts_at: self.starts_at,
            time_zone: time_zone.to_owned(),
            price: self.price,
            face_value: self.face_value,
            category: self.category,
            section: check.optional_text("section", self.section.as_deref(), 100),
            row: check.optional_text("row", self.row.as_deref(), 100),
            seat: check.optional_text("seat", self.seat.as_deref(), 100),
            description: check.optional_paragraphs("description", self.description.as_deref(), 5_000),
        };
        check.finish()?;
        Ok(listing)
    }
}
