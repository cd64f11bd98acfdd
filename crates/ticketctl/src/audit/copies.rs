//! Copies: every replica is at its owner's version, and nobody lacks one.

use std::collections::{BTreeMap, BTreeSet};

use std::time::Duration;

use common::events::payment::PaymentStatus;
use common::timestamp::Timestamp;

use super::books::{Books, Entity, OWNERS};

/// How long payments keeps a declined payment whole; others keep their copies of it.
const DECLINED_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// Adds what does not hold.
pub fn check(books: &Books, faults: &mut Vec<String>) {
    for (_, collection, entity) in OWNERS {
        let owned: BTreeMap<&str, u64> =
            books.of(collection).iter().map(|document| (document.id.as_str(), document.version)).collect();
        for document in books.of(collection).iter().filter(|document| document.unpublished > 0) {
            faults.push(format!("8: {entity} {} has {} unpublished events", document.id, document.unpublished));
        }
        for (database, _, held) in books.replicas.iter().filter(|(_, of, _)| of == entity) {
            for copy in held {
                let version = owned.get(copy.id.as_str()).copied();
                if version.is_none() && is_reduced(entity, copy, books.now) {
                    continue;
                }
                if version != Some(copy.version) {
                    faults.push(format!("9: {database} has {entity} {} at {}, not {version:?}", copy.id, copy.version));
                }
            }
            let known: BTreeSet<&str> = held.iter().map(|copy| copy.id.as_str()).collect();
            for id in owned.keys().filter(|id| !known.contains(*id)) {
                faults.push(format!("9: {database} does not know {entity} {id}"));
            }
        }
    }
}

/// Whether it is a copy of a payment that was declined so long ago that its owner may have reduced it.
fn is_reduced(entity: &str, copy: &Entity, now: Timestamp) -> bool {
    let updated_at = copy.state["updatedAt"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
    entity == "payment"
        && copy.state["status"] == PaymentStatus::Declined.as_ref()
        && updated_at.is_some_and(|at| now.since(at) > DECLINED_KEPT)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is said of a copy in orders, changed on the first day, of a payment that payments does not have.
    fn faults(status: &str, days: u64) -> Vec<String> {
        let begin = Timestamp::from_millis(0);
        let state = json!({ "status": status, "updatedAt": begin.to_string() });
        let copy = Entity { id: "1".to_owned(), version: 1, state, unpublished: 0, idempotency_key: None };
        let replicas = vec![("orders".to_owned(), "payment".to_owned(), vec![copy])];
        let now = begin.plus(Duration::from_secs(days * 24 * 3600));
        let mut faults = Vec::new();
        check(&Books { now, owned: BTreeMap::new(), replicas }, &mut faults);
        faults
    }

    #[test]
    fn a_copy_may_outlive_a_payment_that_was_declined_long_ago_and_no_other() {
        assert_eq!(faults("declined", 91), Vec::<String>::new());
        assert_eq!(faults("declined", 89), ["9: orders has payment 1 at 1, not None"]);
        assert_eq!(faults("captured", 91).len(), 1);
    }
}
