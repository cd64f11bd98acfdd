//! Every transition from every state, and what a payment needs in each situation.

use std::time::Duration;

use common::events::order::{OrderState, OrderStatus};
use common::events::payment::PaymentStatus;
use common::events::ticket::TicketTerms;
use common::id::{OrderId, PaymentId, TicketId, UserId};
use common::money::Money;
use common::timestamp::Timestamp;
use proptest::prelude::*;

use super::ledger::{Account, balance};
use super::payment::{Payment, PaymentError, Start, Status};
use super::reconcile::{Call, follow, next};
use crate::providers::{Intent, Standing};

const NOW: i64 = 1_800_000_000_000;
const PATIENCE: Duration = Duration::from_secs(600);

fn now() -> Timestamp {
    Timestamp::from_millis(NOW)
}

type Command = fn(Payment, String) -> Result<PaymentStatus, PaymentError>;

fn usd(amount: i64) -> Money {
    Money { amount, currency: "USD".parse().unwrap() }
}

fn started() -> Payment {
    let start = Start {
        order_id: OrderId::new(),
        buyer_id: UserId::new(),
        amount: usd(500),
        method: "pm".into(),
        provider: "stripe",
    };
    Payment::start(PaymentId::new(), start, now()).0
}

fn states() -> Vec<Payment> {
    let pi = || "pi".to_owned();
    let authorized = || started().authorize(pi(), now()).unwrap().0;
    vec![
        started(),
        started().require_action(pi(), now()).unwrap().0,
        authorized(),
        authorized().capture(pi(), now()).unwrap().0,
        started().decline("no".into(), None, now()).unwrap().0,
        authorized().fail("no".into(), now()).unwrap().0,
        authorized().void(now()).unwrap().0,
    ]
}

#[test]
fn every_command_in_every_state() {
    use PaymentStatus::{Authorized, Authorizing, Captured, Declined, Failed, RequiresAction, Voided};
    let pi = || "pi".to_owned();
    let commands: [(PaymentStatus, &[PaymentStatus], Command); 6] = [
        (RequiresAction, &[Authorizing], |p, r| p.require_action(r, now()).map(|(p, _)| p.status_name())),
        (Authorized, &[Authorizing, RequiresAction], |p, r| p.authorize(r, now()).map(|(p, _)| p.status_name())),
        (Captured, &[Authorizing, RequiresAction, Authorized], |p, r| {
            p.capture(r, now()).map(|(p, _)| p.status_name())
        }),
        (Declined, &[Authorizing, RequiresAction], |p, r| p.decline(r, None, now()).map(|(p, _)| p.status_name())),
        (Failed, &[Authorized], |p, r| p.fail(r, now()).map(|(p, _)| p.status_name())),
        (Voided, &[RequiresAction, Authorized], |p, _| p.void(now()).map(|(p, _)| p.status_name())),
    ];
    for payment in states() {
        let from = payment.status_name();
        for (to, allowed, command) in &commands {
            let outcome = command(payment.clone(), pi());
            let expected = if allowed.contains(&from) { Ok(*to) } else { Err(PaymentError { from, to: *to }) };
            assert_eq!(outcome, expected, "{from:?} to {to:?}");
        }
    }
}

fn order_of(payment: &Payment, status: OrderStatus, winner: Option<PaymentId>) -> OrderState {
    OrderState {
        id: payment.order_id,
        buyer_id: payment.buyer_id,
        status,
        cancel_reason: None,
        refusal: None,
        payment_id: winner,
        ticket: TicketTerms {
            id: TicketId::new(),
            title: "t".into(),
            venue: "v".into(),
            city: None,
            starts_at: now(),
            time_zone: "UTC".into(),
            section: None,
            row: None,
            seat: None,
        },
        price: usd(500),
        expires_at: now(),
        created_at: now(),
        updated_at: now(),
    }
}

#[test]
fn what_a_payment_needs_in_each_situation() {
    use OrderStatus::{Authorized, AwaitingPayment, Cancelled, Completed, Created};
    for payment in states() {
        let live = matches!(payment.status, Status::RequiresAction | Status::Authorized);
        let held = payment.status == Status::Authorized;
        let (ours, other) = (Some(payment.id), Some(PaymentId::new()));
        for (status, winner, expected) in [
            (Created, None, None),
            (AwaitingPayment, None, None),
            (Authorized, ours, held.then_some(Call::Capture)),
            (Completed, ours, held.then_some(Call::Capture)),
            (Authorized, other, live.then_some(Call::Void)),
            (Completed, other, live.then_some(Call::Void)),
            (Cancelled, None, live.then_some(Call::Void)),
        ] {
            let order = order_of(&payment, status, winner);
            assert_eq!(next(&payment, Some(&order), now(), PATIENCE), expected, "{:?} {status:?}", payment.status);
            if expected == Some(Call::Capture) {
                let late = now().plus(PATIENCE * 2);
                assert_eq!(next(&payment, Some(&order), late, PATIENCE), Some(Call::GiveUpCapture));
            }
        }
        assert_eq!(next(&payment, None, now(), PATIENCE), None);
    }
}

#[test]
fn giving_up_a_capture_ends_as_the_provider_says() {
    let authorized = started().authorize("pi".into(), now()).unwrap().0;
    let ends = |standing| {
        let intent = Intent { reference: "pi".into(), standing, client_secret: None };
        let step = follow(&authorized, Some(Call::GiveUpCapture), &intent, now());
        step.map(|step| step.unwrap().0.status_name())
    };
    assert_eq!(ends(Standing::Cancelled { reason: None }), Some(PaymentStatus::Failed));
    assert_eq!(ends(Standing::Captured), Some(PaymentStatus::Captured));
    assert_eq!(ends(Standing::Authorized), None, "not cancelled: ask again");
}

fn standing() -> impl Strategy<Value = Standing> {
    prop_oneof![
        Just(Standing::Pending),
        Just(Standing::RequiresAction),
        Just(Standing::Authorized),
        Just(Standing::Captured),
        Just(Standing::Declined { reason: "no".into() }),
        Just(Standing::Cancelled { reason: None }),
    ]
}

fn call() -> impl Strategy<Value = Option<Call>> {
    prop_oneof![
        Just(None),
        Just(Some(Call::Capture)),
        Just(Some(Call::GiveUpCapture)),
        Just(Some(Call::Void)),
        Just(Some(Call::Supersede))
    ]
}

proptest! {
    /// Whatever the provider answers to whatever call: no answer is an illegal step, what is final
    /// stays, the ledger balances and says what the status says.
    #[test]
    fn any_answers_lead_to_a_sound_payment(answers in proptest::collection::vec((call(), standing()), 0..8)) {
        let mut payment = started();
        for (call, standing) in answers {
            let intent = Intent { reference: "pi".into(), standing, client_secret: None };
            let before = payment.clone();
            if let Some(step) = follow(&payment, call, &intent, now()) {
                payment = step.expect("follow only takes legal steps").0;
            }
            if before.status_name().is_final() {
                prop_assert_eq!(&before, &payment);
            }
            let total: i64 = payment.ledger.iter().map(|entry| entry.debit - entry.credit).sum();
            prop_assert_eq!(total, 0);
            let held = if payment.status == Status::Authorized { 500 } else { 0 };
            prop_assert_eq!(balance(&payment.ledger, Account::Authorizations), held);
            let charged = if payment.status == Status::Captured { 500 } else { 0 };
            prop_assert_eq!(balance(&payment.ledger, Account::ProviderBalance), charged);
        }
    }
}
