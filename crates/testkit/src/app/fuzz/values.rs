//! Strategies for random JSON: arbitrary, or conforming to a schema of the OpenAPI document.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Texts that programs often mishandle.
const AWKWARD: [&str; 20] = [
    "",
    " ",
    "\0",
    "a\0b",
    "\u{feff}",
    "\u{202e}abc",
    "🎟️",
    "ß",
    "İ",
    "$where",
    "$ne",
    "a.b",
    "../../etc/passwd",
    "' OR 1=1 --",
    "<script>alert(1)</script>",
    "%s%n",
    "null",
    "-0",
    "1e400",
    "９",
];

/// Texts that some service accepts in some field.
const MEANINGFUL: [&str; 16] = [
    "ana@example.com",
    "ANA@EXAMPLE.COM",
    "a@b",
    "\"a b\"@example.com",
    "correct horse battery",
    "password",
    "Europe/Berlin",
    "UTC",
    "USD",
    "EUR",
    "available",
    "concert",
    "pm_card_visa",
    "pm_card_chargeDeclined",
    "2099-06-01T19:30:00Z",
    "0001-01-01T00:00:00Z",
];

/// Arbitrary text.
pub(super) fn any_text() -> BoxedStrategy<String> {
    prop_oneof![
        4 => proptest::sample::select(MEANINGFUL.to_vec()).prop_map(ToOwned::to_owned),
        2 => proptest::sample::select(AWKWARD.to_vec()).prop_map(ToOwned::to_owned),
        3 => vec(any::<char>(), 0..24).prop_map(|text| text.into_iter().collect::<String>()),
        1 => (any::<char>(), 100_usize..6_000).prop_map(|(c, length)| c.to_string().repeat(length)),
    ]
    .boxed()
}

fn integer() -> BoxedStrategy<i64> {
    // The limits of prices and page sizes, and their neighbours.
    let edges = [0, 1, -1, 49, 50, 100, 101, 12_550, 99_999_999, 100_000_000, i64::MAX, i64::MIN];
    prop_oneof![proptest::sample::select(edges.to_vec()), any::<i64>(), 1_i64..20_000].boxed()
}

/// Arbitrary JSON.
pub(super) fn any_json() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        integer().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            btree_map(any_text(), inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
    .boxed()
}

/// Text whose length the schema allows.
fn bounded_text(schema: &Value) -> BoxedStrategy<String> {
    let bound = |key: &str| schema[key].as_u64().and_then(|length| usize::try_from(length).ok());
    let shortest = bound("minLength").unwrap_or(0);
    let longest = bound("maxLength").unwrap_or(shortest + 40).max(shortest);
    prop_oneof![
        3 => any_text().prop_map(move |text| {
            let padded = text.chars().chain(std::iter::repeat('x'));
            padded.take(text.chars().count().clamp(shortest, longest)).collect::<String>()
        }),
        1 => prop_oneof![Just(shortest), Just(longest)].prop_map(|length| "ü".repeat(length)),
    ]
    .boxed()
}

/// Values with the types and lengths of a schema. Bounds of numbers are ignored.
pub(super) fn of_schema(document: &Value, schema: &Value, depth: usize) -> BoxedStrategy<Value> {
    if depth > 8 {
        return any_json();
    }
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return of_schema(document, &document["components"]["schemas"][name], depth + 1);
    }
    if let Some(values) = schema["enum"].as_array().filter(|values| !values.is_empty()) {
        return proptest::sample::select(values.clone()).boxed();
    }
    if let Some(choices) = ["oneOf", "anyOf", "allOf"].iter().find_map(|key| schema[*key].as_array()) {
        let choices = choices.iter().map(|choice| of_schema(document, choice, depth + 1));
        return proptest::strategy::Union::new(choices).boxed();
    }
    match &schema["type"] {
        Value::Array(kinds) => {
            let of_kind = |kind: &Value| {
                let mut schema = schema.clone();
                schema["type"] = kind.clone();
                of_schema(document, &schema, depth + 1)
            };
            proptest::strategy::Union::new(kinds.iter().map(of_kind)).boxed()
        }
        Value::String(kind) => of_kind(document, schema, kind, depth),
        _ => any_json(),
    }
}

fn of_kind(document: &Value, schema: &Value, kind: &str, depth: usize) -> BoxedStrategy<Value> {
    match kind {
        "object" => object(document, schema, depth),
        "array" => vec(of_schema(document, &schema["items"], depth + 1), 0..4).prop_map(Value::from).boxed(),
        "integer" => integer().prop_map(Value::from).boxed(),
        "number" => any::<f64>().prop_map(Value::from).boxed(),
        "boolean" => any::<bool>().prop_map(Value::from).boxed(),
        "null" => Just(Value::Null).boxed(),
        "string" => match schema["format"].as_str() {
            Some("uuid") => prop_oneof![
                (0_u64..1 << 48, any::<[u8; 10]>()).prop_map(|(millis, random)| json!(
                    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
                )),
                any::<u128>().prop_map(|bits| json!(uuid::Uuid::from_u128(bits))),
            ]
            .boxed(),
            // Beyond both ends of RFC 3339, which has the years 0 to 9999.
            Some("date-time") => (-70_000_000_000_000_i64..260_000_000_000_000)
                .prop_map(|millis| json!(common::timestamp::Timestamp::from_millis(millis)))
                .boxed(),
            Some("email") => prop_oneof![
                4 => "[A-Za-z0-9.+_-]{1,12}@[a-z0-9-]{1,8}\\.example",
                1 => any_text(),
            ]
            .prop_map(Value::from)
            .boxed(),
            _ => prop_oneof![2 => bounded_text(schema), 1 => any_text()].prop_map(Value::from).boxed(),
        },
        _ => any_json(),
    }
}

/// Objects with nearly all required fields and about half of the others.
fn object(document: &Value, schema: &Value, depth: usize) -> BoxedStrategy<Value> {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let field = |(name, schema): (String, Value)| {
        let probability = if required.contains(&json!(name)) { 0.97 } else { 0.5 };
        let value = option::weighted(probability, of_schema(document, &schema, depth + 1));
        value.prop_map(move |value| value.map(|value| (name.clone(), value))).boxed()
    };
    let fields: Vec<_> = schema["properties"].as_object().cloned().unwrap_or_default().into_iter().map(field).collect();
    fields.prop_map(|fields| Value::Object(fields.into_iter().flatten().collect())).boxed()
}
