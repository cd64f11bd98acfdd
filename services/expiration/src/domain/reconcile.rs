//! The next step of a timer, given its order at any of its versions.
//!
//! # Why
//! The service stores no replica of orders, because a timer depends on only two things: whether its order can still
//! expire, which never becomes true again, and when the hold ends, which never changes. So the order's events have the
//! same effect in any order and repeated: the timer is closed by the first event that shows that the order can no
//! longer expire.
//!
//! A database of `orders` that is restored to an earlier moment is the exception: an order can then expire again. It
//! is announced by a snapshot, so a snapshot opens a closed timer again. A snapshot that is older than the order's end
//! does so too; the timer then fires without effect, since `orders` ignores it.

use common::events::expiration::ExpirationChange;
use common::events::order::{OrderState, OrderStatus};
use common::timestamp::Timestamp;

use super::timer::{Status, Timer, TimerError};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Create(Timer),
    /// Updates the timer without publishing an event.
    Update(Timer),
    /// Fires the timer, which publishes an event.
    Fire(Timer, ExpirationChange),
}

/// The next step; `None` if timer and order agree.
///
/// A timer is created even for an order that has already ended, and then closed at once, so that an older event which
/// arrives later finds a timer that can't fire. The order's `expires_at` differs from the timer's only if the timer was
/// stored with a wrong one.
pub(crate) fn next_step(
    timer: Option<&Timer>,
    order: &OrderState,
    is_snapshot: bool,
    now: Timestamp,
) -> Option<Result<Step, TimerError>> {
    let new = || Timer::new(order.id, order.expires_at, now);
    let Some(timer) = timer else { return Some(Ok(Step::Create(new()))) };
    match timer.status {
        Status::Pending => {}
        Status::Closed if is_snapshot && can_expire(order.status) => return Some(Ok(Step::Update(new()))),
        Status::Closed | Status::Fired { .. } => return None,
    }
    let timer = timer.clone();
    if !can_expire(order.status) {
        Some(timer.close(now).map(Step::Update))
    } else if timer.expires_at != order.expires_at {
        Some(timer.reschedule(order.expires_at, now).map(Step::Update))
    } else if timer.is_due(now) {
        Some(timer.fire(now).map(|(timer, change)| Step::Fire(timer, change)))
    } else {
        None
    }
}

/// Whether the hold can still expire: not after its payment is authorised.
fn can_expire(status: OrderStatus) -> bool {
    matches!(status, OrderStatus::Created | OrderStatus::AwaitingPayment)
}

/// Whether `orders` missed the event of a timer that has fired.
pub(crate) fn orders_missed_expiry(timer: &Timer, order: &OrderState) -> bool {
    can_expire(order.status) && matches!(timer.status, Status::Fired { .. })
}

#[cfg(test)]
mod tests {
    use common::events::ticket::TicketTerms;
    use common::id::{OrderId, ShowId, TicketId, UserId};
    use common::money::Money;
    use common::seats::Blocks;
    use proptest::prelude::*;

    use super::*;

    const ALL: [OrderStatus; 5] = [
        OrderStatus::Created,
        OrderStatus::AwaitingPayment,
        OrderStatus::Authorized,
        OrderStatus::Completed,
        OrderStatus::Cancelled,
    ];

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn order(status: OrderStatus, expires_at: Timestamp) -> OrderState {
        let ticket = TicketTerms {
            id: TicketId::new(),
            title: "Jazz".to_owned(),
            venue: "Hall".to_owned(),
            city: None,
            starts_at: at(1_000_000),
            time_zone: "UTC".to_owned(),
            section: None,
            row: None,
            blocks: Blocks::one_seat(),
        };
        OrderState {
            id: OrderId::new(),
            buyer_id: UserId::new(),
            status,
            cancel_reason: None,
            refusal: None,
            payment_id: None,
            ticket,
            show_id: ShowId::new(),
            slots: vec![0],
            seats: vec![None],
            unit_price: Money { amount: 100, currency: "USD".parse().unwrap() },
            price: Money { amount: 100, currency: "USD".parse().unwrap() },
            expires_at,
            created_at: at(0),
            updated_at: at(0),
        }
    }

    /// Makes steps after a change until nothing changes; returns how often the timer fired.
    fn reconcile(timer: &mut Option<Timer>, order: &OrderState, now: Timestamp) -> usize {
        reconcile_event(timer, order, false, now)
    }

