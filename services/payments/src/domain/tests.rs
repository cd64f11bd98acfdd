//! Every transition from every state, and what a payment needs in each situation.

use std::time::Duration;

use common::events::order::{OrderState, OrderStatus};
use common::events::payment::{PaymentChange, PaymentStatus};
use common::events::ticket::TicketTerms;
use common::id::{OrderId, PaymentId, TicketId, UserId};
use common::money::Money;
use common::timestamp::Timestamp;
use proptest::prelude::*;

use super::intent::{Charge, Intent, Standing};
use super::ledger::{Account, balance};
use super::orphans::{Verdict, verdict};
use super::payment::{Payment, PaymentError, Refund, Start, Status};
use super::reconcile::{Call, follow, next, observe};

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
        provider: "stripe",
        request: "amount=500".into(),
    };
    Payment::start(PaymentId::new(), start, now()).0
}

fn states() -> Vec<Payment> {
    let pi = || "pi".to_owned();
    let authorized = || started().authorize(pi(), now()).unwrap().0;
    vec![
        started(),
        started().delay_authorization(now()).unwrap().0,
        started().require_action(pi(), now()).unwrap().0,
        authorized(),
        authorized().delay_capture(now()).unwrap().0,
        authorized().capture(pi(), now()).unwrap().0,
        authorized().capture(pi(), now()).unwrap().0.start_refund(now()).unwrap().0,
        authorized().capture(pi(), now()).unwrap().0.refund(200, now()).unwrap().0,
        started().decline("no".into(), None, now()).unwrap().0,
        authorized().fail("no".into(), now()).unwrap().0,
        authorized().void(now()).unwrap().0,
    ]
}

#[test]
fn every_command_in_every_state() {
    use PaymentStatus::{Authorized, Authorizing, Captured, Declined, Failed, RequiresAction, Voided};
    let pi = || "pi".to_owned();
    let commands: [(PaymentStatus, &[PaymentStatus], Command); 9] = [
        (RequiresAction, &[Authorizing], |p, r| p.require_action(r, now()).map(|(p, _)| p.status_name())),
        (Authorized, &[Authorizing, RequiresAction], |p, r| p.authorize(r, now()).map(|(p, _)| p.status_name())),
        (Captured, &[Authorizing, RequiresAction, Authorized], |p, r| {
            p.capture(r, now()).map(|(p, _)| p.status_name())
        }),
        (Declined, &[Authorizing, RequiresAction, Authorized], |p, r| {
            p.decline(r, None, now()).map(|(p, _)| p.status_name())
        }),
        (Captured, &[Captured], |p, _| p.start_refund(now()).map(|(p, _)| p.status_name())),
        (Captured, &[Captured], |p, _| p.refund(500, now()).map(|(p, _)| p.status_name())),
        (Captured, &[Captured], |p, _| p.dispute(now()).map(|(p, _)| p.status_name())),
        (Failed, &[Authorized], |p, r| p.fail(r, now()).map(|(p, _)| p.status_name())),
        (Voided, &[RequiresAction, Authorized], |p, _| p.void(now()).map(|(p, _)| p.status_name())),
    ];
    for payment in states() {
        let from = payment.status_name();
        assert_eq!(serde_json::to_value(&payment.status).unwrap()["name"], from.as_ref(), "queries name it so");
        for (to, allowed, command) in &commands {
            let outcome = command(payment.clone(), pi());
            let expected = if allowed.contains(&from) { Ok(*to) } else { Err(PaymentError { from, to: *to }) };
            assert_eq!(outcome, expected, "{from:?} to {to:?}");
        }
    }
}

#[test]
fn a_delay_is_told_once() {
    let error = |status| Err(PaymentError { from: status, to: status });
    let (asked, held) = (started(), started().authorize("pi".into(), now()).unwrap().0);
    let (delayed, change) = asked.delay_authorization(now()).unwrap();
    assert_eq!(change, PaymentChange::AuthorizationDelayed);
    assert_eq!(delayed.delay_authorization(now()), error(PaymentStatus::Authorizing));
    let (delayed, change) = held.delay_capture(now()).unwrap();
    assert_eq!((change, delayed.capture_delayed_at()), (PaymentChange::CaptureDelayed, Some(now())));
    assert_eq!(delayed.delay_capture(now()), error(PaymentStatus::Authorized));
}

