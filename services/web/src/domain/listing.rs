//! The form in which a seller describes a ticket.

use common::api::tickets::{Listing, ListingRules, NewListing};
use common::events::ticket::{Category, TicketState};
use common::money::Currency;
use common::text::Text;
use serde::{Deserialize, Serialize};
use strum::VariantArray as _;
use utoipa::ToSchema;
use validator::ValidateArgs as _;

use super::form::{self, Faults};
use super::offer::label;
use super::wall_time::{Repeated, WallTime, local};

/// What was typed, as it was typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ListingForm {
    /// What it is a ticket for.
    pub title: String,
    /// Where.
    pub venue: String,
    /// In which city.
    pub city: String,
    /// When, at the venue: `2099-06-01T19:30`.
    pub starts_at: String,
    /// The venue's IANA time zone.
    pub time_zone: String,
    /// Which of two times is meant, where clocks go back: `first` or `second`.
    pub which: String,
    /// When it begins as it was when the form was filled from a listing: RFC 3339.
    pub unedited: String,
    /// What the buyer pays: `125.50`.
    pub price: String,
    /// In which currency.
    pub currency: String,
    /// What is printed on the ticket.
    pub face_value: String,
    /// One of [`categories`].
    pub category: String,
    /// Section.
    pub section: String,
    /// Row.
    pub row: String,
    /// Seat.
    pub seat: String,
    /// The seller's own words.
    pub description: String,
    /// Makes sending the form twice harmless.
    pub key: String,
    /// The version that the form was filled from, when a listing is edited.
    pub version: String,
}

/// The categories: as the API calls them, and as people do.
pub fn categories() -> impl Iterator<Item = (&'static str, &'static str)> {
    Category::VARIANTS.iter().map(|category| (category.as_ref(), label(*category)))
}

impl ListingForm {
    /// An empty form.
    pub fn empty(currencies: &[Currency]) -> Self {
        Self {
            currency: currencies.first().map(ToString::to_string).unwrap_or_default(),
            time_zone: "UTC".to_owned(),
            key: uuid::Uuid::now_v7().to_string(),
            ..Self::default()
        }
    }

    /// The form filled with a listing.
    pub fn of(ticket: &TicketState, version: u64) -> Self {
        let terms = &ticket.terms;
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Self {
            title: terms.title.clone(),
            venue: terms.venue.clone(),
            city: text(&terms.city),
            starts_at: local(terms.starts_at, &terms.time_zone),
            time_zone: terms.time_zone.clone(),
            which: String::new(),
            unedited: terms.starts_at.to_string(),
            price: form::amount(&ticket.price),
            currency: ticket.price.currency.to_string(),
            face_value: ticket.face_value.as_ref().map(form::amount).unwrap_or_default(),
            category: ticket.category.as_ref().map_or_else(String::new, |category| category.as_ref().to_owned()),
            section: text(&terms.section),
            row: text(&terms.row),
            seat: text(&terms.seat),
            description: text(&ticket.description),
            key: String::new(),
            version: version.to_string(),
        }
    }

    /// What the form says, as tickets takes it; or what is wrong with it.
    pub fn read(&self, rules: &ListingRules) -> Result<NewListing, Faults> {
        let mut faults = Faults::default();
        let mut keep = |field: &str, message: String| faults.add(field, message);
        let starts_at = self.wall_time().instant().map_err(|error| keep("starts_at", error.message()));
        let currency = self.currency.parse::<Currency>();
        let money = |text: &str| {
            let currency = currency.as_ref().map_err(ToString::to_string)?;
            form::money(text, currency)
        };
        let price = money(&self.price).map_err(|message| keep("price", message));
        let face_value = Some(self.face_value.trim()).filter(|text| !text.is_empty());
        let face_value = face_value.map(money).transpose().map_err(|message| keep("face_value", message));
        let category = Some(self.category.trim()).filter(|name| !name.is_empty());
        let category = category.map(category_of).transpose().map_err(|message| keep("category", message));
        let (Ok(starts_at), Ok(price), Ok(face_value), Ok(category)) = (starts_at, price, face_value, category) else {
            // What is missing is said at once with what can't be read.
            for (field, text) in [("title", &self.title), ("venue", &self.venue)] {
                if text.trim().is_empty() {
                    faults.add(field, "must have 1 to 200 characters");
                }
            }
            return Err(faults);
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
            seat: Text::non_blank(&self.seat),
            // A browser sends line breaks as two characters each.
            description: Text::non_blank(&self.description.replace("\r\n", "\n")),
        };
        match listing.validate_with_args(rules) {
            Ok(()) => Ok(listing),
            Err(errors) => Err(Faults::from_rules(&errors, Self::field)),
        }
    }

