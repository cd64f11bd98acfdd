//! `ticketctl follow`: the stored states of an order, its listing, its payments and its timer, and the events that led
//! to them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use common::id::OrderId;
use common::timestamp::Timestamp;
use futures::TryStreamExt;
use mongodb::Client;
use mongodb::bson::{Document, doc};
use serde_json::Value;

use crate::audit::checks::{ReplicaCollection, replica_collections};
use crate::audit::entity::{Entity, EntityKind, ORDERS, PAYMENTS, TICKETS, TIMERS, text};
use crate::audit::streams::period::{ChangeEvent, read_period};
use crate::dead_letters;
use crate::durations::interval;
use crate::fleet::Fleet;
use crate::reports::follow::{FollowedEntity, FollowedEvent, OrderHistory};
use crate::streams;

/// The kinds of entities whose events are read, orders first: their events name the listing.
const PUBLISHED: [EntityKind; 4] = [ORDERS, TICKETS, PAYMENTS, EntityKind { entity: "expiration", ..TIMERS }];
/// Maximum difference between the clocks of services and NATS.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);

/// Selects the order.
#[derive(Debug, Args)]
pub(crate) struct FollowArgs {
    /// The id of the order.
    order: OrderId,
    /// For how long after the order was placed its events are read. Refunds and disputes may come much later.
    #[arg(long, default_value = "24h", value_parser = interval)]
    period: Duration,
}

/// Reads the stored states and the events of an order.
///
/// # Errors
/// If no database and no stream has the order, or one of them can't be read.
pub(crate) async fn follow(args: &FollowArgs, fleet: &Fleet) -> Result<OrderHistory> {
    let order = args.order.to_string();
    let databases = Databases { client: &fleet.client, replicas: replica_collections(&fleet.client).await? };
    let mut entities = databases.find(ORDERS, [order.clone()]).await?;
    let mut listing = entities.iter().find_map(Followed::listing);
    let mut unchecked = Vec::new();
    let (mut events, mut dead_letters) = (Vec::new(), Vec::new());
    if fleet.args.nats_url.is_some() {
        let placed = placed_at(args.order);
        let period = placed.minus(MAX_CLOCK_SKEW)..placed.plus(args.period);
        let read = read_period(&fleet.args, &PUBLISHED, &period, |event| {
            if event.entity == ORDERS.entity && event.subject == order && listing.is_none() {
                listing = Some(text(&event.data["ticket"]["id"]).to_owned());
            }
            if is_related(&event, &order, listing.as_deref()) {
                events.push(event);
            }
        });
        read.await?;
    } else {
        unchecked.push("events and dead letters, without NATS_URL".to_owned());
    }
    entities.extend(databases.find(TICKETS, listing).await?);
    entities.extend(databases.find(PAYMENTS, databases.payments_of(&order).await?).await?);
    entities.extend(databases.find(TIMERS, [order.clone()]).await?);
    let events = sort(events, &order);
    if entities.iter().all(|found| found.kind == TICKETS) && events.is_empty() {
        bail!("no database and no stream has the order {order}");
    }
    if fleet.args.nats_url.is_some() {
        let jetstream = streams::connect(&fleet.args).await?;
        let mut stream = streams::dead_letters(&jetstream, &fleet.args.nats_prefix).await?;
        let ids: BTreeSet<String> = entities.iter().map(|found| found.id.clone()).chain([order.clone()]).collect();
        dead_letters = dead_letters::find(&mut stream, usize::MAX, |letter| {
            let message = String::from_utf8_lossy(&letter.payload);
            ids.iter().any(|id| message.contains(id.as_str()))
        })
        .await?;
    }
    let entities = entities.iter().map(|found| found.report(&order)).collect();
    let events = events.iter().map(|event| report_event(event, &order)).collect();
    Ok(OrderHistory { order, entities, events, dead_letters, unchecked })
}

/// When the order was placed, by its id.
fn placed_at(order: OrderId) -> Timestamp {
    let Some(time) = order.as_uuid().get_timestamp() else { return Timestamp::from_millis(0) };
    let (seconds, nanos) = time.to_unix();
    let millis = seconds.saturating_mul(1_000).saturating_add(u64::from(nanos) / 1_000_000);
    Timestamp::from_millis(i64::try_from(millis).unwrap_or_default())
}

/// Whether an event is one of the order, its listing, its payments or its timer.
fn is_related(event: &ChangeEvent, order: &str, listing: Option<&str>) -> bool {
    match event.entity {
        "ticket" => Some(event.subject.as_str()) == listing,
        "payment" => event.data["orderId"] == order,
        _ => event.subject == order,
    }
}

