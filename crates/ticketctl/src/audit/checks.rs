//! The checks of the consistency audit. Most of them join sorted reads of several collections, and check the entities
//! of one key at a time.
//!
//! # Why
//! The full audit and the rechecks of single keys run the same code, so they can't disagree. No check needs more memory
//! than the batches of its cursors and the entities of one key.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use common::clock::{Clock, SystemClock};
use common::events::order::OrderStatus;
use mongodb::Client;
use mongodb::bson::{Document, doc};

use super::entity::{Entity, EntityKind, REPLICATED_ENTITIES, TIMERS, text};
use super::finding::Finding;
use super::join::Join;
use super::malformed::{self, Malformed};
use super::sources::{AuditSources, Read};
use super::{holds, indexes, money, outside, replicas, seats, shows};

/// Maximum age of an event in an outbox. The relay publishes an event at once; after a crash, the sweeper finds it
/// within seconds.
const MAX_OUTBOX_AGE: Duration = Duration::from_secs(60);

/// Number of listings whose shows are read at once.
const SHOWS_BATCH: usize = 1_000;

/// A check of the audit. Some checks exist for each [`EntityKind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    /// The existence of the unique indexes.
    Indexes,
    /// Tickets with their open orders.
    Tickets,
    /// Orders with their payments.
    Orders,
    /// Listings with their shows.
    Shows,
    /// An entity with its replicas.
    Replicas(EntityKind),
    /// The outboxes of an entity.
    Outboxes(EntityKind),
    /// Rechecks malformed documents. The first run does not include it, because the other checks find them.
    Malformed,
    /// The change events of an entity.
    Events(EntityKind),
    /// Confirmed orders with the reservations of their tickets.
    Reservations,
    /// Consumers that do not progress, and dead letters.
    Backlogs,
    /// Payments with the provider's intents.
    Intents,
}

/// A finding that may be no violation, because the sources were read at different times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Suspect {
    pub(super) check: Check,
    /// The key with which the check is run again to recheck this finding.
    pub(super) key: String,
    pub(super) finding: Finding,
}

/// The suspects of one run of the checks, up to a maximum for each invariant, so that many violations of one invariant
/// do not hide those of others.
#[derive(Debug)]
pub(super) struct Suspects {
    pub(super) list: Vec<Suspect>,
    /// Number of listed suspects by number and name of their invariant.
    listed: BTreeMap<(u8, String), usize>,
    max: usize,
    /// Number of suspects beyond the maximum.
    pub(super) unlisted: u64,
}

impl Suspects {
    pub(super) fn new(max: usize) -> Self {
        Self { list: Vec::new(), listed: BTreeMap::new(), max, unlisted: 0 }
    }

    /// Moves the findings of a key to the list. Those beyond the maximum of their invariant are only counted.
    fn add(&mut self, check: Check, key: &str, found: &mut Vec<Finding>) {
        for finding in found.drain(..) {
            let listed = self.listed.entry((finding.invariant, finding.kind.clone())).or_default();
            if *listed < self.max {
                *listed += 1;
                self.list.push(Suspect { check, key: key.to_owned(), finding });
            } else {
                self.unlisted += 1;
            }
        }
    }

    /// Adds the malformed documents that a check has read, except those that an earlier check has added. The documents
    /// that the join only counted are added to `unlisted`, once for each check that has read them.
    fn add_malformed(&mut self, join: Join) {
        self.unlisted += join.0.iter().map(|stream| stream.uncollected).sum::<u64>();
        for Malformed { key, finding } in join.0.into_iter().flat_map(|stream| stream.malformed) {
            if !self.list.iter().any(|suspect| suspect.finding == finding) {
                self.add(Check::Malformed, &key, &mut vec![finding]);
            }
        }
    }
}

