//! Golden events, at least one per type, which must keep decoding: add new ones, never edit them.
//!
//! `fixtures/<type>.json` must decode and re-encode to exactly the same JSON. `fixtures/<type>.<note>.json` is any
//! other event of the type, such as one without optional fields: it must keep all its data, and may gain fields.

use std::collections::BTreeMap;

use common::events::envelope::Envelope;
use common::events::ticket::TicketTerms;
use common::events::{ENTITIES, EventType, catalogue};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{directory, updating};

/// The fixtures by their name without `.json`.
pub(crate) fn all() -> BTreeMap<String, String> {
    let files = std::fs::read_dir(directory("fixtures")).expect("the fixtures");
    let named = files.map(|file| {
        let path = file.expect("a file").path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(path).expect("text"))
    });
    named.filter_map(|(name, text)| Some((name.strip_suffix(".json")?.to_owned(), text))).collect()
}

/// The event type of a fixture, which is the prefix of its name.
pub(crate) fn event_type(name: &str) -> EventType {
    let found = catalogue()
        .into_iter()
        .find(|event| name.strip_prefix(event.name).is_some_and(|note| note.is_empty() || note.starts_with('.')));
    found.unwrap_or_else(|| panic!("{name} has no known event type"))
}

/// Decodes an event as its consumers do, and encodes it again.
fn reencode(event_type: &EventType, event: Value) -> Result<Value, serde_json::Error> {
    let entity = ENTITIES.into_iter().find(|entity| entity.name == event_type.entity);
    let again = entity.unwrap_or_else(|| panic!("{} is not an entity", event_type.entity)).reencode(event)?;
    assert_eq!((&again["type"], &again["source"]), (&event_type.name.into(), &event_type.source.into()));
    Ok(again)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn every_event_type_has_a_fixture() {
    let fixtures = all();
    for event in catalogue() {
        let text = fixtures.get(event.name);
        let text =
            text.unwrap_or_else(|| panic!("fixtures/{}.json is missing: add the event as published", event.name));
        let envelope: Envelope<Value> = serde_json::from_str(text).unwrap();
        assert_eq!((envelope.kind.as_str(), envelope.source.as_str()), (event.name, event.source));
        assert_eq!((envelope.specversion.as_str(), envelope.datacontenttype.as_str()), ("1.0", "application/json"));
    }
}

#[test]
fn fixtures_round_trip() {
    for (name, text) in all() {
        let event = event_type(&name);
        let again = reencode(&event, json(&text)).unwrap_or_else(|error| panic!("{name}: {error}"));
        if name == event.name {
            assert_eq!(again, json(&text), "{name}");
        } else {
            assert!(is_superset(&again, &json(&text)), "{name} loses data: {again}");
        }
    }
}

/// Whether a document contains everything of another document.
fn is_superset(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, value)| whole.get(key).is_some_and(|whole| is_superset(whole, value)))
        }
        (Value::Array(whole), Value::Array(part)) => {
            whole.len() == part.len() && whole.iter().zip(part).all(|(whole, part)| is_superset(whole, part))
        }
        _ => whole == part,
    }
}

/// The event as the next release may publish it: with an unknown field in every object, also in those in arrays.
fn next_release(event: &Value) -> Value {
    match event {
        Value::Object(fields) => {
            let mut fields: serde_json::Map<_, _> =
                fields.iter().map(|(name, value)| (name.clone(), next_release(value))).collect();
            fields.insert("addedLater".to_owned(), serde_json::json!({ "any": ["thing"] }));
            Value::Object(fields)
        }
        Value::Array(items) => Value::Array(items.iter().map(next_release).collect()),
        other => other.clone(),
    }
}

#[test]
fn fields_of_the_next_release_are_ignored_in_every_object() {
    for (name, text) in all() {
        let event = event_type(&name);
        let again = reencode(&event, next_release(&json(&text))).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(again, reencode(&event, json(&text)).unwrap(), "{name}");
    }
}

/// Orders of the first release are stored with these terms. A field that is added later must stay absent in them,
/// because `tickets` compares only the fields that the order's release knew.
#[test]
fn terms_of_an_older_release_gain_no_field() {
    let terms = serde_json::json!({
        "id": "01935c7e-1a2b-7c3d-8e4f-5a6b7c8d9e0f", "title": "Carmen", "venue": "Royal Opera House",
        "city": null, "startsAt": "2099-06-01T18:30:00.000Z", "timeZone": "Europe/London",
        "section": null, "row": null, "blocks": [1],
    });
    let decoded: TicketTerms = serde_json::from_value(terms.clone()).unwrap();
    assert_eq!(serde_json::to_value(&decoded).unwrap(), terms);
    let newer: TicketTerms = serde_json::from_value(next_release(&terms)).unwrap();
    assert_eq!(serde_json::to_value(&newer).unwrap(), terms, "what this release does not know, it does not agree to");
    assert!(decoded.agree_with(&newer));
}

#[test]
fn payload_without_a_required_field_is_rejected() {
    let fixtures = all();
    for entity in ENTITIES {
        let schema = entity.schema().to_value();
        let (name, text) = fixtures.iter().find(|(name, _)| event_type(name).entity == entity.name).unwrap();
        for key in schema["required"].as_array().unwrap() {
            let key = key.as_str().unwrap();
            let mut less = json(text);
            less["data"].as_object_mut().unwrap().remove(key).unwrap_or_else(|| panic!("{name} lacks {key}"));
            let rejected = entity.reencode(less).is_err();
            assert!(rejected, "{} is decoded without {key}, which the schema requires", entity.name);
        }
    }
}

/// `fixtures/frozen.txt` has a line for each fixture with its SHA-256 and its name. `UPDATE_CONTRACTS=1` adds lines of
/// new fixtures and never changes existing lines.
#[test]
fn fixtures_are_never_edited() {
    let file = directory("fixtures").join("frozen.txt");
    let frozen = std::fs::read_to_string(&file).unwrap_or_default();
    let lines = frozen.lines().map(|line| line.split_once("  ").expect("hash and name"));
    let mut frozen: BTreeMap<_, _> = lines.map(|(hash, name)| (name, hash)).collect();
    let fixtures = all();
    let hash = |text: &String| format!("{:x}", Sha256::digest(text.as_bytes()));
    let hashes: BTreeMap<_, _> = fixtures.iter().map(|(name, text)| (name.as_str(), hash(text))).collect();
    for (name, hash) in &frozen {
        let now = hashes.get(name);
        let now = now.unwrap_or_else(|| panic!("fixtures/{name}.json is missing: old events must keep decoding"));
        assert_eq!(now, hash, "fixtures/{name}.json was edited: restore it and add another fixture");
    }
    if updating() {
        frozen.extend(hashes.iter().map(|(name, hash)| (*name, hash.as_str())));
        let lines: Vec<_> = frozen.iter().map(|(name, hash)| format!("{hash}  {name}\n")).collect();
        std::fs::write(&file, lines.concat()).expect("writing the list");
        return;
    }
    for name in hashes.keys() {
        assert!(frozen.contains_key(name), "fixtures/{name}.json is new: run the test with UPDATE_CONTRACTS=1");
    }
}
