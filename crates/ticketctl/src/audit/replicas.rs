//! Replicas: each equals its owner's entity, and none is missing.

use std::collections::BTreeSet;
use std::time::Duration;

use common::events::payment::PaymentStatus;
use common::timestamp::Timestamp;
use mongodb::bson::{Bson, Document};
use serde_json::Value;

use super::entity::{Entity, EntityKind, text};
use super::finding::Finding;
use super::names::{ONE_EVENT, REPLICAS};
use super::remedy::Remedy;

/// Age from which a declined payment may be missing in `payments`, which moves it to its archive after 90 days, but not
/// its replicas. One day less than 90, because clocks differ and the replica may be read some time before its owner.
const DECLINED_RETENTION: Duration = Duration::from_secs(89 * 24 * 3600);

/// The entities whose payloads contain their whole state, so that an owner that lost one can restore it from a replica.
pub(crate) const RESTORABLE: [&str; 3] = ["ticket", "order", "show"];

/// Where a field of a payload comes from.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// The field of the owner's state at this path.
    Path(&'static str),
    /// The time of the first authorisation in a payment's ledger.
    Authorization,
}
use Source::{Authorization, Path};

/// The fields of a user's payload.
const USER: &[(&str, Source)] =
    &[("id", Path("id")), ("displayName", Path("displayName")), ("createdAt", Path("createdAt"))];

/// The fields of a ticket's payload.
const TICKET: &[(&str, Source)] = &[
    ("id", Path("id")),
    ("title", Path("listing.title")),
    ("venue", Path("listing.venue")),
    ("city", Path("listing.city")),
    ("startsAt", Path("listing.startsAt")),
    ("timeZone", Path("listing.timeZone")),
    ("section", Path("listing.section")),
    ("row", Path("listing.row")),
    ("blocks", Path("listing.blocks")),
    ("showId", Path("show.id")),
    ("sellerId", Path("sellerId")),
    ("price", Path("listing.price")),
    ("priceDrop", Path("priceDrop")),
    ("faceValue", Path("listing.faceValue")),
    ("category", Path("listing.category")),
    ("description", Path("listing.description")),
    ("status", Path("status.name")),
    ("seats", Path("seats")),
    ("showCancelled", Path("show.isCancelled")),
    ("refusals", Path("refusals")),
    ("createdAt", Path("createdAt")),
    ("updatedAt", Path("updatedAt")),
];

/// The fields of an order's payload.
const ORDER: &[(&str, Source)] = &[
    ("id", Path("id")),
    ("buyerId", Path("buyerId")),
    ("status", Path("status.name")),
    ("cancelReason", Path("status.reason")),
    ("refusal", Path("status.refusal")),
    ("paymentId", Path("status.paymentId")),
    ("ticket", Path("ticket")),
    ("showId", Path("showId")),
    ("slots", Path("slots")),
    ("seats", Path("seats")),
    ("unitPrice", Path("unitPrice")),
    ("price", Path("price")),
    ("expiresAt", Path("expiresAt")),
    ("createdAt", Path("createdAt")),
    ("updatedAt", Path("updatedAt")),
];

/// The fields of a payment's payload.
const PAYMENT: &[(&str, Source)] = &[
    ("id", Path("id")),
    ("orderId", Path("orderId")),
    ("buyerId", Path("buyerId")),
    ("status", Path("status.name")),
    ("amount", Path("amount")),
    ("provider", Path("provider")),
    ("providerRef", Path("providerRef")),
    ("declineReason", Path("status.reason")),
    ("authorizedAt", Authorization),
    ("received", Path("received")),
    ("refunded", Path("refunded")),
    ("disputed", Path("disputed")),
    ("createdAt", Path("createdAt")),
    ("updatedAt", Path("updatedAt")),
];

/// The fields of a show's payload.
const SHOW: &[(&str, Source)] = &[
    ("id", Path("id")),
    ("title", Path("details.title")),
    ("venue", Path("details.venue")),
    ("city", Path("details.city")),
    ("country", Path("details.country")),
    ("startsAt", Path("details.startsAt")),
    ("endsAt", Path("details.endsAt")),
    ("timeZone", Path("details.timeZone")),
    ("category", Path("details.category")),
    ("status", Path("status.name")),
    ("cancelReason", Path("status.reason")),
    ("mergedInto", Path("mergedInto")),
    ("createdAt", Path("createdAt")),
    ("updatedAt", Path("updatedAt")),
];

/// The fields of an entity's payload, each with its source in the owner's state.
fn fields(entity: &str) -> &'static [(&'static str, Source)] {
    match entity {
        "user" => USER,
        "ticket" => TICKET,
        "order" => ORDER,
        "payment" => PAYMENT,
        "show" => SHOW,
        _ => &[],
    }
}

/// The projection of an owner's aggregate that its replicas are compared with. It leaves out what no audit should see,
/// such as email addresses.
pub(crate) fn projection(entity: &str) -> Document {
    let paths = fields(entity).iter().map(|(_, source)| match source {
        Path(path) => *path,
        Authorization => "ledger",
    });
    let paths: BTreeSet<String> = paths.map(|path| format!("state.{path}")).collect();
    paths.into_iter().chain(["version".to_owned()]).map(|path| (path, Bson::Int32(1))).collect()
}

