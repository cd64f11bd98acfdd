//! The form in which a seller describes a ticket.

use common::events::ticket::TicketState;
use common::money::Currency;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::form::{self, Faults};

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
    /// What the buyer pays: `125.50`.
    pub price: String,
    /// In which currency.
    pub currency: String,
    /// What is printed on the ticket.
    pub face_value: String,
    /// One of [`CATEGORIES`].
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
pub const CATEGORIES: [(&str, &str); 6] = [
    ("concert", "Concert"),
    ("sport", "Sport"),
    ("theatre", "Theatre"),
    ("comedy", "Comedy"),
    ("festival", "Festival"),
    ("other", "Other"),
];

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
        let category = ticket.category.and_then(|category| serde_json::to_value(category).ok());
        Self {
            title: terms.title.clone(),
            venue: terms.venue.clone(),
            city: text(&terms.city),
            starts_at: form::local(terms.starts_at, &terms.time_zone),
            time_zone: terms.time_zone.clone(),
            price: form::amount(&ticket.price),
            currency: ticket.price.currency.to_string(),
            face_value: ticket.face_value.as_ref().map(form::amount).unwrap_or_default(),
            category: category.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned(),
            section: text(&terms.section),
            row: text(&terms.row),
            seat: text(&terms.seat),
            description: text(&ticket.description),
            key: String::new(),
            version: version.to_string(),
        }
    }

    /// The body for the API, or what can't be said in it at all; the rest tickets checks.
    pub fn body(&self) -> Result<Value, Faults> {
        let mut faults = Faults::default();
        let mut keep = |field: &str, result: Result<Value, String>| {
            result.unwrap_or_else(|message| {
                faults.add(field, message);
                Value::Null
            })
        };
        for (field, text) in [("title", &self.title), ("venue", &self.venue)] {
            let said = if text.trim().is_empty() { Err("must not be empty".to_owned()) } else { Ok(Value::Null) };
            keep(field, said);
        }
        let zone = self.time_zone.trim();
        let starts_at = keep("starts_at", form::moment(&self.starts_at, zone).map(|time| json!(time)));
        let currency: Result<Currency, _> = self.currency.parse();
        let money = |text: &str| {
            let currency = currency.as_ref().map_err(ToString::to_string)?;
            form::money(text, currency).map(|money| json!(money))
        };
        let price = keep("price", money(&self.price));
        let face_value = match self.face_value.trim() {
            "" => Value::Null,
            text => keep("face_value", money(text)),
        };
        if !faults.is_empty() {
            return Err(faults);
        }
        let text = |text: &str| match text.trim() {
            "" => Value::Null,
            text => json!(text),
        };
        // A browser sends line breaks as two characters each.
        let description = self.description.replace("\r\n", "\n");
        Ok(json!({
            "title": self.title.trim(),
            "venue": self.venue.trim(),
            "city": text(&self.city),
            "startsAt": starts_at,
            "timeZone": zone,
            "price": price,
            "faceValue": face_value,
            "category": text(&self.category),
            "section": text(&self.section),
            "row": text(&self.row),
            "seat": text(&self.seat),
            "description": text(&description),
        }))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::offer::tests::sample;

    #[test]
    fn a_form_filled_from_a_listing_says_the_same() {
        let ticket = sample();
        let body = ListingForm::of(&ticket, 3).body().unwrap();
        let state = serde_json::to_value(&ticket).unwrap();
        for (field, value) in body.as_object().unwrap() {
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
            ..ListingForm::default()
        };
        let faults = form.body().unwrap_err();
        for field in ["title", "venue", "starts_at", "price", "face_value"] {
            assert!(faults.of(field).is_some_and(|fault| fault.starts_with("Must ")), "{field}");
        }
        assert!(faults.of("city").is_none(), "nobody has to say that");
    }
}
