//! What the timer of an order does next, given what is known of the order.

use common::events::expiration::ExpirationChange;
use common::events::order::{OrderState, OrderStatus};
use common::timestamp::Timestamp;

use super::timer::{Status, Timer, TimerError};

/// One step of a timer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// There is no timer yet: this is it.
    Set(Timer),
    /// It changes, and nobody is told.
    Change(Timer),
    /// It fires, and orders is told.
    Fire(Timer, ExpirationChange),
}

/// The next step; `None` when timer and order agree. `now` is one reading of the clock.
///
/// A timer is set even for an order that is over already, and then closed at once: whatever older
/// news comes later finds a timer that can't fire.
pub fn next(timer: Option<&Timer>, order: &OrderState, now: Timestamp) -> Option<Result<Step, TimerError>> {
    let Some(timer) = timer else {
        return Some(Ok(Step::Set(Timer::set(order.id, order.expires_at, now))));
    };
    if timer.status != Status::Pending {
        return None;
    }
    let timer = timer.clone();
    if !may_expire(order.status) {
        Some(timer.close(now).map(Step::Change))
    } else if timer.expires_at != order.expires_at {
        Some(timer.move_to(order.expires_at, now).map(Step::Change))
    } else if timer.is_due(now) {
        Some(timer.fire(now).map(|(timer, change)| Step::Fire(timer, change)))
    } else {
        None
    }
}

/// Whether the hold ends by time: not once its payment is authorised.
fn may_expire(status: OrderStatus) -> bool {
    matches!(status, OrderStatus::Created | OrderStatus::AwaitingPayment)
}

/// Whether orders waits for news that the timer has told already.
pub fn is_peer_behind(timer: &Timer, order: &OrderState) -> bool {
    may_expire(order.status) && matches!(timer.status, Status::Fired { .. })
}

#[cfg(test)]
mod tests {
    use common::events::ticket::TicketTerms;
    use common::id::{OrderId, TicketId, UserId};
    use common::money::Money;
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
            seat: None,
        };
        OrderState {
            id: OrderId::new(),
            buyer_id: UserId::new(),
            status,
            cancel_reason: None,
            refusal: None,
            payment_id: None,
            ticket,
            price: Money { amount: 100, currency: "USD".parse().unwrap() },
            expires_at,
            created_at: at(0),
            updated_at: at(0),
        }
    }

    /// Steps until nothing is left to do; how often it fired.
    fn settle(timer: &mut Option<Timer>, order: &OrderState, now: Timestamp) -> usize {
        let mut fired = 0;
        for _ in 0..8 {
            match next(timer.as_ref(), order, now) {
                None => return fired,
                Some(Ok(Step::Set(next) | Step::Change(next))) => *timer = Some(next),
                Some(Ok(Step::Fire(next, _))) => {
                    fired += 1;
                    *timer = Some(next);
                }
                Some(Err(error)) => panic!("{error}"),
            }
        }
        panic!("does not settle");
    }

    #[test]
    fn an_order_in_every_state_before_and_at_its_time() {
        for status in ALL {
            let order = order(status, at(10));
            let open = matches!(status, OrderStatus::Created | OrderStatus::AwaitingPayment);
            for (now, due) in [(at(9), false), (at(10), true), (at(11), true)] {
                let mut timer = None;
                assert_eq!(settle(&mut timer, &order, now) == 1, open && due, "{status:?} at {now}");
                let timer = timer.unwrap();
                let expected = match (open, due) {
                    (false, _) => Status::Closed,
                    (true, false) => Status::Pending,
                    (true, true) => Status::Fired { at: now },
                };
                assert_eq!(timer.status, expected, "{status:?} at {now}");
                assert_eq!(is_peer_behind(&timer, &order), open && due);
            }
        }
    }

    #[test]
    fn a_hold_that_ends_at_another_moment_moves_its_timer() {
        let mut order = order(OrderStatus::Created, at(10));
        let mut timer = None;
        settle(&mut timer, &order, at(5));
        order.expires_at = at(20);
        assert_eq!(settle(&mut timer, &order, at(15)), 0);
        assert_eq!(timer.as_ref().unwrap().expires_at, at(20));
        assert_eq!(settle(&mut timer, &order, at(20)), 1);
    }

    proptest! {
        #[test]
        fn whatever_is_known_when_it_fires_at_most_once_and_never_early(
            news in proptest::collection::vec((0_usize..5, 0_i64..20), 1..12),
        ) {
            let base = order(OrderStatus::Created, at(10));
            let (mut timer, mut fired, mut now) = (None, 0, 0);
            for (status, later) in news {
                now += later;
                let known = OrderState { status: ALL[status], ..base.clone() };
                let this = settle(&mut timer, &known, at(now));
                prop_assert!(this == 0 || now >= 10);
                fired += this;
            }
            prop_assert!(fired <= 1);
        }
    }
}