/// Sorts the events by time and removes duplicates. Keeps only those events of the listing that change the seats or the
/// refusal that it has for the order.
fn sort(mut events: Vec<ChangeEvent>, order: &str) -> Vec<ChangeEvent> {
    events.sort_by(|one, other| (one.entity, one.version, &one.id).cmp(&(other.entity, other.version, &other.id)));
    events.dedup_by(|one, other| one.id == other.id);
    let mut before = String::new();
    events.retain(|event| {
        if event.entity != TICKETS.entity {
            return true;
        }
        let present = listing_for(&event.data, order);
        let is_changed = present != before;
        before = present;
        is_changed
    });
    events.sort_by(|one, other| one.time.cmp(&other.time));
    events
}

/// Reads the databases.
struct Databases<'a> {
    client: &'a Client,
    replicas: Vec<ReplicaCollection>,
}

impl Databases<'_> {
    /// The entities of this kind with these ids that their owner or a replica has.
    async fn find(&self, kind: EntityKind, ids: impl IntoIterator<Item = String>) -> Result<Vec<Followed>> {
        let mut found = Vec::new();
        for id in ids {
            let filter = doc! { "_id": &id };
            let owned = self.read(kind.service, kind.collection, filter.clone()).await?.pop();
            let mut replicas = BTreeMap::new();
            for replica in self.replicas_of(kind) {
                let copy = self.read(replica.database, &replica.collection, filter.clone()).await?.pop();
                replicas.insert(replica.database, copy);
            }
            if owned.is_some() || replicas.values().any(Option::is_some) {
                found.push(Followed { kind, id, owned, replicas });
            }
        }
        Ok(found)
    }

    /// The ids of the payments of an order. Among the replicas, only that of `web` has an index for this query.
    async fn payments_of(&self, order: &str) -> Result<BTreeSet<String>> {
        let mut places = vec![(PAYMENTS.service, PAYMENTS.collection)];
        let indexed = self.replicas_of(PAYMENTS).filter(|replica| replica.database == "web");
        places.extend(indexed.map(|replica| (replica.database, replica.collection.as_str())));
        let mut ids = BTreeSet::new();
        for (database, collection) in places {
            let found = self.read(database, collection, doc! { "state.orderId": order }).await?;
            ids.extend(found.into_iter().map(|payment| payment.id));
        }
        Ok(ids)
    }

    fn replicas_of(&self, kind: EntityKind) -> impl Iterator<Item = &ReplicaCollection> {
        self.replicas.iter().filter(move |replica| replica.entity == kind.entity)
    }

    async fn read(&self, database: &str, collection: &str, filter: Document) -> Result<Vec<Entity>> {
        let entities = self.client.database(database).collection::<Entity>(collection);
        Ok(entities.find(filter).sort(doc! { "_id": 1 }).await?.try_collect().await?)
    }
}

/// An entity, as its owner and the services with replicas have it.
struct Followed {
    kind: EntityKind,
    id: String,
    owned: Option<Entity>,
    replicas: BTreeMap<&'static str, Option<Entity>>,
}

impl Followed {
    /// The id of an order's listing.
    fn listing(&self) -> Option<String> {
        let known = self.owned.iter().chain(self.replicas.values().flatten());
        known.map(|entity| text(&entity.state["ticket"]["id"]).to_owned()).next()
    }

    fn report(&self, order: &str) -> FollowedEntity {
        let EntityKind { service, entity, .. } = self.kind;
        let state = self.owned.as_ref().map(|owned| &owned.state);
        FollowedEntity {
            entity: entity.to_owned(),
            id: self.id.clone(),
            service: service.to_owned(),
            version: self.owned.as_ref().map(|owned| owned.version),
            status: state.map(|state| stored_status(self.kind, state, order)).unwrap_or_default(),
            unpublished: self.owned.as_ref().map_or(0, |owned| owned.unpublished),
            replicas: self
                .replicas
                .iter()
                .map(|(service, copy)| ((*service).to_owned(), copy.as_ref().map(|copy| copy.version)))
                .collect(),
        }
    }
}

/// The status of a stored aggregate with its details, such as `cancelled, reason expired`.
fn stored_status(kind: EntityKind, state: &Value, order: &str) -> String {
    let mut parts = vec![text(&state["status"]["name"]).to_owned()];
    if kind == TICKETS {
        parts.push(listing_for(state, order));
    } else {
        let fields = state["status"].as_object().into_iter().flatten();
        parts.extend(fields.filter(|(name, value)| *name != "name" && !value.is_null()).map(described));
        parts.extend(named(state, &["providerRef", "expiresAt"]));
    }
    joined(parts)
}

fn report_event(event: &ChangeEvent, order: &str) -> FollowedEvent {
    let data = &event.data;
    let mut parts = vec![text(&data["status"]).to_owned()];
    if event.entity == TICKETS.entity {
        parts.push(listing_for(data, order));
    } else {
        parts.extend(named(data, &["cancelReason", "refusal", "paymentId", "declineReason", "providerRef"]));
    }
    FollowedEvent {
        time: event.time.clone(),
        kind: event.kind.clone(),
        id: event.id.clone(),
        subject: event.subject.clone(),
        version: event.version,
        status: joined(parts),
    }
}

