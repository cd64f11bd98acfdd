//! What problems mean, in the reader's language.
//!
//! # Why
//! Services explain problems in English, because any program may call them. Pages have a sentence of their own for each
//! code, with the problem's parameters. For a code that this version does not know, English readers get the service's
//! words, and other readers a sentence for the HTTP status.

use common::problem::{FieldError, Problem};
use common::seats::MAX_SEATS;

use crate::i18n::msg;
use crate::i18n::price::format_price;
use crate::i18n::reader::{self, Language};

/// Code of a field error that this service found itself: its message is already a sentence in the reader's language.
pub(crate) const TRANSLATED: &str = "amount";

/// Maximum length of the name of a seat.
const MAX_SEAT_NAME: u8 = 100;

/// Why the request failed, and what to do next.
pub(crate) fn detail(problem: &Problem) -> String {
    let known = general_detail(problem).or_else(|| order_detail(problem)).or_else(|| listing_detail(problem));
    known.unwrap_or_else(|| match reader::language() {
        Language::English => problem.detail.clone(),
        Language::German => detail_of_status(problem.status),
    })
}

/// The heading of a page that shows the problem.
pub(crate) fn title(problem: &Problem) -> String {
    match problem.status {
        400 | 415 => msg::error_invalid(),
        401 => msg::error_unauthenticated(),
        402 => msg::error_declined(),
        403 => msg::error_forbidden(),
        404 => msg::error_not_found(),
        405 => msg::error_method(),
        408 | 504 => msg::error_timed_out(),
        410 => msg::error_gone(),
        412 => msg::error_changed(),
        413 => msg::error_too_large(),
        422 => msg::error_rule(),
        429 => msg::error_too_many(),
        431 => msg::error_headers(),
        500 | 501 => msg::error_internal(),
        502..=599 => msg::error_unavailable(),
        _ => msg::error_conflict(),
    }
}

/// What is wrong with a field, as a sentence without the name of the field.
pub(crate) fn field_message(error: &FieldError) -> String {
    known_field_message(error).unwrap_or_else(|| match reader::language() {
        Language::English => sentence(&error.message),
        Language::German => msg::form_invalid(),
    })
}

/// Problems of any request.
fn general_detail(problem: &Problem) -> Option<String> {
    let seconds = problem.params.number("retryAfter");
    Some(match problem.code() {
        "invalid" => msg::problem_invalid(),
        "unauthenticated" => msg::problem_unauthenticated(),
        "not-found" => msg::problem_not_found(),
        "method-not-allowed" => msg::problem_method_not_allowed(),
        "precondition-failed" => msg::problem_precondition_failed(),
        "too-large" => msg::problem_too_large(),
        "unsupported-media-type" => msg::problem_unsupported(),
        "idempotency-mismatch" => msg::problem_idempotency_mismatch(),
        "rate-limited" => match (problem.params.text("limit"), seconds) {
            (Some("holds"), Some(seconds)) => msg::problem_held_too_often(minutes(seconds)),
            (Some("payments"), _) => msg::problem_too_many_payments(),
            (_, Some(seconds)) => msg::problem_rate_limited(seconds),
            (_, None) => msg::problem_rate_limited_briefly(),
        },
        "headers-too-large" => msg::problem_headers_too_large(),
        "internal" => msg::problem_internal(),
        "unavailable" => msg::problem_unavailable(),
        "timed-out" => msg::problem_timed_out(),
        "role-required" => msg::problem_role_required(),
        "cross-site" => msg::problem_cross_site(),
        "in-flight" => msg::problem_in_flight(),
        "wrong-credentials" => msg::problem_wrong_credentials(),
        "password-changed" => msg::problem_password_changed(),
        "email-in-use" => msg::problem_email_in_use(),
        // Mostly of commands of the staff.
        "changed-meanwhile" | "changed-since" | "place-taken" | "order-changed" | "order-open" | "order-waiting"
        | "order-not-due" | "other-payment" | "payment-moved-on" | "show-exists" | "show-merged" | "ticket-held"
        | "ticket-not-held" => msg::problem_changed_meanwhile(),
        _ => return None,
    })
}

