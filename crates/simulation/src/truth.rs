//! What is stored, what was told and what was acknowledged, for what must hold whatever happened.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use common::clock::Clock;
use common::events::order::OrderStatus;
use common::events::payment::PaymentStatus;
use e2e::invariants::read::World;
use e2e::invariants::stored;
use serde_json::Value;
use ticketctl::audit::books::{Books, Entity, OWNERS, entities};

use crate::fleet::Fleet;
use crate::network::Network;
use crate::people::Stage;

/// Everything there is once a schedule has ended.
pub async fn read(fleet: &Fleet, network: &Network) -> Result<World> {
    let mut owned = BTreeMap::new();
    for (service, collection, _) in OWNERS {
        owned.insert(collection, entities(&fleet.service(service).database, collection).await?);
    }
    owned.insert("timers", entities(&fleet.service(expiration::NAME).database, "timers").await?);
    let mut replicas = Vec::new();
    for service in &fleet.services {
        for line in &service.instances[0].running.subscriptions {
            // Timers have no replica.
            if line.entity != "expiration" {
                let held = entities(&service.database, &format!("replica_{}", line.entity)).await?;
                replicas.push((service.name.to_owned(), line.entity.to_owned(), held));
            }
        }
    }
    Ok(World {
        books: Books { now: fleet.clock.now(), owned, replicas },
        events: network.events.clone(),
        told_at: BTreeMap::new(),
        unhandled: Vec::new(),
        dead_letters: 0,
        card_network: fleet.card_network.state().await,
    })
}

/// What does not hold of it.
pub fn faults(world: &World, stage: &Stage, network: &Network) -> Vec<String> {
    let mut faults = stored(world);
    for (entity, view) in stage.acknowledged.lock().unwrap().iter() {
        if let Err(error) = kept(network, entity, view) {
            faults.push(format!("7: {error:#}"));
        }
    }
    for collection in ["orders", "payments"] {
        for entity in world.books.owned.get(collection).into_iter().flatten().filter(|entity| !is_final(entity)) {
            faults.push(format!("6: {collection} {} stays {}", entity.id, entity.state["status"]));
        }
    }
    faults
}

fn is_final(entity: &Entity) -> bool {
    entity.status().is_none_or(OrderStatus::is_final) && entity.status().is_none_or(PaymentStatus::is_final)
}

/// What was acknowledged has happened, and was told.
fn kept(network: &Network, entity: &str, view: &Value) -> Result<()> {
    let (Some(id), Some(version)) = (view["id"].as_str(), view["version"].as_u64()) else { return Ok(()) };
    let told = network.changes.get(&(entity.to_owned(), id.to_owned(), version));
    let told = told.with_context(|| format!("{entity} {id} was said to be at version {version}, and never was"))?;
    let (said, was) = (&view["status"], &told["data"]["status"]);
    anyhow::ensure!(said == was, "{entity} {id} was said to be {said} at version {version}, and was {was}");
    Ok(())
}
