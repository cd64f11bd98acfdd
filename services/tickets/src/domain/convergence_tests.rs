//! Property tests: a listing and its orders converge although events are duplicated, reordered and delayed.
//!
//! The orders service is modelled by the rules that this service relies on: one open order per seat, which is
//! confirmed or cancelled according to the events of the listing.

use std::collections::{BTreeSet, HashMap};

use common::aggregate::Aggregate as _;
use common::events::order::OrderStatus::{Authorized, AwaitingPayment, Cancelled, Completed, Created};
use common::events::order::{OrderState, OrderStatus};
use common::events::ticket::{Seat, TicketStatus};
use common::id::OrderId;
use proptest::prelude::*;

use super::fixtures::{self, hold, money, now, order_of, statuses, ticket_of};
use super::reconcile::{can_cause_transition, decides_new_orders, next_transition, pending_order_ids};
use super::ticket::{ListingDetails, Ticket};

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
            let reads_unfinished = decides_new_orders(&self.ticket);
            let loaded = all
                .iter()
                .filter(|order| pending.contains(&order.id) || (reads_unfinished && !order.status.is_final()));
            let step = next_transition(&self.ticket, loaded, now());
            assert_eq!(step, next_transition(&self.ticket, all.iter(), now()));
            // An order that can't move a listing makes no difference, whatever the others are.
            let movers = all.iter().filter(|order| can_cause_transition(order));
            assert_eq!(step, next_transition(&self.ticket, movers, now()));
            let Some(step) = step else { break };
            let (next, _) = step.expect("an allowed transition");
            self.check_step(&next);
            self.apply(next);
            steps += 1;
            assert!(steps < 64, "reconciling does not end");
        }
    }

    fn check_step(&self, next: &Ticket) {
        assert!(!self.ticket.is_withdrawn() || next.is_withdrawn(), "withdrawn is final");
        let seats = self.ticket.seats.as_slice().iter().zip(next.seats.as_slice());
        for (before, after) in seats.clone() {
            let is_final = matches!(before.status, TicketStatus::Sold | TicketStatus::Withdrawn);
            assert!(!is_final || before == after, "sold and withdrawn seats never change");
        }
        let reserved: BTreeSet<_> = next.seats.holders().difference(&self.ticket.seats.holders()).copied().collect();
        for id in &reserved {
            let (_, order) = &self.replica[id];
            assert_eq!(order.unit_price, next.listing.price, "reserved at an outdated price");
            assert_eq!(order.ticket, next.terms(), "reserved at outdated terms");
            assert!(next.payload().has_seats_for(*id, &order.slots), "not all of its seats");
        }
        let changed = seats.filter(|(before, after)| before != after);
        let orders: BTreeSet<_> = changed.map(|(before, after)| before.order_id.or(after.order_id)).collect();
        assert!(orders.len() <= 1, "a step touches the seats of one order");
    }

    fn apply(&mut self, next: Ticket) {
        self.history.push(next.clone());
        self.ticket = next;
    }

    /// Edits the listing, if that is allowed in its state.
    fn edit(&mut self, edit: impl FnOnce(&mut ListingDetails, &mut Vec<Option<String>>)) {
        let (mut listing, mut names) = (self.ticket.listing.clone(), self.ticket.seats.names().cloned().collect());
        edit(&mut listing, &mut names);
        if let Ok((next, _)) = self.ticket.clone().revise(self.ticket.show.clone(), listing, names, now()) {
            self.apply(next);
            self.reconcile();
        }
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
    /// Moves one of the orders with these statuses to another one.
    fn transition(&mut self, pick: usize, from: &[OrderStatus], to: OrderStatus) {
        let mut candidates: Vec<_> = self.all.iter_mut().filter(|order| from.contains(&order.status)).collect();
        if candidates.is_empty() {
            return;
        }
        let index = pick % candidates.len();
        let order = &mut *candidates[index];
        order.status = to;
        let state = order.clone();
        self.publish(state);
    }

    fn publish(&mut self, state: OrderState) {
        let version = self.events.iter().filter(|(_, event)| event.id == state.id).count();
        self.events.push((version, state));
    }

    /// Places an order of seats that no open order has.
    fn buy(&mut self, listing: &Ticket, pick: usize) {
        let taken: Vec<_> =
            self.all.iter().filter(|order| order.status.occupies_seats()).flat_map(|order| &order.slots).collect();
        let blocks = &listing.listing.blocks;
        let quantities = blocks.quantities(|slot| !taken.contains(&&slot));
        if quantities.is_empty() || listing.is_withdrawn() {
            return;
        }
        let runs = blocks.runs(quantities[pick % quantities.len()], |slot| !taken.contains(&&slot));
        let new = order_of(listing, &runs[pick / 8 % runs.len()], Created);
        self.all.push(new.clone());
        self.publish(new);
    }

    /// Models the handler of ticket events.
    fn on_ticket_event(&mut self, history: &[Ticket], version: usize) {
        self.seen = self.seen.max(version);
        let listing = history[self.seen].payload();
        let waiting: Vec<_> = self.all.iter().filter(|order| order.status == Created).cloned().collect();
        for order in waiting {
            let decided = if listing.has_seats_for(order.id, &order.slots) {
                AwaitingPayment
            } else if history[self.seen].has_refused(order.id) {
                Cancelled
            } else {
                continue;
            };
            let known = self.all.iter_mut().find(|known| known.id == order.id).unwrap();
            known.status = decided;
            let state = known.clone();
            self.publish(state);
        }
    }
}

