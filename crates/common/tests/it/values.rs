//! Property tests of ids, money and timestamps, and the naming convention of event types.

use common::events::ENTITIES;
use common::id::{OrderId, TicketId};
use common::money::{Currency, Money};
use common::timestamp::Timestamp;
use proptest::prelude::*;
use std::time::Duration;

proptest! {
    #[test]
    fn id_round_trips_as_text_and_json(bytes in any::<[u8; 16]>()) {
        let id = TicketId::from_uuid(uuid::Uuid::from_bytes(bytes));
        let text = id.to_string();
        prop_assert_eq!(text.len(), 36);
        prop_assert_eq!(text.to_lowercase(), text.clone());
        prop_assert_eq!(text.parse(), Ok(id));
        prop_assert_eq!(text.to_uppercase().parse(), Ok(id));
        prop_assert_eq!(serde_json::from_value::<TicketId>(serde_json::to_value(id).unwrap()).unwrap(), id);
        prop_assert_eq!(serde_json::to_value(id).unwrap(), serde_json::Value::String(text));
    }

    #[test]
    fn ids_sort_like_their_text(a in any::<[u8; 16]>(), b in any::<[u8; 16]>()) {
        let (a, b) = (OrderId::from_uuid(uuid::Uuid::from_bytes(a)), OrderId::from_uuid(uuid::Uuid::from_bytes(b)));
        prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
    }

    #[test]
    fn values_parsed_from_arbitrary_text_round_trip(text in ".{0,40}") {
        if let Ok(id) = text.parse::<TicketId>() {
            prop_assert_eq!(id.to_string(), text.to_lowercase());
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            prop_assert_eq!(time.to_string().parse::<Timestamp>(), Ok(time));
        }
        if let Ok(currency) = text.parse::<Currency>() {
            prop_assert_eq!(currency.to_string(), text);
        }
    }

    #[test]
    fn money_round_trips_as_json(amount in any::<i64>(), code in "[A-Z]{3}") {
        let money = Money { amount, currency: code.parse().unwrap() };
        let json = serde_json::to_value(&money).unwrap();
        prop_assert_eq!(&json, &serde_json::json!({ "amount": amount, "currency": code }));
        prop_assert_eq!(serde_json::from_value::<Money>(json).unwrap(), money);
    }

    #[test]
    fn money_display_is_lossless(amount in any::<i64>(), code in prop::sample::select(vec!["USD", "JPY", "KWD"])) {
        let money = Money { amount, currency: code.parse().unwrap() };
        let shown = money.to_string();
        let (number, shown_code) = shown.split_once(' ').unwrap();
        prop_assert_eq!(shown_code, code);
        let digits: String = number.chars().filter(|c| *c != '.').collect();
        prop_assert_eq!(digits.parse::<i128>().unwrap(), i128::from(amount));
        let decimals = number.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        prop_assert_eq!(decimals, money.currency.decimals());
    }

    #[test]
    fn timestamp_arithmetic_saturates(millis in any::<i64>(), seconds in any::<u64>()) {
        let (time, span) = (Timestamp::from_millis(millis), Duration::from_secs(seconds));
        for time in [time, time.plus(span), time.minus(span)] {
            let text = time.to_string();
            prop_assert_eq!(text.len(), 24);
            prop_assert_eq!(text.parse(), Ok(time));
        }
        prop_assert!(time.minus(span) <= time && time <= time.plus(span));
        prop_assert_eq!(time.since(time.plus(span)), Duration::ZERO);
    }
}

#[test]
fn money_rejects_floats_and_missing_fields() {
    for text in [
        r#"{"amount": 12.5, "currency": "USD"}"#,
        r#"{"amount": "1250", "currency": "USD"}"#,
        r#"{"amount": 9223372036854775808, "currency": "USD"}"#,
        r#"{"amount": 1250, "currency": "usd"}"#,
        r#"{"amount": 1250}"#,
    ] {
        assert!(serde_json::from_str::<Money>(text).is_err(), "{text}");
    }
}

#[test]
fn event_types_follow_the_naming_convention() {
    let mut names = std::collections::BTreeSet::new();
    for event in common::events::catalogue() {
        let parts: Vec<_> = event.name.split('.').collect();
        let [entity, change, schema] = parts[..] else { panic!("{} must have three parts", event.name) };
        assert_eq!((entity, schema), (event.entity, "v1"));
        assert!(
            change.chars().all(|c| c.is_ascii_alphabetic()) && change.starts_with(|c: char| c.is_ascii_lowercase())
        );
        assert!(event.meaning.ends_with('.'), "{}: the meaning is not a sentence", event.name);
        assert!(names.insert(event.name), "{} occurs twice", event.name);
    }
    assert_eq!(names.iter().filter(|name| name.ends_with(".snapshot.v1")).count(), ENTITIES.len());
}
