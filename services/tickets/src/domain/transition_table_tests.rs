//! Every command of a listing in every status, and the contents of its events.

use std::time::Duration;

use common::aggregate::Aggregate;
use common::error::Error;
use common::events::ticket::{PriceDrop, RefusedOrder, TicketChange, TicketState, TicketStatus};
use common::id::OrderId;
use common::money::Money;

use super::fixtures::{details, link, money, now, refusal, ticket};
use super::price::PastPrice;
use super::ticket::{ListingDetails, Status, Ticket, TicketError, Transition};

/// Name, command, expected change, and the expected status or error from each status.
type Command<'a> = (&'a str, Box<dyn Fn(Ticket) -> Transition>, TicketChange, [Result<Status, TicketError>; 4]);

#[test]
fn every_command_in_every_status() {
    use TicketError::{NotReserved, Reserved, Sold, Withdrawn};
    let (holder, other) = (OrderId::new(), OrderId::new());
    let states = [
        Status::Available,
        Status::Reserved { order_id: holder },
        Status::Sold { order_id: holder },
        Status::Withdrawn,
    ];
    let later = now().plus(Duration::from_secs(1));
    let reserved = || Status::Reserved { order_id: holder };
    let sold = || Status::Sold { order_id: holder };
    let only_available = |next: Status| [Ok(next), Err(Reserved), Err(Sold), Err(Withdrawn)];
    let table: [Command; 8] = [
        (
            "revise",
            Box::new(move |t| t.revise(link(), details(), later)),
            TicketChange::Updated,
            only_available(Status::Available),
        ),
        ("withdraw", Box::new(move |t| t.withdraw(later)), TicketChange::Withdrawn, only_available(Status::Withdrawn)),
        ("reserve", Box::new(move |t| t.reserve(holder, later)), TicketChange::Reserved, only_available(reserved())),
        (
            "refuse",
            Box::new(move |t| t.refuse(other, refusal(), later)),
            TicketChange::Refused,
            [Ok(Status::Available), Err(Reserved), Err(Sold), Ok(Status::Withdrawn)],
        ),
        (
            "release",
            Box::new(move |t| t.release(holder, later)),
            TicketChange::Released,
            [Err(NotReserved), Ok(Status::Available), Err(NotReserved), Err(NotReserved)],
        ),
        (
            "release for another",
            Box::new(move |t| t.release(other, later)),
            TicketChange::Released,
            [Err(NotReserved), Err(NotReserved), Err(NotReserved), Err(NotReserved)],
        ),
        (
            "sell",
            Box::new(move |t| t.sell(holder, later)),
            TicketChange::Sold,
            [Err(NotReserved), Ok(sold()), Err(NotReserved), Err(NotReserved)],
        ),
        (
            "sell to another",
            Box::new(move |t| t.sell(other, later)),
            TicketChange::Sold,
            [Err(NotReserved), Err(NotReserved), Err(NotReserved), Err(NotReserved)],
        ),
    ];
    for (name, command, change, expected) in table {
        for (from, expected) in states.iter().zip(expected) {
            let before = Ticket { status: from.clone(), ..ticket() };
            let after = command(before.clone());
            match (&after, &expected) {
                (Ok((after, what)), Ok(status)) => {
                    assert_eq!((&after.status, *what), (status, change), "{name} on {from:?}");
                    assert_eq!(after.updated_at, later, "{name} on {from:?}");
                    assert_eq!(after.created_at, before.created_at, "{name} on {from:?}");
                }
                (Err(error), Err(expected)) => assert_eq!(error, expected, "{name} on {from:?}"),
                _ => panic!("{name} on {from:?}: {after:?} instead of {expected:?}"),
            }
        }
    }
}

#[test]
fn clearing_a_refusal_keeps_the_others() {
    let (first, second) = (OrderId::new(), OrderId::new());
    let (ticket, _) = ticket().refuse(first, refusal(), now()).unwrap();
    let (ticket, _) = ticket.refuse(second, refusal(), now()).unwrap();
    assert!(ticket.has_refused(first) && ticket.has_refused(second));
    assert!(!ticket.is_settled(), "a refusal is announced until its order has finished");
    let (ticket, change) = ticket.clear_refusals(&[first], now());
    assert_eq!(change, TicketChange::Updated);
    assert!(!ticket.has_refused(first) && ticket.has_refused(second));
    assert!(ticket.clear_refusals(&[second], now()).0.is_settled());
}

#[test]
fn reserved_is_the_only_status_that_is_not_final() {
    let order_id = OrderId::new();
    for (status, is_settled) in [
        (Status::Available, true),
        (Status::Reserved { order_id }, false),
        (Status::Sold { order_id }, true),
        (Status::Withdrawn, true),
    ] {
        let ticket = Ticket { status: status.clone(), ..ticket() };
        assert_eq!(ticket.is_settled(), is_settled, "{status:?}");
        assert_eq!(
            serde_json::to_value(&status).unwrap()["name"],
            ticket.status_name().as_ref(),
            "queries use this name"
        );
    }
}