impl Check {
    /// The checks of the first run, in their order.
    pub(super) fn all() -> Vec<Self> {
        let replicas = REPLICATED_ENTITIES.into_iter().map(Self::Replicas);
        let outboxes = REPLICATED_ENTITIES.into_iter().chain([TIMERS]).map(Self::Outboxes);
        // An order is confirmed after its ticket is reserved. So the stream of the tickets is read after that of the
        // orders: it then has the reservation of every confirmation that was read.
        let events = REPLICATED_ENTITIES.into_iter().rev().map(Self::Events);
        let databases =
            [Self::Indexes, Self::Tickets, Self::Orders, Self::Shows].into_iter().chain(replicas).chain(outboxes);
        databases.chain(events).chain([Self::Reservations, Self::Backlogs, Self::Intents]).collect()
    }

    /// Checks all entities, or only those with the keys in `only`. Adds what is wrong to `suspects`.
    pub(super) async fn run(
        self,
        sources: &mut AuditSources<'_>,
        only: Option<&[String]>,
        suspects: &mut Suspects,
    ) -> Result<()> {
        match self {
            Self::Indexes => {
                suspects.add(self, "", &mut indexes::missing(sources.client).await?);
                Ok(())
            }
            Self::Tickets => self.check_tickets(sources, only, suspects).await,
            Self::Orders => self.check_orders(sources, only, suspects).await,
            Self::Shows => self.check_shows(sources, only, suspects).await,
            Self::Replicas(kind) => self.check_replicas(kind, sources, only, suspects).await,
            Self::Outboxes(kind) => self.check_outboxes(kind, sources, only, suspects).await,
            Self::Malformed => {
                for key in only.unwrap_or_default() {
                    if let Some(again) = malformed::recheck(sources.client, key).await? {
                        suspects.add(self, key, &mut vec![again.finding]);
                    }
                }
                Ok(())
            }
            Self::Events(_) | Self::Reservations | Self::Backlogs | Self::Intents => {
                let max = suspects.max;
                let outside = match self {
                    Self::Events(kind) => outside::check_events(kind, sources, only, max).await?,
                    Self::Reservations => outside::check_reservations(sources, only, max).await?,
                    Self::Backlogs => outside::check_backlogs(sources, only, max).await?,
                    _ => outside::check_intents(sources, only, max).await?,
                };
                for (key, finding) in outside.found {
                    suspects.add(self, &key, &mut vec![finding]);
                }
                suspects.unlisted += outside.unlisted;
                Ok(())
            }
        }
    }

    async fn check_tickets(
        self,
        sources: &mut AuditSources<'_>,
        only: Option<&[String]>,
        suspects: &mut Suspects,
    ) -> Result<()> {
        let projection = doc! { "version": 1, "state.status": 1, "state.seats": 1, "state.listing.blocks": 1 };
        let tickets = sources.open(Read::by_id("tickets", "tickets", projection), only).await?;
        let projection = doc! {
            "version": 1, "state.status": 1, "state.ticket.id": 1, "state.ticket.blocks": 1, "state.slots": 1,
            "state.price": 1, "state.unitPrice": 1,
        };
        let open =
            [OrderStatus::Created, OrderStatus::AwaitingPayment, OrderStatus::Authorized, OrderStatus::Completed]
                .map(|status| status.as_ref().to_owned());
        let open_orders = Read {
            field: "state.ticket.id",
            key: |order| text(&order.state["ticket"]["id"]),
            filter: doc! { "state.status.name": { "$in": open.to_vec() } },
            index: Some("open_seats_v1"),
            ..Read::by_id("orders", "orders", projection)
        };
        let open_orders = sources.open(open_orders, only).await?;
        let (mut join, mut found) = (Join(vec![tickets, open_orders]), Vec::new());
        while let Some(joined) = join.next(&mut sources.rate_limit).await? {
            let orders: Vec<&Entity> = joined.all(1).iter().collect();
            seats::check_ticket(&joined.key, joined.one(0), &orders, &mut found);
            suspects.add(self, &joined.key, &mut found);
        }
        suspects.add_malformed(join);
        Ok(())
    }

