//! The form in which a seller describes a ticket.

use common::api::tickets::{Listing, ListingRules, NewListing};
use common::cities;
use common::events::show::ShowState;
use common::events::ticket::{Category, TicketState};
use common::money::Currency;
use common::text::Text;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use strum::VariantArray as _;
use validator::ValidateArgs as _;

use super::amount::{format_typed_amount, read_amount};
use super::form::{FormErrors, parse_choice};
use super::listing_view::category_label;
use super::seat_fields::SeatFields;
use super::wall_time::{AmbiguousTime, WallTime, to_local_input};
use crate::i18n::msg;
use crate::i18n::price::{format_price, usual_currency};
use crate::i18n::reader::Reader;

/// The fields as they were typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ListingForm {
    pub title: String,
    pub venue: String,
    pub city: String,
    /// Start of the event at the venue: `2099-06-01T19:30`.
    pub starts_at: String,
    pub time_zone: String,
    /// The chosen occurrence of a start that occurs twice because clocks go back: `first` or `second`.
    #[serde(rename = "which")]
    pub occurrence: String,
    /// Start of the event in the listing that the form was filled from, in RFC 3339.
    #[serde(rename = "unedited")]
    pub original_starts_at: String,
    pub price: String,
    pub currency: String,
    pub face_value: String,
    pub category: String,
    pub section: String,
    pub row: String,
    /// The names of adjacent seats: `12, 13, 14` or `12-15`.
    pub seats: String,
    /// The number of seats; empty if their names tell it, or for one.
    pub quantity: String,
    /// How the seats may be divided: a rule, `sizes`, or empty for the first rule.
    pub split: String,
    /// The sizes of the blocks: `3+3`.
    pub sizes: String,
    pub description: String,
    /// Version of the edited listing.
    pub version: String,
    /// Id of the show that the form was filled from; empty if there was none.
    pub show: String,
}

/// All categories: name in the API, label.
pub(crate) fn categories() -> impl Iterator<Item = (&'static str, String)> {
    Category::VARIANTS.iter().map(|category| (category.as_ref(), category_label(*category)))
}

impl ListingForm {
    /// The form for a new listing, with the currency of the reader's region and the time zone of the reader's browser.
    pub(crate) fn empty(currencies: &[Currency]) -> Self {
        let currency = usual_currency(currencies).or(currencies.first());
        let zone = Reader::current().time_zone;
        Self {
            currency: currency.map(ToString::to_string).unwrap_or_default(),
            time_zone: zone.as_ref().and_then(TimeZone::iana_name).unwrap_or("UTC").to_owned(),
            ..Self::default()
        }
    }

    /// The length of what was typed, in bytes.
    pub(crate) fn length(&self) -> usize {
        serde_json::to_string(self).map_or(usize::MAX, |json| json.len())
    }

    /// The form for a ticket for this show.
    pub(crate) fn for_show(self, show: &ShowState) -> Self {
        Self {
            show: show.id.to_string(),
            title: show.title.clone(),
            venue: show.venue.clone(),
            city: show.city.clone().unwrap_or_default(),
            starts_at: to_local_input(show.starts_at, &show.time_zone),
            time_zone: show.time_zone.clone(),
            original_starts_at: show.starts_at.to_string(),
            category: show.category.as_ref().map_or_else(String::new, |category| category.as_ref().to_owned()),
            ..self
        }
    }

    /// The form for a ticket for another show, of which only this title is known. What describes the ticket stays.
    pub(crate) fn for_unknown_show(self, title: &str) -> Self {
        let title = title.to_owned();
        let [venue, city, starts_at, occurrence, original_starts_at, category, show] = <[String; 7]>::default();
        Self { title, venue, city, starts_at, occurrence, original_starts_at, category, show, ..self }
    }

    /// Whether the form still describes this show.
    pub(crate) fn is_for_show(&self, show: &ShowState) -> bool {
        self.clone().for_show(show) == *self
    }

    /// Fills in what a neighbouring ticket probably has in common with this one: price, row, split and description.
    pub(crate) fn like_neighbour(self, ticket: &TicketState) -> Self {
        let Self { price, currency, face_value, section, row, split, sizes, description, .. } =
            Self::from_ticket(ticket, 0);
        Self { price, currency, face_value, section, row, split, sizes, description, ..self }
    }

    pub(crate) fn from_ticket(ticket: &TicketState, version: u64) -> Self {
        let terms = &ticket.terms;
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let SeatFields { seats, quantity, split, sizes } = SeatFields::of(ticket);
        Self {
            title: terms.title.clone(),
            venue: terms.venue.clone(),
            city: text(&terms.city),
            starts_at: to_local_input(terms.starts_at, &terms.time_zone),
            time_zone: terms.time_zone.clone(),
            occurrence: String::new(),
            original_starts_at: terms.starts_at.to_string(),
            price: format_typed_amount(&ticket.price),
            currency: ticket.price.currency.to_string(),
            face_value: ticket.face_value.as_ref().map(format_typed_amount).unwrap_or_default(),
            category: ticket.category.as_ref().map_or_else(String::new, |category| category.as_ref().to_owned()),
            section: text(&terms.section),
            row: text(&terms.row),
            seats,
            quantity,
            split,
            sizes,
            description: text(&ticket.description),
            version: version.to_string(),
            show: ticket.show_id.to_string(),
        }
    }

