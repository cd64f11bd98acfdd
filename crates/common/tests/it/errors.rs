//! Tests of `common::error::Error`: HTTP status, type and content of each error, and confidentiality of the causes.

use std::time::Duration;

use axum::response::IntoResponse;
use common::error::{Error, Rejection};
use common::problem::{CONTENT_TYPE, FieldError, Params};

fn permanent(code: &'static str) -> Rejection {
    Rejection::new(code, "A sentence.")
}

fn retryable(code: &'static str) -> Rejection {
    permanent(code).retry_after(Duration::from_millis(1_200))
}

fn secret() -> std::io::Error {
    std::io::Error::other("the password is hunter2")
}

#[test]
fn errors_map_to_status_type_and_retry_after() {
    let fields = || vec![FieldError::new("title", "is missing")];
    let table: [(Error, u16, &str, Option<&str>, usize); 25] = [
        (Error::Invalid(fields()), 400, "invalid", None, 1),
        (Error::field("title", "is missing"), 400, "invalid", None, 1),
        (Error::unauthenticated(), 401, "unauthenticated", None, 0),
        (Error::Unauthenticated(permanent("wrong-password")), 401, "wrong-password", None, 0),
        (Error::Declined(permanent("card-declined")), 402, "card-declined", None, 0),
        (Error::Forbidden(permanent("not-the-seller")), 403, "not-the-seller", None, 0),
        (Error::NotFound, 404, "not-found", None, 0),
        (Error::MethodNotAllowed, 405, "method-not-allowed", None, 0),
        (Error::TimedOut, 504, "timed-out", Some("2"), 0),
        (Error::Conflict(permanent("ticket-sold")), 409, "ticket-sold", None, 0),
        (Error::Conflict(retryable("in-flight")), 409, "in-flight", Some("2"), 0),
        (Error::conflict("taken", "It is taken."), 409, "taken", None, 0),
        (Error::Gone(permanent("hold-expired")), 410, "hold-expired", None, 0),
        (Error::PreconditionFailed, 412, "precondition-failed", None, 0),
        (Error::TooLarge, 413, "too-large", None, 0),
        (Error::UnsupportedMediaType, 415, "unsupported-media-type", None, 0),
        (Error::Unprocessable(fields()), 422, "idempotency-mismatch", None, 1),
        (Error::RuleBroken { rejection: permanent("over-cap"), fields: fields() }, 422, "over-cap", None, 1),
        (Error::RateLimited(Duration::from_secs(7)), 429, "rate-limited", Some("7"), 0),
        (Error::RateLimited(Duration::ZERO), 429, "rate-limited", Some("1"), 0),
        (Error::LimitReached(retryable("rate-limited")), 429, "rate-limited", Some("2"), 0),
        (Error::Unavailable(None), 503, "unavailable", Some("2"), 0),
        (Error::unavailable(secret()), 503, "unavailable", Some("2"), 0),
        (Error::NotReady(retryable("order-not-confirmed")), 503, "order-not-confirmed", Some("2"), 0),
        (Error::internal(secret()), 500, "internal", None, 0),
    ];
    for (error, status, code, retry_after, fields) in table {
        let problem = error.problem();
        assert_eq!((error.status().as_u16(), problem.status), (status, status), "{error:?}");
        assert_eq!(problem.kind, format!("urn:ticketing:problem:{code}"));
        assert!(!problem.title.is_empty() && !problem.detail.is_empty());
        assert_eq!(problem.errors.len(), fields, "{error:?}");
        let json = serde_json::to_string(&problem).unwrap();
        assert!(!json.contains("hunter2"), "{json}");
        assert!(!error.to_string().contains("hunter2"), "Display does not repeat its source");
        let response = error.into_response();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()["content-type"], CONTENT_TYPE);
        let header = response.headers().get("retry-after").map(|value| value.to_str().unwrap());
        assert_eq!(header, retry_after, "{code}");
        assert!(response.extensions().get::<Error>().is_some(), "the middleware logs its cause");
    }
}

#[test]
fn cause_is_available_as_the_source() {
    for error in [Error::internal(secret()), Error::unavailable(secret())] {
        let source = std::error::Error::source(&error).expect("a source");
        assert_eq!(source.to_string(), "the password is hunter2");
    }
}

#[test]
fn problem_round_trips_through_json() {
    let mut problem = Error::field("price.amount", "must be 50 or more").problem();
    problem.instance = "01890a5d-ac96-774b-bcce-b302099a8057".to_owned();
    let text = serde_json::to_string(&problem).unwrap();
    assert_eq!(serde_json::from_str::<common::problem::Problem>(&text).unwrap(), problem);
    let usd = common::money::Money { amount: 5_500, currency: "USD".parse().unwrap() };
    let rejection = permanent("over-cap").with_params(Params::from(&usd).with("percent", 10));
    let capped = Error::RuleBroken { rejection, fields: Vec::new() }.problem();
    let value = serde_json::to_value(&capped).unwrap();
    assert_eq!(value["params"], serde_json::json!({ "amount": 5_500, "currency": "USD", "percent": 10 }));
    let read: common::problem::Problem = serde_json::from_value(value).unwrap();
    assert_eq!((read.params.money(), read.params.number("percent")), (Some(usd), Some(10)));
    let bare = serde_json::to_value(Error::NotFound.problem()).unwrap();
    assert!(bare.get("errors").is_none() && bare.get("instance").is_none(), "empty fields are absent");
    assert!(bare.get("params").is_none());
    assert_eq!(Error::RateLimited(Duration::from_millis(1_200)).problem().params.number("retryAfter"), Some(2));
}
