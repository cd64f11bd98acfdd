//! Compares the responses that clients received with the stored state and the events.

use std::collections::BTreeSet;

use common::events::payment::PaymentStatus;
use ticketctl::audit::entity::{Entity, text};

use super::fleet_data::FleetData;
use super::names::{ACKNOWLEDGED, IDEMPOTENCY};
use crate::response_log::ResponseLog;

pub(super) fn check(data: &FleetData, responses: &ResponseLog, violations: &mut Vec<String>) {
    violations.extend(responses.stale_reads());
    check_acknowledged(data, responses, violations);
    check_idempotency_keys(data, responses, violations);
}

/// Every acknowledged version exists, with the status that was returned.
fn check_acknowledged(data: &FleetData, responses: &ResponseLog, violations: &mut Vec<String>) {
    let acknowledged = responses.acknowledged();
    for (area, entity) in [("tickets", "ticket"), ("orders", "order"), ("payments", "payment")] {
        let (stored, published) = (data.by_id(area), data.histories(entity));
        for response in acknowledged.iter().filter(|response| response.area == area) {
            let (id, version) = (response.id.as_str(), response.version);
            let Some(entity) = stored.get(id) else {
                violations.push(format!("{ACKNOWLEDGED}: {area} {id} was acknowledged but does not exist"));
                continue;
            };
            if entity.version < version {
                let stored = entity.version;
                violations.push(format!("{ACKNOWLEDGED}: {area} {id} is at version {stored}, not {version}"));
            }
            let published = published.get(id).and_then(|history| history.get(&version));
            if let (Some(returned), Some(published)) = (&response.status, published.map(|state| text(&state["status"])))
                && returned != published
            {
                violations.push(format!(
                    "{ACKNOWLEDGED}: {area} {id} was returned as {returned} at version {version}, and was {published}"
                ));
            }
        }
    }
}

/// An idempotency key has at most one effect, and none if every response was a 4xx.
fn check_idempotency_keys(data: &FleetData, responses: &ResponseLog, violations: &mut Vec<String>) {
    // A payment in one of these statuses charges nothing. A rejected request may leave one, for example if its order
    // was closed during the call to the provider.
    let charges_nothing = |entity: &&Entity| {
        matches!(entity.status(), Some(PaymentStatus::Declined | PaymentStatus::Failed | PaymentStatus::Voided))
    };
    let effective = data.databases.owned.values().flatten().filter(|entity| !charges_nothing(entity));
    let used: BTreeSet<&str> = effective.filter_map(|entity| entity.idempotency_key.as_deref()).collect();
    for (key, responses) in responses.keys() {
        let successes = responses.iter().filter(|(status, _)| matches!(status, Some(200..400)));
        let ids: BTreeSet<&String> = successes.map(|(_, id)| id).collect();
        if ids.len() > 1 {
            violations.push(format!("{IDEMPOTENCY}: key {key} has created several entities: {ids:?}"));
        }
        // A request without a response may have taken effect.
        let is_rejected = responses.iter().all(|(status, _)| matches!(status, Some(400..500)));
        if is_rejected && used.contains(key.as_str()) {
            violations.push(format!("{ACKNOWLEDGED}: the request with key {key} was rejected but has an effect"));
        }
    }
}