/// Makes a move for each pair of numbers: the first one chooses its kind, the second one the event, version or price.
fn run_moves(blocks: &[u8], moves: &[(u8, usize)]) -> (Tickets, Orders) {
    let (mut tickets, mut orders) = (Tickets::of(ticket_of(blocks)), Orders::default());
    for (kind, pick) in moves {
        match kind % 13 {
            0 | 1 => {
                let seen = tickets.history[orders.seen].clone();
                orders.buy(&seen, *pick);
            }
            2..=4 if !orders.events.is_empty() => {
                let (version, event) = orders.events[pick % orders.events.len()].clone();
                tickets.on_order_event(version, &event);
            }
            5 | 6 => orders.on_ticket_event(&tickets.history, pick % tickets.history.len()),
            7 => orders.transition(*pick, &[Created, AwaitingPayment], Cancelled),
            8 => orders.transition(*pick, &[AwaitingPayment], Authorized),
            9 => {
                let to = if pick % 4 == 0 { Cancelled } else { Completed };
                orders.transition(pick / 4, &[Authorized], to);
            }
            10 => tickets.edit(|listing, _| listing.price = money(5_000 + i64::try_from(pick % 3).unwrap())),
            11 => tickets.edit(|listing, names| {
                // Another split, and another number of seats.
                let (split, seats) = [(&[2_u8, 2][..], 4), (&[1, 1, 1], 3), (&[3, 2], 5), (&[1], 1)][pick % 4];
                listing.blocks = split.to_vec().try_into().unwrap();
                *names = fixtures::names(seats);
            }),
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
    fn both_services_converge(
        blocks in prop::sample::select(vec![vec![1], vec![2, 2], vec![1; 5], vec![2, 3]]),
        moves in proptest::collection::vec((0_u8..13, 0_usize..1_000), 0..80),
    ) {
        let (mut tickets, mut orders) = run_moves(&blocks, &moves);
        deliver_all(&mut tickets, &mut orders);
        let ticket = &tickets.ticket;
        let listing = ticket.payload();
        for order in &orders.all {
            let has_seats = listing.has_seats_for(order.id, &order.slots);
            prop_assert_ne!(order.status, Created, "no decision");
            prop_assert_eq!(ticket.seats.any_held_by(order.id), matches!(order.status, AwaitingPayment | Authorized));
            prop_assert_eq!(has_seats, order.status != Cancelled);
            if has_seats {
                let held: Vec<_> = listing.seats.iter().filter(|seat| seat.order_id == Some(order.id)).collect();
                prop_assert_eq!(held.len(), order.slots.len(), "no other seat");
                prop_assert_eq!(&order.ticket, &ticket.terms());
            }
        }
        let known = |seat: &Seat| seat.order_id.is_none_or(|id| orders.all.iter().any(|order| order.id == id));
        prop_assert!(listing.seats.iter().all(known));
        prop_assert!(ticket.refusals.is_empty(), "refusals of finished orders are cleared");
    }

    /// One listing with several orders: events may arrive in any order, twice or not at all, as long as the last event
    /// of each order arrives.
    #[test]
    fn any_delivery_order_ends_in_the_same_state(
        lifecycles in proptest::collection::vec(0_usize..5, 1..5),
        holder in any::<prop::sample::Index>(),
        seats in 1_u8..4,
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
        let listing = ticket_of(&vec![1; usize::from(seats)]);
        let slot_of = |index: usize| u8::try_from(index).unwrap() % seats;
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
                .map(|(version, status)| (version, OrderState { id: *id, ..order_of(&listing, &[slot_of(index)], *status) }))
                .collect();
            last.extend(states.last().cloned());
            events.extend(states);
        }
        // All lifecycles but the first contain AwaitingPayment, which requires a reservation.
        let was_reserved = lifecycles[holder] > 0;
        let start = if was_reserved { hold(&listing, ids[holder], &[slot_of(holder)]) } else { listing };
        let mut expected = vec!["available"; usize::from(seats)];
        // These lifecycles end in Completed.
        if matches!(lifecycles[holder], 3 | 4) {
            expected[usize::from(slot_of(holder))] = "sold";
        }
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
        prop_assert_eq!(statuses(&tickets.ticket), expected);
        prop_assert!(tickets.ticket.refusals.is_empty());
    }
}
