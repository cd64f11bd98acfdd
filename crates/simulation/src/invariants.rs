//! Checks the invariants over the stored state, the published events and the acknowledged responses.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use common::clock::Clock;
use common::events::order::OrderStatus;
use common::events::payment::PaymentStatus;
use e2e::invariants::databases::{Databases, StoredReplicas, entities, owned_entities};
use e2e::invariants::fleet_data::FleetData;
use e2e::invariants::names::{ACKNOWLEDGED, HOLD_EXPIRY};
use serde_json::Value;
use ticketctl::audit::entity::{Entity, EntityKind, REPLICATED_ENTITIES};

use crate::context::SimContext;
use crate::fleet::SimulatedFleet;
use crate::network::Network;

/// Reads the state at the end of a schedule.
pub(crate) async fn read(fleet: &SimulatedFleet, network: &Network) -> Result<FleetData> {
    let mut owned = BTreeMap::new();
    for EntityKind { service, collection, .. } in REPLICATED_ENTITIES {
        owned.insert(collection, owned_entities(&fleet.service(service).database, collection).await?);
    }
    owned.insert("timers", entities(&fleet.service(expiration::NAME).database, "timers").await?);
    let mut replicas = Vec::new();
    for service in &fleet.services {
        for subscription in &service.instances[0].running.subscriptions {
            // Timers have no replicas, `expiration` stores none of orders, and no service stores any of its own
            // entities.
            let is_stored = subscription.entity != "expiration" && service.name != expiration::NAME;
            if is_stored && subscription.source != service.name {
                let stored = entities(&service.database, &format!("replica_{}", subscription.entity)).await?;
                let (database, entity) = (service.name.to_owned(), subscription.entity.to_owned());
                replicas.push(StoredReplicas { database, entity, replicas: stored });
            }
        }
    }
    Ok(FleetData {
        databases: Databases { now: fleet.clock.now(), owned, replicas },
        missing_indexes: Vec::new(),
        events: network.events.clone(),
        published_at: BTreeMap::new(),
        backlogs: Vec::new(),
        dead_letters: 0,
        fakestripe_state: fleet.card_network.state().await,
    })
}

pub(crate) fn violations(data: &FleetData, context: &SimContext, network: &Network) -> Vec<String> {
    let mut violations = e2e::invariants::violations(data);
    for (entity, view) in context.acknowledged.lock().unwrap().iter() {
        if let Err(error) = check_acknowledged(network, entity, view) {
            violations.push(format!("{ACKNOWLEDGED}: {error:#}"));
        }
    }
    for collection in ["orders", "payments"] {
        for entity in data.databases.owned(collection).iter().filter(|entity| !is_final(entity)) {
            violations.push(format!("{HOLD_EXPIRY}: {collection} {} stays {}", entity.id, entity.state["status"]));
        }
    }
    violations
}

/// Whether the status of an order or of a payment is final. A status of the other entity type may not parse, which
/// counts as final.
fn is_final(entity: &Entity) -> bool {
    entity.status().is_none_or(OrderStatus::is_final) && entity.status().is_none_or(PaymentStatus::is_final)
}

/// An acknowledged version must be published, with the status that was returned.
fn check_acknowledged(network: &Network, entity: &str, view: &Value) -> Result<()> {
    let (Some(id), Some(version)) = (view["id"].as_str(), view["version"].as_u64()) else { return Ok(()) };
    let published = network.changes.get(&(entity.to_owned(), id.to_owned(), version));
    let published =
        published.with_context(|| format!("{entity} {id} was returned at version {version}, which does not exist"))?;
    let (returned, published) = (&view["status"], &published["data"]["status"]);
    anyhow::ensure!(
        returned == published,
        "{entity} {id} was returned as {returned} at version {version}, and was {published}"
    );
    Ok(())
}
