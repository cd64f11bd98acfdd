//! Property tests: the order state machine with events in any order, repeated and contradictory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests may panic")]

use std::collections::BTreeMap;
use std::time::Duration;

use common::aggregate::Aggregate;
use common::events::order::{CancelReason, OrderChange};
use common::events::payment::{PaymentState, PaymentStatus, Refunded};
use common::events::show::{ShowState, ShowStatus};
use common::events::ticket::{Refusal, RefusalReason, RefusedOrder, TicketState, TicketStatus};
use common::id::{OrderId, PaymentId};
use common::timestamp::Timestamp;
use proptest::prelude::*;

use super::fixtures::{
    order, order_of, payment, refusing, reserved, reserved_seats, show, start, ticket, ticket_of, usd,
};
use super::order::{Order, Status};
use super::reconcile::{
    can_be_changed_by, changed_start, next, payment_can_cause_transition, payments_missed_decision,
    ticket_can_cause_transition, tickets_missed_end,
};

const STATUSES: [PaymentStatus; 7] = [
    PaymentStatus::Authorizing,
    PaymentStatus::RequiresAction,
    PaymentStatus::Authorized,
    PaymentStatus::Captured,
    PaymentStatus::Declined,
    PaymentStatus::Failed,
    PaymentStatus::Voided,
];

/// An input of the order state machine, including inputs that should never occur. `which` is the index of one of three
/// payments; time passes in seconds.
#[derive(Debug, Clone, Copy)]
enum Stimulus {
    TicketIsFree,
    TicketIsReserved { other_order: bool },
    TicketRefuses { other_order: bool },
    ShowIsCancelled,
    Payment { which: usize, status: PaymentStatus, matches_price: bool },
    Cancel,
    Expire,
    TimePasses(u64),
}

fn stimulus() -> impl Strategy<Value = Stimulus> {
    prop_oneof![
        1 => Just(Stimulus::TicketIsFree),
        1 => any::<bool>().prop_map(|other_order| Stimulus::TicketIsReserved { other_order }),
        1 => any::<bool>().prop_map(|other_order| Stimulus::TicketRefuses { other_order }),
        1 => Just(Stimulus::ShowIsCancelled),
        4 => (0..3_usize, 0..STATUSES.len(), prop::bool::weighted(0.8))
            .prop_map(|(which, n, matches_price)| Stimulus::Payment { which, status: STATUSES[n], matches_price }),
        1 => Just(Stimulus::Cancel),
        1 => Just(Stimulus::Expire),
        1 => (0..600_u64).prop_map(Stimulus::TimePasses),
    ]
}

/// An order with the replicas of its listing and its payments.
struct Model {
    order: Order,
    /// The listing while it is for sale, from which the other states of it are derived.
    free: TicketState,
    /// The replica of the listing; `None` until the first event of it arrives.
    ticket: Option<TicketState>,
    /// The replicas of the payments.
    payments: BTreeMap<PaymentId, PaymentState>,
    /// The ids of the payments that may occur.
    ids: Vec<PaymentId>,
    now: Timestamp,
    /// The payments that authorised the order; more than one would be an error.
    winners: Vec<PaymentId>,
}

impl Model {
    fn new() -> Self {
        let free = ticket();
        let ids = (0..3).map(|_| PaymentId::new()).collect();
        let (payments, winners) = (BTreeMap::new(), Vec::new());
        Self { order: order(&free), free, ticket: None, payments, ids, now: start(), winners }
    }

    fn apply(&mut self, stimulus: Stimulus) {
        let id = |other: bool, order: &Order| if other { OrderId::new() } else { order.id };
        match stimulus {
            Stimulus::TicketIsFree => self.ticket = Some(self.free.clone()),
            Stimulus::TicketIsReserved { other_order } => {
                self.ticket = Some(reserved(&self.free, id(other_order, &self.order)));
            }
            Stimulus::TicketRefuses { other_order } => {
                self.ticket = Some(refusing(&self.free, id(other_order, &self.order)));
            }
            Stimulus::ShowIsCancelled => {
                self.free.show_cancelled = true;
                if let Some(ticket) = &mut self.ticket {
                    ticket.show_cancelled = true;
                }
            }
            Stimulus::Payment { which, status, matches_price } => {
                let mut payment = payment(&self.order, self.ids[which], status);
                if !matches_price {
                    payment.amount = usd(1);
                }
                self.payments.insert(payment.id, payment);
            }
            Stimulus::Cancel => self.command(Order::cancel),
            Stimulus::Expire => self.command(Order::expire),
            Stimulus::TimePasses(seconds) => self.now = self.now.plus(Duration::from_secs(seconds)),
        }
        self.reconcile();
    }