#[test]
fn what_an_earlier_release_stored_is_understood() {
    for (name, status) in [
        ("authorizing", Status::Authorizing { delayed_at: None }),
        ("authorized", Status::Authorized { capture_delayed_at: None }),
    ] {
        let stored = serde_json::json!({ "name": name });
        assert_eq!(serde_json::from_value::<Status>(stored).unwrap(), status);
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
        let held = payment.status_name() == PaymentStatus::Authorized;
        let live = held || payment.status == Status::RequiresAction;
        let closed = if payment.is_captured() { Some(Call::GiveBack) } else { live.then_some(Call::Void) };
        let (ours, other) = (Some(payment.id), Some(PaymentId::new()));
        for (status, winner, expected) in [
            (Created, None, None),
            (AwaitingPayment, None, None),
            (Authorized, ours, held.then_some(Call::Capture)),
            (Completed, ours, held.then_some(Call::Capture)),
            (Authorized, other, closed),
            (Completed, other, closed),
            (Cancelled, None, closed),
        ] {
            let order = order_of(&payment, status, winner);
            assert_eq!(next(&payment, Some(&order), now(), PATIENCE), expected, "{:?} {status:?}", payment.status);
            if expected == Some(Call::Capture) {
                // However long ago it was won: patience counts from a capture that failed.
                let late = now().plus(PATIENCE * 2);
                let gives_up = payment.capture_delayed_at().is_some();
                let expected = if gives_up { Call::GiveUpCapture } else { Call::Capture };
                assert_eq!(next(&payment, Some(&order), late, PATIENCE), Some(expected));
            }
            if expected == Some(Call::GiveBack) {
                let refunded = payment.clone().refund(500, now()).unwrap().0;
                assert_eq!(next(&refunded, Some(&order), now(), PATIENCE), None, "all of it was given back");
            }
        }
        assert_eq!(next(&payment, None, now(), PATIENCE), None);
    }
}

#[test]
fn giving_up_a_capture_ends_as_the_provider_says() {
    let authorized = started().authorize("pi".into(), now()).unwrap().0;
    let ends = |standing| {
        let intent = intent(standing);
        let step = follow(&authorized, Some(Call::GiveUpCapture), &intent, now());
        step.map(|step| step.unwrap().0.status_name())
    };
    assert_eq!(ends(Standing::Cancelled { reason: None }), Some(PaymentStatus::Failed));
    assert_eq!(ends(Standing::Captured), Some(PaymentStatus::Captured));
    assert_eq!(ends(Standing::Authorized), None, "not cancelled: ask again");
}

/// Who cancels an authorisation in the provider's dashboard takes the order's only chance when it is won, and
/// otherwise leaves the buyer free to take another card.
#[test]
fn an_authorisation_that_is_gone_fails_only_what_is_won() {
    let authorized = started().authorize("pi".into(), now()).unwrap().0;
    let gone = intent(Standing::Cancelled { reason: None });
    for (call, status) in [
        (None, PaymentStatus::Declined),
        (Some(Call::Capture), PaymentStatus::Failed),
        (Some(Call::GiveUpCapture), PaymentStatus::Failed),
        (Some(Call::Void), PaymentStatus::Voided),
    ] {
        let (ended, _) = follow(&authorized, call, &gone, now()).unwrap().unwrap();
        assert_eq!(ended.status_name(), status, "{call:?}");
        assert_eq!(balance(&ended.ledger, Account::Authorizations), 0);
    }
}

#[test]
fn a_capture_that_came_before_the_void_is_marked_to_be_given_back() {
    let authorized = started().authorize("pi".into(), now()).unwrap().0;
    let captured = |call| follow(&authorized, call, &intent(Standing::Captured), now()).unwrap().unwrap().0;
    assert_eq!(captured(None).refund, None);
    assert_eq!(captured(Some(Call::Capture)).refund, None);
    assert_eq!(captured(Some(Call::Void)).refund, Some(Refund { attempt: 1, since: now(), is_open: true }));
}