    /// The request to the tickets service, or the errors.
    pub(crate) fn to_request(&self, rules: &ListingRules) -> Result<NewListing, FormErrors> {
        let mut errors = FormErrors::default();
        let mut add = |field: &str, message: String| errors.add(field, message);
        let starts_at = self.wall_time().instant().map_err(|error| add("starts_at", error.message()));
        let currency = self.currency.parse::<Currency>();
        let money = |text: &str| {
            let currency = currency.as_ref().map_err(|_| msg::form_currency())?;
            read_amount(text, currency).map(|read| read.money)
        };
        let price = money(&self.price).map_err(|message| add("price", message));
        let face_value = Some(self.face_value.trim()).filter(|text| !text.is_empty());
        let face_value = face_value.map(money).transpose().map_err(|message| add("face_value", message));
        let category = Some(self.category.trim()).filter(|name| !name.is_empty());
        let category = category.map(parse_choice::<Category>).transpose().map_err(|message| add("category", message));
        let seats = self.seat_fields().read();
        let seats = seats.map_err(|(field, message)| add(field, message));
        let (Ok(starts_at), Ok(price), Ok(face_value), Ok(category), Ok(seats)) =
            (starts_at, price, face_value, category, seats)
        else {
            // Report missing fields together with malformed ones.
            for (field, text) in [("title", &self.title), ("venue", &self.venue)] {
                if text.trim().is_empty() {
                    errors.add(field, msg::form_length(200_u8, 1_u8));
                }
            }
            return Err(errors);
        };
        let listing = NewListing {
            title: Text::new(&self.title),
            venue: Text::new(&self.venue),
            city: Text::non_blank(&self.city),
            starts_at,
            time_zone: Text::non_blank(self.zone()),
            price,
            face_value,
            category,
            section: Text::non_blank(&self.section),
            row: Text::non_blank(&self.row),
            seat: seats.seat,
            seats: seats.seats,
            quantity: seats.quantity,
            split: seats.split,
            // A browser sends line breaks as two characters each.
            description: Text::non_blank(&self.description.replace("\r\n", "\n")),
        };
        match listing.validate_with_args(rules) {
            Ok(()) => Ok(listing),
            Err(errors) => Err(FormErrors::from_validation(&errors, Self::form_field)),
        }
    }

    /// How the amounts were read that might have been meant otherwise, as sentences for the page on which a seller
    /// checks the listing.
    pub(crate) fn uncertain_amounts(&self) -> Vec<String> {
        let Ok(currency) = self.currency.parse::<Currency>() else { return Vec::new() };
        let read = |typed: &str| {
            let read = read_amount(typed, &currency).ok().filter(|read| read.is_uncertain)?;
            Some(format_price(&read.money))
        };
        let price = read(&self.price).map(|read| msg::sell_check_uncertain_price(read, self.price.trim()));
        let face_value =
            read(&self.face_value).map(|read| msg::sell_check_uncertain_face_value(read, self.face_value.trim()));
        price.into_iter().chain(face_value).collect()
    }

    fn seat_fields(&self) -> SeatFields {
        let [seats, quantity, split, sizes] = [&self.seats, &self.quantity, &self.split, &self.sizes].map(Clone::clone);
        SeatFields { seats, quantity, split, sizes }
    }

    /// The time zone of the start: that of the city, if it is known, so that nobody has to choose it. The chosen one
    /// tells cities of the same name apart. A start that the form was filled with stays in the zone that it came with.
    fn zone(&self) -> &str {
        let is_typed = self.original_starts_at.is_empty();
        let city = Some(&self.city).filter(|_| is_typed).and_then(|city| cities::find(city, &self.time_zone));
        city.map_or(&self.time_zone, |city| city.time_zone)
    }

    fn wall_time(&self) -> WallTime<'_> {
        WallTime {
            text: &self.starts_at,
            zone: self.zone(),
            occurrence: &self.occurrence,
            original: &self.original_starts_at,
        }
    }

    /// The occurrences to choose from, if the start occurs twice.
    pub(crate) fn ambiguity(&self) -> Option<AmbiguousTime> {
        self.wall_time().ambiguity()
    }

    /// The form field for an API field, which may be a path such as `price.amount`.
    pub(crate) fn form_field(api: &str) -> Option<&'static str> {
        let name = match api.split('.').next().unwrap_or_default() {
            "startsAt" => "starts_at",
            "timeZone" => "time_zone",
            "faceValue" => "face_value",
            "seat" => "seats",
            name => name,
        };
        let text = ["title", "venue", "city", "section", "row", "seats", "quantity", "split", "description"];
        let other = ["starts_at", "time_zone", "price", "face_value", "category"];
        text.into_iter().chain(other).find(|field| *field == name)
    }
}

/// Whether applying `new` would leave the listing as it is.
pub(crate) fn already_matches(listing: &Listing, new: &NewListing) -> bool {
    let text = |text: &Option<String>| text.as_deref().map(Text::new);
    // A request names the same seats in several ways.
    let names: Vec<_> = listing.seats.iter().map(|seat| seat.name.clone()).collect();
    if new.seat_names() != names || new.blocks().as_ref() != Ok(&listing.blocks) {
        return false;
    }
    let current = NewListing {
        title: Text::new(&listing.title),
        venue: Text::new(&listing.venue),
        city: text(&listing.city),
        starts_at: listing.starts_at,
        time_zone: Some(Text::new(&listing.time_zone)),
        price: listing.price.clone(),
        face_value: listing.face_value.clone(),
        category: listing.category,
        section: text(&listing.section),
        row: text(&listing.row),
        seat: new.seat.clone(),
        seats: new.seats.clone(),
        quantity: new.quantity,
        split: new.split.clone(),
        description: text(&listing.description),
    };
    current == *new
}