    fn wall_time(&self) -> WallTime<'_> {
        WallTime { text: &self.starts_at, zone: &self.time_zone, which: &self.which, unedited: &self.unedited }
    }

    /// What there is to choose from, when the clocks go back.
    pub fn repeated(&self) -> Option<Repeated> {
        self.wall_time().repeated()
    }

    /// The field of this form that one of the API is.
    pub fn field(api: &str) -> Option<&'static str> {
        Some(match api.split('.').next().unwrap_or_default() {
            "title" => "title",
            "venue" => "venue",
            "city" => "city",
            "startsAt" => "starts_at",
            "timeZone" => "time_zone",
            "price" => "price",
            "faceValue" => "face_value",
            "category" => "category",
            "section" => "section",
            "row" => "row",
            "seat" => "seat",
            "description" => "description",
            _ => return None,
        })
    }
}

/// The category that an address or a form calls so.
pub fn category_of(name: &str) -> Result<Category, String> {
    name.parse().map_err(|_| {
        format!("must be one of {}", Category::VARIANTS.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", "))
    })
}

/// Whether a listing is what this one would make of it.
pub fn is_as(listing: &Listing, new: &NewListing) -> bool {
    let text = |text: &Option<String>| text.as_deref().map(Text::new);
    let present = NewListing {
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
        seat: text(&listing.seat),
        description: text(&listing.description),
    };
    present == *new
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use common::clock::ShiftedClock;

    use super::*;
    use crate::domain::offer::tests::sample;

    fn rules() -> ListingRules {
        let currencies = ["USD", "JPY"].map(|code| code.parse().unwrap());
        ListingRules { clock: Arc::new(ShiftedClock::default()), currencies: currencies.into() }
    }

    #[test]
    fn a_form_filled_from_a_listing_says_the_same() {
        let ticket = sample();
        let listing = ListingForm::of(&ticket, 3).read(&rules()).unwrap();
        let (said, state) = (serde_json::to_value(&listing).unwrap(), serde_json::to_value(&ticket).unwrap());
        for (field, value) in said.as_object().unwrap() {
            assert_eq!(value, &state[field], "{field}");
            assert!(ListingForm::field(field).is_some(), "{field}");
        }
    }

    #[test]
    fn what_can_not_be_said_is_told_at_its_field() {
        let form = ListingForm {
            starts_at: "soon".to_owned(),
            time_zone: "UTC".to_owned(),
            price: "much".to_owned(),
            currency: "USD".to_owned(),
            face_value: "9.999".to_owned(),
            category: "opera".to_owned(),
            ..ListingForm::default()
        };
        let faults = form.read(&rules()).unwrap_err();
        for field in ["title", "venue", "starts_at", "price", "face_value", "category"] {
            assert!(faults.of(field).is_some_and(|fault| fault.starts_with("Must ")), "{field}");
        }
        assert!(faults.of("city").is_none(), "nobody has to say that");
    }

    #[test]
    fn the_rules_of_tickets_are_told_before_it_is_asked() {
        let good = ListingForm::of(&sample(), 3);
        for (form, field) in [
            (ListingForm { title: "\u{3164}".to_owned(), ..good.clone() }, "title"),
            (ListingForm { venue: "x".repeat(201), ..good.clone() }, "venue"),
            (ListingForm { starts_at: "1999-01-01T10:00".to_owned(), ..good.clone() }, "starts_at"),
            (ListingForm { price: "0.49".to_owned(), ..good.clone() }, "price"),
            (ListingForm { currency: "EUR".to_owned(), ..good.clone() }, "price"),
            (ListingForm { seat: "a\u{202e}b".to_owned(), ..good.clone() }, "seat"),
        ] {
            let faults = form.read(&rules()).unwrap_err();
            assert!(faults.of(field).is_some(), "{field}: {faults:?}");
        }
    }

    #[test]
    fn an_hour_that_comes_twice_is_a_question() {
        let form = |which: &str| ListingForm {
            starts_at: "2099-11-01T01:30".to_owned(),
            time_zone: "America/New_York".to_owned(),
            which: which.to_owned(),
            unedited: String::new(),
            ..ListingForm::of(&sample(), 3)
        };
        assert!(
            form("").read(&rules()).unwrap_err().of("starts_at").is_some_and(|it| it.contains("twice at the venue"))
        );
        let at = |which| form(which).read(&rules()).unwrap().starts_at.to_string();
        assert_eq!(at("first"), "2099-11-01T05:30:00.000Z");
        assert_eq!(at("second"), "2099-11-01T06:30:00.000Z");
        assert!(["", "first"].iter().all(|which| form(which).repeated().is_some()));
        assert_eq!(ListingForm { starts_at: "2099-11-01T03:30".to_owned(), ..form("") }.repeated(), None);
    }
}
