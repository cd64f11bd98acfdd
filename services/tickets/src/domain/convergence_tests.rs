//! Property tests: a listing and its orders converge although events are duplicated, reordered and delayed.
//!
//! The orders service is modelled by the rules that this service relies on: one open order per ticket, which is
//! confirmed or cancelled according to the events of the listing.

use std::collections::HashMap;

use common::events::order::OrderStatus::{Authorized, AwaitingPayment, Cancelled, Completed, Created};
use common::events::order::{OrderState, OrderStatus};
use common::id::OrderId;
use proptest::prelude::*;

use super::fixtures::{money, now, order, ticket};
use super::reconcile::{can_move, next_transition, pending_order_ids};
use super::ticket::{Status, Ticket};

/// Model of this service: the listing and the replica of orders.
struct Tickets {
    ticket: Ticket,
    replica: HashMap<OrderId, (usize, OrderState)>,
    /// Every version of the listing, as published.
    history: Vec<Ticket>,
}

impl Tickets {
    fn of(ticket: Ticket) -> Self {
        Self { history: vec![ticket.clone()], ticket, replica: HashMap::new() }
    }

    /// Models the event handler: updates the replica if the event is newer, then reconciles.
    fn on_order_event(&mut self, version: usize, event: &OrderState) {
        let known = self.replica.get(&event.id).map(|(version, _)| *version);
        if known.is_none_or(|known| known < version) {
            self.replica.insert(event.id, (version, event.clone()));
        }
        self.reconcile();
    }

    fn reconcile(&mut self) {
        let all: Vec<_> = self.replica.values().map(|(_, order)| order.clone()).collect();
        let mut steps = 0;
        loop {
            // The service loads only these orders; they give the same transition as all orders.
            let pending: Vec<_> = pending_order_ids(&self.ticket).collect();
            let reads_unfinished = matches!(self.ticket.status, Status::Available | Status::Withdrawn);
            let loaded = all
                .iter()
                .filter(|order| pending.contains(&order.id) || (reads_unfinished && !order.status.is_final()));
            let step = next_transition(&self.ticket, loaded, now());
            assert_eq!(step, next_transition(&self.ticket, all.iter(), now()));
            // An order that can't move a listing makes no difference, whatever the others are.
            let movers = all.iter().filter(|order| can_move(order));
            assert_eq!(step, next_transition(&self.ticket, movers, now()));
            let Some(step) = step else { break };
            let (next, _) = step.expect("an allowed transition");
            if matches!(self.ticket.status, Status::Sold { .. } | Status::Withdrawn) {
                assert_eq!(self.ticket.status, next.status, "sold and withdrawn never change");
            }
            if let (Status::Available, Status::Reserved { order_id }) = (&self.ticket.status, &next.status) {
                let (_, order) = &self.replica[order_id];
                assert_eq!(order.price, next.listing.price, "reserved at an outdated price");
                assert_eq!(order.ticket, next.terms(), "reserved at outdated terms");
            }
            self.apply(next);
            steps += 1;
            assert!(steps < 64, "reconciling does not end");
        }
    }

    fn apply(&mut self, next: Ticket) {
        self.history.push(next.clone());
        self.ticket = next;
    }
}

/// Model of the orders service.
#[derive(Default)]
struct Orders {
    all: Vec<OrderState>,
    /// Every event, as (order's version, state), in the order of publication.
    events: Vec<(usize, OrderState)>,
    /// Newest version of the listing that was received.
    seen: usize,
}

impl Orders {
    fn open(&mut self) -> Option<&mut OrderState> {
        self.all.iter_mut().find(|order| order.status.occupies_ticket())
    }

    fn transition_open_order(&mut self, from: &[OrderStatus], to: OrderStatus) {
        let Some(order) = self.open().filter(|order| from.contains(&order.status)) else { return };
        order.status = to;
        let state = order.clone();
        let version = self.events.iter().filter(|(_, event)| event.id == state.id).count();
        self.events.push((version, state));
    }

    fn buy(&mut self, listing: &Ticket) {
        if self.open().is_none() && listing.status != Status::Withdrawn {
            let new = order(listing, Created);
            self.all.push(new.clone());
            self.events.push((0, new));
        }
    }

    /// Models the handler of ticket events.
    fn on_ticket_event(&mut self, history: &[Ticket], version: usize) {
        self.seen = self.seen.max(version);
        let listing = &history[self.seen];
        let Some(order) = self.open().map(|order| order.id) else { return };
        if listing.status == (Status::Reserved { order_id: order }) {
            self.transition_open_order(&[Created], AwaitingPayment);
        } else if listing.has_refused(order) {
            self.transition_open_order(&[Created], Cancelled);
        }
    }
}