impl Source {
    fn in_state(self, state: &Value) -> &Value {
        match self {
            Path(path) => path.split('.').fold(state, |value, field| &value[field]),
            Authorization => {
                let entries = state["ledger"].as_array().map(Vec::as_slice).unwrap_or_default();
                let is_first = |entry: &&Value| {
                    entry["account"] == "authorizations" && entry["debit"].as_i64().is_some_and(|debit| debit > 0)
                };
                entries.iter().find(is_first).map_or(&Value::Null, |entry| &entry["at"])
            }
        }
    }
}

/// Checks a service's replica of an entity against its owner.
pub fn check_replica(
    EntityKind { service, entity, .. }: EntityKind,
    id: &str,
    owner: Option<&Entity>,
    (database, replica): (&str, Option<&Entity>),
    now: Timestamp,
    found: &mut Vec<Finding>,
) {
    let version = replica.map_or(0, |replica| replica.version);
    let mut remedy = Some(Remedy::resync(service, id));
    let wrong = match (owner, replica) {
        (None, None) => return,
        (Some(_), None) => format!("{database} has no replica of {entity} {id}"),
        (None, Some(replica)) if may_be_archived(entity, replica, now) => return,
        (None, Some(_)) => {
            remedy = RESTORABLE.contains(&entity).then(|| Remedy::raise(service, id));
            format!("{database} has {entity} {id} at version {version}, but {service} does not have it")
        }
        (Some(owner), Some(_)) if owner.version > version => {
            format!("{database} has {entity} {id} at version {version}, which is older than in {service}")
        }
        (Some(owner), Some(_)) if owner.version < version => {
            remedy = Some(Remedy::raise(service, id));
            format!("{database} has {entity} {id} at version {version}, which {service} has not reached")
        }
        (Some(owner), Some(replica)) => {
            let differing = differing_fields(entity, owner, replica);
            if differing.is_empty() {
                return;
            }
            let verb = if differing.len() == 1 { "differs" } else { "differ" };
            let differing = differing.join(", ");
            format!("{differing} of {entity} {id} {verb} between {database} and {service}, at version {version}")
        }
    };
    found.push(Finding::new(REPLICAS, database, [id], wrong).repaired_by(remedy));
}

/// The fields of a replica that differ from its owner's entity.
pub(crate) fn differing_fields(entity: &str, owner: &Entity, replica: &Entity) -> Vec<&'static str> {
    let differs = |(field, source): &&(&str, Source)| !agree(source.in_state(&owner.state), &replica.state[*field]);
    fields(entity).iter().filter(differs).map(|(field, _)| *field).collect()
}

/// Whether two values agree. Absent, null and false count as equal: payloads omit some fields that owners store.
pub(crate) fn agree(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Null | Value::Bool(false), Value::Null | Value::Bool(false)) => true,
        (Value::Object(fields), Value::Object(others)) => {
            fields.keys().chain(others.keys()).all(|field| agree(&one[field.as_str()], &other[field.as_str()]))
        }
        (Value::Array(items), Value::Array(others)) => {
            items.len() == others.len() && items.iter().zip(others).all(|(item, other)| agree(item, other))
        }
        _ => one == other,
    }
}

/// Whether the owner of a replica may have archived its entity: a payment declined before the retention period.
fn may_be_archived(entity: &str, replica: &Entity, now: Timestamp) -> bool {
    let updated_at = text(&replica.state["updatedAt"]).parse::<Timestamp>().ok();
    entity == "payment"
        && replica.state["status"] == PaymentStatus::Declined.as_ref()
        && updated_at.is_some_and(|at| now.since(at) > DECLINED_RETENTION)
}

/// Reports that an entity has events in its outbox that should be published by now.
pub fn unpublished_events(EntityKind { service, entity, .. }: EntityKind, id: &str) -> Finding {
    let text = format!("{entity} {id} has unpublished events in its outbox");
    Finding::new(ONE_EVENT, service, [id], text)
}

#[cfg(test)]
mod tests {
    use common::events::ENTITIES;
    use serde_json::json;

    use super::*;
    use crate::audit::entity::{ORDERS, PAYMENTS, REPLICATED_ENTITIES, USERS};
    use crate::audit::fixtures::entity;

    fn found(kind: EntityKind, owner: Option<&Entity>, replica: Option<&Entity>, now: Timestamp) -> Vec<String> {
        let mut found = Vec::new();
        check_replica(kind, "1", owner, ("web", replica), now, &mut found);
        found.iter().map(|finding| format!("{}: {}", finding.ids.join(" "), finding.text)).collect()
    }

    #[test]
    fn every_field_of_every_payload_is_compared() {
        for replicated in ENTITIES.into_iter().filter(|entity| entity.name != "expiration") {
            let schema = replicated.schema().to_value();
            let declared: BTreeSet<&str> =
                schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
            let compared: BTreeSet<&str> = fields(replicated.name).iter().map(|(field, _)| *field).collect();
            assert_eq!(compared, declared, "{}", replicated.name);
        }
    }

