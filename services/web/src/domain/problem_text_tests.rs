//! Problems and field errors have sentences in every language.

use std::collections::BTreeSet;

use common::money::Money;
use common::problem::{FieldError, Params, Problem};

use super::problem_text::{detail, field_message, payment_texts, title};
use crate::i18n::testing::in_german;

const UNKNOWN: &str = "In other words.";

fn usd(amount: i64) -> Money {
    Money { amount, currency: "USD".parse().unwrap() }
}

fn problem(code: &str, status: u16, params: Params) -> Problem {
    let kind = format!("urn:ticketing:problem:{code}");
    Problem { kind, status, detail: UNKNOWN.to_owned(), params, ..common::error::Error::NotFound.problem() }
}

#[test]
fn values_are_part_of_the_sentence() {
    let capped = problem("over-cap", 422, Params::from(&usd(5_500)).with("percent", 10));
    assert!(detail(&capped).ends_with("at most $55.00, which is its face value plus 10%."));
    assert!(
        in_german(|| detail(&capped))
            .contains("höchstens 10\u{a0}% mehr als den Originalpreis kosten, hier also 55,00")
    );
    let face = problem("over-cap", 422, Params::from(&usd(5_000)).with("percent", 0));
    assert!(detail(&face).ends_with("at most its face value, which is $50.00."), "{}", detail(&face));
    let limited = |params: Params| detail(&problem("rate-limited", 429, params));
    assert!(limited(Params::default().with("retryAfter", 1)).ends_with("in 1 second."));
    assert!(limited(Params::default().with("retryAfter", 61).with("limit", "holds")).ends_with("in 2 minutes."));
    assert!(limited(Params::default().with("retryAfter", 61).with("limit", "payments")).contains("payment methods"));
    let part = Params::default().with("part", "some");
    assert_ne!(detail(&problem("ticket-sold", 409, part)), detail(&problem("ticket-sold", 409, Params::default())));
    let seats = Problem { quantities: vec![2, 4], ..problem("no-seats", 409, Params::default()) };
    assert!(detail(&seats).ends_with("Choose another number."));
}

#[test]
fn unknown_code_is_explained_by_the_service_or_by_its_status() {
    let mut texts = BTreeSet::new();
    for status in [400, 401, 402, 403, 404, 405, 409, 410, 412, 413, 422, 429, 431, 500, 503, 504] {
        let unknown = problem("unheard-of", status, Params::default());
        assert_eq!(detail(&unknown), UNKNOWN);
        let (german, heading) = in_german(|| (detail(&unknown), title(&unknown)));
        assert!(german != UNKNOWN && heading != title(&unknown), "{status}: {german} {heading}");
        texts.insert(german);
    }
    assert!(texts.len() > 5, "{texts:?}");
    // A problem whose values are missing, as from another version of a service.
    assert_eq!(detail(&problem("over-cap", 422, Params::default())), UNKNOWN);
}

#[test]
fn field_errors_are_sentences_in_every_language() {
    let params = Params::from(&usd(50)).with("min", 1).with("max", 5).with("percent", 0);
    let mut texts = BTreeSet::new();
    let codes = "length range control blank email common same wrong-password min-amount max-amount step total currency \
                 same-currency face-value-required past time-zone quantity seat-count seat-name unique seats split-odd \
                 split-one-seat split-sizes";
    for code in codes.split_whitespace() {
        let error = FieldError::new("field", "must be otherwise").with_code(code, params.clone());
        let (english, german) = (field_message(&error), in_german(|| field_message(&error)));
        assert!(english.ends_with('.') && german.ends_with('.') && english != german, "{code}: {english} {german}");
        assert!(!english.contains("otherwise") && !german.contains("gültig"), "{code}: {english} {german}");
        texts.insert(english);
    }
    assert_eq!(texts.len(), codes.split_whitespace().count(), "{texts:?}");
    let unknown = FieldError::new("field", "must be otherwise");
    assert_eq!(field_message(&unknown), "Must be otherwise.");
    assert_eq!(in_german(|| field_message(&unknown)), "Diese Angabe ist nicht gültig.");
}

#[test]
fn texts_of_payments_are_json_for_a_script_element() {
    let texts = payment_texts();
    assert!(!texts.contains('<'), "{texts}");
    let read: serde_json::Value = serde_json::from_str(&texts).unwrap();
    assert!(read["card-declined/expired"].as_str().is_some_and(|text| text.contains("has expired")), "{read}");
    let german: serde_json::Value = serde_json::from_str(&in_german(payment_texts)).unwrap();
    for (code, text) in read.as_object().unwrap() {
        assert_ne!(german[code], *text, "{code}");
    }
}