    fn reconcile_event(timer: &mut Option<Timer>, order: &OrderState, is_snapshot: bool, now: Timestamp) -> usize {
        let mut fired = 0;
        for _ in 0..8 {
            match next_step(timer.as_ref(), order, is_snapshot, now) {
                None => return fired,
                Some(Ok(Step::Create(next) | Step::Update(next))) => *timer = Some(next),
                Some(Ok(Step::Fire(next, _))) => {
                    fired += 1;
                    *timer = Some(next);
                }
                Some(Err(error)) => panic!("{error}"),
            }
        }
        panic!("reconciling does not end");
    }

    #[test]
    fn timer_by_order_status_and_time() {
        for status in ALL {
            let order = order(status, at(10));
            let open = matches!(status, OrderStatus::Created | OrderStatus::AwaitingPayment);
            for (now, due) in [(at(9), false), (at(10), true), (at(11), true)] {
                let mut timer = None;
                assert_eq!(reconcile(&mut timer, &order, now) == 1, open && due, "{status:?} at {now}");
                let timer = timer.unwrap();
                let expected = match (open, due) {
                    (false, _) => Status::Closed,
                    (true, false) => Status::Pending,
                    (true, true) => Status::Fired { at: now },
                };
                assert_eq!(timer.status, expected, "{status:?} at {now}");
                assert_eq!(orders_missed_expiry(&timer, &order), open && due);
            }
        }
    }

    #[test]
    fn changed_expiry_reschedules_the_timer() {
        let mut order = order(OrderStatus::Created, at(10));
        let mut timer = None;
        reconcile(&mut timer, &order, at(5));
        order.expires_at = at(20);
        assert_eq!(reconcile(&mut timer, &order, at(15)), 0);
        assert_eq!(timer.as_ref().unwrap().expires_at, at(20));
        assert_eq!(reconcile(&mut timer, &order, at(20)), 1);
    }

    #[test]
    fn only_snapshot_of_an_unpaid_order_opens_a_closed_timer() {
        for status in ALL {
            let mut order = order(OrderStatus::Completed, at(10));
            let mut timer = None;
            reconcile(&mut timer, &order, at(5));
            order.status = status;
            let can_expire = matches!(status, OrderStatus::Created | OrderStatus::AwaitingPayment);
            assert_eq!(reconcile_event(&mut timer, &order, false, at(6)), 0);
            assert_eq!(timer.as_ref().unwrap().status, Status::Closed, "change to {status:?}");
            assert_eq!(reconcile_event(&mut timer, &order, true, at(6)), 0);
            let expected = if can_expire { Status::Pending } else { Status::Closed };
            assert_eq!(timer.as_ref().unwrap().status, expected, "snapshot as {status:?}");
            // The timer fires once: a snapshot does not open it after that.
            assert_eq!(reconcile_event(&mut timer, &order, true, at(10)), usize::from(can_expire));
            assert_eq!(reconcile_event(&mut timer, &order, true, at(11)), 0);
        }
    }

    #[test]
    fn timer_is_the_same_whatever_the_order_of_the_events() {
        use OrderStatus::{Authorized, AwaitingPayment, Cancelled, Completed, Created};
        let base = order(Created, at(10));
        for history in [vec![Created, AwaitingPayment, Authorized, Completed], vec![Created, Cancelled]] {
            for first in &history {
                for second in &history {
                    // Delivers any two of the events first, and then all events in order.
                    let mut timer = None;
                    for status in [*first, *second].into_iter().chain(history.iter().copied()) {
                        let fired = reconcile(&mut timer, &OrderState { status, ..base.clone() }, at(5));
                        assert_eq!(fired, 0);
                    }
                    assert_eq!(timer.unwrap().status, Status::Closed, "{history:?} after {first:?} and {second:?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn timer_fires_at_most_once_and_never_early(
            events in proptest::collection::vec((0_usize..5, any::<bool>(), 0_i64..20), 1..12),
        ) {
            let base = order(OrderStatus::Created, at(10));
            let (mut timer, mut fired, mut now) = (None, 0, 0);
            for (status, is_snapshot, later) in events {
                now += later;
                let order = OrderState { status: ALL[status], ..base.clone() };
                let count = reconcile_event(&mut timer, &order, is_snapshot, at(now));
                prop_assert!(count == 0 || now >= 10);
                fired += count;
            }
            prop_assert!(fired <= 1);
        }
    }
}
