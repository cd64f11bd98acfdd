//! The next transition of a listing, given its orders.

use common::events::order::{OrderState, OrderStatus};
use common::events::ticket::{Refusal, RefusalReason};
use common::id::OrderId;
use common::timestamp::Timestamp;

use super::ticket::{Ticket, Transition};

/// The next transition of this listing; `None` if it agrees with its orders. `orders` must contain all
/// [pending](pending_order_ids) orders and, if it [decides new orders](decides_new_orders), all unfinished ones; others
/// make no difference.
///
/// A new order is not refused because one of its seats is reserved for another one. The orders service allows one open
/// order per seat, so the other order is already cancelled and its event is on the way; the new order waits for it.
pub(crate) fn next_transition<'a>(
    ticket: &Ticket,
    orders: impl Iterator<Item = &'a OrderState> + Clone,
    now: Timestamp,
) -> Option<Transition> {
    let by_id = |id| orders.clone().find(|order| order.id == id);
    for holder in ticket.seats.holders() {
        match by_id(holder).map(|order| order.status) {
            Some(OrderStatus::Completed) => return Some(ticket.clone().sell(holder, now)),
            Some(OrderStatus::Cancelled) => return Some(ticket.clone().release(holder, now)),
            _ => {}
        }
    }
    let finished: Vec<_> = ticket
        .refusals
        .iter()
        .map(|refused| refused.order_id)
        .filter(|id| by_id(*id).is_some_and(|order| order.status.is_final()))
        .collect();
    if !finished.is_empty() {
        return Some(Ok(ticket.clone().clear_refusals(&finished, now)));
    }
    if !decides_new_orders(ticket) {
        return None;
    }
    // Of two waiting orders that share a seat, the older one must already be cancelled, though its event has not
    // arrived; so the newest one comes first.
    let waiting = orders
        .filter(|order| order.status == OrderStatus::Created && !ticket.has_refused(order.id))
        .filter(|order| !ticket.seats.any_taken(&order.slots))
        .max_by_key(|order| order.id)?;
    Some(match refusal_for(ticket, waiting, now) {
        None => ticket.clone().reserve(waiting.id, &waiting.slots, now),
        Some(refusal) => Ok(ticket.clone().refuse(waiting.id, refusal, now)),
    })
}

/// The orders whose end the listing waits for: those that seats are reserved for, and the refused ones.
pub(crate) fn pending_order_ids(ticket: &Ticket) -> impl Iterator<Item = OrderId> {
    ticket.seats.holders().into_iter().chain(ticket.refusals.iter().map(|refused| refused.order_id))
}

/// Whether new orders are decided: reserved if their seats are free, refused if the listing is withdrawn or was
/// changed. A listing of one seat decides only while it is free. One that has or had several seats always does: an
/// order may want a seat that does not exist any more.
pub(crate) fn decides_new_orders(ticket: &Ticket) -> bool {
    let seats = ticket.seats.as_slice();
    seats.len() > 1 || ticket.had_more_seats || seats.iter().all(|seat| seat.order_id.is_none())
}

/// Whether this order can lead to a transition of any listing. An order between its confirmation and its end can't.
pub(crate) fn can_cause_transition(order: &OrderState) -> bool {
    !matches!(order.status, OrderStatus::AwaitingPayment | OrderStatus::Authorized)
}

/// Why the seats can't be reserved for this order; `None` if they can.
fn refusal_for(ticket: &Ticket, order: &OrderState, now: Timestamp) -> Option<Refusal> {
    let price = &ticket.listing.price;
    let is_price = order.unit_price == *price && price.times(order.slots.len()).as_ref() == Some(&order.price);
    let has_seats = ticket.seats.names_at(&order.slots).as_ref() == Some(&order.seats)
        && order.slots.is_sorted_by(|slot, next| slot < next);
    let (reason, price) = if ticket.is_withdrawn() {
        (RefusalReason::Withdrawn, None)
    } else if ticket.show.is_cancelled {
        (RefusalReason::ShowCancelled, None)
    } else if now >= ticket.begins_at() {
        (RefusalReason::Begun, None)
    } else if !is_price {
        (RefusalReason::PriceChanged, Some(price.clone()))
    } else if !has_seats || !order.ticket.agree_with(&ticket.terms()) {
        (RefusalReason::TermsChanged, None)
    } else {
        return None;
    };
    Some(Refusal { reason, price })
}

