//! What a listing does next, given the orders of it that can move it.

use common::events::order::{OrderState, OrderStatus};
use common::events::ticket::{Refusal, RefusalReason, TicketChange};
use common::id::OrderId;
use common::timestamp::Timestamp;

use super::ticket::{Status, Ticket, TicketError};

/// The next step of this listing; `None` when it agrees with its orders. Of those it has to be given the ones that
/// have yet to end and the ones that are [`awaited`]; any other changes nothing.
///
/// Being held for another order is no refusal: orders lets only one be open, so the other one is
/// closed already and its news is on the way; the new one waits for it.
pub fn next<'a>(
    ticket: &Ticket,
    orders: impl Iterator<Item = &'a OrderState> + Clone,
    now: Timestamp,
) -> Option<Result<(Ticket, TicketChange), TicketError>> {
    let by_id = |id| orders.clone().find(|order| order.id == id);
    if let Status::Reserved { order_id } = ticket.status {
        match by_id(order_id).map(|order| order.status) {
            Some(OrderStatus::Completed) => return Some(ticket.clone().sell(order_id, now)),
            Some(OrderStatus::Cancelled) => return Some(ticket.clone().release(order_id, now)),
            _ => {}
        }
    }
    let closed: Vec<_> = ticket
        .refusals
        .iter()
        .map(|refused| refused.order_id)
        .filter(|id| by_id(*id).is_some_and(|order| order.status.is_final()))
        .collect();
    if !closed.is_empty() {
        return Some(Ok(ticket.clone().forget_refusals(&closed, now)));
    }
    if matches!(ticket.status, Status::Reserved { .. } | Status::Sold { .. }) {
        return None;
    }
    // The newest: an older one can only be one that is closed without our knowing.
    let waiting = orders
        .filter(|order| order.status == OrderStatus::Created && !ticket.has_refused(order.id))
        .max_by_key(|order| order.id)?;
    Some(match obstacle(ticket, waiting, now) {
        None => ticket.clone().reserve(waiting.id, now),
        Some(refusal) => ticket.clone().refuse(waiting.id, refusal, now),
    })
}

/// The orders whose end the listing waits for: the one that holds it, and those that it refused.
pub fn awaited(ticket: &Ticket) -> impl Iterator<Item = OrderId> {
    let holder = match ticket.status {
        Status::Reserved { order_id } => Some(order_id),
        _ => None,
    };
    holder.into_iter().chain(ticket.refusals.iter().map(|refused| refused.order_id))
}

/// Why this order can't have the listing, if it can't.
fn obstacle(ticket: &Ticket, order: &OrderState, now: Timestamp) -> Option<Refusal> {
    let refuse = |reason| Some(Refusal { reason, price: None });
    if ticket.status == Status::Withdrawn {
        refuse(RefusalReason::Withdrawn)
    } else if now >= ticket.listing.starts_at {
        refuse(RefusalReason::Begun)
    } else if order.price != ticket.listing.price {
        Some(Refusal { reason: RefusalReason::PriceChanged, price: Some(ticket.listing.price.clone()) })
    } else if order.ticket != ticket.terms() {
        refuse(RefusalReason::TermsChanged)
    } else {
        None
    }
}