/// Makes a move for each pair of numbers: the first one chooses its kind, the second one the event, version or price.
fn run_moves(moves: &[(u8, usize)]) -> (Tickets, Orders) {
    let (mut tickets, mut orders) = (Tickets::of(ticket()), Orders::default());
    for (kind, pick) in moves {
        match kind % 12 {
            0 | 1 => {
                let seen = tickets.history[orders.seen].clone();
                orders.buy(&seen);
            }
            2..=4 if !orders.events.is_empty() => {
                let (version, event) = orders.events[pick % orders.events.len()].clone();
                tickets.on_order_event(version, &event);
            }
            5 | 6 => orders.on_ticket_event(&tickets.history, pick % tickets.history.len()),
            7 => orders.transition_open_order(&[Created, AwaitingPayment], Cancelled),
            8 => orders.transition_open_order(&[AwaitingPayment], Authorized),
            9 => orders.transition_open_order(&[Authorized], if pick % 4 == 0 { Cancelled } else { Completed }),
            10 => {
                let mut listing = tickets.ticket.listing.clone();
                listing.price = money(5_000 + i64::try_from(pick % 3).unwrap());
                if let Ok((next, _)) = tickets.ticket.clone().revise(tickets.ticket.show.clone(), listing, now()) {
                    tickets.apply(next);
                    tickets.reconcile();
                }
            }
            _ => {
                if pick % 8 == 0
                    && let Ok((next, _)) = tickets.ticket.clone().withdraw(now())
                {
                    tickets.apply(next);
                    tickets.reconcile();
                }
            }
        }
    }
    (tickets, orders)
}

/// Delivers all events until neither side publishes any more.
fn deliver_all(tickets: &mut Tickets, orders: &mut Orders) {
    loop {
        let before = (tickets.history.len(), orders.events.len());
        for (version, event) in orders.events.iter().rev() {
            tickets.on_order_event(*version, event);
        }
        orders.on_ticket_event(&tickets.history, tickets.history.len() - 1);
        if (tickets.history.len(), orders.events.len()) == before {
            return;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn both_services_converge(moves in proptest::collection::vec((0_u8..12, 0_usize..1_000), 0..80)) {
        let (mut tickets, mut orders) = run_moves(&moves);
        deliver_all(&mut tickets, &mut orders);
        let ticket = &tickets.ticket;
        let completed: Vec<_> = orders.all.iter().filter(|order| order.status == Completed).collect();
        prop_assert!(completed.len() <= 1, "sold twice");
        for order in &orders.all {
            let reserved = ticket.status == Status::Reserved { order_id: order.id };
            let sold = ticket.status == Status::Sold { order_id: order.id };
            prop_assert_ne!(order.status, Created, "no decision");
            prop_assert_eq!(reserved, matches!(order.status, AwaitingPayment | Authorized));
            prop_assert_eq!(sold, order.status == Completed);
            if matches!(order.status, AwaitingPayment | Authorized | Completed) {
                prop_assert_eq!(&order.price, &ticket.listing.price);
                prop_assert_eq!(&order.ticket, &ticket.terms());
            }
        }
        prop_assert!(ticket.refusals.is_empty(), "refusals of finished orders are cleared");
    }

    /// One listing with several orders: events may arrive in any order, twice or not at all, as long as the last event
    /// of each order arrives.
    #[test]
    fn any_delivery_order_ends_in_the_same_state(
        lifecycles in proptest::collection::vec(0_usize..5, 1..5),
        holder in any::<prop::sample::Index>(),
        received in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
        seed in Just(()).prop_perturb(|(), mut random| random.next_u64()),
    ) {
        const LIFECYCLES: [&[OrderStatus]; 5] = [
            &[Created, Cancelled],
            &[Created, AwaitingPayment, Cancelled],
            &[Created, AwaitingPayment, Authorized, Cancelled],
            &[Created, AwaitingPayment, Authorized, Completed],
            &[Created, AwaitingPayment, Authorized, Completed],
        ];
        let listing = ticket();
        let mut ids: Vec<_> = lifecycles.iter().map(|_| OrderId::new()).collect();
        ids.rotate_left(usize::try_from(seed % 4).unwrap() % lifecycles.len());
        let holder = holder.index(lifecycles.len());
        let mut events = Vec::new();
        let mut last = Vec::new();
        for (index, (lifecycle, id)) in lifecycles.iter().zip(&ids).enumerate() {
            // Only the order for which the listing is reserved can be completed.
            let statuses = if index == holder { LIFECYCLES[*lifecycle] } else { LIFECYCLES[lifecycle % 3] };
            let states: Vec<_> = statuses
                .iter()
                .enumerate()
                .map(|(version, status)| (version, OrderState { id: *id, ..order(&listing, *status) }))
                .collect();
            last.extend(states.last().cloned());
            events.extend(states);
        }
        // All lifecycles but the first contain AwaitingPayment, which requires a reservation.
        let was_reserved = lifecycles[holder] > 0;
        let start = if was_reserved { listing.reserve(ids[holder], now()).unwrap().0 } else { listing };
        let expected = match lifecycles[holder] {
            // These end in Completed.
            3 | 4 => Status::Sold { order_id: ids[holder] },
            _ => Status::Available,
        };
        let mut tickets = Tickets::of(start);
        for index in &received {
            let (version, event) = &events[index.index(events.len())];
            tickets.on_order_event(*version, event);
        }
        let rotation = usize::try_from(seed >> 8).unwrap_or(0) % last.len();
        last.rotate_left(rotation);
        if seed % 2 == 1 {
            last.reverse();
        }
        for (version, event) in &last {
            tickets.on_order_event(*version, event);
        }
        prop_assert_eq!(&tickets.ticket.status, &expected);
        prop_assert!(tickets.ticket.refusals.is_empty());
    }
}