/// Whether the orders service still waits for a decision about this order, although the listing has published one.
pub(crate) fn orders_missed_decision(ticket: &Ticket, order: &OrderState) -> bool {
    order.status == OrderStatus::Created && (ticket.seats.any_of_order(order.id) || ticket.has_refused(order.id))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use common::events::order::OrderStatus::{Authorized, AwaitingPayment, Cancelled, Completed, Created};
    use common::events::ticket::{TicketChange, TicketStatus};
    use common::id::OrderId;
    use common::money::Money;

    use super::*;
    use crate::domain::fixtures::{
        details, hold, money, moved_to, names, now, order, order_of, statuses, ticket, ticket_of,
    };
    use crate::domain::seats::Seats;

    fn step(ticket: &Ticket, orders: &[OrderState]) -> Option<(Ticket, TicketChange)> {
        next_transition(ticket, orders.iter(), now()).map(|step| step.expect("an allowed transition"))
    }

    /// Makes transitions until nothing changes; returns the changes.
    fn settle(ticket: &mut Ticket, orders: &[OrderState]) -> Vec<TicketChange> {
        let mut steps = Vec::new();
        while let Some((next, change)) = step(ticket, orders) {
            *ticket = next;
            steps.push(change);
            assert!(steps.len() < 20, "reconciling does not end: {steps:?}");
        }
        steps
    }

    fn reserved_for(order: OrderId) -> Ticket {
        hold(&ticket(), order, &[0])
    }

    #[test]
    fn listing_without_orders_has_no_transition() {
        assert_eq!(step(&ticket(), &[]), None);
        assert_eq!(step(&reserved_for(OrderId::new()), &[]), None, "the order's event may be late");
    }

    #[test]
    fn newest_waiting_order_is_reserved() {
        let ticket = ticket();
        let orders = [Created, Created, Created].map(|status| order(&ticket, status));
        let (reserved, change) = step(&ticket, &orders).unwrap();
        assert_eq!((reserved, change), (hold(&ticket, orders[2].id, &[0]), TicketChange::Reserved));
        assert_eq!(
            step(&hold(&ticket, orders[2].id, &[0]), &orders),
            None,
            "the other orders wait, they are not refused"
        );
    }

    #[test]
    fn orders_of_different_seats_do_not_wait_for_each_other() {
        let mut ticket = ticket_of(&[2, 2, 2]);
        let orders = [&[0, 1][..], &[2, 3], &[0, 1, 2, 3], &[4, 5]].map(|slots| order_of(&ticket, slots, Created));
        assert_eq!(settle(&mut ticket, &orders), [TicketChange::Reserved; 2], "the newest of those that share seats");
        let [_, _, four, last] = &orders;
        assert_eq!(ticket.seats.holders(), [four.id, last.id].into());
        assert_eq!(ticket.status.name, TicketStatus::Reserved);
        let mut ended = orders.clone();
        (ended[2].status, ended[3].status) = (Cancelled, Completed);
        let steps = settle(&mut ticket, &ended);
        assert_eq!(steps, [TicketChange::Released, TicketChange::Sold, TicketChange::Reserved, TicketChange::Reserved]);
        assert_eq!(statuses(&ticket), ["reserved", "reserved", "reserved", "reserved", "sold", "sold"]);
    }

    #[test]
    fn order_waits_for_each_of_its_seats() {
        let base = ticket_of(&[1, 1, 1]);
        let first = order_of(&base, &[0], Created);
        let waiting = order_of(&base, &[0, 1], Created);
        let mut ticket = hold(&base, first.id, &[0]);
        // It waits although it would be refused: the end of the other order is on the way.
        ticket.listing.price = money(6_000);
        assert_eq!(settle(&mut ticket, &[first.clone(), waiting.clone()]), []);
        ticket = ticket.withdraw(now()).unwrap().0;
        assert_eq!(settle(&mut ticket, &[first.clone(), waiting.clone()]), []);
        let cancelled = OrderState { status: Cancelled, ..first };
        let steps = settle(&mut ticket, &[cancelled, waiting.clone()]);
        assert_eq!(steps, [TicketChange::Released, TicketChange::Refused]);
        assert_eq!(ticket.refusals[0].refusal.reason, RefusalReason::Withdrawn);
        assert_eq!(statuses(&ticket), ["withdrawn"; 3]);
    }

    #[test]
    fn price_is_that_of_all_seats() {
        let ticket = ticket_of(&[1, 1]);
        let of_two = order_of(&ticket, &[0, 1], Created);
        let wrong = OrderState { price: money(5_000), ..of_two.clone() };
        let refused = step(&ticket, &[wrong]).unwrap().0;
        assert_eq!(refused.refusals[0].refusal.price, Some(money(5_000)), "the price of a seat");
        assert_eq!(step(&ticket, &[of_two]).unwrap().1, TicketChange::Reserved);
    }

    #[test]
    fn order_of_a_seat_that_does_not_exist_any_more_is_refused() {
        let before = ticket_of(&[1, 1, 1]);
        let of_the_last = order_of(&before, &[2], Created);
        let mut ticket = ticket_of(&[1, 1]);
        let orders = [order_of(&ticket, &[0], Created), order_of(&ticket, &[1], Created), of_the_last];
        let steps = settle(&mut ticket, &orders);
        assert_eq!(
            steps,
            [TicketChange::Reserved, TicketChange::Reserved, TicketChange::Refused],
            "even with no seat free"
        );
        let several = ticket_of(&[1, 1]);
        let of_the_second = order_of(&several, &[1], Created);
        let mut single = several.clone().revise(several.show.clone(), details(), names(1), now()).unwrap().0;
        let of_the_only = order_of(&single, &[0], Created);
        assert_eq!(settle(&mut single, std::slice::from_ref(&of_the_only)), [TicketChange::Reserved]);
        let steps = settle(&mut single, &[of_the_only, of_the_second]);
        assert_eq!(steps, [TicketChange::Refused], "also if one seat is left");
        let without_seats = OrderState { slots: Vec::new(), seats: Vec::new(), price: money(0), ..orders[0].clone() };
        let twice = order_of(&before, &[0, 0], Created);
        for malformed in [without_seats, twice] {
            assert_eq!(step(&before, &[malformed]).unwrap().1, TicketChange::Refused);
        }
    }

    #[test]
    fn only_created_orders_are_reserved() {
        let ticket = ticket();
        for status in [AwaitingPayment, Authorized, Completed, Cancelled] {
            assert_eq!(step(&ticket, &[order(&ticket, status)]), None, "{status:?}");
        }
    }

    #[test]
    fn each_refusal_has_its_reason() {
        type Edit = fn(&mut Ticket);
        let (new_price, no_price) = (Some(money(6_000)), None);
        let table: [(&str, Edit, RefusalReason, Option<Money>); 16] = [
            ("withdrawn", |t| *t = t.clone().withdraw(now()).unwrap().0, RefusalReason::Withdrawn, no_price.clone()),
            ("cancelled", |t| t.show.is_cancelled = true, RefusalReason::ShowCancelled, no_price.clone()),
            ("started", |t| t.listing.starts_at = now(), RefusalReason::Begun, no_price.clone()),
            (
                "moved to an earlier time",
                |t| t.show.moved_to = Some(moved_to(now())),
                RefusalReason::Begun,
                no_price.clone(),
            ),
            ("price", |t| t.listing.price = money(6_000), RefusalReason::PriceChanged, new_price),
            (
                "currency",
                |t| t.listing.price.currency = "EUR".parse().unwrap(),
                RefusalReason::PriceChanged,
                Some(Money { amount: 5_000, currency: "EUR".parse().unwrap() }),
            ),
            ("title", |t| t.listing.title.push('!'), RefusalReason::TermsChanged, no_price.clone()),
            ("venue", |t| t.listing.venue.push('!'), RefusalReason::TermsChanged, no_price.clone()),
            ("city", |t| t.listing.city = None, RefusalReason::TermsChanged, no_price.clone()),
            (
                "date",
                |t| t.listing.starts_at = now().plus(Duration::from_secs(60)),
                RefusalReason::TermsChanged,
                no_price.clone(),
            ),
            ("time zone", |t| t.listing.time_zone = "UTC".to_owned(), RefusalReason::TermsChanged, no_price.clone()),
            ("section", |t| t.listing.section = None, RefusalReason::TermsChanged, no_price.clone()),
            ("row", |t| t.listing.row = None, RefusalReason::TermsChanged, no_price.clone()),
            (
                "split",
                |t| t.listing.blocks = vec![1, 2].try_into().unwrap(),
                RefusalReason::TermsChanged,
                no_price.clone(),
            ),
            (
                "names of the seats",
                |t| t.seats = Seats::free(vec![None; 3]),
                RefusalReason::TermsChanged,
                no_price.clone(),
            ),
            ("number of seats", |t| t.seats = Seats::free(names(2)), RefusalReason::TermsChanged, no_price),
        ];
        for (what, edit, reason, price) in table {
            let mut edited = ticket_of(&[2, 1]);
            let ordered = order_of(&edited, &[0, 1, 2], Created);
            edit(&mut edited);
            let (refused, change) = step(&edited, std::slice::from_ref(&ordered)).unwrap();
            assert_eq!(change, TicketChange::Refused, "{what}");
            assert_eq!(refused.refusals.len(), 1, "{what}");
            assert_eq!(refused.refusals[0].order_id, ordered.id, "{what}");
            assert_eq!(refused.refusals[0].refusal, Refusal { reason, price }, "{what}");
            assert_eq!((&refused.status, &refused.seats), (&edited.status, &edited.seats), "{what}");
            assert_eq!(step(&refused, &[ordered]), None, "{what}: refused only once");
        }
    }

    #[test]
    fn details_outside_the_terms_are_no_reason_to_refuse() {
        let mut edited = ticket();
        let ordered = order(&edited, Created);
        edited.listing.description = Some("Aisle".to_owned());
        edited.listing.face_value = Some(money(4_000));
        edited.listing.category = Some(common::events::ticket::Category::Theatre);
        assert_eq!(step(&edited, &[ordered]).unwrap().1, TicketChange::Reserved);
    }

    #[test]
    fn refusal_is_cleared_once_its_order_is_finished() {
        let mut edited = ticket();
        let first = order(&edited, Created);
        edited.listing.price = money(6_000);
        settle(&mut edited, std::slice::from_ref(&first));
        // The buyer's next order, at the current price, comes before the end of the first order is known.
        let second = order(&edited, Created);
        let steps = settle(&mut edited, &[first.clone(), second.clone()]);
        assert_eq!(steps, [TicketChange::Reserved]);
        assert!(edited.has_refused(first.id), "its event may have been lost");
        let cancelled = OrderState { status: Cancelled, ..first };
        assert_eq!(settle(&mut edited, &[cancelled, second.clone()]), [TicketChange::Updated]);
        assert!(edited.refusals.is_empty());
        assert!(edited.seats.any_held_by(second.id));
    }

    #[test]
    fn each_order_is_refused_once() {
        let mut edited = ticket();
        let orders: Vec<_> = (0..10).map(|_| order(&edited, Created)).collect();
        edited.listing.price = money(6_000);
        assert_eq!(settle(&mut edited, &orders), vec![TicketChange::Refused; 10], "no refusal evicts another");
        assert!(orders.iter().all(|order| edited.has_refused(order.id)));
    }

    #[test]
    fn end_of_the_reserving_order_sells_or_releases() {
        let base = ticket();
        for (status, change, after) in [
            (Created, None, None),
            (AwaitingPayment, None, None),
            (Authorized, None, None),
            (Completed, Some(TicketChange::Sold), Some(TicketStatus::Sold)),
            (Cancelled, Some(TicketChange::Released), Some(TicketStatus::Available)),
        ] {
            let holder = order(&base, status);
            let held = hold(&base, holder.id, &[0]);
            let stepped = step(&held, &[holder]);
            assert_eq!(stepped.as_ref().map(|(_, change)| *change), change, "{status:?}");
            assert_eq!(stepped.map(|(ticket, _)| ticket.status.name), after, "{status:?}");
        }
    }

    #[test]
    fn end_of_another_order_changes_nothing() {
        let base = ticket();
        let held = reserved_for(OrderId::new());
        assert_eq!(step(&held, &[order(&base, Cancelled), order(&base, Completed)]), None);
    }

    #[test]
    fn order_created_before_the_release_is_reserved_after_it() {
        let mut ticket = ticket();
        let first = order(&ticket, Created);
        settle(&mut ticket, std::slice::from_ref(&first));
        let second = order(&ticket, Created);
        // The event of the second order comes first.
        assert_eq!(settle(&mut ticket, &[first.clone(), second.clone()]), []);
        let cancelled = OrderState { status: Cancelled, ..first };
        let steps = settle(&mut ticket, &[cancelled, second.clone()]);
        assert_eq!(steps, [TicketChange::Released, TicketChange::Reserved]);
        assert!(ticket.seats.any_held_by(second.id));
    }

    #[test]
    fn sold_listing_never_changes() {
        let base = ticket();
        let winner = order(&base, Completed);
        let sold = hold(&base, winner.id, &[0]).sell(winner.id, now()).unwrap().0;
        for status in [Created, AwaitingPayment, Authorized, Completed, Cancelled] {
            assert_eq!(step(&sold, &[winner.clone(), order(&base, status)]), None, "{status:?}");
        }
    }

    #[test]
    fn withdrawn_listing_refuses_late_orders() {
        let mut withdrawn = ticket();
        let late = order(&withdrawn, Created);
        withdrawn = withdrawn.withdraw(now()).unwrap().0;
        assert_eq!(settle(&mut withdrawn, std::slice::from_ref(&late)), [TicketChange::Refused]);
        let cancelled = OrderState { status: Cancelled, ..late };
        assert_eq!(settle(&mut withdrawn, &[cancelled]), [TicketChange::Updated]);
        assert!(withdrawn.is_withdrawn());
    }

    #[test]
    fn orders_missed_decision_if_a_decided_order_still_waits() {
        let base = ticket();
        let waiting = order(&base, Created);
        assert!(!orders_missed_decision(&base, &waiting), "no decision yet");
        let reserved = hold(&base, waiting.id, &[0]);
        assert!(orders_missed_decision(&reserved, &waiting));
        assert!(!orders_missed_decision(&reserved, &OrderState { status: AwaitingPayment, ..waiting.clone() }));
        assert!(
            !orders_missed_decision(&reserved, &order(&base, Created)),
            "this order waits for the one that is reserved"
        );
        let refused = base.refuse(waiting.id, crate::domain::fixtures::refusal(), now()).0;
        assert!(orders_missed_decision(&refused, &waiting));
    }
}
