//! A listing and its orders in a world that repeats, reorders and delays what they tell each other.
//!
//! orders is played by the few rules of it that bind this service: one open order per ticket, and
//! each order confirmed or refused by what the listing says.

use std::collections::HashMap;

use common::events::order::OrderStatus::{Authorized, AwaitingPayment, Cancelled, Completed, Created};
use common::events::order::{OrderState, OrderStatus};
use common::id::OrderId;
use proptest::prelude::*;

use super::reconcile::{awaited, next};
use super::samples::{money, now, order, ticket};
use super::ticket::{Status, Ticket};

/// The service's side: the listing and what it knows of orders.
struct Tickets {
    ticket: Ticket,
    replica: HashMap<OrderId, (usize, OrderState)>,
    /// Every version of the listing, as its events told them.
    history: Vec<Ticket>,
}

impl Tickets {
    fn of(ticket: Ticket) -> Self {
        Self { history: vec![ticket.clone()], ticket, replica: HashMap::new() }
    }

    /// What the handler does: the replica if the event is newer, then every step there is.
    fn hear(&mut self, version: usize, event: &OrderState) {
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
            // What is loaded is enough: whatever else is known changes nothing.
            let awaited: Vec<_> = awaited(&self.ticket).collect();
            let loaded = all.iter().filter(|order| !order.status.is_final() || awaited.contains(&order.id));
            let step = next(&self.ticket, loaded, now());
            assert_eq!(step, next(&self.ticket, all.iter(), now()));
            let Some(step) = step else { break };
            let (next, _) = step.expect("rules offer legal steps only");
            if matches!(self.ticket.status, Status::Sold { .. } | Status::Withdrawn) {
                assert_eq!(self.ticket.status, next.status, "sold and withdrawn are final");
            }
            if let (Status::Available, Status::Reserved { order_id }) = (&self.ticket.status, &next.status) {
                let (_, order) = &self.replica[order_id];
                assert_eq!(order.price, next.listing.price, "reserved at a price that was replaced");
                assert_eq!(order.ticket, next.terms(), "reserved at terms that were replaced");
            }
            self.become_next(next);
            steps += 1;
            assert!(steps < 64, "two rules undo each other");
        }
    }

    fn become_next(&mut self, next: Ticket) {
        self.history.push(next.clone());
        self.ticket = next;
    }
}

/// orders' side.
#[derive(Default)]
struct Orders {
    all: Vec<OrderState>,
    /// Every event, as (order's version, state), in the order in which they were told.
    events: Vec<(usize, OrderState)>,
    /// The newest version of the listing that was heard of.
    seen: usize,
}

impl Orders {
    fn open(&mut self) -> Option<&mut OrderState> {
        self.all.iter_mut().find(|order| order.status.is_open())
    }

    fn move_open(&mut self, from: &[OrderStatus], to: OrderStatus) {
        let Some(order) = self.open().filter(|order| from.contains(&order.status)) else { return };
        order.status = to;
        let told = order.clone();
        let version = self.events.iter().filter(|(_, event)| event.id == told.id).count();
        self.events.push((version, told));
    }

    fn buy(&mut self, listing: &Ticket) {
        if self.open().is_none() && listing.status != Status::Withdrawn {
            let new = order(listing, Created);
            self.all.push(new.clone());
            self.events.push((0, new));
        }
    }

    /// The handler of the listing's events.
    fn hear(&mut self, history: &[Ticket], version: usize) {
        self.seen = self.seen.max(version);
        let listing = &history[self.seen];
        let Some(order) = self.open().map(|order| order.id) else { return };
        if listing.status == (Status::Reserved { order_id: order }) {
            self.move_open(&[Created], AwaitingPayment);
        } else if listing.has_refused(order) {
            self.move_open(&[Created], Cancelled);
        }
    }
}

/// Moves chosen by pairs of numbers, whatever they are.
fn live(moves: &[(u8, usize)]) -> (Tickets, Orders) {
    let (mut tickets, mut orders) = (Tickets::of(ticket()), Orders::default());
    for (kind, pick) in moves {
        match kind % 12 {
            0 | 1 => {
                let seen = tickets.history[orders.seen].clone();
                orders.buy(&seen);
            }
            2..=4 if !orders.events.is_empty() => {
                let (version, event) = orders.events[pick % orders.events.len()].clone();
                tickets.hear(version, &event);
            }
            5 | 6 => orders.hear(&tickets.history, pick % tickets.history.len()),
            7 => orders.move_open(&[Created, AwaitingPayment], Cancelled),
            8 => orders.move_open(&[AwaitingPayment], Authorized),
            9 => orders.move_open(&[Authorized], if pick % 4 == 0 { Cancelled } else { Completed }),
            10 => {
                let mut listing = tickets.ticket.listing.clone();
                listing.price = money(5_000 + i64::try_from(pick % 3).unwrap());
                if let Ok((next, _)) = tickets.ticket.clone().revise(listing, now()) {
                    tickets.become_next(next);
                    tickets.reconcile();
                }
            }
            _ => {
                if pick % 8 == 0
                    && let Ok((next, _)) = tickets.ticket.clone().withdraw(now())
                {
                    tickets.become_next(next);
                    tickets.reconcile();
                }
            }
        }
    }
    (tickets, orders)
}

