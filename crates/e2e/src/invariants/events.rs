//! Events, replicas and consumers: no event is lost, no event id has two payloads, and statuses change as they may.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use ticketctl::audit::entity::{EntityKind, REPLICATED_ENTITIES, text};
use ticketctl::audit::history::{self, Coverage, Step};

use super::fleet_data::{FleetData, subject_and_version};
use super::names::{NO_BACKLOG, ONE_EVENT, REPLICAS};

pub(super) fn check(data: &FleetData, violations: &mut Vec<String>) {
    for kind in REPLICATED_ENTITIES {
        check_changes(kind, data, violations);
    }
    check_current(data, violations);
}

/// Checks the current state without its history: outboxes are empty, replicas equal their owners, and no consumer has
/// a backlog.
pub(super) fn check_current(data: &FleetData, violations: &mut Vec<String>) {
    data.databases.check_replicas(violations);
    for kind in REPLICATED_ENTITIES {
        check_replicas(data, kind.entity, violations);
    }
    for (consumer, count) in data.backlogs.iter().filter(|(_, count)| *count > 0) {
        violations.push(format!("{NO_BACKLOG}: {consumer} has {count} pending messages"));
    }
    if data.dead_letters > 0 {
        violations.push(format!("{NO_BACKLOG}: {} dead letters", data.dead_letters));
    }
}

/// Checks the events of an entity type: each id has one payload, and the changes of each entity agree with its owner.
fn check_changes(kind: EntityKind, data: &FleetData, violations: &mut Vec<String>) {
    let EntityKind { collection, entity, .. } = kind;
    let mut payloads: BTreeMap<&str, &Value> = BTreeMap::new();
    let mut changes: BTreeMap<&str, Vec<Step<'_>>> = BTreeMap::new();
    for event in data.published(entity) {
        let id = text(&event["id"]);
        match payloads.insert(id, event) {
            Some(earlier) if earlier != event => {
                violations.push(format!("{ONE_EVENT}: event {id} has two payloads"));
            }
            None if !text(&event["type"]).ends_with(".snapshot.v1") => {
                let (subject, version) = subject_and_version(event);
                let step = Step::new(entity, version, &event["data"], event["raised"] == true);
                changes.entry(subject).or_default().push(step);
            }
            _ => {}
        }
    }
    let owners = data.by_id(collection);
    let ids: BTreeSet<&str> = owners.keys().chain(changes.keys()).copied().collect();
    let mut found = Vec::new();
    for id in ids {
        let steps = changes.entry(id).or_default();
        steps.sort_by_key(|step| step.version);
        history::check(kind, id, owners.get(id).copied(), steps, &Coverage::default(), &mut found);
    }
    violations.extend(found.iter().map(ToString::to_string));
}

fn check_replicas(data: &FleetData, entity: &str, violations: &mut Vec<String>) {
    let published = data.histories(entity);
    for stored in data.databases.replicas.iter().filter(|stored| stored.entity == entity) {
        for replica in &stored.replicas {
            let state = published.get(replica.id.as_str()).and_then(|history| history.get(&replica.version));
            if state.is_some_and(|state| **state != replica.state) {
                let (id, database) = (&replica.id, &stored.database);
                violations.push(format!("{REPLICAS}: {entity} {id} in {database} differs from the published state"));
            }
        }
    }
}