#[test]
fn events_contain_the_order_and_the_refusals() {
    let order = OrderId::new();
    let (refused, _) = ticket().refuse(order, refusal(), now()).unwrap();
    let state = refused.payload();
    assert_eq!(state.refusals, [RefusedOrder { order_id: order, refusal: refusal() }]);
    assert_eq!((state.status, state.order_id), (TicketStatus::Available, None));
    let (reserved, _) = ticket().reserve(order, now()).unwrap();
    assert_eq!((reserved.payload().status, reserved.payload().order_id), (TicketStatus::Reserved, Some(order)));
    let (sold, _) = reserved.sell(order, now()).unwrap();
    assert_eq!((sold.payload().status, sold.payload().order_id), (TicketStatus::Sold, Some(order)));
    assert_eq!(sold.payload().terms, sold.terms());
}

#[test]
fn price_drop_is_below_the_lowest_price_of_thirty_days() {
    let euros = |amount| Money { amount, currency: "EUR".parse().unwrap() };
    let at = |minutes: u64| now().plus(Duration::from_secs(60 * minutes));
    let dropped = |from: i64, minutes| Some(PriceDrop { from: money(from), at: at(minutes) });
    let mut ticket = ticket();
    assert_eq!(ticket.payload().price_drop, None, "a new listing has no previous price");
    for (minutes, price, expected) in [
        (1, money(5_000), None),
        (2, money(4_000), dropped(5_000, 2)),
        (3, money(4_000), dropped(5_000, 2)),
        (4, money(3_999), dropped(4_000, 4)),
        (5, money(4_500), None),
        (6, money(4_400), None),
        (7, money(3_900), dropped(3_999, 7)),
    ] {
        let show = ticket.show.clone();
        ticket = ticket.revise(show, ListingDetails { price, ..details() }, at(minutes)).unwrap().0;
        assert_eq!(ticket.payload().price_drop, expected, "after {minutes} minutes");
    }
    let order = OrderId::new();
    let reserved = ticket.clone().reserve(order, at(9)).unwrap().0;
    assert_eq!(reserved.price_drop, ticket.price_drop, "other transitions keep the price drop");
    assert_eq!(reserved.release(order, at(10)).unwrap().0.price_drop, ticket.price_drop);
    for price in [euros(90_000), euros(1_000), money(3_800)] {
        let show = ticket.show.clone();
        ticket = ticket.revise(show, ListingDetails { price, ..details() }, at(11)).unwrap().0;
        assert_eq!(ticket.price_drop, None, "prices in several currencies are not compared");
    }
}

#[test]
fn documents_without_price_drop_are_deserialised() {
    let ticket = ticket();
    let stored = serde_json::to_value(&ticket).unwrap();
    assert!(stored.get("priceDrop").is_none(), "{stored}");
    assert_eq!(serde_json::from_value::<Ticket>(stored).unwrap(), ticket);
}

#[test]
fn error_codes_are_stable() {
    for (error, code) in [
        (TicketError::Reserved, "ticket-reserved"),
        (TicketError::Sold, "ticket-sold"),
        (TicketError::Withdrawn, "ticket-withdrawn"),
        (TicketError::NotReserved, "ticket-not-held"),
        (TicketError::ShowCancelled, "show-cancelled"),
    ] {
        let problem = Error::from(error).problem();
        assert_eq!((problem.status, problem.kind), (409, format!("urn:ticketing:problem:{code}")));
    }
}

#[test]
fn payload_contains_the_whole_listing() {
    let order_id = OrderId::new();
    let later = now().plus(Duration::from_secs(1));
    for (status, change) in [
        (Status::Available, TicketChange::Updated),
        (Status::Reserved { order_id }, TicketChange::Reserved),
        (Status::Sold { order_id }, TicketChange::Sold),
        (Status::Withdrawn, TicketChange::Withdrawn),
    ] {
        let listing = Ticket {
            status,
            price_drop: Some(PriceDrop { from: money(6_000), at: now() }),
            past_prices: vec![PastPrice { price: money(6_000), until: now() }],
            refusals: vec![RefusedOrder { order_id: OrderId::new(), refusal: refusal() }],
            updated_at: later,
            ..ticket()
        };
        assert_eq!(listing.present_change(), change);
        assert_eq!(Ticket::from_payload(listing.payload()), Some(listing));
    }
    let incomplete = TicketState { status: TicketStatus::Sold, order_id: None, ..ticket().payload() };
    assert_eq!(Ticket::from_payload(incomplete), None);
}
