//! Decides what a remedy has to do, given the entities and replicas that the databases have.
//!
//! # Why
//! A raise has an owner write an entity at a version above that of its replicas. It restores the state of the replicas
//! if at least two of them have the highest version, if those agree on the state, and if events carry the whole state
//! of the entity: then the owner had written and published it. Otherwise, for example if only one replica is ahead, the
//! owner writes its present state above that version. It does so too if its state is final or was changed after that of
//! the replicas: the owner has acknowledged that change since it was restored.
//!
//! That `orders` lacks an order does not suffice to take it for lost: a raise may restore it, and then it needs its
//! payment and its ticket.

use common::api::admin::{Raise, Release, Void};
use common::events::order::OrderStatus;
use common::events::payment::PaymentStatus;
use common::events::ticket::TicketStatus;
use common::id::{OrderId, PaymentId, TicketId};

use super::action::Action;
use crate::audit::entity::{Entity, EntityKind, ORDERS, text};
use crate::audit::money;
use crate::audit::replicas::{RESTORABLE, agree, differing_fields};
use crate::audit::seats::{StoredSeat, seats};

/// What to do about a remedy.
#[derive(Debug)]
pub(super) enum Decision {
    /// Send this request.
    Act(Action),
    /// Do nothing, for this reason: the remedy is unnecessary or impossible.
    Skip(String),
}

/// Decides which of the orders that `orders` lacks are lost, so that a void or a release may undo what was done for
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LossRule {
    /// Those that no raise restores and that no replica has as authorised or completed. It is the rule of
    /// `audit --repair`, whose operator confirms many commands at once.
    Unpaid,
    /// Those that no raise restores.
    Unrestorable,
    /// All of them: the operator knows that the raise was rejected, or does not want it.
    Any,
}

