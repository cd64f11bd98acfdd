//! The checked-in schemas match the types, change compatibly, and accept the fixtures.

use std::collections::BTreeSet;

use common::events::{ENTITIES, asyncapi, catalogue};
use serde_json::Value;

use crate::json_schema::first_violation;
use crate::schema_compat::incompatibilities;
use crate::{directory, fixtures, updating};

/// Asserts that the checked-in document is current, or regenerates it if requested.
fn assert_current_or_update(file: &str, document: &Value) {
    let path = directory("schemas").join(file);
    let current = serde_json::to_string_pretty(document).unwrap() + "\n";
    if updating() {
        std::fs::write(&path, current).expect("writing the document");
        return;
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(known == current, "schemas/{file} does not match the types: run the test with UPDATE_CONTRACTS=1");
}

#[test]
fn payload_schemas_stay_backward_compatible() {
    for entity in ENTITIES {
        let (entity, schema) = (entity.name, entity.schema().to_value());
        let file = format!("{entity}.v1.json");
        // Checked first, so that an incompatible schema is never written.
        if let Ok(known) = std::fs::read_to_string(directory("schemas").join(&file)) {
            let found = incompatibilities(&serde_json::from_str(&known).unwrap(), &schema);
            assert!(found.is_empty(), "{entity}: this change is incompatible and requires a v2: {}", found.join("; "));
        }
        assert_current_or_update(&file, &schema);
    }
}

#[test]
fn every_schema_file_belongs_to_an_entity() {
    let mut expected: BTreeSet<_> = ENTITIES.iter().map(|entity| format!("{}.v1.json", entity.name)).collect();
    expected.insert("asyncapi.json".to_owned());
    let files = std::fs::read_dir(directory("schemas")).expect("the schemas");
    let found: BTreeSet<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert!(expected.is_superset(&found), "an entity was removed: {found:?}");
}

#[test]
fn asyncapi_document_is_current_and_complete() {
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
    assert_references_resolve(&document, &document);
    assert_current_or_update("asyncapi.json", &document);
}

/// Asserts that every reference within the document resolves.
fn assert_references_resolve(value: &Value, root: &Value) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                // Names contain dots but no slashes, so the pointer needs no escapes.
                let pointer = reference.strip_prefix('#').expect("a reference into the document");
                assert!(root.pointer(pointer).is_some(), "{reference} does not resolve");
            }
            object.values().for_each(|value| assert_references_resolve(value, root));
        }
        Value::Array(values) => values.iter().for_each(|value| assert_references_resolve(value, root)),
        _ => {}
    }
}

fn schema_of(entity: &str) -> Value {
    ENTITIES.iter().find(|known| known.name == entity).expect("a known entity").schema().to_value()
}

#[test]
fn fixtures_match_their_schema_and_message() {
    let document = asyncapi::document();
    for (name, text) in fixtures::all() {
        let event = fixtures::event_type(&name);
        let envelope: Value = serde_json::from_str(&text).unwrap();
        let schema = schema_of(event.entity);
        assert_eq!(first_violation(&schema, &envelope["data"], &schema), None, "{name}");
        let message = &document["components"]["messages"][event.name]["payload"];
        assert_eq!(first_violation(message, &envelope, &document), None, "{name}");
    }
}

#[test]
fn schema_rejects_invalid_payloads() {
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
        *data.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} does not exist")) = value;
        assert!(first_violation(&schema, &data, &schema).is_some(), "{pointer}");
    }
}

#[test]
fn payloads_have_no_secret_fields() {
    for entity in ENTITIES {
        let (entity, text) = (entity.name, entity.schema().to_value().to_string().to_lowercase());
        for word in ["email", "password", "token", "secret", "cardnumber", "cvc"] {
            assert!(
                !text.contains(&format!("\"{word}")),
                "{entity} has a field like {word}, but events can't be erased selectively"
            );
        }
    }
}
