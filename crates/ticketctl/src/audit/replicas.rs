//! Replicas: each is at its owner's version, and none is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::events::payment::PaymentStatus;
use common::timestamp::Timestamp;

use super::data::{AuditData, Entity, REPLICATED_ENTITIES};
use super::names::{ONE_EVENT, REPLICAS};

/// Period after which `payments` may purge a declined payment. Replicas are not purged.
const DECLINED_RETENTION: Duration = Duration::from_secs(90 * 24 * 3600);

/// Appends the violated invariants, each with its number and name in docs/reliability.md.
pub fn check(data: &AuditData, violations: &mut Vec<String>) {
    for (_, collection, entity) in REPLICATED_ENTITIES {
        let owned: BTreeMap<&str, u64> =
            data.owned(collection).iter().map(|document| (document.id.as_str(), document.version)).collect();
        for Entity { id, unpublished, .. } in data.owned(collection).iter().filter(|owned| owned.unpublished > 0) {
            violations.push(format!("{ONE_EVENT}: {entity} {id} has {unpublished} unpublished events"));
        }
        for (database, _, replicas) in data.replicas.iter().filter(|(_, replicated, _)| replicated == entity) {
            for replica in replicas {
                let (id, version) = (&replica.id, replica.version);
                let owned = owned.get(id.as_str()).copied();
                if owned != Some(version) && !(owned.is_none() && may_be_purged(entity, replica, data.now)) {
                    violations
                        .push(format!("{REPLICAS}: {database} has {entity} {id} at version {version}, not {owned:?}"));
                }
            }
            let known: BTreeSet<&str> = replicas.iter().map(|replica| replica.id.as_str()).collect();
            for id in owned.keys().filter(|id| !known.contains(*id)) {
                violations.push(format!("{REPLICAS}: {database} has no replica of {entity} {id}"));
            }
        }
    }
}

/// Whether the owner of a replica may have purged its entity: a payment declined before the retention period.
fn may_be_purged(entity: &str, replica: &Entity, now: Timestamp) -> bool {
    let updated_at = replica.state["updatedAt"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
    entity == "payment"
        && replica.state["status"] == PaymentStatus::Declined.as_ref()
        && updated_at.is_some_and(|at| now.since(at) > DECLINED_RETENTION)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The violations if `orders` has a replica, last changed `days` ago, of a payment that `payments` does not have.
    fn violations(status: &str, days: u64) -> Vec<String> {
        let first = Timestamp::from_millis(0);
        let state = json!({ "status": status, "updatedAt": first.to_string() });
        let replica = Entity { id: "1".to_owned(), version: 1, state, unpublished: 0, idempotency_key: None };
        let replicas = vec![("orders".to_owned(), "payment".to_owned(), vec![replica])];
        let now = first.plus(Duration::from_secs(days * 24 * 3600));
        let mut violations = Vec::new();
        check(&AuditData { now, owned: BTreeMap::new(), replicas }, &mut violations);
        violations
    }

    #[test]
    fn replica_may_outlive_only_a_purged_declined_payment() {
        assert_eq!(violations("declined", 91), Vec::<String>::new());
        assert_eq!(violations("declined", 89), ["9 replicas: orders has payment 1 at version 1, not None"]);
        assert_eq!(violations("captured", 91).len(), 1);
    }
}