/// Decides about raising an entity: `present` is what its owner has, `replicas` what other databases have.
pub(super) fn decide_raise(
    EntityKind { service: owner, entity, .. }: EntityKind,
    id: &str,
    present: Option<&Entity>,
    replicas: &[(&'static str, Entity)],
) -> Decision {
    let Some(above) = replicas.iter().map(|(_, replica)| replica.version).max() else {
        return Decision::Skip(format!("no other service knows {entity} {id}"));
    };
    let newest: Vec<_> = replicas.iter().filter(|(_, replica)| replica.version == above).collect();
    // Replicas that differ at the same version can't all be right, so no state is restored from them.
    let agreed = match newest.as_slice() {
        [(_, first), others @ ..] if !others.is_empty() && RESTORABLE.contains(&entity) => {
            others.iter().all(|(_, other)| agree(&first.state, &other.state)).then_some(first)
        }
        _ => None,
    };
    let agreed = agreed.filter(|agreed| !present.is_some_and(|present| is_changed_since(entity, present, agreed)));
    match present {
        Some(present) if present.version > above => {
            return Decision::Skip(format!("{owner} is not behind: it has {entity} {id} at a newer version"));
        }
        // At the same version the owner's state counts, unless several replicas agree on another one.
        Some(present)
            if present.version == above
                && agreed.is_none_or(|agreed| differing_fields(entity, present, agreed).is_empty()) =>
        {
            return Decision::Skip(format!("{owner} is not behind: no replica of {entity} {id} is ahead of it"));
        }
        None if agreed.is_none() => {
            return Decision::Skip(format!(
                "{owner} has lost {entity} {id}, and no two databases have its whole state"
            ));
        }
        _ => {}
    }
    let state = agreed.map(|agreed| agreed.state.clone());
    let replicas = newest.iter().map(|(database, _)| *database).collect();
    Decision::Act(Action::Raise { owner, entity, replicas, request: Raise { id: id.to_owned(), above, state } })
}

/// Whether the owner's state is final, or was changed after that of the replicas. A withdrawn listing is not final
/// while a seat of it is reserved.
fn is_changed_since(entity: &str, present: &Entity, replicated: &Entity) -> bool {
    let is_final = match entity {
        "ticket" => {
            let is_held = seats(present).any(|seat| seat.status == Some(TicketStatus::Reserved));
            present.status().is_some_and(TicketStatus::is_final) && !is_held
        }
        "order" => present.status().is_some_and(OrderStatus::is_final),
        _ => false,
    };
    // Times are RFC 3339 texts, which sort chronologically.
    is_final || text(&present.state["updatedAt"]) > text(&replicated.state["updatedAt"])
}

/// Why nothing may be undone yet for an order that `orders` lacks; `None` if the order counts as lost by this rule.
pub(super) fn reason_to_keep(id: &str, replicas: &[(&'static str, Entity)], rule: LossRule) -> Option<String> {
    if rule == LossRule::Any {
        return None;
    }
    if matches!(decide_raise(ORDERS, id, None, replicas), Decision::Act(_)) {
        return Some(format!(
            "order {id} can be restored: raise it first; if orders rejects that, run this command alone with \
             --order-is-lost"
        ));
    }
    let is_paid = |replica: &Entity| {
        let status = text(&replica.state["status"]).parse::<OrderStatus>();
        matches!(status, Ok(OrderStatus::Authorized | OrderStatus::Completed))
    };
    let (database, replica) = replicas.iter().find(|(_, replica)| is_paid(replica))?;
    let status = text(&replica.state["status"]);
    (rule == LossRule::Unpaid)
        .then(|| format!("order {id} is {status} in {database}: decide yourself, and run this command alone"))
}

/// Decides about voiding a payment. `order` is the order that `orders` has for it.
pub(super) fn decide_void(id: &str, payment: Option<&Entity>, order: Option<&Entity>) -> Decision {
    let (Some(payment), Ok(parsed)) = (payment, id.parse::<PaymentId>()) else {
        return Decision::Skip(format!("payments has no payment {id}"));
    };
    let (status, order_id) = (payment.status_name(), text(&payment.state["orderId"]));
    let is_final = payment.status().is_none_or(|status: PaymentStatus| status.is_final());
    if is_final && (!money::is_captured(payment) || money::is_refunded(payment)) {
        return Decision::Skip(format!("payment {id} is {status}: nothing of it is authorised or charged"));
    }
    let Some(order) = order else {
        return Decision::Act(Action::Void(Void { id: parsed, order_is_lost: true, order_version: None }));
    };
    let is_closed = match order.status() {
        Some(OrderStatus::Cancelled) => true,
        Some(OrderStatus::Authorized | OrderStatus::Completed) => text(&order.state["status"]["paymentId"]) != id,
        Some(OrderStatus::Created | OrderStatus::AwaitingPayment) | None => false,
    };
    if is_closed {
        Decision::Act(Action::Void(Void { id: parsed, order_is_lost: false, order_version: None }))
    } else {
        let order_status = order.status_name();
        Decision::Skip(format!("payment {id} is {status} for order {order_id}, which is {order_status} and needs it"))
    }
}

/// Decides about releasing the seats of a ticket that are reserved for an order. `order` is what `orders` has of it.
pub(super) fn decide_release(id: &str, order_id: &str, ticket: Option<&Entity>, order: Option<&Entity>) -> Decision {
    let (Some(ticket), Ok(parsed)) = (ticket, id.parse::<TicketId>()) else {
        return Decision::Skip(format!("tickets has no ticket {id}"));
    };
    let is_reserved = |seat: StoredSeat<'_>| seat.status == Some(TicketStatus::Reserved) && seat.order == order_id;
    let reserved_for = order_id.parse::<OrderId>().ok().filter(|_| seats(ticket).any(is_reserved));
    let Some(order_id) = reserved_for else {
        return Decision::Skip(format!("ticket {id} has no seat that is reserved for order {order_id}"));
    };
    match order.map(Entity::status::<OrderStatus>) {
        None => {
            Decision::Act(Action::Release(Release { id: parsed, order_id, order_is_lost: true, order_version: None }))
        }
        Some(Some(OrderStatus::Cancelled)) => {
            Decision::Act(Action::Release(Release { id: parsed, order_id, order_is_lost: false, order_version: None }))
        }
        Some(_) => {
            let status = order.map(Entity::status_name).unwrap_or_default();
            Decision::Skip(format!("ticket {id} has seats for order {order_id}, which is {status}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::audit::entity::{TICKETS, USERS};
    use crate::audit::fixtures::entity;

    fn at(version: u64, state: Value) -> Entity {
        Entity { version, ..entity("1", state) }
    }

    /// The decision as a text: the action, or a dash and the reason for doing nothing.
    fn text_of(decision: Decision) -> String {
        match decision {
            Decision::Act(action) => action.to_string(),
            Decision::Skip(reason) => format!("- {reason}"),
        }
    }

    #[test]
    fn state_that_two_databases_have_is_restored() {
        let completed = json!({ "id": "1", "status": "completed", "paymentId": "p" });
        let cancelled = json!({ "id": "1", "status": "cancelled", "cancelReason": "buyer" });
        let both =
            [("tickets", at(3, completed.clone())), ("web", at(3, completed.clone())), ("payments", at(1, json!({})))];
        let restored = "orders writes order 1 at version 4: the state of version 3, as it is in tickets, web";
        let owner = |version| at(version, json!({ "id": "1", "status": { "name": "awaitingPayment" } }));
        assert_eq!(text_of(decide_raise(ORDERS, "1", None, &both)), restored);
        assert_eq!(text_of(decide_raise(ORDERS, "1", Some(&owner(1)), &both)), restored);
        assert_eq!(text_of(decide_raise(ORDERS, "1", Some(&owner(3)), &both)), restored, "all others agree");
        let Decision::Act(Action::Raise { request, .. }) = decide_raise(ORDERS, "1", None, &both) else {
            panic!("raise")
        };
        assert_eq!((request.above, request.state), (3, Some(completed.clone())));

        // A single replica that is ahead, or two that contradict each other, do not replace the owner's state.
        let present = "orders writes order 1 at version 4: its present state, because version 3 is in";
        let one = [("web", at(3, completed.clone())), ("tickets", at(2, completed.clone()))];
        let contradicting = [("tickets", at(3, completed.clone())), ("web", at(3, cancelled))];
        assert_eq!(text_of(decide_raise(ORDERS, "1", Some(&owner(1)), &one)), format!("{present} web"));
        assert_eq!(
            text_of(decide_raise(ORDERS, "1", Some(&owner(1)), &contradicting)),
            format!("{present} tickets, web")
        );
        for replicas in [&one[..], &contradicting] {
            let lost = "- orders has lost order 1, and no two databases have its whole state";
            assert_eq!(text_of(decide_raise(ORDERS, "1", None, replicas)), lost);
            let is_level = "- orders is not behind: no replica of order 1 is ahead of it";
            assert_eq!(text_of(decide_raise(ORDERS, "1", Some(&owner(3)), replicas)), is_level);
        }
    }

    #[test]
    fn later_or_final_state_of_the_owner_is_not_replaced() {
        let state = |status: Value, updated: &str| json!({ "id": "1", "status": status, "updatedAt": updated });
        let replicated = || at(3, state(json!("available"), "2"));
        let replicas = [("orders", replicated()), ("web", replicated())];
        let decide = |version: u64, status: &str, updated: &str| {
            let present = at(version, state(json!({ "name": status }), updated));
            text_of(decide_raise(TICKETS, "1", Some(&present), &replicas))
        };
        let raised = "tickets writes ticket 1 at version 4";
        let restored = format!("{raised}: the state of version 3, as it is in orders, web");
        let present = format!("{raised}: its present state, because version 3 is in orders, web");
        assert_eq!(decide(1, "available", "1"), restored);
        assert_eq!(decide(2, "available", "2"), restored);
        assert_eq!(decide(2, "available", "3"), present);
        assert_eq!(decide(2, "withdrawn", "1"), present);
        let seats = json!([{ "status": "withdrawn" }, { "status": "reserved", "orderId": "o" }]);
        let mut held = at(2, state(json!({ "name": "withdrawn" }), "1"));
        held.state["seats"] = seats;
        assert_eq!(text_of(decide_raise(TICKETS, "1", Some(&held), &replicas)), restored, "a seat is reserved");
        assert_eq!(decide(3, "withdrawn", "3"), "- tickets is not behind: no replica of ticket 1 is ahead of it");
    }

    #[test]
    fn owner_that_is_not_behind_is_not_raised() {
        let state = json!({ "id": "1", "status": "completed" });
        let replicas = [("tickets", at(3, state.clone())), ("web", at(3, state))];
        let owner = |version| at(version, json!({ "id": "1", "status": { "name": "completed" } }));
        let is_newer = "- orders is not behind: it has order 1 at a newer version";
        assert_eq!(text_of(decide_raise(ORDERS, "1", Some(&owner(4)), &replicas)), is_newer);
        let is_level = "- orders is not behind: no replica of order 1 is ahead of it";
        assert_eq!(text_of(decide_raise(ORDERS, "1", Some(&owner(3)), &replicas)), is_level);
        assert_eq!(text_of(decide_raise(ORDERS, "1", Some(&owner(3)), &[])), "- no other service knows order 1");
    }

    #[test]
    fn entity_whose_events_lack_its_whole_state_keeps_its_present_state() {
        let renamed = json!({ "id": "1", "displayName": "Ana" });
        let replicas = [("tickets", at(2, renamed.clone())), ("web", at(2, renamed))];
        let present = at(1, json!({ "id": "1", "displayName": "Bea" }));
        let raised = "auth writes user 1 at version 3: its present state, because version 2 is in tickets, web";
        assert_eq!(text_of(decide_raise(USERS, "1", Some(&present), &replicas)), raised);
        let lost = "- auth has lost user 1, and no two databases have its whole state";
        assert_eq!(text_of(decide_raise(USERS, "1", None, &replicas)), lost);
    }

    #[test]
    fn lost_order_keeps_its_payment_while_it_may_be_restored() {
        let state = |status: &str| json!({ "id": "1", "status": status, "paymentId": "p" });
        let keep = |replicas: &[(&'static str, Entity)], rule| reason_to_keep("1", replicas, rule);
        let restorable = [("tickets", at(3, state("completed"))), ("web", at(3, state("completed")))];
        for rule in [LossRule::Unpaid, LossRule::Unrestorable] {
            let reason = keep(&restorable, rule).unwrap();
            assert!(reason.starts_with("order 1 can be restored: raise it first"), "{reason}");
        }
        assert_eq!(keep(&restorable, LossRule::Any), None);

        // Only one replica has the newest version, so that no raise restores the order.
        for status in ["authorized", "completed"] {
            let paid = [("payments", at(1, state("awaitingPayment"))), ("web", at(3, state(status)))];
            let reason = format!("order 1 is {status} in web: decide yourself, and run this command alone");
            assert_eq!(keep(&paid, LossRule::Unpaid), Some(reason));
            assert_eq!(keep(&paid, LossRule::Unrestorable), None);
        }
        let unpaid = [("payments", at(1, state("awaitingPayment"))), ("web", at(0, state("created")))];
        for replicas in [&unpaid[..], &[]] {
            assert_eq!(keep(replicas, LossRule::Unpaid), None);
        }
    }

    #[test]
    fn payment_is_voided_only_if_its_order_is_closed_for_it_or_lost() {
        let (id, other) = (PaymentId::new().to_string(), PaymentId::new().to_string());
        let payment =
            |status: &str| at(1, json!({ "orderId": "o", "amount": { "amount": 50 }, "status": { "name": status } }));
        let order = |status: &str, payment: &str| at(1, json!({ "status": { "name": status, "paymentId": payment } }));
        let decide =
            |status: &str, order: Option<Entity>| text_of(decide_void(&id, Some(&payment(status)), order.as_ref()));
        let closed = format!("payments voids or refunds payment {id}, because the order is closed");
        let lost = format!("payments voids or refunds payment {id}, because orders does not have the order");
        assert_eq!(decide("authorized", None), lost);
        assert_eq!(decide("captured", Some(order("cancelled", ""))), closed);
        assert_eq!(decide("requiresAction", Some(order("completed", &other))), closed);
        for (status, order_status) in
            [("authorized", "authorized"), ("captured", "completed"), ("authorized", "created")]
        {
            let needed = format!("- payment {id} is {status} for order o, which is {order_status} and needs it");
            assert_eq!(decide(status, Some(order(order_status, &id))), needed);
        }
        let over = format!("- payment {id} is voided: nothing of it is authorised or charged");
        assert_eq!(decide("voided", None), over);
        assert_eq!(text_of(decide_void(&id, None, None)), format!("- payments has no payment {id}"));
    }

    #[test]
    fn seats_are_released_only_if_their_order_is_cancelled_or_lost() {
        let (id, order_id) = (TicketId::new().to_string(), OrderId::new().to_string());
        let free = json!({ "status": "available", "orderId": null });
        let ticket = |status: &str| at(1, json!({ "seats": [free, { "status": status, "orderId": order_id }] }));
        let order = |status: &str| at(1, json!({ "status": { "name": status } }));
        let decide = |status: &str, order: Option<Entity>| {
            text_of(decide_release(&id, &order_id, Some(&ticket(status)), order.as_ref()))
        };
        let release = format!("tickets releases the seats of ticket {id} from order {order_id}, because");
        assert_eq!(decide("reserved", None), format!("{release} orders does not have the order"));
        assert_eq!(decide("reserved", Some(order("cancelled"))), format!("{release} the order is closed"));
        let held = format!("- ticket {id} has seats for order {order_id}, which is completed");
        assert_eq!(decide("reserved", Some(order("completed"))), held);
        let other = OrderId::new().to_string();
        let not_reserved = |order: &str| format!("- ticket {id} has no seat that is reserved for order {order}");
        assert_eq!(decide("sold", None), not_reserved(&order_id));
        assert_eq!(text_of(decide_release(&id, &other, Some(&ticket("reserved")), None)), not_reserved(&other));
        assert_eq!(text_of(decide_release(&id, &order_id, None, None)), format!("- tickets has no ticket {id}"));
    }
}