    fn command(&mut self, command: fn(Order, Timestamp) -> super::order::Transition) {
        if let Ok(transition) = command(self.order.clone(), self.now) {
            self.check_and_apply(transition);
        }
    }

    /// Makes the order's transitions until there is none.
    fn reconcile(&mut self) {
        for _ in 0..4 {
            let transition = next(&self.order, self.ticket.as_ref(), self.payments.values(), self.now);
            // Event handlers ignore a listing or payment that can't move an order, so it must not affect the result.
            let movers = self.payments.values().filter(|payment| payment_can_cause_transition(payment));
            let ticket = self.ticket.as_ref().filter(|ticket| ticket_can_cause_transition(ticket));
            assert_eq!(transition, next(&self.order, ticket, movers, self.now));
            match transition {
                None => return,
                Some(transition) => self.check_and_apply(transition.expect("`next` returns only valid transitions")),
            }
        }
        panic!("an order has at most three transitions");
    }

    /// Checks that the transition is allowed and applies it.
    fn check_and_apply(&mut self, (order, change): (Order, OrderChange)) {
        let known = |id: PaymentId| self.payments.get(&id).map(|payment| (payment.status, payment.amount.clone()));
        match (&self.order.status, &order.status) {
            (Status::Created, Status::AwaitingPayment) => {
                assert!(self.ticket.as_ref().unwrap().has_seats_for(order.id, &order.slots));
            }
            (Status::AwaitingPayment, Status::Authorized { payment_id }) => {
                let (status, amount) = known(*payment_id).unwrap();
                assert!(matches!(status, PaymentStatus::Authorized | PaymentStatus::Captured));
                assert_eq!(amount, order.price);
                self.winners.push(*payment_id);
            }
            (Status::Authorized { payment_id: authorized }, Status::Completed { payment_id }) => {
                assert_eq!(authorized, payment_id);
                assert_eq!(known(*payment_id).unwrap().0, PaymentStatus::Captured);
            }
            (Status::Authorized { payment_id }, Status::Cancelled { reason, .. }) => {
                assert_eq!(*reason, CancelReason::PaymentFailed);
                let status = known(*payment_id).unwrap().0;
                assert!(status.is_final() && status != PaymentStatus::Captured);
            }
            (Status::Created, Status::Cancelled { reason: CancelReason::Refused, refusal }) => {
                assert!(refusal.is_some());
            }
            (Status::Created | Status::AwaitingPayment, Status::Cancelled { reason, refusal: None }) => match reason {
                CancelReason::Expired => assert!(self.now >= order.expires_at),
                CancelReason::ShowCancelled => assert!(self.ticket.as_ref().unwrap().show_cancelled),
                reason => assert_eq!(*reason, CancelReason::Buyer),
            },
            statuses => panic!("{change:?} is not an allowed transition: {statuses:?}"),
        }
        assert!(!self.order.is_settled());
        assert_eq!(
            Order { status: self.order.status.clone(), updated_at: self.order.updated_at, ..order.clone() },
            self.order
        );
        self.order = order;
    }
}

proptest! {
    #[test]
    fn only_allowed_transitions_occur(stimuli in prop::collection::vec(stimulus(), 0..40)) {
        let mut model = Model::new();
        for stimulus in stimuli {
            let before = model.order.clone();
            model.apply(stimulus);
            if before.is_settled() {
                prop_assert_eq!(&model.order, &before);
            }
            prop_assert!(model.winners.len() <= 1);
            // No order of a cancelled show waits for its buyer.
            let is_cancelled = model.ticket.as_ref().is_some_and(|ticket| ticket.show_cancelled);
            prop_assert!(!is_cancelled || !model.order.is_unpaid());
            if let Some(winner) = model.order.payment_id() {
                prop_assert_eq!(&model.winners, &vec![winner]);
            }
            // `tickets` can't have missed the end of an order that has not ended.
            if let Some(ticket) = &model.ticket {
                prop_assert!(!tickets_missed_end(&model.order, ticket) || model.order.is_settled());
            }
        }
    }

    /// An undisturbed sale converges, in whatever order and however often its events arrive.
    #[test]
    fn sale_completes_in_any_order_of_events(
        events in Just((0..5_usize).collect::<Vec<_>>()).prop_shuffle(),
        repeated in prop::collection::vec(0..5_usize, 0..10),
    ) {
        let mut model = Model::new();
        let (id, free) = (model.ids[0], model.free.clone());
        let mut versions = (0, 0);
        for event in events.into_iter().chain(repeated) {
            // Replicas keep the newest version, as `put_if_newer` does.
            match event {
                0 if versions.0 < 1 => (model.ticket, versions.0) = (Some(free.clone()), 1),
                1 if versions.0 < 2 => (model.ticket, versions.0) = (Some(reserved(&free, model.order.id)), 2),
                2..=4 if versions.1 < event => {
                    let status = [PaymentStatus::Authorizing, PaymentStatus::Authorized, PaymentStatus::Captured][event - 2];
                    model.payments.insert(id, payment(&model.order, id, status));
                    versions.1 = event;
                }
                _ => {}
            }
            model.reconcile();
        }
        prop_assert_eq!(&model.order.status, &Status::Completed { payment_id: id });
    }
}

