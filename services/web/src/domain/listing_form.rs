//! The form in which a seller describes a ticket.

use common::api::tickets::{Listing, ListingRules, NewListing};
use common::events::show::ShowState;
use common::events::ticket::{Category, TicketState};
use common::money::Currency;
use common::text::Text;
use serde::{Deserialize, Serialize};
use strum::VariantArray as _;
use validator::ValidateArgs as _;

use super::amount::{format_amount, read_amount};
use super::form::{FormErrors, parse_choice};
use super::listing_view::category_label;
use super::seat_fields::SeatFields;
use super::wall_time::{AmbiguousTime, WallTime, to_local_input};

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

/// An amount that might have been meant otherwise, and how it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UncertainAmount {
    /// What the amount is: `price`.
    pub name: &'static str,
    pub typed: String,
    pub read: String,
}

/// All categories: name in the API, label.
pub(crate) fn categories() -> impl Iterator<Item = (&'static str, String)> {
    Category::VARIANTS.iter().map(|category| (category.as_ref(), category_label(*category)))
}

impl ListingForm {
    pub(crate) fn empty(currencies: &[Currency]) -> Self {
        Self {
            currency: currencies.first().map(ToString::to_string).unwrap_or_default(),
            time_zone: "UTC".to_owned(),
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
            price: format_amount(&ticket.price),
            currency: ticket.price.currency.to_string(),
            face_value: ticket.face_value.as_ref().map(format_amount).unwrap_or_default(),
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
            let currency = currency.as_ref().map_err(ToString::to_string)?;
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
                    errors.add(field, "must have 1 to 200 characters");
                }
            }
            return Err(errors);
        };
        let listing = NewListing {
            title: Text::new(&self.title),
            venue: Text::new(&self.venue),
            city: Text::non_blank(&self.city),
            starts_at,
            time_zone: Text::non_blank(&self.time_zone),
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

    /// The amounts that might have been meant otherwise. The page on which a seller checks the listing says how they
    /// were read.
    pub(crate) fn uncertain_amounts(&self) -> Vec<UncertainAmount> {
        let Ok(currency) = self.currency.parse::<Currency>() else { return Vec::new() };
        let uncertain =
            [("price", &self.price), ("face value", &self.face_value)].into_iter().filter_map(|(name, typed)| {
                let read = read_amount(typed, &currency).ok().filter(|read| read.is_uncertain)?.money.to_string();
                Some(UncertainAmount { name, typed: typed.trim().to_owned(), read })
            });
        uncertain.collect()
    }

    fn seat_fields(&self) -> SeatFields {
        let [seats, quantity, split, sizes] = [&self.seats, &self.quantity, &self.split, &self.sizes].map(Clone::clone);
        SeatFields { seats, quantity, split, sizes }
    }

    fn wall_time(&self) -> WallTime<'_> {
        WallTime {
            text: &self.starts_at,
            zone: &self.time_zone,
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use common::clock::ShiftedClock;

    use super::*;
    use crate::domain::seats::tests::{sample, six_seats};

    fn rules() -> ListingRules {
        let currencies = ["USD", "JPY"].map(|code| code.parse().unwrap());
        ListingRules { clock: Arc::new(ShiftedClock::default()), currencies: currencies.into() }
    }

    #[test]
    fn form_round_trips_a_listing() {
        let ticket = sample();
        let listing = ListingForm::from_ticket(&ticket, 3).to_request(&rules()).unwrap();
        let (sent, state) = (serde_json::to_value(&listing).unwrap(), serde_json::to_value(&ticket).unwrap());
        for (field, value) in sent.as_object().unwrap() {
            assert!(ListingForm::form_field(field).is_some(), "{field}");
            if !["seat", "seats", "quantity", "split"].contains(&field.as_str()) {
                assert_eq!(value, &state[field], "{field}");
            }
        }
        assert_eq!((listing.seat_names(), listing.blocks()), (vec![Some("14".to_owned())], Ok(ticket.terms.blocks)));
        let ticket = six_seats(&[2, 2, 2]);
        let listing = ListingForm::from_ticket(&ticket, 3).to_request(&rules()).unwrap();
        assert_eq!((listing.seat_names().len(), listing.blocks()), (6, Ok(ticket.terms.blocks)));
    }

    #[test]
    fn show_fills_what_it_knows_and_another_ticket_the_rest() {
        let (show, ticket) = (crate::domain::show_view::tests::sample().show.state, sample());
        let empty = ListingForm::empty(&["EUR".parse().unwrap()]);
        let form = empty.clone().for_show(&show);
        let filled = [form.title.as_str(), &form.city, &form.starts_at, &form.time_zone, &form.category];
        assert_eq!(filled, ["Jazz & <b>Blues</b>", "New York", "2099-06-01T15:30", "America/New_York", "concert"]);
        assert!(form.is_for_show(&show) && !empty.is_for_show(&show));
        assert!(!ListingForm { venue: "Elsewhere".to_owned(), ..form.clone() }.is_for_show(&show));
        let another = form.like_neighbour(&ticket);
        let filled = [another.price.as_str(), &another.currency, &another.section, &another.row, &another.seats];
        assert_eq!(filled, ["125.50", "USD", "A", "3", ""], "the seat is another one");
        assert!(another.is_for_show(&show) && another.version.is_empty());
        // Another show changes nothing of what describes the ticket.
        let elsewhere = another.clone().for_unknown_show("Tosca");
        let filled = [elsewhere.title.as_str(), &elsewhere.venue, &elsewhere.starts_at, &elsewhere.show];
        assert_eq!(filled, ["Tosca", "", "", ""]);
        assert_eq!((elsewhere.price.as_str(), elsewhere.row.as_str()), ("125.50", "3"));
        assert_eq!(elsewhere.for_show(&show), another);
        assert!(another.length() > 100 && another.length() < 1_000, "{}", another.length());
    }

    #[test]
    fn malformed_values_are_reported_at_their_fields() {
        let form = ListingForm {
            starts_at: "soon".to_owned(),
            time_zone: "UTC".to_owned(),
            price: "much".to_owned(),
            currency: "USD".to_owned(),
            face_value: "9.9999".to_owned(),
            category: "opera".to_owned(),
            ..ListingForm::default()
        };
        let errors = form.to_request(&rules()).unwrap_err();
        for field in ["title", "venue", "starts_at", "price", "face_value", "category"] {
            assert!(errors.get(field).is_some_and(|error| error.starts_with("Must ")), "{field}");
        }
        assert!(errors.get("city").is_none(), "the city is optional");
    }

    #[test]
    fn uncertain_amounts_are_shown_as_they_were_read() {
        let typed = |price: &str, face_value: &str| {
            let (price, face_value) = (price.to_owned(), face_value.to_owned());
            ListingForm { price, face_value, ..ListingForm::from_ticket(&sample(), 3) }.uncertain_amounts()
        };
        assert!(typed("1.234,50", "").is_empty());
        let [price, face] = <[_; 2]>::try_from(typed("1.234", "2,000")).unwrap();
        assert_eq!((price.name, price.typed.as_str(), price.read.as_str()), ("price", "1.234", "1234.00 USD"));
        assert_eq!((face.name, face.read.as_str()), ("face value", "2000.00 USD"));
    }

    #[test]
    fn request_is_validated_by_the_rules_of_the_tickets_service() {
        let good = ListingForm::from_ticket(&sample(), 3);
        for (form, field) in [
            (ListingForm { title: "\u{3164}".to_owned(), ..good.clone() }, "title"),
            (ListingForm { venue: "x".repeat(201), ..good.clone() }, "venue"),
            (ListingForm { starts_at: "1999-01-01T10:00".to_owned(), ..good.clone() }, "starts_at"),
            (ListingForm { price: "0.49".to_owned(), ..good.clone() }, "price"),
            (ListingForm { face_value: "0".to_owned(), ..good.clone() }, "face_value"),
            (ListingForm { currency: "EUR".to_owned(), ..good.clone() }, "price"),
            (ListingForm { seats: "a\u{202e}b".to_owned(), ..good.clone() }, "seats"),
            (ListingForm { seats: "12-20".to_owned(), ..good.clone() }, "seats"),
            (ListingForm { seats: "12-14".to_owned(), split: "pairs".to_owned(), ..good.clone() }, "split"),
            (ListingForm { quantity: "9".to_owned(), seats: String::new(), ..good.clone() }, "quantity"),
        ] {
            let errors = form.to_request(&rules()).unwrap_err();
            assert!(errors.get(field).is_some_and(|error| !error.contains("minor")), "{field}: {errors:?}");
        }
        let cheap = ListingForm { price: "0.49".to_owned(), ..good };
        assert_eq!(cheap.to_request(&rules()).unwrap_err().get("price"), Some("Must be at least 0.50 USD."));
    }

    #[test]
    fn ambiguous_time_requires_a_choice() {
        let form = |occurrence: &str| ListingForm {
            starts_at: "2099-11-01T01:30".to_owned(),
            time_zone: "America/New_York".to_owned(),
            occurrence: occurrence.to_owned(),
            original_starts_at: String::new(),
            ..ListingForm::from_ticket(&sample(), 3)
        };
        assert!(
            form("")
                .to_request(&rules())
                .unwrap_err()
                .get("starts_at")
                .is_some_and(|it| it.contains("twice at the venue"))
        );
        let at = |occurrence| form(occurrence).to_request(&rules()).unwrap().starts_at.to_string();
        assert_eq!(at("first"), "2099-11-01T05:30:00.000Z");
        assert_eq!(at("second"), "2099-11-01T06:30:00.000Z");
        assert!(["", "first"].iter().all(|occurrence| form(occurrence).ambiguity().is_some()));
        assert_eq!(ListingForm { starts_at: "2099-11-01T03:30".to_owned(), ..form("") }.ambiguity(), None);
    }
}