/// Everything arrives in the end, until nobody has anything to tell any more.
fn settle(tickets: &mut Tickets, orders: &mut Orders) {
    loop {
        let before = (tickets.history.len(), orders.events.len());
        for (version, event) in orders.events.iter().rev() {
            tickets.hear(*version, event);
        }
        orders.hear(&tickets.history, tickets.history.len() - 1);
        if (tickets.history.len(), orders.events.len()) == before {
            return;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn both_sides_agree_in_the_end(moves in proptest::collection::vec((0_u8..12, 0_usize..1_000), 0..80)) {
        let (mut tickets, mut orders) = live(&moves);
        settle(&mut tickets, &mut orders);
        let ticket = &tickets.ticket;
        let completed: Vec<_> = orders.all.iter().filter(|order| order.status == Completed).collect();
        prop_assert!(completed.len() <= 1, "sold twice");
        for order in &orders.all {
            let reserved = ticket.status == Status::Reserved { order_id: order.id };
            let sold = ticket.status == Status::Sold { order_id: order.id };
            prop_assert_ne!(order.status, Created, "never answered");
            prop_assert_eq!(reserved, matches!(order.status, AwaitingPayment | Authorized));
            prop_assert_eq!(sold, order.status == Completed);
            if matches!(order.status, AwaitingPayment | Authorized | Completed) {
                prop_assert_eq!(&order.price, &ticket.listing.price);
                prop_assert_eq!(&order.ticket, &ticket.terms());
            }
        }
        prop_assert!(ticket.refusals.is_empty(), "refusals of closed orders are forgotten");
    }

    /// One listing, one set of stories: whichever parts of them arrive first, twice or not at all,
    /// as long as each story's end arrives.
    #[test]
    fn any_order_of_events_ends_in_the_same_state(
        stories in proptest::collection::vec(0_usize..5, 1..5),
        holder in any::<prop::sample::Index>(),
        heard in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
        ends in Just(()).prop_perturb(|(), mut random| random.next_u64()),
    ) {
        const STORIES: [&[OrderStatus]; 5] = [
            &[Created, Cancelled],
            &[Created, AwaitingPayment, Cancelled],
            &[Created, AwaitingPayment, Authorized, Cancelled],
            &[Created, AwaitingPayment, Authorized, Completed],
            &[Created, AwaitingPayment, Authorized, Completed],
        ];
        let listing = ticket();
        let mut ids: Vec<_> = stories.iter().map(|_| OrderId::new()).collect();
        ids.rotate_left(usize::try_from(ends % 4).unwrap() % stories.len());
        let holder = holder.index(stories.len());
        let mut events = Vec::new();
        let mut last = Vec::new();
        for (index, (story, id)) in stories.iter().zip(&ids).enumerate() {
            // Only the one that holds it can have been completed.
            let story = if index == holder { STORIES[*story] } else { STORIES[story % 3] };
            let told: Vec<_> = story
                .iter()
                .enumerate()
                .map(|(version, status)| (version, OrderState { id: *id, ..order(&listing, *status) }))
                .collect();
            last.extend(told.last().cloned());
            events.extend(told);
        }
        let held = stories[holder] > 0;
        let start = if held { listing.reserve(ids[holder], now()).unwrap().0 } else { listing };
        let expected = match stories[holder] {
            3 | 4 => Status::Sold { order_id: ids[holder] },
            _ => Status::Available,
        };
        let mut tickets = Tickets::of(start);
        for index in &heard {
            let (version, event) = &events[index.index(events.len())];
            tickets.hear(*version, event);
        }
        let turn = usize::try_from(ends >> 8).unwrap_or(0) % last.len();
        last.rotate_left(turn);
        if ends % 2 == 1 {
            last.reverse();
        }
        for (version, event) in &last {
            tickets.hear(*version, event);
        }
        prop_assert_eq!(&tickets.ticket.status, &expected);
        prop_assert!(tickets.ticket.refusals.is_empty());
    }
}
