//! Tests of payments: every transition from every status, the next action for each status of the order, and convergence
//! whatever the provider responds.

use std::time::Duration;

use common::events::order::{OrderState, OrderStatus};
use common::events::payment::{PaymentChange, PaymentStatus};
use common::events::ticket::TicketTerms;
use common::id::{OrderId, PaymentId, ShowId, TicketId, UserId};
use common::money::Money;
use common::seats::Blocks;
use common::timestamp::Timestamp;
use proptest::prelude::*;

use super::intent::{Charge, Intent, IntentStatus};
use super::ledger::{Account, balance};
use super::orphans::{IntentCheck, check_intent};
use super::payment::{Payment, PaymentError, Refund, Status};
use super::reconcile::{ProviderAction, apply_charge, apply_intent, can_need_action, may_need_action, next_action};

const NOW: i64 = 1_800_000_000_000;
const RETRY_WINDOW: Duration = Duration::from_secs(600);

fn now() -> Timestamp {
    Timestamp::from_millis(NOW)
}

type Command = fn(Payment, String) -> Result<PaymentStatus, PaymentError>;

fn usd(amount: i64) -> Money {
    Money { amount, currency: "USD".parse().unwrap() }
}

fn order() -> OrderState {
    OrderState {
        id: OrderId::new(),
        buyer_id: UserId::new(),
        status: OrderStatus::AwaitingPayment,
        cancel_reason: None,
        refusal: None,
        payment_id: None,
        ticket: TicketTerms {
            id: TicketId::new(),
            title: "t".into(),
            venue: "v".into(),
            city: None,
            starts_at: now(),
            time_zone: "UTC".into(),
            section: None,
            row: None,
            blocks: Blocks::one_seat(),
        },
        show_id: ShowId::new(),
        slots: vec![0],
        seats: vec![None],
        unit_price: usd(500),
        price: usd(500),
        expires_at: now(),
        created_at: now(),
        updated_at: now(),
    }
}

fn started() -> Payment {
    Payment::start(PaymentId::new(), &order(), 1, "stripe", "amount=500".into(), now()).0
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
        authorized().capture(pi(), now()).unwrap().0.overpay(600, now()).unwrap().0,
        authorized().capture(pi(), now()).unwrap().0.start_refund(now()).unwrap().0.dispute(now()).unwrap().0,
        started().decline("no".into(), None, now()).unwrap().0,
        authorized().fail("no".into(), now()).unwrap().0,
        authorized().void(now()).unwrap().0,
    ]
}

#[test]
fn every_command_in_every_status() {
    use PaymentStatus::{Authorized, Authorizing, Captured, Declined, Failed, RequiresAction, Voided};
    let pi = || "pi".to_owned();
    let commands: [(PaymentStatus, &[PaymentStatus], Command); 10] = [
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
        (Captured, &[Captured], |p, _| p.overpay(700, now()).map(|(p, _)| p.status_name())),
        (Captured, &[Captured], |p, _| p.dispute(now()).map(|(p, _)| p.status_name())),
        (Failed, &[Authorized], |p, r| p.fail(r, now()).map(|(p, _)| p.status_name())),
        (Voided, &[RequiresAction, Authorized], |p, _| p.void(now()).map(|(p, _)| p.status_name())),
    ];
    for payment in states() {
        let from = payment.status_name();
        assert_eq!(serde_json::to_value(&payment.status).unwrap()["name"], from.as_ref(), "queries use this name");
        for (to, allowed, command) in &commands {
            let outcome = command(payment.clone(), pi());
            let expected = if allowed.contains(&from) { Ok(*to) } else { Err(PaymentError { from, to: *to }) };
            assert_eq!(outcome, expected, "{from:?} to {to:?}");
        }
    }
}

#[test]
fn delay_is_recorded_once() {
    let error = |status| Err(PaymentError { from: status, to: status });
    let (authorizing, authorized) = (started(), started().authorize("pi".into(), now()).unwrap().0);
    let (delayed, change) = authorizing.delay_authorization(now()).unwrap();
    assert_eq!(change, PaymentChange::AuthorizationDelayed);
    assert_eq!(delayed.delay_authorization(now()), error(PaymentStatus::Authorizing));
    let (delayed, change) = authorized.delay_capture(now()).unwrap();
    assert_eq!((change, delayed.capture_delayed_at()), (PaymentChange::CaptureDelayed, Some(now())));
    assert_eq!(delayed.delay_capture(now()), error(PaymentStatus::Authorized));
}

