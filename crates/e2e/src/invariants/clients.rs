//! What clients were told against what is there.

use std::collections::{BTreeMap, BTreeSet};

use common::events::payment::PaymentStatus;
use ticketctl::audit::books::Entity;
use ticketctl::audit::sales::text;

use super::read::World;
use crate::journal::Journal;

pub(super) fn check(world: &World, journal: &Journal, faults: &mut Vec<String>) {
    faults.extend(journal.contradictions());
    acknowledged(world, journal, faults);
    keys(world, journal, faults);
}

/// What was acknowledged is there, and was as it was told.
fn acknowledged(world: &World, journal: &Journal, faults: &mut Vec<String>) {
    let areas = ["tickets", "orders", "payments"];
    let owned: BTreeMap<(&str, &str), &Entity> = areas
        .iter()
        .flat_map(|area| world.of(area).iter().map(|entity| ((*area, entity.id.as_str()), entity)))
        .collect();
    let mut told: BTreeMap<(&str, u64), &str> = BTreeMap::new();
    for event in world.events.values().flatten() {
        let version = event["entityversion"].as_u64().unwrap_or(u64::MAX);
        told.insert((text(&event["subject"]), version), text(&event["data"]["status"]));
    }
    for said in journal.acknowledged() {
        let Some(entity) = owned.get(&(said.area.as_str(), said.id.as_str())) else {
            faults.push(format!("7: {} {} was acknowledged and is not there", said.area, said.id));
            continue;
        };
        if entity.version < said.version {
            faults.push(format!("7: {} {} is at {}, not {}", said.area, said.id, entity.version, said.version));
        }
        if let (Some(status), Some(was)) = (&said.status, told.get(&(said.id.as_str(), said.version)))
            && status != was
        {
            let (area, id, version) = (&said.area, &said.id, said.version);
            faults.push(format!("7: {area} {id} was said to be {status} at {version}, and was {was}"));
        }
    }
}

/// One key, one effect; and none where every answer was a refusal.
fn keys(world: &World, journal: &Journal, faults: &mut Vec<String>) {
    // A payment whose order was closed while the provider was asked is kept, and given back.
    let void = |entity: &&Entity| {
        matches!(entity.status(), Some(PaymentStatus::Declined | PaymentStatus::Failed | PaymentStatus::Voided))
    };
    let owned = world.books.owned.values().flatten().filter(|entity| !void(entity));
    let used: BTreeSet<&str> = owned.filter_map(|entity| entity.idempotency_key.as_deref()).collect();
    for (key, answers) in journal.keys() {
        let named: BTreeSet<&String> =
            answers.iter().filter(|(status, _)| matches!(status, Some(200..300))).map(|(_, id)| id).collect();
        if named.len() > 1 {
            faults.push(format!("10: key {key} named {named:?}"));
        }
        // An answer that never came says nothing.
        let refused = |status: Option<u16>| status.is_some_and(|status| (400..500).contains(&status));
        if answers.iter().all(|(status, _)| refused(*status)) && used.contains(key.as_str()) {
            faults.push(format!("7: the request with key {key} was refused and has an effect"));
        }
    }
}