/// The slots that a listing has reserved for or sold to the order, with their statuses, or its refusal of the order.
fn listing_for(listing: &Value, order: &str) -> String {
    let seats = (0_usize..).zip(listing["seats"].as_array().into_iter().flatten());
    let seats = seats.filter(|(_, seat)| seat["orderId"] == order);
    let seats = seats.map(|(slot, seat)| format!("slot {slot} {}", text(&seat["status"])));
    let refusals = listing["refusals"].as_array().into_iter().flatten().filter(|refused| refused["orderId"] == order);
    let refusals = refusals.map(|refused| format!("refused because {}", text(&refused["reason"])));
    joined(seats.chain(refusals).collect())
}

/// The fields with these names that are not null, each with its value.
fn named(object: &Value, names: &[&str]) -> Vec<String> {
    let fields = names.iter().map(|name| ((*name).to_owned(), &object[*name])).filter(|(_, value)| !value.is_null());
    fields.map(|(name, value)| described((&name, value))).collect()
}

fn described((name, value): (&String, &Value)) -> String {
    match value {
        Value::String(text) => format!("{name} {text}"),
        value => format!("{name} {value}"),
    }
}

fn joined(mut parts: Vec<String>) -> String {
    parts.retain(|part| !part.is_empty());
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(entity: &'static str, version: u64, time: &str, data: Value) -> ChangeEvent {
        let subject = if entity == "ticket" { "t" } else { "o" };
        ChangeEvent {
            entity,
            id: format!("{entity} {version}"),
            kind: format!("{entity}.changed.v1"),
            subject: subject.to_owned(),
            time: time.to_owned(),
            version,
            data,
        }
    }

    #[test]
    fn events_of_a_listing_are_those_that_change_what_it_has_for_the_order() {
        let listing = |seats: Value, refusals: Value| json!({ "seats": seats, "refusals": refusals });
        let seat = |status: &str, order: &str| json!({ "status": status, "orderId": order });
        let (free, held) = (json!({ "status": "available", "orderId": null }), seat("reserved", "o"));
        let events = vec![
            event("order", 1, "7", json!({})),
            event("ticket", 4, "8", listing(json!([free, seat("sold", "p")]), json!([]))),
            event("ticket", 0, "1", listing(json!([free, free]), json!([]))),
            event("ticket", 1, "3", listing(json!([held, free]), json!([]))),
            event("ticket", 1, "3", listing(json!([held, free]), json!([]))),
            event("ticket", 2, "4", listing(json!([held, seat("reserved", "p")]), json!([]))),
            event("ticket", 3, "5", listing(json!([free, seat("reserved", "p")]), json!([]))),
            event("ticket", 5, "9", listing(json!([]), json!([{ "orderId": "o", "reason": "priceChanged" }]))),
            event("order", 0, "2", json!({})),
        ];
        let sorted = sort(events, "o");
        let ids: Vec<_> = sorted.iter().map(|event| event.id.as_str()).collect();
        assert_eq!(ids, ["order 0", "ticket 1", "ticket 3", "order 1", "ticket 5"]);
        let reported = report_event(sorted.last().unwrap(), "o");
        assert_eq!(reported.status, "refused because priceChanged");
    }

    #[test]
    fn related_events_are_found_by_their_own_fields() {
        let payment = event("payment", 0, "1", json!({ "orderId": "o" }));
        let other = event("payment", 0, "1", json!({ "orderId": "p" }));
        let ticket = event("ticket", 0, "1", json!({}));
        let timer = event("expiration", 1, "1", json!({}));
        let related = [payment, other, ticket, timer].map(|event| is_related(&event, "o", Some("t")));
        assert_eq!(related, [true, false, true, true]);
        assert!(!is_related(&event("ticket", 0, "1", json!({})), "o", None));
    }

    #[test]
    fn statuses_include_their_details() {
        let order =
            json!({ "status": { "name": "cancelled", "reason": "expired", "refusal": null }, "expiresAt": "9" });
        assert_eq!(stored_status(ORDERS, &order, "o"), "cancelled, reason expired, expiresAt 9");
        let seats = json!([{ "status": "sold", "orderId": "o" }, { "status": "sold", "orderId": "p" }]);
        let listing = json!({ "status": { "name": "sold", "free": 0 }, "seats": seats });
        assert_eq!(stored_status(TICKETS, &listing, "o"), "sold, slot 0 sold");
        let declined = json!({ "status": "declined", "declineReason": "expired_card", "providerRef": null });
        assert_eq!(
            report_event(&event("payment", 1, "1", declined), "o").status,
            "declined, declineReason expired_card"
        );
    }

    #[test]
    fn id_tells_when_the_order_was_placed() {
        let order: OrderId = "01970000-0000-7000-8000-000000000001".parse().unwrap();
        assert_eq!(placed_at(order).as_millis(), 0x0197_0000_0000);
    }
}