    async fn check_orders(
        self,
        sources: &mut AuditSources<'_>,
        only: Option<&[String]>,
        suspects: &mut Suspects,
    ) -> Result<()> {
        let now = SystemClock.now();
        let projection = doc! {
            "version": 1, "state.status": 1, "state.price": 1, "state.expiresAt": 1, "state.updatedAt": 1,
        };
        let orders = sources.open(Read::by_id("orders", "orders", projection), only).await?;
        let projection = doc! {
            "version": 1, "state.orderId": 1, "state.status": 1, "state.amount": 1, "state.received": 1,
            "state.refunded": 1, "state.disputed": 1, "state.ledger": 1, "state.updatedAt": 1,
        };
        let payments = Read {
            field: "state.orderId",
            key: |payment| text(&payment.state["orderId"]),
            index: Some("attempts_v1"),
            ..Read::by_id("payments", "payments", projection)
        };
        let payments = sources.open(payments, only).await?;
        let (mut join, mut found) = (Join(vec![orders, payments]), Vec::new());
        while let Some(joined) = join.next(&mut sources.rate_limit).await? {
            let payments: Vec<&Entity> = joined.all(1).iter().collect();
            if let Some(order) = joined.one(0) {
                // The audit does not know how many orders expire in the same second, so it allows the longer period.
                holds::check_hold(order, now, holds::EXPIRY_GRACE_BURST, &mut found);
            }
            money::check_order(&joined.key, joined.one(0), &payments, &mut found);
            money::check_progress(&joined.key, joined.one(0), &payments, now, &mut found);
            suspects.add(self, &joined.key, &mut found);
        }
        suspects.add_malformed(join);
        Ok(())
    }

    async fn check_shows(
        self,
        sources: &mut AuditSources<'_>,
        only: Option<&[String]>,
        suspects: &mut Suspects,
    ) -> Result<()> {
        let projection = doc! {
            "version": 1, "state.status": 1, "state.seats": 1, "state.show": 1, "state.listing.startsAt": 1,
        };
        let mut join = Join(vec![sources.open(Read::by_id("tickets", "tickets", projection), only).await?]);
        loop {
            // A popular show has too many listings for one key of a join.
            let mut listings = Vec::with_capacity(SHOWS_BATCH);
            while listings.len() < SHOWS_BATCH
                && let Some(joined) = join.next(&mut sources.rate_limit).await?
            {
                listings.extend(joined.entities.into_iter().flatten());
            }
            if listings.is_empty() {
                break;
            }
            let ids: BTreeSet<String> = listings.iter().map(|listing| shows::show_id(listing).to_owned()).collect();
            let projection =
                doc! { "version": 1, "state.status": 1, "state.mergedInto": 1, "state.details.startsAt": 1 };
            let found_shows = sources.get(Read::by_id("tickets", "shows", projection), &Vec::from_iter(ids)).await?;
            let mut found = Vec::new();
            for listing in &listings {
                shows::check_listing(listing, found_shows.get(shows::show_id(listing)), &mut found);
                suspects.add(self, &listing.id, &mut found);
            }
        }
        suspects.add_malformed(join);
        Ok(())
    }

    async fn check_replicas(
        self,
        kind: EntityKind,
        sources: &mut AuditSources<'_>,
        only: Option<&[String]>,
        suspects: &mut Suspects,
    ) -> Result<()> {
        let EntityKind { service, collection, entity } = kind;
        let now = SystemClock.now();
        let owners = Read::by_id(service, collection, replicas::projection(entity));
        let mut streams = vec![sources.open(owners, only).await?];
        let mut databases = Vec::new();
        for replica in replica_collections(sources.client).await?.into_iter().filter(|replica| replica.entity == entity)
        {
            let projection = doc! { "version": 1, "state": 1 };
            streams.push(sources.open(Read::by_id(replica.database, &replica.collection, projection), only).await?);
            databases.push(replica.database);
        }
        let (mut join, mut found, mut count) = (Join(streams), Vec::new(), 0_usize);
        while let Some(joined) = join.next(&mut sources.rate_limit).await? {
            let owner = joined.one(0);
            count += usize::from(owner.is_some());
            for (stream, database) in (1..).zip(&databases) {
                let replica = (*database, joined.one(stream));
                replicas::check_replica(kind, &joined.key, owner, replica, now, &mut found);
            }
            suspects.add(self, &joined.key, &mut found);
        }
        suspects.add_malformed(join);
        if only.is_none() {
            sources.audited.insert(collection.to_owned(), count);
        }
        Ok(())
    }

