//! The checked-in schemas are what the types say, change without breaking anybody, and fit the events.

use std::collections::BTreeSet;

use common::events::{ENTITIES, asyncapi, catalogue};
use serde_json::Value;

use crate::compare::breaks;
use crate::validate::fault;
use crate::{fixtures, folder, updating};

/// Fails on drift, or writes the document anew when that is asked for.
fn is_current(file: &str, document: &Value) {
    let path = folder("schemas").join(file);
    let current = serde_json::to_string_pretty(document).unwrap() + "\n";
    if updating() {
        std::fs::write(&path, current).expect("writing the document");
        return;
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(known == current, "schemas/{file} is not what the types say: run the test with UPDATE_CONTRACTS=1");
}

#[test]
fn payloads_change_without_breaking_who_reads_them() {
    for entity in ENTITIES {
        let (entity, schema) = (entity.name, entity.schema().to_value());
        let file = format!("{entity}.v1.json");
        // Compared first: what breaks is never written.
        if let Ok(known) = std::fs::read_to_string(folder("schemas").join(&file)) {
            let found = breaks(&serde_json::from_str(&known).unwrap(), &schema);
            assert!(found.is_empty(), "{entity}: this is a breaking change: make a v2. {}", found.join("; "));
        }
        is_current(&file, &schema);
    }
}

#[test]
fn every_schema_file_is_of_a_known_entity() {
    let mut expected: BTreeSet<_> = ENTITIES.iter().map(|entity| format!("{}.v1.json", entity.name)).collect();
    expected.insert("asyncapi.json".to_owned());
    let files = std::fs::read_dir(folder("schemas")).expect("the schemas");
    let found: BTreeSet<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert!(expected.is_superset(&found), "an entity that existed may not vanish: {found:?}");
}

#[test]
fn the_asyncapi_document_is_current_and_whole() {
    let document = asyncapi::document();
    assert_eq!(document["asyncapi"], "3.0.0");
    for event in catalogue() {
        let message = &document["components"]["messages"][event.name];
        assert_eq!(message["summary"], event.meaning);
        assert_eq!(document["channels"][event.name]["address"], event.name);
        let operation = &document["operations"][format!("{}.publish.{}", event.source, event.name)];
        assert_eq!(operation["action"], "send");
        assert_eq!(operation["channel"]["$ref"], format!("#/channels/{}", event.name));
    }
    assert_eq!(document["channels"].as_object().unwrap().len(), catalogue().len());
    leads_somewhere(&document, &document);
    is_current("asyncapi.json", &document);
}

/// Fails on a reference in the document that leads nowhere.
fn leads_somewhere(value: &Value, root: &Value) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                // Names hold dots and no slashes, so a pointer needs no escapes.
                let pointer = reference.strip_prefix('#').expect("a reference into the document");
                assert!(root.pointer(pointer).is_some(), "{reference} leads nowhere");
            }
            object.values().for_each(|value| leads_somewhere(value, root));
        }
        Value::Array(values) => values.iter().for_each(|value| leads_somewhere(value, root)),
        _ => {}
    }
}

fn schema_of(entity: &str) -> Value {
    ENTITIES.iter().find(|known| known.name == entity).expect("a known entity").schema().to_value()
}

#[test]
fn each_fixture_fits_its_schema_and_its_message() {
    let document = asyncapi::document();
    for (name, text) in fixtures::all() {
        let event = fixtures::event_type(&name);
        let envelope: Value = serde_json::from_str(&text).unwrap();
        let schema = schema_of(event.entity);
        assert_eq!(fault(&schema, &envelope["data"], &schema), None, "{name}");
        let message = &document["components"]["messages"][event.name]["payload"];
        assert_eq!(fault(message, &envelope, &document), None, "{name}");
    }
}

#[test]
fn what_does_not_fit_is_found() {
    let schema = schema_of("ticket");
    let good: Value = serde_json::from_str(&fixtures::all()["ticket.refused.v1"]).unwrap();
    for (pointer, value) in [
        ("/status", serde_json::json!("lost")),
        ("/price/amount", serde_json::json!("12")),
        ("/price/currency", serde_json::json!("usd")),
        ("/startsAt", serde_json::json!("tomorrow")),
        ("/sellerId", serde_json::json!("me")),
        ("/title", Value::Null),
        ("/refusals/0/reason", serde_json::json!("tooLate")),
        ("/refusals/0/orderId", Value::Null),
    ] {
        let mut data = good["data"].clone();
        *data.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is there")) = value;
        assert!(fault(&schema, &data, &schema).is_some(), "{pointer}");
    }
}

#[test]
fn no_payload_can_hold_a_secret() {
    for entity in ENTITIES {
        let (entity, text) = (entity.name, entity.schema().to_value().to_string().to_lowercase());
        for word in ["email", "password", "token", "secret", "cardnumber", "cvc"] {
            assert!(!text.contains(&format!("\"{word}")), "{entity} has a field like {word}: streams can't forget");
        }
    }
}
