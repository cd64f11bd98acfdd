//! Damage that an audit could overlook: collections that are lost.

use std::collections::BTreeSet;

use mongodb::bson::Document;
use testkit::fleet::SERVICES;
use ticketctl::audit::passes;

use super::{Sold, audit, found};

/// A collection that does not exist lacks all its replicas. The audit knows every collection with replicas.
#[tokio::test(flavor = "multi_thread")]
async fn dropped_replicas_are_reported() {
    let sold = Sold::start().await;
    let mut existing = BTreeSet::new();
    for service in SERVICES {
        let collections = sold.client.database(service).list_collection_names().await.unwrap();
        let replicas = collections.into_iter().filter(|collection| collection.starts_with("replica_"));
        existing.extend(replicas.map(|collection| (service.to_owned(), collection)));
    }
    let expected = passes::replica_collections(&sold.client).await.unwrap();
    let expected = expected.into_iter().map(|replica| (replica.database.to_owned(), replica.collection));
    assert_eq!(existing, expected.collect());

    sold.client.database("tickets").collection::<Document>("replica_order").drop().await.unwrap();
    let mut expected = [found(9, "tickets", &[&sold.order]), found(9, "tickets", &[&sold.hold])];
    expected.sort();
    assert_eq!(audit(&sold.operator).await, expected);
}