/// Problems of orders and payments.
fn order_detail(problem: &Problem) -> Option<String> {
    Some(match problem.code() {
        "own-ticket" => msg::problem_own_ticket(),
        "ticket-begun" => msg::problem_ticket_begun(),
        "ticket-taken" => msg::problem_ticket_taken(),
        "held-already" => msg::problem_held_already(),
        "seats-taken" => msg::problem_seats_taken(),
        "price-out-of-range" => msg::problem_price_out_of_range(),
        "no-seats" if problem.quantities.is_empty() => msg::problem_no_seats(),
        "no-seats" => msg::problem_no_seats_together(),
        "order-unconfirmed" | "order-not-confirmed" => msg::problem_order_unconfirmed(),
        "order-unpaid" => msg::problem_order_unpaid(),
        "order-authorized" => msg::problem_order_authorized(),
        "order-completed" => msg::problem_order_completed(),
        "order-closed" => msg::problem_order_closed(),
        "order-not-completed" => msg::problem_order_not_completed(),
        "several-passes" => msg::problem_several_passes(),
        "too-many-holds" => msg::problem_too_many_holds(problem.orders.len()),
        "order-paid" => msg::problem_order_paid(),
        "hold-expired" => msg::problem_hold_expired(),
        "order-being-paid" => msg::problem_order_being_paid(),
        "payment-pending" => msg::problem_payment_pending(),
        "card-declined" => card_detail(problem.params.text("reason").unwrap_or_default()),
        _ => return None,
    })
}

/// Problems of listings and shows.
fn listing_detail(problem: &Problem) -> Option<String> {
    let is_partial = problem.params.text("part").is_some();
    Some(match problem.code() {
        "ticket-withdrawn" => msg::problem_ticket_withdrawn(),
        "show-cancelled" => msg::problem_show_cancelled(),
        "ticket-reserved" if is_partial => msg::problem_ticket_partly_reserved(),
        "ticket-reserved" => msg::problem_ticket_reserved(),
        "ticket-sold" if is_partial => msg::problem_ticket_partly_sold(),
        "ticket-sold" => msg::problem_ticket_sold(),
        "not-the-seller" => msg::problem_not_the_seller(),
        "over-cap" => msg::problem_over_cap(problem.params.number("percent")?, format_price(&problem.params.money()?)),
        "seat-listed" => msg::problem_seat_listed(problem.params.text("seat")?),
        _ => return None,
    })
}

/// Reasons why a card is declined.
const CARD_REASONS: [&str; 8] = [
    "insufficient-funds",
    "expired",
    "wrong-code",
    "wrong-number",
    "unconfirmed",
    "unsupported",
    "bank-unreachable",
    "unknown",
];

fn card_detail(reason: &str) -> String {
    match reason {
        "insufficient-funds" => msg::problem_card_insufficient_funds(),
        "expired" => msg::problem_card_expired(),
        "wrong-code" => msg::problem_card_wrong_code(),
        "wrong-number" => msg::problem_card_wrong_number(),
        "unconfirmed" => msg::problem_card_unconfirmed(),
        "unsupported" => msg::problem_card_unsupported(),
        "bank-unreachable" => msg::problem_card_bank_unreachable(),
        _ => msg::problem_card_declined(),
    }
}

fn detail_of_status(status: u16) -> String {
    match status {
        401 => msg::problem_unauthenticated(),
        402 => msg::problem_card_declined(),
        403 | 404 => msg::problem_not_found(),
        408 | 504 => msg::problem_timed_out(),
        409 | 410 | 412 => msg::problem_changed_meanwhile(),
        429 => msg::problem_rate_limited_briefly(),
        500 | 501 => msg::problem_internal(),
        502..=599 => msg::problem_unavailable(),
        _ => msg::problem_invalid(),
    }
}

