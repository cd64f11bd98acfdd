//! Copies: every replica is at its owner's version, and nobody lacks one.

use std::collections::{BTreeMap, BTreeSet};

use super::books::{Books, OWNERS};

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