#[test]
fn statuses_stored_by_earlier_versions_are_read() {
    for (name, status) in [
        ("authorizing", Status::Authorizing { delayed_at: None }),
        ("authorized", Status::Authorized { capture_delayed_at: None }),
    ] {
        let stored = serde_json::json!({ "name": name });
        assert_eq!(serde_json::from_value::<Status>(stored).unwrap(), status);
    }
}

fn order_of(payment: &Payment, status: OrderStatus, winner: Option<PaymentId>) -> OrderState {
    OrderState { id: payment.order_id, buyer_id: payment.buyer_id, status, payment_id: winner, ..order() }
}

#[test]
fn next_action_in_each_situation() {
    use OrderStatus::{Authorized, AwaitingPayment, Cancelled, Completed, Created};
    for payment in states() {
        let held = payment.status_name() == PaymentStatus::Authorized;
        let live = held || payment.status == Status::RequiresAction;
        let action_if_closed = if payment.is_captured() {
            // The bank decides a disputed charge.
            (!payment.disputed).then_some(ProviderAction::Refund)
        } else {
            live.then_some(ProviderAction::Void)
        };
        let (ours, other) = (Some(payment.id), Some(PaymentId::new()));
        for (status, winner, expected) in [
            (Created, None, None),
            (AwaitingPayment, None, None),
            (Authorized, ours, held.then_some(ProviderAction::Capture)),
            (Completed, ours, held.then_some(ProviderAction::Capture)),
            (Authorized, other, action_if_closed),
            (Completed, other, action_if_closed),
            (Cancelled, None, action_if_closed),
        ] {
            let order = order_of(&payment, status, winner);
            if !can_need_action(&order) || !may_need_action(&payment) {
                assert_eq!(expected, None, "skipped without reading: {:?} {status:?}", payment.status);
            }
            assert_eq!(
                next_action(&payment, Some(&order), now(), RETRY_WINDOW),
                expected,
                "{:?} {status:?}",
                payment.status
            );
            if expected == Some(ProviderAction::Capture) {
                // The retry window starts at the first failed capture, not when the order was authorised.
                let late = now().plus(RETRY_WINDOW * 2);
                let has_failed = payment.capture_delayed_at().is_some();
                let expected = if has_failed { ProviderAction::CaptureOrCancel } else { ProviderAction::Capture };
                assert_eq!(next_action(&payment, Some(&order), late, RETRY_WINDOW), Some(expected));
            }
            if expected == Some(ProviderAction::Refund) {
                let refunded = payment.clone().refund(payment.received_amount(), now()).unwrap().0;
                assert_eq!(
                    next_action(&refunded, Some(&order), now(), RETRY_WINDOW),
                    None,
                    "the whole charge is refunded"
                );
            }
        }
        assert_eq!(next_action(&payment, None, now(), RETRY_WINDOW), None);
    }
}

#[test]
fn last_capture_attempt_ends_in_the_provider_status() {
    let authorized = started().authorize("pi".into(), now()).unwrap().0;
    let ends = |status| {
        let intent = intent(status);
        let transition = apply_intent(&authorized, Some(ProviderAction::CaptureOrCancel), &intent, now());
        transition.map(|transition| transition.unwrap().0.status_name())
    };
    assert_eq!(ends(IntentStatus::Cancelled { reason: None }), Some(PaymentStatus::Failed));
    assert_eq!(ends(IntentStatus::Captured), Some(PaymentStatus::Captured));
    assert_eq!(ends(IntentStatus::Authorized), None, "neither cancelled nor captured: retry");
}

