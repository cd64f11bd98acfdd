//! Events, replicas and consumers: nothing is lost, nothing is told twice in two ways.

use std::collections::BTreeMap;

use serde_json::Value;
use ticketctl::audit::books::{Entity, OWNERS};
use ticketctl::audit::copies;
use ticketctl::audit::sales::text;

use super::read::World;

pub(super) fn check(world: &World, faults: &mut Vec<String>) {
    for (_, collection, entity) in OWNERS {
        changes(world.of(collection), entity, told(world, entity), faults);
    }
    present(world, faults);
}

/// What is there now, whatever led to it: every outbox is empty, replicas equal their owners, no consumer
/// has anything left to do.
pub(super) fn present(world: &World, faults: &mut Vec<String>) {
    copies::check(&world.books, faults);
    for (_, _, entity) in OWNERS {
        replicas(world, entity, told(world, entity), faults);
    }
    for (consumer, count) in &world.unhandled {
        if *count > 0 {
            faults.push(format!("14: {consumer} has {count} messages to handle"));
        }
    }
    if world.dead_letters > 0 {
        faults.push(format!("14: {} dead letters", world.dead_letters));
    }
}

fn told<'a>(world: &'a World, entity: &str) -> &'a [Value] {
    world.events.get(entity).map(Vec::as_slice).unwrap_or_default()
}

/// Every version has exactly one change event, and one event id one payload.
fn changes(owned: &[Entity], entity: &str, events: &[Value], faults: &mut Vec<String>) {
    let mut payloads: BTreeMap<&str, &Value> = BTreeMap::new();
    let mut by_version: BTreeMap<(&str, u64), Vec<&str>> = BTreeMap::new();
    for event in events {
        let id = text(&event["id"]);
        if payloads.insert(id, event).is_some_and(|earlier| earlier != event) {
            faults.push(format!("8: event {id} has two payloads"));
        }
        if !text(&event["type"]).ends_with(".snapshot.v1") {
            let key = (text(&event["subject"]), event["entityversion"].as_u64().unwrap_or(u64::MAX));
            let ids = by_version.entry(key).or_default();
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
    }
    for document in owned {
        for version in 0..=document.version {
            let count = by_version.get(&(document.id.as_str(), version)).map_or(0, Vec::len);
            if count != 1 {
                faults.push(format!("8: {entity} {} has {count} events of version {version}", document.id));
            }
        }
    }
}

/// Every replica has the state that was told of its version.
fn replicas(world: &World, entity: &str, events: &[Value], faults: &mut Vec<String>) {
    let told: BTreeMap<(&str, u64), &Value> = events
        .iter()
        .map(|event| ((text(&event["subject"]), event["entityversion"].as_u64().unwrap_or(u64::MAX)), &event["data"]))
        .collect();
    for (database, _, held) in world.books.replicas.iter().filter(|(_, of, _)| of == entity) {
        for copy in held {
            if told.get(&(copy.id.as_str(), copy.version)).is_some_and(|told| **told != copy.state) {
                faults.push(format!("9: {database} has another state of {entity} {}", copy.id));
            }
        }
    }
}
