//! Reads the owned entities and the replicas of all services into memory and checks them. The fleets of tests are small
//! enough for that; `ticketctl audit` applies the same checks to streams.

use std::collections::BTreeMap;

use anyhow::Result;
use common::clock::{Clock, SystemClock};
use common::events::order::OrderStatus;
use common::timestamp::Timestamp;
use futures::TryStreamExt;
use mongodb::bson::Document;
use mongodb::{Client, Database};
use ticketctl::audit::entity::{Entity, EntityKind, REPLICATED_ENTITIES, TIMERS, text};
use ticketctl::audit::finding::Finding;
use ticketctl::audit::{checks, holds, money, replicas, seats, shows};

/// If more holds than this expire in the same second, their orders may be cancelled later than others.
const BURST_SIZE: usize = 1_000;

/// The contents of the databases of all services.
#[derive(Debug)]
pub struct Databases {
    /// When the databases were read.
    pub now: Timestamp,
    /// The entities by the collection of their owner: users, tickets, orders, payments, shows, timers.
    pub owned: BTreeMap<&'static str, Vec<Entity>>,
    /// The collections of replicas, each with its replicas.
    pub replicas: Vec<StoredReplicas>,
}

/// The contents of one collection of replicas.
#[derive(Debug)]
pub struct StoredReplicas {
    /// The database, which is named like its service.
    pub database: String,
    /// The name of the replicated entity.
    pub entity: String,
    /// The replicas.
    pub replicas: Vec<Entity>,
}

impl Databases {
    /// Reads all databases, one after the other.
    pub async fn read(client: &Client) -> Result<Self> {
        let mut owned = BTreeMap::new();
        for EntityKind { service, collection, .. } in REPLICATED_ENTITIES.into_iter().chain([TIMERS]) {
            owned.insert(collection, owned_entities(&client.database(service), collection).await?);
        }
        let mut replicas = Vec::new();
        for replica in checks::replica_collections(client).await? {
            let stored = entities(&client.database(replica.database), &replica.collection).await?;
            let (database, entity) = (replica.database.to_owned(), replica.entity);
            replicas.push(StoredReplicas { database, entity, replicas: stored });
        }
        Ok(Self { now: SystemClock.now(), owned, replicas })
    }

    /// The entities in this collection of their owner.
    pub fn owned(&self, collection: &str) -> &[Entity] {
        self.owned.get(collection).map(Vec::as_slice).unwrap_or_default()
    }

    /// Appends the violations among shows, tickets, orders and payments.
    pub(super) fn check_money_and_sales(&self, violations: &mut Vec<String>) {
        let mut found = Vec::new();
        let (orders, payments) = (self.owned("orders"), self.owned("payments"));
        let open_orders = orders.iter().filter(|order| order.status() != Some(OrderStatus::Cancelled));
        let open_orders = by_key(open_orders, |order| text(&order.state["ticket"]["id"]));
        for (id, ticket, open_orders) in joined(self.owned("tickets"), &open_orders) {
            seats::check_ticket(id, ticket, open_orders, &mut found);
        }
        let mut expiring: BTreeMap<i64, usize> = BTreeMap::new();
        for expires in orders.iter().filter_map(holds::expiry) {
            *expiring.entry(expires.as_seconds()).or_default() += 1;
        }
        for order in orders {
            let count = holds::expiry(order).and_then(|expires| expiring.get(&expires.as_seconds()));
            let is_burst = count.is_some_and(|count| *count > BURST_SIZE);
            let grace = if is_burst { holds::EXPIRY_GRACE_BURST } else { holds::EXPIRY_GRACE };
            holds::check_hold(order, self.now, grace, &mut found);
        }
        let payments = by_key(payments.iter(), |payment| text(&payment.state["orderId"]));
        for (id, order, payments) in joined(orders, &payments) {
            money::check_order(id, order, payments, &mut found);
        }
        let by_id: BTreeMap<&str, &Entity> = self.owned("shows").iter().map(|show| (show.id.as_str(), show)).collect();
        for listing in self.owned("tickets") {
            shows::check_listing(listing, by_id.get(shows::show_id(listing)).copied(), &mut found);
        }
        violations.extend(found.iter().map(ToString::to_string));
    }

    /// Appends the violations of replicas and outboxes.
    pub(super) fn check_replicas(&self, violations: &mut Vec<String>) {
        let mut found = Vec::new();
        for kind in REPLICATED_ENTITIES.into_iter().chain([TIMERS]) {
            let unpublished = self.owned(kind.collection).iter().filter(|owner| owner.unpublished > 0);
            found.extend(unpublished.map(|owner| replicas::unpublished_events(kind, &owner.id)));
        }
        for kind in REPLICATED_ENTITIES {
            for stored in self.replicas.iter().filter(|stored| stored.entity == kind.entity) {
                self.compare(kind, &stored.database, &stored.replicas, &mut found);
            }
        }
        violations.extend(found.iter().map(ToString::to_string));
    }

    fn compare(&self, kind: EntityKind, database: &str, stored: &[Entity], found: &mut Vec<Finding>) {
        let stored = by_key(stored.iter(), |replica| &replica.id);
        for (id, owner, replicas) in joined(self.owned(kind.collection), &stored) {
            replicas::check_replica(kind, id, owner, (database, replicas.first().copied()), self.now, found);
        }
    }
}

/// The entities of each key.
fn by_key<'a>(
    entities: impl Iterator<Item = &'a Entity>,
    key: fn(&Entity) -> &str,
) -> BTreeMap<&'a str, Vec<&'a Entity>> {
    let mut keyed: BTreeMap<&str, Vec<&Entity>> = BTreeMap::new();
    for entity in entities {
        keyed.entry(key(entity)).or_default().push(entity);
    }
    keyed
}

/// A full outer join of owned entities, by id, with other entities, by key. Returns each id or key with the owned
/// entity, if there is one, and the other entities with this key.
fn joined<'a>(
    owned: &'a [Entity],
    keyed: &'a BTreeMap<&'a str, Vec<&'a Entity>>,
) -> impl Iterator<Item = (&'a str, Option<&'a Entity>, &'a [&'a Entity])> {
    let mut all: BTreeMap<&str, (Option<&Entity>, &[&Entity])> = BTreeMap::new();
    for (id, entities_of_key) in keyed {
        all.insert(*id, (None, entities_of_key.as_slice()));
    }
    for entity in owned {
        all.entry(&entity.id).or_default().0 = Some(entity);
    }
    all.into_iter().map(|(id, (entity, entities_of_key))| (id, entity, entities_of_key))
}

/// Reads every document of a collection of aggregates, each with the idempotency key whose claim names it, if any.
pub async fn owned_entities(database: &Database, collection: &str) -> Result<Vec<Entity>> {
    let mut owned = entities(database, collection).await?;
    let mut claims = database.collection::<Document>("claims").find(Document::new()).await?;
    let mut keys = BTreeMap::new();
    while let Some(claim) = claims.try_next().await? {
        // The id of a claim is the user's id and the key, separated by a slash.
        if let Some((_, key)) = claim.get_str("_id")?.split_once('/') {
            keys.insert(claim.get_str("entityId")?.to_owned(), key.to_owned());
        }
    }
    for entity in &mut owned {
        entity.idempotency_key = keys.remove(&entity.id);
    }
    Ok(owned)
}

/// Reads every document of a collection of aggregates or replicas.
pub async fn entities(database: &Database, collection: &str) -> Result<Vec<Entity>> {
    let documents = database.collection::<Entity>(collection);
    Ok(documents.find(Document::new()).await?.try_collect().await?)
}