/// A cancellation in the provider's dashboard fails the payment if it had authorised the order. Otherwise it declines
/// the payment, and the buyer can try another card.
#[test]
fn cancellation_at_the_provider_fails_only_a_payment_that_authorized_the_order() {
    let authorized = started().authorize("pi".into(), now()).unwrap().0;
    let cancelled = intent(IntentStatus::Cancelled { reason: None });
    for (action, status) in [
        (None, PaymentStatus::Declined),
        (Some(ProviderAction::Capture), PaymentStatus::Failed),
        (Some(ProviderAction::CaptureOrCancel), PaymentStatus::Failed),
        (Some(ProviderAction::Void), PaymentStatus::Voided),
    ] {
        let (ended, _) = apply_intent(&authorized, action, &cancelled, now()).unwrap().unwrap();
        assert_eq!(ended.status_name(), status, "{action:?}");
        assert_eq!(balance(&ended.ledger, Account::Authorizations), 0);
    }
}

#[test]
fn capture_before_a_void_opens_a_refund() {
    let authorized = started().authorize("pi".into(), now()).unwrap().0;
    let captured =
        |action| apply_intent(&authorized, action, &intent(IntentStatus::Captured), now()).unwrap().unwrap().0;
    assert_eq!(captured(None).refund, None);
    assert_eq!(captured(Some(ProviderAction::Capture)).refund, None);
    assert_eq!(captured(Some(ProviderAction::Void)).refund, Some(Refund { attempt: 1, since: now(), is_open: true }));
}

#[test]
fn refunds_and_disputes_at_the_provider_are_recorded() {
    let captured = started().authorize("pi".into(), now()).unwrap().0.capture("pi".into(), now()).unwrap().0;
    let apply = |payment: &Payment, net_amount, disputed| {
        apply_charge(payment, &Charge { received: 500, net_amount, disputed }, now())
            .map(|result| result.expect("it is captured"))
    };
    assert_eq!(apply(&captured, 500, false), None);
    let (part, change) = apply(&captured, 300, true).unwrap();
    assert_eq!((change, part.refunded_amount(), part.disputed), (PaymentChange::Refunded, 200, false));
    let (disputed, change) = apply(&part, 300, true).unwrap();
    assert_eq!((change, disputed.disputed), (PaymentChange::Disputed, true));
    assert_eq!(apply(&disputed, 300, true), None);
    let (whole, _) = apply(&disputed, 0, true).unwrap();
    assert!(whole.is_refunded());
    assert_eq!(balance(&whole.ledger, Account::ProviderBalance), 0);
    // A refund that the bank returned.
    let (part, _) = apply(&whole, 100, true).unwrap();
    assert_eq!((part.refunded_amount(), balance(&part.ledger, Account::ProviderBalance)), (400, 100));
    let authorized = started().authorize("pi".into(), now()).unwrap().0;
    assert!(apply_charge(&authorized, &Charge { received: 500, net_amount: 0, disputed: true }, now()).is_none());
}

#[test]
fn refund_of_a_disputed_charge_is_not_open() {
    let captured = started().authorize("pi".into(), now()).unwrap().0.capture("pi".into(), now()).unwrap().0;
    let disputed = captured.start_refund(now()).unwrap().0.dispute(now()).unwrap().0;
    assert!(!disputed.has_open_refund());
    let (part, _) = disputed.refund(200, now()).unwrap();
    assert!(!part.has_open_refund(), "the rest is not refunded while the charge is disputed");
}

#[test]
fn overpayment_is_recorded_once_and_refunded_like_the_rest() {
    let captured = started().authorize("pi".into(), now()).unwrap().0.capture("pi".into(), now()).unwrap().0;
    let charge = |net_amount| Charge { received: 600, net_amount, disputed: false };
    let (overpaid, change) = apply_charge(&captured, &charge(600), now()).unwrap().unwrap();
    assert_eq!((change, overpaid.received_amount()), (PaymentChange::Overpaid, 600));
    assert_eq!(balance(&overpaid.ledger, Account::ProviderBalance), 600);
    assert!(apply_charge(&overpaid, &charge(600), now()).is_none());
    let (part, _) = apply_charge(&overpaid, &charge(100), now()).unwrap().unwrap();
    assert_eq!((part.refunded_amount(), part.is_refunded()), (500, false));
    let (whole, _) = apply_charge(&part, &charge(0), now()).unwrap().unwrap();
    assert!(whole.is_refunded());
    assert_eq!(balance(&whole.ledger, Account::ProviderBalance), 0);
    let intent = Intent { charge: Some(charge(600)), ..intent(IntentStatus::Captured) };
    assert_eq!(check_intent(Some(&captured), &intent), IntentCheck::PaymentOutdated);
}

