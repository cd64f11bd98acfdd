//! `next` and the transitions under whatever order things may come in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests may panic")]

use std::collections::BTreeMap;
use std::time::Duration;

use common::aggregate::Aggregate;
use common::events::order::{CancelReason, OrderChange};
use common::events::payment::{PaymentState, PaymentStatus};
use common::events::ticket::TicketState;
use common::id::{OrderId, PaymentId};
use common::timestamp::Timestamp;
use proptest::prelude::*;

use super::order::{Order, Status};
use super::reconcile::{is_payments_behind, is_tickets_behind, next};
use super::samples::{order, payment, refusing, reserved, start, ticket, usd};

const STATUSES: [PaymentStatus; 7] = [
    PaymentStatus::Authorizing,
    PaymentStatus::RequiresAction,
    PaymentStatus::Authorized,
    PaymentStatus::Captured,
    PaymentStatus::Declined,
    PaymentStatus::Failed,
    PaymentStatus::Voided,
];

/// What may happen to an order, also what never should.
#[derive(Debug, Clone, Copy)]
enum Happening {
    TicketIsFree,
    TicketIsReserved { for_another: bool },
    TicketRefuses { another: bool },
    Payment { which: usize, status: PaymentStatus, fits: bool },
    Cancel,
    Expire,
    TimePasses(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        1 => Just(Happening::TicketIsFree),
        1 => any::<bool>().prop_map(|for_another| Happening::TicketIsReserved { for_another }),
        1 => any::<bool>().prop_map(|another| Happening::TicketRefuses { another }),
        4 => (0..3_usize, 0..STATUSES.len(), prop::bool::weighted(0.8))
            .prop_map(|(which, status, fits)| Happening::Payment { which, status: STATUSES[status], fits }),
        1 => Just(Happening::Cancel),
        1 => Just(Happening::Expire),
        1 => (0..600_u64).prop_map(Happening::TimePasses),
    ]
}

/// One order, with what is known of its listing and its payments.
struct World {
    order: Order,
    free: TicketState,
    ticket: Option<TicketState>,
    payments: BTreeMap<PaymentId, PaymentState>,
    ids: Vec<PaymentId>,
    now: Timestamp,
    winners: Vec<PaymentId>,
}

impl World {
    fn new() -> Self {
        let free = ticket();
        let ids = (0..3).map(|_| PaymentId::new()).collect();
        let (payments, winners) = (BTreeMap::new(), Vec::new());
        Self { order: order(&free), free, ticket: None, payments, ids, now: start(), winners }
    }

    fn happen(&mut self, happening: Happening) {
        let id = |other: bool, order: &Order| if other { OrderId::new() } else { order.id };
        match happening {
            Happening::TicketIsFree => self.ticket = Some(self.free.clone()),
            Happening::TicketIsReserved { for_another } => {
                self.ticket = Some(reserved(&self.free, id(for_another, &self.order)));
            }
            Happening::TicketRefuses { another } => self.ticket = Some(refusing(&self.free, id(another, &self.order))),
            Happening::Payment { which, status, fits } => {
                let mut told = payment(&self.order, self.ids[which], status);
                if !fits {
                    told.amount = usd(1);
                }
                self.payments.insert(told.id, told);
            }
            Happening::Cancel => self.command(Order::cancel),
            Happening::Expire => self.command(Order::expire),
            Happening::TimePasses(seconds) => self.now = self.now.plus(Duration::from_secs(seconds)),
        }
        self.reconcile();
    }

    fn command(&mut self, command: fn(Order, Timestamp) -> super::order::Changed) {
        if let Ok(step) = command(self.order.clone(), self.now) {
            self.accept(step);
        }
    }

    fn reconcile(&mut self) {
        for _ in 0..5 {
            match next(&self.order, self.ticket.as_ref(), self.payments.values(), self.now) {
                None => return,
                Some(step) => self.accept(step.expect("next only takes steps that are allowed")),
            }
        }
        panic!("an order has at most four steps");
    }

    /// Takes a step, after a look at whether it is one that may be taken.
    fn accept(&mut self, (order, change): (Order, OrderChange)) {
        let known = |id: PaymentId| self.payments.get(&id).map(|payment| (payment.status, payment.amount.clone()));
        match (&self.order.status, &order.status) {
            (Status::Created, Status::AwaitingPayment) => {
                assert_eq!(self.ticket.as_ref().unwrap().order_id, Some(order.id));
            }
            (Status::AwaitingPayment, Status::Authorized { payment_id }) => {
                let (status, amount) = known(*payment_id).unwrap();
                assert!(matches!(status, PaymentStatus::Authorized | PaymentStatus::Captured));
                assert_eq!(amount, order.price);
                self.winners.push(*payment_id);
            }
            (Status::Authorized { payment_id: won }, Status::Completed { payment_id }) => {
                assert_eq!(won, payment_id);
                assert_eq!(known(*won).unwrap().0, PaymentStatus::Captured);
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
                reason => assert_eq!(*reason, CancelReason::Buyer),
            },
            step => panic!("{change:?} is no step of the automaton: {step:?}"),
        }
        assert!(!self.order.is_final());
        assert_eq!(
            Order { status: self.order.status.clone(), updated_at: self.order.updated_at, ..order.clone() },
            self.order
        );
        self.order = order;
    }
}

