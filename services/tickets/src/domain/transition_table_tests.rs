//! Every command of a listing in every status, and the contents of its events.

use std::time::Duration;

use common::aggregate::Aggregate;
use common::error::Error;
use common::events::ticket::{Category, PriceDrop, RefusedOrder, TicketChange, TicketState, TicketStatus};
use common::id::OrderId;
use common::money::Money;

use super::fixtures::{details, hold, in_each_status, link, money, names, now, refusal, statuses, ticket, ticket_of};
use super::price::PastPrice;
use super::show_link::ShowLink;
use super::ticket::{ListingDetails, Ticket, Transition};
use super::ticket_error::TicketError;

/// Name, command, expected change, and the expected status or error from each status.
type Command<'a> = (&'a str, Box<dyn Fn(Ticket) -> Transition>, TicketChange, [Result<TicketStatus, TicketError>; 4]);

#[test]
fn every_command_in_every_status() {
    use TicketError::{NotFree, NotReserved};
    use TicketStatus::{Available, Reserved, Sold, Withdrawn};
    let (holder, other) = (OrderId::new(), OrderId::new());
    let later = now().plus(Duration::from_secs(1));
    let for_sale = |next| [Ok(next), Err(TicketError::Reserved), Err(TicketError::Sold), Err(TicketError::Withdrawn)];
    let never = [Err(NotReserved); 4];
    let revise = move |t: Ticket| t.revise(link(), details(), names(1), later);
    let table: [Command; 8] = [
        ("revise", Box::new(revise), TicketChange::Updated, for_sale(Available)),
        ("withdraw", Box::new(move |t| t.withdraw(later)), TicketChange::Withdrawn, for_sale(Withdrawn)),
        (
            "reserve",
            Box::new(move |t| t.reserve(holder, &[0], later)),
            TicketChange::Reserved,
            [Ok(Reserved), Err(NotFree), Err(NotFree), Err(NotFree)],
        ),
        (
            "refuse",
            Box::new(move |t| Ok(t.refuse(other, refusal(), later))),
            TicketChange::Refused,
            [Ok(Available), Ok(Reserved), Ok(Sold), Ok(Withdrawn)],
        ),
        (
            "release",
            Box::new(move |t| t.release(holder, later)),
            TicketChange::Released,
            [Err(NotReserved), Ok(Available), Err(NotReserved), Err(NotReserved)],
        ),
        ("release for another", Box::new(move |t| t.release(other, later)), TicketChange::Released, never),
        (
            "sell",
            Box::new(move |t| t.sell(holder, later)),
            TicketChange::Sold,
            [Err(NotReserved), Ok(Sold), Err(NotReserved), Err(NotReserved)],
        ),
        ("sell to another", Box::new(move |t| t.sell(other, later)), TicketChange::Sold, never),
    ];
    for (name, command, change, expected) in table {
        for (before, expected) in in_each_status(holder).into_iter().zip(expected) {
            let from = before.status.name;
            let after = command(before.clone());
            match (&after, &expected) {
                (Ok((after, what)), Ok(status)) => {
                    assert_eq!((after.status.name, *what), (*status, change), "{name} on {from:?}");
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
fn status_follows_from_the_seats() {
    let (first, second) = (OrderId::new(), OrderId::new());
    let mut ticket = ticket_of(&[2, 1, 1]);
    let mut expect = |next: Ticket, status: &str, free: u8, quantities: &[u8], seats: [&str; 4]| {
        let found = (next.status.name.as_ref(), next.status.free, next.status.quantities.as_slice());
        assert_eq!(found, (status, free, quantities));
        assert_eq!(statuses(&next), seats);
        ticket = next.clone();
        next
    };
    let next = expect(ticket_of(&[2, 1, 1]), "available", 4, &[1, 2, 3, 4], ["available"; 4]);
    let next = next.reserve(first, &[2], now()).unwrap().0;
    let next = expect(next, "available", 3, &[1, 2], ["available", "available", "reserved", "available"]);
    let next = next.reserve(second, &[0, 1], now()).unwrap().0;
    let next = expect(next, "available", 1, &[1], ["reserved", "reserved", "reserved", "available"]);
    let next = next.sell(second, now()).unwrap().0;
    let next = expect(next, "available", 1, &[1], ["sold", "sold", "reserved", "available"]);
    let full = next.clone().reserve(second, &[3], now()).unwrap().0;
    assert_eq!(full.status.name, TicketStatus::Reserved);
    let next = next.withdraw(now()).unwrap().0;
    let next = expect(next, "withdrawn", 0, &[], ["sold", "sold", "reserved", "withdrawn"]);
    assert!(!next.is_settled() && !next.has_ended(), "a seat is still held");
    let sold = next.clone().sell(first, now()).unwrap().0;
    expect(sold, "withdrawn", 0, &[], ["sold", "sold", "sold", "withdrawn"]);
    let next = next.release(first, now()).unwrap().0;
    let next = expect(next, "withdrawn", 0, &[], ["sold", "sold", "withdrawn", "withdrawn"]);
    assert!(next.is_settled() && next.has_ended());
}

#[test]
fn terms_remain_while_a_seat_is_held_or_sold() {
    type Edit = fn(&mut ListingDetails, &mut Vec<Option<String>>);
    let terms: [(&str, Edit); 8] = [
        ("title", |listing, _| listing.title.push('!')),
        ("venue", |listing, _| listing.venue.push('!')),
        ("start", |listing, _| listing.starts_at = listing.starts_at.plus(Duration::from_secs(60))),
        ("section", |listing, _| listing.section = None),
        ("row", |listing, _| listing.row = None),
        ("split", |listing, _| listing.blocks = vec![1, 1].try_into().unwrap()),
        ("name", |_, names| names[1] = None),
        ("number of seats", |listing, names| {
            listing.blocks = vec![2, 1].try_into().unwrap();
            names.push(None);
        }),
    ];
    let others: [(&str, Edit); 4] = [
        ("price", |listing, _| listing.price = money(6_000)),
        ("face value", |listing, _| listing.face_value = Some(money(4_000))),
        ("category", |listing, _| listing.category = Some(Category::Theatre)),
        ("description", |listing, _| listing.description = Some("Aisle".to_owned())),
    ];
    let free = ticket_of(&[2]);
    let two = Ticket { listing: ListingDetails { blocks: vec![1, 1].try_into().unwrap(), ..details() }, ..free };
    let two = two.clone().revise(two.show.clone(), two.listing.clone(), names(2), now()).unwrap().0;
    let order = OrderId::new();
    let held = hold(&two, order, &[0]);
    let sold = held.clone().sell(order, now()).unwrap().0;
    for (ticket, error) in
        [(&two, None), (&held, Some(TicketError::PartlyReserved)), (&sold, Some(TicketError::PartlySold))]
    {
        let revise = |show: ShowLink, edit: Edit| {
            let (mut listing, mut names) = (ticket.listing.clone(), names(2));
            edit(&mut listing, &mut names);
            ticket.clone().revise(show, listing, names, now()).map(|(revised, _)| revised.seats == ticket.seats)
        };
        for (what, edit) in terms.iter().filter(|(what, _)| *what != "split") {
            assert_eq!(revise(ticket.show.clone(), *edit).err(), error, "{what}");
        }
        assert_eq!(revise(link(), |_, _| {}).err(), error, "another show");
        for (what, edit) in others {
            assert_eq!(revise(ticket.show.clone(), edit), Ok(true), "{what}");
        }
    }
    let together = |ticket: &Ticket| {
        let listing = ListingDetails { blocks: vec![2].try_into().unwrap(), ..ticket.listing.clone() };
        ticket.clone().revise(ticket.show.clone(), listing, names(2), now()).err()
    };
    assert_eq!((together(&two), together(&held)), (None, Some(TicketError::PartlyReserved)), "the split");
}

#[test]
fn clearing_a_refusal_keeps_the_others() {
    let (first, second) = (OrderId::new(), OrderId::new());
    let (ticket, _) = ticket().refuse(first, refusal(), now());
    let (ticket, _) = ticket.refuse(second, refusal(), now());
    assert!(ticket.has_refused(first) && ticket.has_refused(second));
    assert!(!ticket.is_settled(), "a refusal is announced until its order has finished");
    let (ticket, change) = ticket.clear_refusals(&[first], now());
    assert_eq!(change, TicketChange::Updated);
    assert!(!ticket.has_refused(first) && ticket.has_refused(second));
    assert!(ticket.clear_refusals(&[second], now()).0.is_settled());
}

#[test]
fn reserved_is_the_only_status_that_is_not_final() {
    for ticket in in_each_status(OrderId::new()) {
        let name = ticket.status.name;
        assert_eq!(ticket.is_settled(), name != TicketStatus::Reserved, "{name:?}");
        let stored = serde_json::to_value(&ticket).unwrap();
        assert_eq!(stored["status"]["name"], name.as_ref(), "queries use this name");
    }
}

#[test]
fn events_contain_the_order_and_the_refusals() {
    let order = OrderId::new();
    let (refused, _) = ticket().refuse(order, refusal(), now());
    let state = refused.payload();
    assert_eq!(state.refusals, [RefusedOrder { order_id: order, refusal: refusal() }]);
    assert_eq!((state.status, state.seats[0].order_id), (TicketStatus::Available, None));
    let reserved = hold(&ticket_of(&[1, 2]), order, &[1, 2]);
    let state = reserved.payload();
    assert_eq!((state.status, state.seats[0].order_id), (TicketStatus::Available, None));
    assert!(state.has_seats_for(order, &[1, 2]) && !state.has_seats_for(order, &[0, 1]));
    let (sold, _) = reserved.sell(order, now()).unwrap();
    assert!(sold.payload().has_seats_for(order, &[1, 2]));
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
        ticket = ticket.revise(show, ListingDetails { price, ..details() }, names(1), at(minutes)).unwrap().0;
        assert_eq!(ticket.payload().price_drop, expected, "after {minutes} minutes");
    }
    let order = OrderId::new();
    let reserved = hold(&ticket, order, &[0]);
    assert_eq!(reserved.price_drop, ticket.price_drop, "other transitions keep the price drop");
    assert_eq!(reserved.release(order, at(10)).unwrap().0.price_drop, ticket.price_drop);
    for price in [euros(90_000), euros(1_000), money(3_800)] {
        let show = ticket.show.clone();
        ticket = ticket.revise(show, ListingDetails { price, ..details() }, names(1), at(11)).unwrap().0;
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
        (TicketError::PartlyReserved, "ticket-reserved"),
        (TicketError::Sold, "ticket-sold"),
        (TicketError::PartlySold, "ticket-sold"),
        (TicketError::Withdrawn, "ticket-withdrawn"),
        (TicketError::NotFree, "ticket-held"),
        (TicketError::NotReserved, "ticket-not-held"),
        (TicketError::ShowCancelled, "show-cancelled"),
    ] {
        let problem = Error::from(error).problem();
        assert_eq!((problem.status, problem.kind), (409, format!("urn:ticketing:problem:{code}")));
    }
}

#[test]
fn payload_contains_the_whole_listing() {
    let order = OrderId::new();
    let later = now().plus(Duration::from_secs(1));
    let changes = [TicketChange::Updated, TicketChange::Reserved, TicketChange::Sold, TicketChange::Withdrawn];
    for (ticket, change) in in_each_status(order).into_iter().zip(changes) {
        let listing = Ticket {
            price_drop: Some(PriceDrop { from: money(6_000), at: now() }),
            past_prices: vec![PastPrice { price: money(6_000), until: now() }],
            refusals: vec![RefusedOrder { order_id: OrderId::new(), refusal: refusal() }],
            updated_at: later,
            ..ticket
        };
        assert_eq!(listing.present_change(), change);
        assert_eq!(Ticket::from_payload(listing.payload()), Some(listing));
    }
    let partly = hold(&ticket_of(&[2, 1]), order, &[0, 1]).withdraw(now()).unwrap().0;
    assert_eq!(Ticket::from_payload(partly.payload()), Some(partly.clone()));
    let mut without_order = partly.payload();
    without_order.seats[0].order_id = None;
    let without_seat = TicketState { seats: partly.payload().seats[..2].to_vec(), ..partly.payload() };
    let with_status = |ticket: &Ticket, status| TicketState { status, ..ticket.payload() };
    let free_but_withdrawn = with_status(&ticket_of(&[1, 1]), TicketStatus::Withdrawn);
    let free_but_sold = with_status(&ticket_of(&[1, 1]), TicketStatus::Sold);
    let withdrawn_but_reserved = with_status(&partly, TicketStatus::Reserved);
    for contradictory in [without_order, without_seat, free_but_withdrawn, free_but_sold, withdrawn_but_reserved] {
        assert_eq!(Ticket::from_payload(contradictory), None);
    }
}

#[test]
fn replica_restores_a_listing_that_has_not_ended() {
    let (first, second) = (OrderId::new(), OrderId::new());
    let held = hold(&hold(&ticket_of(&[1, 1, 1]), first, &[0]), second, &[1]).withdraw(now()).unwrap().0;
    let later = held.clone().sell(first, now().plus(Duration::from_secs(1))).unwrap().0;
    assert!(!held.is_changed_since(&later), "a seat of the withdrawn listing is still held");
    assert!(later.is_changed_since(&held));
    let ended = later.release(second, now()).unwrap().0;
    assert!(ended.is_changed_since(&held) && ended.has_ended());
}
