//! The AsyncAPI 3 document of all events, generated from the types.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{ENTITIES, catalogue};

/// The whole document.
pub fn document() -> Value {
    let mut channels = BTreeMap::new();
    let mut operations = BTreeMap::new();
    let mut messages = BTreeMap::new();
    for event in catalogue() {
        let reference = format!("#/components/messages/{}", event.name);
        channels.insert(
            event.name,
            json!({
                "address": event.name,
                "description": format!("JetStream stream of the service {}, behind the configured subject prefix.", event.source),
                "messages": { event.name: { "$ref": reference } },
            }),
        );
        operations.insert(
            format!("{}.publish.{}", event.source, event.name),
            json!({ "action": "send", "channel": { "$ref": format!("#/channels/{}", event.name) } }),
        );
        messages.insert(
            event.name,
            json!({
                "name": event.name,
                "summary": event.meaning,
                "contentType": "application/cloudevents+json",
                "payload": envelope_schema(&event),
            }),
        );
    }
    let mut components = BTreeMap::new();
    for entity in ENTITIES {
        let mut schema = entity.schema().to_value();
        if let Some(schema) = schema.as_object_mut() {
            schema.remove("$schema");
            if let Some(Value::Object(shared)) = schema.remove("$defs") {
                components.extend(shared);
            }
        }
        components.insert(entity.name.to_owned(), schema);
    }
    components.values_mut().for_each(lead_to_components);
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Ticket marketplace events",
            "version": "1.0.0",
            "description": "CloudEvents 1.0 over NATS JetStream. Each event carries the entity's whole state at that version.",
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "schemas": components },
    })
}

/// References into a schema's own definitions, made to lead to the document's.
fn lead_to_components(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get_mut("$ref") {
                *reference = reference.replace("#/$defs/", "#/components/schemas/");
            }
            object.values_mut().for_each(lead_to_components);
        }
        Value::Array(values) => values.iter_mut().for_each(lead_to_components),
        _ => {}
    }
}

fn envelope_schema(event: &super::EventType) -> Value {
    json!({
        "type": "object",
        "required": ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "entityversion", "data"],
        "properties": {
            "specversion": { "const": "1.0" },
            "id": { "type": "string", "format": "uuid" },
            "source": { "const": event.source },
            "type": { "const": event.name },
            "subject": { "type": "string", "format": "uuid", "description": format!("Id of the {}.", event.entity) },
            "time": { "type": "string", "format": "date-time" },
            "datacontenttype": { "const": "application/json" },
            "entityversion": { "type": "integer", "minimum": 0 },
            "data": { "$ref": format!("#/components/schemas/{}", event.entity) },
        },
    })
}
