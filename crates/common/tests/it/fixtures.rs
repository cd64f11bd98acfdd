//! One frozen event of every type: they keep decoding, and are added to but never edited.
//!
//! `fixtures/<type>.json` is an event as it is published today; `fixtures/<type>.<note>.json` is one
//! that must be understood too, such as one without what is optional.

use std::collections::BTreeMap;

use common::events::envelope::Envelope;
use common::events::{ENTITIES, EventType, catalogue};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{folder, updating};

/// The fixtures, by name without `.json`.
pub(crate) fn all() -> BTreeMap<String, String> {
    let files = std::fs::read_dir(folder("fixtures")).expect("the fixtures");
    let named = files.map(|file| {
        let path = file.expect("a file").path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(path).expect("text"))
    });
    named.filter_map(|(name, text)| Some((name.strip_suffix(".json")?.to_owned(), text))).collect()
}

/// The event type that a fixture is of; the name has the type first.
pub(crate) fn event_type(name: &str) -> EventType {
    let found = catalogue()
        .into_iter()
        .find(|event| name.strip_prefix(event.name).is_some_and(|note| note.is_empty() || note.starts_with('.')));
    found.unwrap_or_else(|| panic!("{name} is of no known event type"))
}

/// Decodes an event as its consumers do and encodes it again.
fn reencode(event_type: &EventType, event: Value) -> Result<Value, serde_json::Error> {
    let entity = ENTITIES.into_iter().find(|entity| entity.name == event_type.entity);
    let again = entity.unwrap_or_else(|| panic!("{} is no entity", event_type.entity)).reencode(event)?;
    assert_eq!((&again["type"], &again["source"]), (&event_type.name.into(), &event_type.source.into()));
    Ok(again)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn every_event_type_has_one() {
    let fixtures = all();
    for event in catalogue() {
        let text = fixtures.get(event.name);
        let text = text.unwrap_or_else(|| panic!("add fixtures/{}.json: the event as it is published", event.name));
        let envelope: Envelope<Value> = serde_json::from_str(text).unwrap();
        assert_eq!((envelope.kind.as_str(), envelope.source.as_str()), (event.name, event.source));
        assert_eq!((envelope.specversion.as_str(), envelope.datacontenttype.as_str()), ("1.0", "application/json"));
    }
}

#[test]
fn each_decodes_and_encodes_to_the_same_document() {
    for (name, text) in all() {
        let event = event_type(&name);
        let again = reencode(&event, json(&text)).unwrap_or_else(|error| panic!("{name}: {error}"));
        if name == event.name {
            assert_eq!(again, json(&text), "{name}");
        } else {
            assert!(holds(&again, &json(&text)), "{name} loses something: {again}");
        }
    }
}

/// Whether a document has everything that another one has.
fn holds(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, value)| whole.get(key).is_some_and(|whole| holds(whole, value)))
        }
        (Value::Array(whole), Value::Array(part)) => {
            whole.len() == part.len() && whole.iter().zip(part).all(|(whole, part)| holds(whole, part))
        }
        _ => whole == part,
    }
}

#[test]
fn what_a_later_release_adds_is_passed_over() {
    for (name, text) in all() {
        let event = event_type(&name);
        let mut newer = json(&text);
        newer["data"]["addedLater"] = serde_json::json!({ "any": ["thing"] });
        newer["traceparent"] = serde_json::json!("00-…");
        let again = reencode(&event, newer).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(again, reencode(&event, json(&text)).unwrap(), "{name}");
    }
}

#[test]
fn a_payload_without_something_required_is_refused() {
    let fixtures = all();
    for entity in ENTITIES {
        let schema = entity.schema().to_value();
        let (name, text) = fixtures.iter().find(|(name, _)| event_type(name).entity == entity.name).unwrap();
        for key in schema["required"].as_array().unwrap() {
            let key = key.as_str().unwrap();
            let mut less = json(text);
            less["data"].as_object_mut().unwrap().remove(key).unwrap_or_else(|| panic!("{name} lacks {key}"));
            let refused = entity.reencode(less).is_err();
            assert!(refused, "{} without {key} is understood, so the schema promises too much", entity.name);
        }
    }
}

/// `fixtures/frozen.txt` has a line for each fixture: its SHA-256 and its name. A new fixture gets its
/// line by `UPDATE_CONTRACTS=1`; nothing changes a line that is there.
#[test]
fn fixtures_are_added_to_and_never_edited() {
    let file = folder("fixtures").join("frozen.txt");
    let frozen = std::fs::read_to_string(&file).unwrap_or_default();
    let lines = frozen.lines().map(|line| line.split_once("  ").expect("hash and name"));
    let mut frozen: BTreeMap<_, _> = lines.map(|(hash, name)| (name, hash)).collect();
    let fixtures = all();
    let hash = |text: &String| format!("{:x}", Sha256::digest(text.as_bytes()));
    let hashes: BTreeMap<_, _> = fixtures.iter().map(|(name, text)| (name.as_str(), hash(text))).collect();
    for (name, hash) in &frozen {
        let now = hashes.get(name);
        let now = now.unwrap_or_else(|| panic!("fixtures/{name}.json is gone: old events must keep decoding"));
        assert_eq!(now, hash, "fixtures/{name}.json was edited: put it back, and add another fixture beside it");
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
