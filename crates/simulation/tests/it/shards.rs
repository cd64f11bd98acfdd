//! Readiness for sharding: every collection has a declared shard key, and every unique index begins with it. Otherwise
//! the index would be unique within one shard only.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

use common::aggregate::ShardKey;
use futures::TryStreamExt as _;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use mongodb::{Database, IndexModel};
use simulation::runner::run_reference;
use simulation::scenarios::deterministic;

/// The name of a collection in a database, and its indexes.
type Stored = (String, Vec<IndexModel>);

async fn stored(database: &Database) -> Vec<Stored> {
    let mut all = Vec::new();
    for name in database.list_collection_names().await.unwrap() {
        let indexes = database.collection::<Document>(&name).list_indexes().await.unwrap();
        all.push((name, indexes.try_collect().await.unwrap()));
    }
    all
}

/// The reasons why these collections could not be sharded by their declared keys.
fn violations(declared: &[(String, ShardKey)], stored: &[Stored]) -> Vec<String> {
    let mut violations = Vec::new();
    for (name, indexes) in stored {
        let Some((_, ShardKey(key))) = declared.iter().find(|(known, _)| known == name) else {
            violations.push(format!("{name} has no shard key: its service does not declare it"));
            continue;
        };
        for IndexModel { keys, options, .. } in indexes {
            let options = options.clone().unwrap_or_default();
            let index = options.name.unwrap_or_default();
            let is_exempt = index == "_id_" || options.unique != Some(true);
            if !is_exempt && keys.keys().next().map(String::as_str) != Some(*key) {
                violations.push(format!("{name}: the unique index {index} does not begin with the shard key {key}"));
            }
        }
    }
    violations
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unique_indexes_begin_with_the_shard_key() {
    let fleet = run_reference(&deterministic::ALL[0]).await.unwrap();
    let mut unique = 0;
    for (database, declared) in fleet.databases() {
        let stored = stored(database).await;
        assert!(!stored.is_empty(), "{}", database.name());
        assert_eq!(violations(declared, &stored), Vec::<String>::new(), "{}", database.name());
        let indexes = stored.iter().flat_map(|(_, indexes)| indexes);
        unique += indexes.filter(|index| index.options.as_ref().is_some_and(|it| it.unique == Some(true))).count();
    }
    assert_eq!(unique, 4, "the unique indexes of orders and payments");
    fleet.end().await;
}

#[test]
fn other_unique_indexes_and_undeclared_collections_are_named() {
    let index = |name: &str, keys: Document, unique: bool| {
        let options = IndexOptions::builder().name(name.to_owned()).unique(unique).build();
        IndexModel::builder().keys(keys).options(options).build()
    };
    let orders = vec![
        index("_id_", doc! { "_id": 1 }, false),
        index("holder", doc! { "state.ticket.id": 1, "state.buyerId": 1 }, true),
        index("buyer", doc! { "state.buyerId": 1 }, false),
        index("key", doc! { "idempotency.user": 1, "state.ticket.id": 1 }, true),
    ];
    let declared = [("orders".to_owned(), ShardKey("state.ticket.id")), ("absent".to_owned(), ShardKey::ID)];
    let stored = [("orders".to_owned(), orders), ("stray".to_owned(), Vec::new())];
    assert_eq!(
        violations(&declared, &stored),
        [
            "orders: the unique index key does not begin with the shard key state.ticket.id",
            "stray has no shard key: its service does not declare it",
        ]
    );
}