    async fn check_outboxes(
        self,
        kind: EntityKind,
        sources: &mut AuditSources<'_>,
        only: Option<&[String]>,
        suspects: &mut Suspects,
    ) -> Result<()> {
        let oldest = SystemClock.now().minus(MAX_OUTBOX_AGE);
        let overdue = Read {
            // The index is partial. MongoDB uses it only for a filter with `$exists`.
            filter: doc! { "outbox.0.time": { "$exists": true, "$lt": oldest.to_string() } },
            index: Some("outbox_v1"),
            ..Read::by_id(kind.service, kind.collection, doc! { "version": 1 })
        };
        let (mut join, mut found) = (Join(vec![sources.open(overdue, only).await?]), Vec::new());
        while let Some(joined) = join.next(&mut sources.rate_limit).await? {
            found.push(replicas::unpublished_events(kind, &joined.key));
            suspects.add(self, &joined.key, &mut found);
        }
        suspects.add_malformed(join);
        Ok(())
    }
}

/// The replicas that services read: the service and the entity. This list is not derived from the existing collections,
/// so that all replicas of a dropped collection are reported as missing.
const REPLICAS: [(&str, &str); 10] = [
    ("tickets", "order"),
    ("orders", "ticket"),
    ("orders", "payment"),
    ("orders", "show"),
    ("payments", "order"),
    ("web", "user"),
    ("web", "ticket"),
    ("web", "order"),
    ("web", "payment"),
    ("web", "show"),
];

/// A collection of replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaCollection {
    /// The database of the service that has the replicas.
    pub database: &'static str,
    /// The name of the entity.
    pub entity: String,
    /// The name of the collection.
    pub collection: String,
}

/// The collections of replicas that services read, whether they exist or not.
pub async fn replica_collections(client: &Client) -> Result<Vec<ReplicaCollection>> {
    let live = live_generation(client).await?;
    let collection_of = |(database, entity): (&'static str, &str)| {
        let generation = if database == "web" && live > 0 { format!("_v{live}") } else { String::new() };
        ReplicaCollection { database, entity: entity.to_owned(), collection: format!("replica_{entity}{generation}") }
    };
    Ok(REPLICAS.into_iter().map(collection_of).collect())
}

/// The live generation of web's replicas, which is incremented when its read model is rebuilt. The replicas of other
/// services have no generations.
async fn live_generation(client: &Client) -> Result<i64> {
    let generations = client.database("web").collection::<Document>("read_model").find_one(Document::new()).await?;
    Ok(generations.map(|generations| generations.get_i64("live")).transpose()?.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::names::{PAID_ONCE, REFUNDED};

    #[test]
    fn each_invariant_has_its_own_maximum() {
        let finding = |invariant| Finding::new(invariant, "orders", ["1"], "wrong".to_owned());
        let mut suspects = Suspects::new(2);
        let mut found = vec![finding(PAID_ONCE), finding(PAID_ONCE), finding(PAID_ONCE), finding(REFUNDED)];
        suspects.add(Check::Orders, "1", &mut found);
        suspects.add(Check::Replicas(TIMERS), "1", &mut vec![finding(PAID_ONCE)]);
        let listed: Vec<u8> = suspects.list.iter().map(|suspect| suspect.finding.invariant).collect();
        assert_eq!((listed, suspects.unlisted), (vec![3, 3, 4], 2));
    }
}
