//! The form that holds seats, why it fails, and how a guest's form is carried through sign-in and sign-up.
//!
//! # Why
//! A hold needs an account. The guest's form becomes a path, the page to go to afterwards; but nobody is sent there,
//! because following a link must change nothing: `after_sign_in` makes the hold.

use axum::response::Response;
use common::id::TicketId;
use common::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::layout::see_other;
use crate::domain::problem_text::detail;
use crate::domain::seats::alternatives;
use crate::i18n::msg;

#[derive(Debug, Default, Serialize, Deserialize, Validate, ToSchema)]
#[serde(default)]
pub(crate) struct HoldForm {
    /// The `Idempotency-Key`.
    #[validate(length(max = 255))]
    pub(super) key: String,
    /// The price of a seat that the buyer saw, as the API writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 40))]
    pub(super) price: Option<String>,
    /// The chosen number of seats.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 1, max = 8, message = "must be a number from 1 to 8"))]
    pub(super) quantity: Option<u8>,
}

/// Sends a guest to the sign-in form, after which the hold is made.
pub(super) fn sign_in_first(ticket: TicketId, form: &HoldForm) -> Response {
    let query = serde_urlencoded::to_string([("next", path(ticket, form))]).unwrap_or_default();
    see_other(&format!("/signin?{query}"))
}

fn path(ticket: TicketId, form: &HoldForm) -> String {
    format!("/tickets/{ticket}/hold?{}", serde_urlencoded::to_string(form).unwrap_or_default())
}

/// The hold that a path stands for.
pub(super) fn parse(next: &str) -> Option<(TicketId, HoldForm)> {
    let (path, query) = next.split_once('?').unwrap_or((next, ""));
    let ticket = path.strip_prefix("/tickets/")?.strip_suffix("/hold")?.parse().ok()?;
    let form: HoldForm = serde_urlencoded::from_str(query).ok()?;
    form.validate().ok()?;
    Some((ticket, form))
}

/// Whether a hold follows the sign-in that leads to this path.
pub(super) fn is_intended(next: &str) -> bool {
    parse(next).is_some()
}

/// The number of seats in the hold that a path after the sign-in makes; `None` if the path makes no hold.
pub(super) fn intended_quantity(next: &str) -> Option<u8> {
    parse(next).map(|(_, form)| form.quantity.unwrap_or(1))
}

/// Why nothing is held, and what the buyer can do.
pub(super) fn why_not_held(problem: &Problem, quantity: Option<u8>) -> String {
    let others = alternatives(&problem.quantities);
    match (problem.code(), quantity) {
        ("not-found", _) => msg::hold_listing_not_ready(),
        ("no-seats", Some(quantity)) if others.is_empty() => msg::hold_none_left(quantity),
        ("no-seats", None) if others.is_empty() => msg::hold_none_left_unspecified(),
        ("no-seats", Some(quantity)) => msg::hold_others_left(others, quantity),
        ("no-seats", None) => msg::hold_others_left_unspecified(others),
        ("held-already", _) => msg::hold_held_already(),
        _ => detail(problem),
    }
}

#[cfg(test)]
mod tests {
    use common::error::Error;
    use http::header;

    use super::*;
    use crate::domain::form::safe_redirect_path;
    use crate::i18n::testing::in_german;

    #[test]
    fn hold_survives_the_way_through_the_forms() {
        let ticket = TicketId::new();
        let form = HoldForm { key: "the-key".to_owned(), price: Some("125.50 USD".to_owned()), quantity: Some(2) };
        let response = sign_in_first(ticket, &form);
        let location = response.headers()[header::LOCATION].to_str().unwrap();
        let query = location.strip_prefix("/signin?").unwrap();
        let query: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap();
        let (name, next) = &query[0];
        assert_eq!((query.len(), name.as_str()), (1, "next"));
        assert_eq!(safe_redirect_path(next), next, "it is a path of this site");
        let (read, form_read) = parse(next).unwrap();
        assert_eq!((read, form_read.key, form_read.price), (ticket, form.key, form.price));
        assert_eq!((form_read.quantity, intended_quantity(next)), (Some(2), Some(2)));
        assert_eq!(intended_quantity(&format!("/tickets/{ticket}/hold?key=a")), Some(1));
        let long = format!("/tickets/{ticket}/hold?key={}", "x".repeat(256));
        let many = format!("/tickets/{ticket}/hold?key=a&quantity=9");
        for other in ["/", "/tickets/1/hold?key=a", &format!("/tickets/{ticket}"), "//evil/hold", &long, &many] {
            assert!(!is_intended(other) && intended_quantity(other).is_none(), "{other}");
        }
    }

    fn problem(code: &str, quantities: &[usize]) -> Problem {
        Problem {
            kind: format!("urn:ticketing:problem:{code}"),
            quantities: quantities.to_vec(),
            ..Error::conflict("other", "In other words.").problem()
        }
    }

    #[test]
    fn failed_hold_says_what_can_be_done() {
        for (code, quantities, quantity, expected) in [
            ("no-seats", &[2, 4][..], Some(3), "3 seats together are no longer available. You can still buy 2 or 4"),
            ("no-seats", &[], Some(1), "A single seat is no longer available. Watch this listing"),
            ("no-seats", &[2], None, "These seats are no longer available. You can still buy 2: choose again."),
            ("held-already", &[], Some(2), "You are already holding seats from this listing."),
            ("not-found", &[], None, "This listing is not ready yet."),
            ("ticket-taken", &[], Some(2), "Someone else got this ticket first."),
            ("unheard-of", &[], Some(2), "In other words."),
        ] {
            let text = why_not_held(&problem(code, quantities), quantity);
            assert!(text.starts_with(expected), "{text}");
        }
    }

    #[test]
    fn german_reasons_have_no_english_texts() {
        in_german(|| {
            for (code, quantities, quantity, expected) in [
                (
                    "no-seats",
                    &[2][..],
                    Some(3),
                    "3 Plätze nebeneinander sind nicht mehr verfügbar. Du kannst noch 2 kaufen",
                ),
                ("no-seats", &[], Some(1), "Ein einzelner Platz ist nicht mehr verfügbar. Beobachte"),
                ("no-seats", &[], None, "Diese Plätze sind nicht mehr verfügbar. Beobachte"),
                ("no-seats", &[2], None, "Diese Plätze sind nicht mehr verfügbar. Du kannst noch 2 kaufen"),
                ("held-already", &[], None, "Du hast schon Plätze aus diesem Angebot reserviert."),
                ("not-found", &[], None, "Dieses Angebot ist noch nicht bereit."),
            ] {
                let text = why_not_held(&problem(code, quantities), quantity);
                assert!(text.starts_with(expected), "{text}");
            }
        });
    }
}