/// What the listing has decided about one of its orders.
#[derive(Debug, Clone, Copy)]
enum Decision {
    None,
    FirstSeat,
    AllSeats,
    Refusal,
}

proptest! {
    /// An order of a listing is confirmed if and only if all of its own seats are reserved for it, whatever the
    /// listing's status is and whatever it has decided about the other orders.
    #[test]
    fn orders_of_one_listing_are_confirmed_by_their_own_seats(
        steps in prop::collection::vec((prop::array::uniform3(0..4_usize), any::<bool>()), 1..8),
    ) {
        let free = ticket_of(&[2, 2, 2]);
        let mut orders = [0, 2, 4].map(|slot| order_of(&free, &[slot, slot + 1]));
        for (decisions, is_withdrawn) in steps {
            let decisions =
                decisions.map(|n| [Decision::None, Decision::FirstSeat, Decision::AllSeats, Decision::Refusal][n]);
            let mut ticket = free.clone();
            for (order, decision) in orders.iter().zip(decisions) {
                match decision {
                    Decision::None => {}
                    Decision::FirstSeat => ticket = reserved_seats(&ticket, order.id, &order.slots[..1]),
                    Decision::AllSeats => ticket = reserved_seats(&ticket, order.id, &order.slots),
                    Decision::Refusal => ticket.refusals.extend(refusing(&free, order.id).refusals),
                }
            }
            if is_withdrawn {
                ticket.status = TicketStatus::Withdrawn;
            }
            for (order, decision) in orders.iter_mut().zip(decisions) {
                let transition = next(order, Some(&ticket), std::iter::empty(), start());
                // The handler of listing events does nothing if the listing can't cause a transition of any order. It also
                // skips an order that the listing can't change. Neither may miss a transition.
                let is_handled = ticket_can_cause_transition(&ticket) && can_be_changed_by(order, &ticket);
                prop_assert!(is_handled || transition.is_none());
                let expected = match (&order.status, decision) {
                    (Status::Created, Decision::AllSeats) => Some(OrderChange::Confirmed),
                    (Status::Created, Decision::Refusal) => Some(OrderChange::Cancelled),
                    _ => None,
                };
                let changed = transition.map(|transition| transition.expect("`next` returns only valid transitions"));
                prop_assert_eq!(changed.as_ref().map(|(_, change)| *change), expected);
                if let Some((next, _)) = changed {
                    *order = next;
                }
                // The listing waits for an order that has ended if it holds any seat for it or has refused it.
                let missed = tickets_missed_end(order, &ticket);
                prop_assert_eq!(missed, order.is_settled() && !matches!(decision, Decision::None));
            }
        }
    }
}

#[test]
fn mismatched_payment_does_not_authorize_the_order() {
    let ticket = ticket();
    let mine = Order { status: Status::AwaitingPayment, ..order(&ticket) };
    let right = payment(&mine, PaymentId::new(), PaymentStatus::Authorized);
    let advances = |payment: &PaymentState| next(&mine, None, std::iter::once(payment), start()).is_some();
    assert!(advances(&right));
    assert!(!advances(&PaymentState { amount: usd(12_549), ..right.clone() }));
    let euros = common::money::Money { amount: right.amount.amount, currency: "EUR".parse().unwrap() };
    assert!(!advances(&PaymentState { amount: euros, ..right.clone() }));
    assert!(!advances(&PaymentState { order_id: OrderId::new(), ..right.clone() }));
    let overpaid = PaymentState { status: PaymentStatus::Captured, received: Some(usd(20_000)), ..right.clone() };
    let refund_of = |amount| Some(Refunded { amount: usd(amount), at: start() });
    assert!(advances(&PaymentState { refunded: refund_of(12_550), ..overpaid.clone() }), "only in part");
    assert!(!advances(&PaymentState { refunded: refund_of(20_000), ..overpaid }));
    for status in STATUSES {
        let wins = matches!(status, PaymentStatus::Authorized | PaymentStatus::Captured);
        assert_eq!(advances(&PaymentState { status, ..right.clone() }), wins, "{status:?}");
    }
}

