//! Events, replicas and consumers: no event is lost, and no event id has two payloads.

use std::collections::BTreeMap;

use serde_json::Value;
use ticketctl::audit::entity::{Entity, REPLICATED_ENTITIES, text};

use super::fleet_data::{FleetData, subject_and_version};
use super::names::{NO_BACKLOG, ONE_EVENT, REPLICAS};

pub(super) fn check(data: &FleetData, violations: &mut Vec<String>) {
    for (_, collection, entity) in REPLICATED_ENTITIES {
        check_changes(data.databases.owned(collection), entity, data.published(entity), violations);
    }
    check_current(data, violations);
}

/// Checks the current state without its history: outboxes are empty, replicas equal their owners, and no consumer has
/// a backlog.
pub(super) fn check_current(data: &FleetData, violations: &mut Vec<String>) {
    data.databases.check_replicas(violations);
    for (_, _, entity) in REPLICATED_ENTITIES {
        check_replicas(data, entity, violations);
    }
    for (consumer, count) in data.backlogs.iter().filter(|(_, count)| *count > 0) {
        violations.push(format!("{NO_BACKLOG}: {consumer} has {count} pending messages"));
    }
    if data.dead_letters > 0 {
        violations.push(format!("{NO_BACKLOG}: {} dead letters", data.dead_letters));
    }
}

fn check_changes(owned: &[Entity], entity: &str, events: &[Value], violations: &mut Vec<String>) {
    let mut payloads: BTreeMap<&str, &Value> = BTreeMap::new();
    let mut by_version: BTreeMap<(&str, u64), Vec<&str>> = BTreeMap::new();
    for event in events {
        let id = text(&event["id"]);
        if payloads.insert(id, event).is_some_and(|earlier| earlier != event) {
            violations.push(format!("{ONE_EVENT}: event {id} has two payloads"));
        }
        if !text(&event["type"]).ends_with(".snapshot.v1") {
            let ids = by_version.entry(subject_and_version(event)).or_default();
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
    }
    for document in owned {
        for version in 0..=document.version {
            let count = by_version.get(&(document.id.as_str(), version)).map_or(0, Vec::len);
            if count != 1 {
                let id = &document.id;
                violations.push(format!("{ONE_EVENT}: {entity} {id} has {count} events of version {version}"));
            }
        }
    }
}

fn check_replicas(data: &FleetData, entity: &str, violations: &mut Vec<String>) {
    let published = data.histories(entity);
    for (database, _, replicas) in data.databases.replicas.iter().filter(|(_, of, _)| of == entity) {
        for replica in replicas {
            let state = published.get(replica.id.as_str()).and_then(|history| history.get(&replica.version));
            if state.is_some_and(|state| **state != replica.state) {
                violations.push(format!("{REPLICAS}: {database} has another state of {entity} {}", replica.id));
            }
        }
    }
}
