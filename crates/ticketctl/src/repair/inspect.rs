//! Reads what decides about a remedy: single entities and their replicas.
//!
//! # Why
//! Reads are linearizable. A weaker read might miss an order that exists, and the order would be taken for lost.

use std::time::Duration;

use anyhow::{Context, Result};
use common::api::admin::{Release, Void};
use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb::options::{CollectionOptions, ReadConcern, ReadPreference, SelectionCriteria};

use super::action::Action;
use super::decide::{Decision, LossRule, decide_raise, decide_release, decide_void, reason_to_keep};
use crate::audit::checks::{ReplicaCollection, replica_collections};
use crate::audit::entity::{Entity, REPLICATED_ENTITIES, text};
use crate::audit::remedy::Remedy;
use crate::audit::replicas::projection;

/// Maximum duration of a read. A linearizable read waits for a majority of the replica set's members.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads single entities and their replicas.
pub(super) struct Inspector<'a> {
    client: &'a Client,
    replicas: Vec<ReplicaCollection>,
    rule: LossRule,
}

impl<'a> Inspector<'a> {
    pub(super) async fn new(client: &'a Client, rule: LossRule) -> Result<Self> {
        Ok(Self { client, replicas: replica_collections(client).await?, rule })
    }

    /// Decides what the remedy has to do now.
    ///
    /// # Errors
    /// If a database can't be read, or if the owner of a raise owns no replicated entities.
    pub(super) async fn decide(&self, remedy: &Remedy) -> Result<Decision> {
        match remedy {
            Remedy::Raise { owner, id } => self.decide_raise(owner, id).await,
            Remedy::Resync { owner, id } => {
                Ok(Decision::Act(Action::Resync { owner: owner.clone(), ids: vec![id.clone()] }))
            }
            Remedy::Void { payment } => {
                let fields = doc! {
                    "version": 1, "state.orderId": 1, "state.status": 1, "state.amount": 1, "state.received": 1,
                    "state.refunded": 1,
                };
                let found = self.find("payments", "payments", payment, fields).await?;
                let order_id = found.as_ref().map(|payment| text(&payment.state["orderId"]));
                let order = self.order(order_id).await?;
                self.confirm_loss(order_id, decide_void(payment, found.as_ref(), order.as_ref())).await
            }
            Remedy::Release { ticket, order: order_id } => {
                let found = self.find("tickets", "tickets", ticket, doc! { "version": 1, "state.seats": 1 }).await?;
                let order = self.order(Some(order_id)).await?;
                let decision = decide_release(ticket, order_id, found.as_ref(), order.as_ref());
                self.confirm_loss(Some(order_id), decision).await
            }
        }
    }

    async fn decide_raise(&self, owner: &str, id: &str) -> Result<Decision> {
        let mut decision = None;
        for kind in REPLICATED_ENTITIES.into_iter().filter(|kind| kind.service == owner) {
            let present = self.find(kind.service, kind.collection, id, projection(kind.entity)).await?;
            let replicas = self.replicas_of(kind.entity, id).await?;
            // An owner may have several kinds of entities. An id is that of at most one.
            let is_known = present.is_some() || !replicas.is_empty();
            if is_known || decision.is_none() {
                decision = Some(decide_raise(kind, id, present.as_ref(), &replicas));
            }
        }
        decision.with_context(|| format!("{owner} owns no replicated entities"))
    }

    /// The replicas of an entity, each with its database.
    async fn replicas_of(&self, entity: &str, id: &str) -> Result<Vec<(&'static str, Entity)>> {
        let mut replicas = Vec::new();
        for replica in self.replicas.iter().filter(|replica| replica.entity == entity) {
            let fields = doc! { "version": 1, "state": 1 };
            let found = self.find(replica.database, &replica.collection, id, fields).await?;
            replicas.extend(found.map(|found| (replica.database, found)));
        }
        Ok(replicas)
    }

    /// Skips the void or release of a lost order if the rule does not count the order as lost. Otherwise adds the
    /// version of the order's replica, which the service compares.
    async fn confirm_loss(&self, order_id: Option<&str>, mut decision: Decision) -> Result<Decision> {
        let Some(id) = order_id else { return Ok(decision) };
        let (service, order_version) = match &mut decision {
            Decision::Act(Action::Void(Void { order_is_lost: true, order_version, .. })) => ("payments", order_version),
            Decision::Act(Action::Release(Release { order_is_lost: true, order_version, .. })) => {
                ("tickets", order_version)
            }
            _ => return Ok(decision),
        };
        let replicas = self.replicas_of("order", id).await?;
        *order_version = replicas.iter().find(|(database, _)| *database == service).map(|(_, replica)| replica.version);
        Ok(reason_to_keep(id, &replicas, self.rule).map_or(decision, Decision::Skip))
    }

    /// The order with this id, with its status; `None` if there is no id or no such order.
    async fn order(&self, id: Option<&str>) -> Result<Option<Entity>> {
        match id {
            Some(id) => self.find("orders", "orders", id, doc! { "version": 1, "state.status": 1 }).await,
            None => Ok(None),
        }
    }

    /// Reads one document from the primary with linearizable read concern.
    async fn find(&self, database: &str, collection: &str, id: &str, projection: Document) -> Result<Option<Entity>> {
        let options = CollectionOptions::builder()
            .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
            .read_concern(ReadConcern::linearizable())
            .build();
        let entities = self.client.database(database).collection_with_options::<Entity>(collection, options);
        let found = entities.find_one(doc! { "_id": id }).projection(projection).max_time(READ_TIMEOUT);
        found.await.with_context(|| format!("{database}.{collection} can't be read"))
    }
}