#[test]
fn all_instances_choose_the_same_of_several_authorisations() {
    let mine = Order { status: Status::AwaitingPayment, ..order(&ticket()) };
    let [first, second] = [PaymentId::new(), PaymentId::new()];
    let choose =
        |payments: &[PaymentState]| next(&mine, None, payments.iter(), start()).unwrap().unwrap().0.payment_id();
    let [a, b] = [first, second].map(|id| payment(&mine, id, PaymentStatus::Authorized));
    assert_eq!(choose(&[a.clone(), b.clone()]), Some(first));
    assert_eq!(choose(&[b, a.clone()]), Some(first));
    let charged = payment(&mine, second, PaymentStatus::Captured);
    assert_eq!(choose(&[a, charged]), Some(second));
}

#[test]
fn missed_events_of_an_order_are_detected_by_the_states_of_the_other_services() {
    let ticket = ticket();
    let mine = order(&ticket);
    let payment_id = PaymentId::new();
    let cancelled = Status::Cancelled { reason: CancelReason::Buyer, refusal: None };
    let states = [
        // The order's status; whether `tickets` has missed its end; whether `payments` has missed an event of it, if
        // the payment is not final.
        (Status::Created, false, false),
        (Status::AwaitingPayment, false, false),
        (Status::Authorized { payment_id }, false, true),
        (Status::Completed { payment_id }, true, true),
        (cancelled, true, true),
    ];
    for (status, tickets, payments) in states {
        let mine = Order { status, ..mine.clone() };
        assert_eq!(tickets_missed_end(&mine, &reserved(&ticket, mine.id)), tickets, "{:?}", mine.status);
        assert_eq!(tickets_missed_end(&mine, &refusing(&ticket, mine.id)), tickets, "{:?}", mine.status);
        assert!(!tickets_missed_end(&mine, &ticket) && !tickets_missed_end(&mine, &reserved(&ticket, OrderId::new())));
        for status in STATUSES {
            let payment = payment(&mine, payment_id, status);
            assert_eq!(payments_missed_decision(&mine, &payment), payments && !status.is_final(), "{:?}", mine.status);
        }
    }
}

#[test]
fn cancelled_show_ends_unpaid_orders_only() {
    let ticket = ticket();
    let payment_id = PaymentId::new();
    let cancelled = TicketState { show_cancelled: true, ..ticket.clone() };
    for status in [Status::Created, Status::AwaitingPayment] {
        let mine = Order { status, ..order(&ticket) };
        // The cancellation takes precedence over everything else that the listing and the payments say, even over a
        // charge, which is then refunded.
        let charged = payment(&mine, payment_id, PaymentStatus::Captured);
        for ticket in [&cancelled, &reserved(&cancelled, mine.id), &refusing(&cancelled, mine.id)] {
            let next = next(&mine, Some(ticket), std::iter::once(&charged), start());
            let (next, change) = next.unwrap().unwrap();
            assert_eq!((next.cancel_reason(), change), (Some(CancelReason::ShowCancelled), OrderChange::Cancelled));
        }
    }
    let mine = order(&ticket);
    let refusal = Refusal { reason: RefusalReason::ShowCancelled, price: None };
    let refused = TicketState { refusals: vec![RefusedOrder { order_id: mine.id, refusal }], ..ticket.clone() };
    let (ended, _) = next(&mine, Some(&refused), std::iter::empty(), start()).unwrap().unwrap();
    assert_eq!((ended.cancel_reason(), ended.refusal()), (Some(CancelReason::ShowCancelled), None));
    let mine = Order { status: Status::Authorized { payment_id }, ..order(&ticket) };
    let charged = payment(&mine, payment_id, PaymentStatus::Captured);
    let (completed, _) = next(&mine, Some(&cancelled), std::iter::once(&charged), start()).unwrap().unwrap();
    assert_eq!(completed.status, Status::Completed { payment_id }, "its buyer paid in time");
    assert_eq!(next(&completed, Some(&cancelled), std::iter::empty(), start()), None);
}

#[test]
fn buyer_is_told_the_start_that_has_changed() {
    let ticket = ticket();
    let mine = order(&ticket);
    let moved = show(&ticket, ShowStatus::Moved);
    assert_eq!(changed_start(&mine, &moved), None);
    // The show of the fixture starts at a full minute, and seconds do not count.
    for (later, is_told) in [(59, false), (60, true), (86_400, true)] {
        let starts_at = moved.starts_at.plus(Duration::from_secs(later));
        let moved = ShowState { starts_at, ..moved.clone() };
        assert_eq!(changed_start(&mine, &moved), is_told.then_some(starts_at), "{later} s");
        assert_eq!(changed_start(&mine, &ShowState { status: ShowStatus::Cancelled, ..moved }), None);
    }
}