fn minutes(seconds: i64) -> i64 {
    u64::try_from(seconds).map_or(1, |seconds| i64::try_from(seconds.div_ceil(60)).unwrap_or(i64::MAX))
}

fn known_field_message(error: &FieldError) -> Option<String> {
    let params = &error.params;
    let price = || params.money().map(|money| format_price(&money));
    Some(match error.code.as_str() {
        TRANSLATED => error.message.clone(),
        "length" => match (params.number("min"), params.number("max")?) {
            (Some(min), max) => msg::form_length(max, min),
            (None, max) => msg::form_length_at_most(max),
        },
        "range" => msg::form_range(params.number("max")?, params.number("min")?),
        "control" => msg::form_control(),
        "blank" => msg::form_blank(),
        "email" => msg::form_email(),
        "common" => msg::form_common_password(),
        "same" => msg::form_same_password(),
        "wrong-password" => msg::form_wrong_password(),
        "min-amount" => msg::form_min_amount(price()?),
        "max-amount" => msg::form_max_amount(price()?),
        "step" => msg::form_step(price()?),
        "total" => price().map_or_else(msg::form_total_too_high, msg::form_total),
        "currency" => msg::form_currency(),
        "same-currency" => msg::form_same_currency(),
        "face-value-required" => msg::form_face_value_required(params.number("percent")?),
        "past" => msg::form_past(),
        "time-zone" => msg::form_time_zone(),
        "quantity" => msg::form_range(MAX_SEATS, 1_u8),
        "seat-count" => msg::form_seat_count(MAX_SEATS),
        "seat-name" => msg::form_seat_name(MAX_SEAT_NAME),
        "unique" => msg::form_seats_unique(),
        "seats" => msg::form_seats_quantity(),
        "split-odd" => msg::form_split_odd(),
        "split-one-seat" => msg::form_split_one_seat(),
        "split-sizes" => msg::form_split_sizes(),
        _ => return None,
    })
}

/// `must be so`, as services put it, becomes `Must be so.`
pub(crate) fn sentence(message: &str) -> String {
    let mut letters = message.trim().chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    let text: String = first.chain(letters).collect();
    if text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") }
}

/// Renders the reasons why a payment may fail, as a JSON object for `checkout.js`. A key is the problem's code,
/// followed by `/` and the problem's reason or limit if it has one; the value is the sentence for the buyer. Where the
/// object lacks a code, the script says that the payment may have gone through (after a server error) or that nothing
/// was charged.
pub(crate) fn payment_texts() -> String {
    let cards = CARD_REASONS.map(|reason| (format!("card-declined/{reason}"), card_detail(reason)));
    let others = [
        ("card-declined", msg::problem_card_declined()),
        ("hold-expired", msg::problem_hold_expired()),
        ("idempotency-mismatch", msg::problem_idempotency_mismatch()),
        ("in-flight", msg::problem_in_flight()),
        ("order-being-paid", msg::problem_order_being_paid()),
        ("order-closed", msg::problem_order_closed()),
        ("order-not-confirmed", msg::problem_order_unconfirmed()),
        ("order-paid", msg::problem_order_paid()),
        ("payment-moved-on", msg::problem_changed_meanwhile()),
        ("payment-pending", msg::problem_payment_pending()),
        ("rate-limited", msg::problem_rate_limited_briefly()),
        ("rate-limited/payments", msg::problem_too_many_payments()),
        ("unauthenticated", msg::problem_unauthenticated()),
    ];
    let others = others.map(|(code, text)| (code.to_owned(), text));
    let texts: serde_json::Map<_, _> =
        cards.into_iter().chain(others).map(|(code, text)| (code, serde_json::Value::String(text))).collect();
    // The text of a script element ends at `</`.
    serde_json::Value::Object(texts).to_string().replace('<', "\\u003c")
}