    #[test]
    fn projections_have_no_colliding_paths() {
        for EntityKind { entity, .. } in REPLICATED_ENTITIES {
            let projection = projection(entity);
            for path in projection.keys() {
                let inner = format!("{path}.");
                assert!(!projection.keys().any(|other| other.starts_with(&inner)), "{entity}: {path}");
            }
        }
    }

    #[test]
    fn replica_is_at_the_version_of_its_owner() {
        let now = Timestamp::from_millis(0);
        let at = |version| Entity { version, ..entity("1", json!({ "id": "1", "displayName": "Ana" })) };
        let check = |owner: Option<u64>, replica: Option<u64>| {
            found(USERS, owner.map(at).as_ref(), replica.map(at).as_ref(), now)
        };
        assert_eq!(check(Some(2), Some(2)), Vec::<String>::new());
        assert_eq!(check(Some(2), None), ["1: web has no replica of user 1"]);
        assert_eq!(check(None, Some(2)), ["1: web has user 1 at version 2, but auth does not have it"]);
        assert_eq!(check(Some(3), Some(2)), ["1: web has user 1 at version 2, which is older than in auth"]);
        assert_eq!(check(Some(1), Some(2)), ["1: web has user 1 at version 2, which auth has not reached"]);
    }

    #[test]
    fn owner_that_is_behind_its_replicas_is_raised() {
        let now = Timestamp::from_millis(0);
        let remedies = |kind: EntityKind, owner: Option<u64>, replica: Option<u64>| {
            let at = |version| Entity { version, ..entity("1", json!({ "id": "1" })) };
            let (owner, replica, mut found) = (owner.map(at), replica.map(at), Vec::new());
            check_replica(kind, "1", owner.as_ref(), ("web", replica.as_ref()), now, &mut found);
            found.into_iter().flat_map(|finding| finding.remedies).map(|remedy| remedy.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(remedies(ORDERS, Some(2), None), ["ticketctl resync orders --ids 1"]);
        assert_eq!(remedies(USERS, Some(3), Some(2)), ["ticketctl resync auth --ids 1"]);
        assert_eq!(remedies(USERS, Some(1), Some(2)), ["ticketctl raise auth 1"]);
        assert_eq!(remedies(ORDERS, None, Some(2)), ["ticketctl raise orders 1"]);
        assert_eq!(remedies(PAYMENTS, None, Some(2)), Vec::<String>::new(), "its ledger is in no replica");
    }

    #[test]
    fn content_is_compared_field_by_field() {
        let now = Timestamp::from_millis(0);
        let owner = entity(
            "1",
            json!({
                "id": "1", "status": { "name": "cancelled", "reason": "buyer", "refusal": null },
                "price": { "amount": 50, "currency": "USD" }, "ticket": { "id": "t", "city": null },
            }),
        );
        let payload = json!({
            "id": "1", "status": "cancelled", "cancelReason": "buyer", "paymentId": null,
            "price": { "amount": 50, "currency": "USD" }, "ticket": { "id": "t" },
        });
        let check = |payload: Value| found(ORDERS, Some(&owner), Some(&entity("1", payload)), now);
        assert_eq!(check(payload.clone()), Vec::<String>::new());
        let mut other = payload.clone();
        other["price"]["amount"] = json!(51);
        other["paymentId"] = json!("p");
        assert_eq!(check(other), ["1: paymentId, price of order 1 differ between web and orders, at version 1"]);
        let mut incomplete = payload;
        incomplete["ticket"] = json!({});
        assert_eq!(check(incomplete), ["1: ticket of order 1 differs between web and orders, at version 1"]);
    }

    #[test]
    fn authorisation_time_is_read_from_the_ledger() {
        let now = Timestamp::from_millis(0);
        let ledger = json!([
            { "account": "cardholderFunds", "debit": 0, "credit": 50, "at": "0" },
            { "account": "authorizations", "debit": 50, "credit": 0, "at": "1" },
            { "account": "authorizations", "debit": 0, "credit": 50, "at": "2" },
        ]);
        let owner = entity("1", json!({ "ledger": ledger, "disputed": false }));
        let check = |payload: Value| found(PAYMENTS, Some(&owner), Some(&entity("1", payload)), now);
        assert_eq!(check(json!({ "authorizedAt": "1" })), Vec::<String>::new());
        assert_eq!(check(json!({})), ["1: authorizedAt of payment 1 differs between web and payments, at version 1"]);
    }

    #[test]
    fn replica_may_outlive_only_an_archived_declined_payment() {
        let first = Timestamp::from_millis(0);
        let check = |status: &str, days: u64| {
            let replica = entity("1", json!({ "status": status, "updatedAt": first.to_string() }));
            found(PAYMENTS, None, Some(&replica), first.plus(Duration::from_secs(days * 24 * 3600)))
        };
        assert_eq!(check("declined", 90), Vec::<String>::new(), "the clock of `payments` may be ahead");
        assert_eq!(check("declined", 89), ["1: web has payment 1 at version 1, but payments does not have it"]);
        assert_eq!(check("captured", 91).len(), 1);
    }
}