/// Whether orders waits for news of this order that the listing has told already.
pub fn is_peer_behind(ticket: &Ticket, order: &OrderState) -> bool {
    order.status == OrderStatus::Created && (ticket.order_id() == Some(order.id) || ticket.has_refused(order.id))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use common::events::order::OrderStatus::{Authorized, AwaitingPayment, Cancelled, Completed, Created};
    use common::id::OrderId;

    use common::events::ticket::TicketStatus;

    use super::*;
    use crate::domain::samples::{money, now, order, ticket};

    fn step(ticket: &Ticket, orders: &[OrderState]) -> Option<(Ticket, TicketChange)> {
        next(ticket, orders.iter(), now()).map(|step| step.expect("a legal step"))
    }

    /// All steps until there is none; their names.
    fn settle(ticket: &mut Ticket, orders: &[OrderState]) -> Vec<TicketChange> {
        let mut steps = Vec::new();
        while let Some((next, change)) = step(ticket, orders) {
            *ticket = next;
            steps.push(change);
            assert!(steps.len() < 20, "does not settle: {steps:?}");
        }
        steps
    }

    fn held_for(order: OrderId) -> Ticket {
        ticket().reserve(order, now()).unwrap().0
    }

    #[test]
    fn without_orders_there_is_nothing_to_do() {
        assert_eq!(step(&ticket(), &[]), None);
        assert_eq!(step(&held_for(OrderId::new()), &[]), None, "the order's news may be late");
    }

    #[test]
    fn the_newest_waiting_order_gets_it() {
        let ticket = ticket();
        let orders = [Created, Created, Created].map(|status| order(&ticket, status));
        let (reserved, change) = step(&ticket, &orders).unwrap();
        assert_eq!((reserved.order_id(), change), (Some(orders[2].id), TicketChange::Reserved));
        assert_eq!(step(&reserved, &orders), None, "held by another is no refusal: the others wait");
    }

    #[test]
    fn only_a_created_order_asks_for_it() {
        let ticket = ticket();
        for status in [AwaitingPayment, Authorized, Completed, Cancelled] {
            assert_eq!(step(&ticket, &[order(&ticket, status)]), None, "{status:?}");
        }
    }

    #[test]
    fn each_obstacle_has_its_reason() {
        type Edit = fn(&mut Ticket);
        let (told, untold) = (Some(money(6_000)), None);
        let table: [(&str, Edit, RefusalReason, Option<common::money::Money>); 12] = [
            ("withdrawn", |t| t.status = Status::Withdrawn, RefusalReason::Withdrawn, untold.clone()),
            ("begun", |t| t.listing.starts_at = now(), RefusalReason::Begun, untold.clone()),
            ("price", |t| t.listing.price = money(6_000), RefusalReason::PriceChanged, told),
            (
                "currency",
                |t| t.listing.price.currency = "EUR".parse().unwrap(),
                RefusalReason::PriceChanged,
                Some(common::money::Money { amount: 5_000, currency: "EUR".parse().unwrap() }),
            ),
            ("title", |t| t.listing.title.push('!'), RefusalReason::TermsChanged, untold.clone()),
            ("venue", |t| t.listing.venue.push('!'), RefusalReason::TermsChanged, untold.clone()),
            ("city", |t| t.listing.city = None, RefusalReason::TermsChanged, untold.clone()),
            (
                "date",
                |t| t.listing.starts_at = now().plus(Duration::from_secs(60)),
                RefusalReason::TermsChanged,
                untold.clone(),
            ),
            ("time zone", |t| t.listing.time_zone = "UTC".to_owned(), RefusalReason::TermsChanged, untold.clone()),
            ("section", |t| t.listing.section = None, RefusalReason::TermsChanged, untold.clone()),
            ("row", |t| t.listing.row = None, RefusalReason::TermsChanged, untold.clone()),
            ("seat", |t| t.listing.seat = Some("15".to_owned()), RefusalReason::TermsChanged, untold),
        ];
        for (what, edit, reason, price) in table {
            let mut edited = ticket();
            let ordered = order(&edited, Created);
            edit(&mut edited);
            let (refused, change) = step(&edited, std::slice::from_ref(&ordered)).unwrap();
            assert_eq!(change, TicketChange::Refused, "{what}");
            assert_eq!(refused.refusals.len(), 1, "{what}");
            assert_eq!(refused.refusals[0].order_id, ordered.id, "{what}");
            assert_eq!(refused.refusals[0].refusal, Refusal { reason, price }, "{what}");
            assert_eq!(refused.status, edited.status, "{what}");
            assert_eq!(step(&refused, &[ordered]), None, "{what}: refused once, not for ever");
        }
    }

    #[test]
    fn what_a_buyer_does_not_agree_to_is_no_obstacle() {
        let mut edited = ticket();
        let ordered = order(&edited, Created);
        edited.listing.description = Some("Aisle".to_owned());
        edited.listing.face_value = Some(money(4_000));
        edited.listing.category = Some(common::events::ticket::Category::Theatre);
        assert_eq!(step(&edited, &[ordered]).unwrap().1, TicketChange::Reserved);
    }

    #[test]
    fn a_refusal_is_forgotten_once_its_order_is_closed_and_not_before() {
        let mut edited = ticket();
        let first = order(&edited, Created);
        edited.listing.price = money(6_000);
        settle(&mut edited, std::slice::from_ref(&first));
        // The buyer's next order, at the present price, comes while the first is not known to be closed.
        let second = order(&edited, Created);
        let steps = settle(&mut edited, &[first.clone(), second.clone()]);
        assert_eq!(steps, [TicketChange::Reserved]);
        assert!(edited.has_refused(first.id), "a lost event must not hide it");
        let closed = OrderState { status: Cancelled, ..first };
        assert_eq!(settle(&mut edited, &[closed, second.clone()]), [TicketChange::Updated]);
        assert!(edited.refusals.is_empty());
        assert_eq!(edited.order_id(), Some(second.id));
    }

    #[test]
    fn many_refusals_stand_side_by_side() {
        let mut edited = ticket();
        let orders: Vec<_> = (0..10).map(|_| order(&edited, Created)).collect();
        edited.listing.price = money(6_000);
        assert_eq!(settle(&mut edited, &orders), vec![TicketChange::Refused; 10], "each once, evicting none");
        assert!(orders.iter().all(|order| edited.has_refused(order.id)));
    }

    #[test]
    fn the_order_that_holds_it_decides() {
        let base = ticket();
        for (status, change, after) in [
            (Created, None, None),
            (AwaitingPayment, None, None),
            (Authorized, None, None),
            (Completed, Some(TicketChange::Sold), Some(TicketStatus::Sold)),
            (Cancelled, Some(TicketChange::Released), Some(TicketStatus::Available)),
        ] {
            let holder = order(&base, status);
            let held = base.clone().reserve(holder.id, now()).unwrap().0;
            let stepped = step(&held, &[holder]);
            assert_eq!(stepped.as_ref().map(|(_, change)| *change), change, "{status:?}");
            assert_eq!(stepped.map(|(ticket, _)| ticket.status_name()), after, "{status:?}");
        }
    }

    #[test]
    fn another_orders_end_neither_releases_nor_sells_it() {
        let base = ticket();
        let held = base.clone().reserve(OrderId::new(), now()).unwrap().0;
        assert_eq!(step(&held, &[order(&base, Cancelled), order(&base, Completed)]), None);
    }

    #[test]
    fn order_1_cancelled_and_order_2_created_while_it_is_held_for_1() {
        let mut ticket = ticket();
        let first = order(&ticket, Created);
        settle(&mut ticket, std::slice::from_ref(&first));
        let second = order(&ticket, Created);
        // The second's news comes first.
        assert_eq!(settle(&mut ticket, &[first.clone(), second.clone()]), []);
        let cancelled = OrderState { status: Cancelled, ..first };
        let steps = settle(&mut ticket, &[cancelled, second.clone()]);
        assert_eq!(steps, [TicketChange::Released, TicketChange::Reserved]);
        assert_eq!(ticket.order_id(), Some(second.id));
    }

    #[test]
    fn what_is_sold_stays_sold() {
        let base = ticket();
        let winner = order(&base, Completed);
        let sold = base.clone().reserve(winner.id, now()).unwrap().0.sell(winner.id, now()).unwrap().0;
        for status in [Created, AwaitingPayment, Authorized, Completed, Cancelled] {
            assert_eq!(step(&sold, &[winner.clone(), order(&base, status)]), None, "{status:?}");
        }
    }

    #[test]
    fn a_withdrawn_listing_still_answers_its_orders() {
        let mut withdrawn = ticket();
        let late = order(&withdrawn, Created);
        withdrawn = withdrawn.withdraw(now()).unwrap().0;
        assert_eq!(settle(&mut withdrawn, std::slice::from_ref(&late)), [TicketChange::Refused]);
        let closed = OrderState { status: Cancelled, ..late };
        assert_eq!(settle(&mut withdrawn, &[closed]), [TicketChange::Updated]);
        assert_eq!(withdrawn.status, Status::Withdrawn);
    }

    #[test]
    fn a_peer_is_behind_when_it_waits_for_what_was_decided() {
        let base = ticket();
        let waiting = order(&base, Created);
        assert!(!is_peer_behind(&base, &waiting), "nothing was decided");
        let reserved = base.clone().reserve(waiting.id, now()).unwrap().0;
        assert!(is_peer_behind(&reserved, &waiting));
        assert!(!is_peer_behind(&reserved, &OrderState { status: AwaitingPayment, ..waiting.clone() }));
        assert!(!is_peer_behind(&reserved, &order(&base, Created)), "it waits for the one that holds it");
        let refused = base.refuse(waiting.id, crate::domain::samples::refusal(), now()).unwrap().0;
        assert!(is_peer_behind(&refused, &waiting));
    }
}