#[test]
fn intents_are_checked_against_their_payment() {
    let check = |payment: Option<&Payment>, reference: &str, status: &IntentStatus, net_amount| {
        let charge =
            (*status == IntentStatus::Captured).then_some(Charge { received: 500, net_amount, disputed: false });
        check_intent(payment, &Intent { reference: reference.into(), charge, ..intent(status.clone()) })
    };
    let cancelled = IntentStatus::Cancelled { reason: None };
    for payment in states() {
        let other = |status: &IntentStatus, net_amount| check(Some(&payment), "pi_2", status, net_amount);
        let is_open = !payment.status_name().is_final();
        let has_no_intent = is_open && payment.provider_ref.is_none();
        let net_amount = payment.received_amount() - payment.refunded_amount();
        let ok_if = |condition: bool, otherwise| if condition { IntentCheck::Consistent } else { otherwise };
        assert_eq!(other(&cancelled, 0), IntentCheck::Consistent);
        assert_eq!(other(&IntentStatus::Captured, 0), IntentCheck::Consistent, "already refunded");
        assert_eq!(other(&IntentStatus::Authorized, 0), ok_if(has_no_intent, IntentCheck::NeedsCancel), "{payment:?}");
        assert_eq!(other(&IntentStatus::Captured, 500), ok_if(has_no_intent, IntentCheck::NeedsRefund), "{payment:?}");
        let payment = Payment { provider_ref: Some("pi".into()), ..payment.clone() };
        let check_own = |status: &IntentStatus, net_amount| check(Some(&payment), "pi", status, net_amount);
        assert_eq!(check_own(&IntentStatus::Authorized, 0), ok_if(is_open, IntentCheck::NeedsCancel), "{payment:?}");
        let accounted = is_open || payment.is_captured();
        assert_eq!(
            check_own(&IntentStatus::Captured, net_amount),
            ok_if(accounted, IntentCheck::NeedsRefund),
            "{payment:?}"
        );
        if payment.is_captured() {
            assert_eq!(check_own(&IntentStatus::Captured, 1), IntentCheck::PaymentOutdated);
        }
    }
    assert_eq!(check(None, "pi", &IntentStatus::RequiresAction, 0), IntentCheck::NeedsCancel);
    assert_eq!(check_intent(None, &intent(IntentStatus::Captured)), IntentCheck::NeedsRefund);
}

fn intent(status: IntentStatus) -> Intent {
    Intent { reference: "pi".into(), status, charge: None, client_secret: None }
}

fn intent_status() -> impl Strategy<Value = IntentStatus> {
    prop_oneof![
        Just(IntentStatus::Pending),
        Just(IntentStatus::RequiresAction),
        Just(IntentStatus::Authorized),
        Just(IntentStatus::Captured),
        Just(IntentStatus::Declined { reason: "no".into() }),
        Just(IntentStatus::Cancelled { reason: None }),
    ]
}

fn action() -> impl Strategy<Value = Option<ProviderAction>> {
    prop_oneof![
        Just(None),
        Just(Some(ProviderAction::Capture)),
        Just(Some(ProviderAction::CaptureOrCancel)),
        Just(Some(ProviderAction::Void)),
        Just(Some(ProviderAction::Refund)),
        Just(Some(ProviderAction::Supersede))
    ]
}

proptest! {
    /// For any responses to any actions: every transition is allowed, a final payment never changes, and the ledger
    /// balances and agrees with the status.
    #[test]
    fn any_responses_lead_to_a_consistent_payment(
        responses in proptest::collection::vec((action(), intent_status()), 0..8),
    ) {
        let mut payment = started();
        for (action, status) in responses {
            let intent = intent(status);
            let before = payment.clone();
            if let Some(transition) = apply_intent(&payment, action, &intent, now()) {
                payment = transition.expect("`apply_intent` returns only valid transitions").0;
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
