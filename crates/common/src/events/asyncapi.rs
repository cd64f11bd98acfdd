//! Generates the AsyncAPI 3 document of all events from the types.

use schemars::Schema;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::{Map, Value, json};

use super::{ENTITIES, EventType, catalogue};

/// The AsyncAPI document.
pub fn document() -> Value {
    let (mut channels, mut operations, mut messages) = (Map::new(), Map::new(), Map::new());
    for event in catalogue() {
        let EventType { name, source, meaning, .. } = event;
        let channel = json!({
            "address": name,
            "description": format!("JetStream stream of the service {source}, under the configured subject prefix."),
            "messages": { name: { "$ref": format!("#/components/messages/{name}") } },
        });
        let operation = json!({ "action": "send", "channel": { "$ref": format!("#/channels/{name}") } });
        let message = json!({
            "name": name,
            "summary": meaning,
            "contentType": "application/cloudevents+json",
            "payload": envelope_schema(event),
        });
        channels.insert(name.to_owned(), channel);
        operations.insert(format!("{source}.publish.{name}"), operation);
        messages.insert(name.to_owned(), message);
    }
    let mut schemas = Map::new();
    for entity in ENTITIES {
        let mut schema = entity.schema();
        RecursiveTransform(rewrite_reference).transform(&mut schema);
        schema.remove("$schema");
        if let Some(Value::Object(shared)) = schema.remove("$defs") {
            schemas.extend(shared);
        }
        schemas.insert(entity.name.to_owned(), schema.to_value());
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Ticket marketplace events",
            "version": "1.0.0",
            "description": "CloudEvents 1.0 over NATS JetStream. Each event carries the entity's complete public state at that version.",
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "schemas": schemas },
    })
}

/// Rewrites a reference to a schema's own definitions as a reference to the document's components.
fn rewrite_reference(schema: &mut Schema) {
    if let Some(Value::String(reference)) = schema.get_mut("$ref") {
        *reference = reference.replace("#/$defs/", "#/components/schemas/");
    }
}

fn envelope_schema(event: EventType) -> Value {
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
            "raised": {
                "const": true,
                "description": "A raise wrote the entity again after a restore: its status may follow any other.",
            },
            "data": { "$ref": format!("#/components/schemas/{}", event.entity) },
        },
    })
}
