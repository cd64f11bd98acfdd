//! Filling and reading the form of a listing.

use std::sync::Arc;

use common::api::tickets::ListingRules;
use common::clock::ShiftedClock;
use common::money::Currency;
use jiff::tz::TimeZone;

use super::listing_form::ListingForm;
use super::seats::tests::{sample, six_seats};
use crate::i18n::reader::{Locale, Reader};

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
fn new_form_has_the_readers_currency_and_time_zone() {
    let currencies = ["USD", "EUR"].map(|code| code.parse::<Currency>().unwrap());
    let filled = |reader: Reader| {
        let form = reader.scope(|| ListingForm::empty(&currencies));
        [form.currency, form.time_zone]
    };
    let time_zone = Some(TimeZone::get("Europe/Berlin").unwrap());
    assert_eq!(filled(Reader { currency: Some("EUR"), time_zone, ..Reader::default() }), ["EUR", "Europe/Berlin"]);
    assert_eq!(filled(Reader { locale: Locale::EnGb, ..Reader::default() }), ["USD", "UTC"]);
}

#[test]
fn show_fills_what_it_knows_and_another_ticket_the_rest() {
    let (show, ticket) = (super::show_view::tests::sample().show.state, sample());
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
fn start_is_in_the_time_zone_of_a_known_city() {
    let form = |city: &str, zone: &str, starts_at: &str| ListingForm {
        city: city.to_owned(),
        time_zone: zone.to_owned(),
        starts_at: starts_at.to_owned(),
        original_starts_at: String::new(),
        ..ListingForm::from_ticket(&sample(), 0)
    };
    for (city, zone, local, expected_zone, expected) in [
        ("New York", "UTC", "2099-06-01T20:00", "America/New_York", "2099-06-02T00:00:00.000Z"),
        ("new york ", "UTC", "2099-12-01T20:00", "America/New_York", "2099-12-02T01:00:00.000Z"),
        ("New York", "Asia/Tokyo", "2099-06-01T20:00", "America/New_York", "2099-06-02T00:00:00.000Z"),
        ("London", "UTC", "2099-06-01T20:00", "Europe/London", "2099-06-01T19:00:00.000Z"),
        ("London", "America/Toronto", "2099-06-01T20:00", "America/Toronto", "2099-06-02T00:00:00.000Z"),
        ("Springwood Heights", "Europe/Paris", "2099-06-01T20:00", "Europe/Paris", "2099-06-01T18:00:00.000Z"),
        ("", "UTC", "2099-06-01T20:00", "UTC", "2099-06-01T20:00:00.000Z"),
    ] {
        let listing = form(city, zone, local).to_request(&rules()).unwrap();
        let found = (listing.time_zone.unwrap().to_string(), listing.starts_at.to_string());
        assert_eq!(found, (expected_zone.to_owned(), expected.to_owned()), "{city} {zone}");
    }
    // Clocks go back in New York, not in the zone of the field.
    assert!(form("New York", "UTC", "2099-11-01T01:30").ambiguity().is_some());
    // The staff gave the show another zone than the table does; the seller changes the price only.
    let filled = ListingForm::from_ticket(&sample(), 0);
    let corrected = ListingForm { city: "London".to_owned(), ..filled };
    assert_eq!(corrected.to_request(&rules()).unwrap().starts_at, sample().terms.starts_at);
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
        assert!(errors.get(field).is_some_and(|error| error.ends_with('.')), "{field}");
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
    assert!(typed("1,234", "").is_empty(), "an English reader separates thousands so");
    let [price, face] = <[_; 2]>::try_from(typed("1.234", "2.000")).unwrap();
    assert!(price.starts_with("You entered 1.234 as the price. We read it as $1,234.00. If"), "{price}");
    assert!(face.starts_with("You entered 2.000 as the face value. We read it as $2,000.00. If"), "{face}");
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
    assert_eq!(cheap.to_request(&rules()).unwrap_err().get("price"), Some("Enter at least $0.50."));
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
        form("").to_request(&rules()).unwrap_err().get("starts_at").is_some_and(|it| it.contains("twice at the venue"))
    );
    let at = |occurrence| form(occurrence).to_request(&rules()).unwrap().starts_at.to_string();
    assert_eq!(at("first"), "2099-11-01T05:30:00.000Z");
    assert_eq!(at("second"), "2099-11-01T06:30:00.000Z");
    assert!(["", "first"].iter().all(|occurrence| form(occurrence).ambiguity().is_some()));
    assert_eq!(ListingForm { starts_at: "2099-11-01T03:30".to_owned(), ..form("") }.ambiguity(), None);
}