#[test]
fn what_the_provider_did_to_a_charge_is_written_down() {
    let captured = started().authorize("pi".into(), now()).unwrap().0.capture("pi".into(), now()).unwrap().0;
    let seen = |payment: &Payment, kept, disputed| {
        observe(payment, &Charge { kept, disputed }, now()).map(|step| step.expect("it is captured"))
    };
    assert_eq!(seen(&captured, 500, false), None);
    assert_eq!(seen(&captured, 600, false), None, "more than was asked for is no refund");
    let (part, change) = seen(&captured, 300, true).unwrap();
    assert_eq!((change, part.refunded_amount(), part.disputed), (PaymentChange::Refunded, 200, false));
    let (disputed, change) = seen(&part, 300, true).unwrap();
    assert_eq!((change, disputed.disputed), (PaymentChange::Disputed, true));
    assert_eq!(seen(&disputed, 300, true), None);
    let (whole, _) = seen(&disputed, 0, true).unwrap();
    assert!(whole.is_refunded());
    assert_eq!(balance(&whole.ledger, Account::ProviderBalance), 0);
    // A refund that the bank sent back.
    let (part, _) = seen(&whole, 100, true).unwrap();
    assert_eq!((part.refunded_amount(), balance(&part.ledger, Account::ProviderBalance)), (400, 100));
    let authorized = started().authorize("pi".into(), now()).unwrap().0;
    assert!(observe(&authorized, &Charge { kept: 0, disputed: true }, now()).is_none());
}

#[test]
fn an_intent_is_judged_by_its_payment() {
    let with = |payment: Payment| Payment { provider_ref: Some("pi".into()), ..payment };
    let charge = |kept| Charge { kept, disputed: false };
    let cancelled = Standing::Cancelled { reason: None };
    for payment in states() {
        let judge = |reference: &str, standing: &Standing, kept| {
            let charge = (*standing == Standing::Captured).then(|| charge(kept));
            verdict(Some(&payment), reference, standing, charge.as_ref())
        };
        let live = !payment.status_name().is_final();
        let unanswered = live && payment.provider_ref.is_none();
        let kept = 500 - payment.refunded_amount();
        let or = |fine: bool, wrong| if fine { Verdict::InOrder } else { wrong };
        assert_eq!(judge("pi_2", &cancelled, 0), Verdict::InOrder);
        assert_eq!(judge("pi_2", &Standing::Captured, 0), Verdict::InOrder, "given back already");
        assert_eq!(judge("pi_2", &Standing::Authorized, 0), or(unanswered, Verdict::Open), "{payment:?}");
        assert_eq!(judge("pi_2", &Standing::Captured, 500), or(unanswered, Verdict::Charged), "{payment:?}");
        let payment = with(payment.clone());
        let own = |standing: &Standing, kept| {
            let charge = (*standing == Standing::Captured).then(|| charge(kept));
            verdict(Some(&payment), "pi", standing, charge.as_ref())
        };
        assert_eq!(own(&Standing::Authorized, 0), or(live, Verdict::Open), "{payment:?}");
        assert_eq!(own(&Standing::Captured, kept), or(live || payment.is_captured(), Verdict::Charged), "{payment:?}");
        if payment.is_captured() {
            assert_eq!(own(&Standing::Captured, 1), Verdict::Changed);
        }
    }
    assert_eq!(verdict(None, "pi", &Standing::RequiresAction, None), Verdict::Open);
    assert_eq!(verdict(None, "pi", &Standing::Captured, None), Verdict::Charged);
}

fn intent(standing: Standing) -> Intent {
    Intent { reference: "pi".into(), standing, charge: None, client_secret: None }
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
        Just(Some(Call::GiveBack)),
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
            let intent = intent(standing);
            let before = payment.clone();
            if let Some(step) = follow(&payment, call, &intent, now()) {
                payment = step.expect("follow only takes legal steps").0;
            }
            if before.status_name().is_final() {
                prop_assert_eq!(&before, &payment);
            }
            let total: i64 = payment.ledger.iter().map(|entry| entry.debit - entry.credit).sum();
            prop_assert_eq!(total, 0);
            let held = if payment.status_name() == PaymentStatus::Authorized { 500 } else { 0 };
            prop_assert_eq!(balance(&payment.ledger, Account::Authorizations), held);
            let charged = if payment.status == Status::Captured { 500 } else { 0 };
            prop_assert_eq!(balance(&payment.ledger, Account::ProviderBalance), charged);
        }
    }
}