proptest! {
    #[test]
    fn whatever_happens_the_automaton_is_followed(happenings in prop::collection::vec(happening(), 0..40)) {
        let mut world = World::new();
        for happening in happenings {
            let before = world.order.clone();
            world.happen(happening);
            if before.is_final() {
                prop_assert_eq!(&world.order, &before);
            }
            prop_assert!(world.winners.len() <= 1);
            if let Some(named) = world.order.payment_id() {
                prop_assert_eq!(&world.winners, &vec![named]);
            }
            // A peer is only behind when there is news that it could have.
            if let Some(ticket) = &world.ticket {
                prop_assert!(!is_tickets_behind(&world.order, ticket) || world.order.is_final());
            }
        }
    }

    /// A sale that nothing disturbs ends the same, in whatever order and however often it is told.
    #[test]
    fn a_sale_completes_in_any_order(
        told in Just((0..5_usize).collect::<Vec<_>>()).prop_shuffle(),
        again in prop::collection::vec(0..5_usize, 0..10),
    ) {
        let mut world = World::new();
        let (id, free) = (world.ids[0], world.free.clone());
        let mut versions = (0, 0);
        for event in told.into_iter().chain(again) {
            // Replicas keep the newest version, as `put_if_newer` does.
            match event {
                0 if versions.0 < 1 => (world.ticket, versions.0) = (Some(free.clone()), 1),
                1 if versions.0 < 2 => (world.ticket, versions.0) = (Some(reserved(&free, world.order.id)), 2),
                2..=4 if versions.1 < event => {
                    let status = [PaymentStatus::Authorizing, PaymentStatus::Authorized, PaymentStatus::Captured][event - 2];
                    world.payments.insert(id, payment(&world.order, id, status));
                    versions.1 = event;
                }
                _ => {}
            }
            world.reconcile();
        }
        prop_assert_eq!(&world.order.status, &Status::Completed { payment_id: id });
    }
}

#[test]
fn a_payment_that_does_not_fit_wins_nothing() {
    let ticket = ticket();
    let mine = Order { status: Status::AwaitingPayment, ..order(&ticket) };
    let right = payment(&mine, PaymentId::new(), PaymentStatus::Authorized);
    let step = |payment: &PaymentState| next(&mine, None, std::iter::once(payment), start()).is_some();
    assert!(step(&right));
    assert!(!step(&PaymentState { amount: usd(12_549), ..right.clone() }));
    let euros = common::money::Money { amount: right.amount.amount, currency: "EUR".parse().unwrap() };
    assert!(!step(&PaymentState { amount: euros, ..right.clone() }));
    assert!(!step(&PaymentState { order_id: OrderId::new(), ..right.clone() }));
    for status in STATUSES {
        let wins = matches!(status, PaymentStatus::Authorized | PaymentStatus::Captured);
        assert_eq!(step(&PaymentState { status, ..right.clone() }), wins, "{status:?}");
    }
}

#[test]
fn of_several_authorisations_all_instances_choose_the_same() {
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
fn a_peer_is_behind_when_it_waits_for_what_was_told() {
    let ticket = ticket();
    let mine = order(&ticket);
    let payment_id = PaymentId::new();
    let cancelled = Status::Cancelled { reason: CancelReason::Buyer, refusal: None };
    let states = [
        // The state; whether tickets, and whether payments with a live payment, would be behind.
        (Status::Created, false, false),
        (Status::AwaitingPayment, false, false),
        (Status::Authorized { payment_id }, false, true),
        (Status::Completed { payment_id }, true, true),
        (cancelled, true, true),
    ];
    for (status, tickets, payments) in states {
        let mine = Order { status, ..mine.clone() };
        assert_eq!(is_tickets_behind(&mine, &reserved(&ticket, mine.id)), tickets, "{:?}", mine.status);
        assert_eq!(is_tickets_behind(&mine, &refusing(&ticket, mine.id)), tickets, "{:?}", mine.status);
        assert!(!is_tickets_behind(&mine, &ticket) && !is_tickets_behind(&mine, &reserved(&ticket, OrderId::new())));
        for status in STATUSES {
            let told = payment(&mine, payment_id, status);
            assert_eq!(is_payments_behind(&mine, &told), payments && !status.is_final(), "{:?}", mine.status);
        }
    }
}
