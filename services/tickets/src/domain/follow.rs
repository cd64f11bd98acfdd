//! How a listing follows its show: when it joins the show, and whenever the show changes.

use common::events::ticket::TicketChange;
use common::timestamp::Timestamp;

use super::show::{Show, ShowDetails, Status as ShowStatus};
use super::show_link::{Occasion, ShowLink};
use super::ticket::{ListingDetails, Ticket};

/// What a listing that joins this show stores about it.
pub(crate) fn link(show: &Show) -> ShowLink {
    ShowLink { is_cancelled: show.is_cancelled(), ..ShowLink::new(show.id, show.details.country.clone()) }
}

/// The details of a listing that joins this show.
///
/// If the seller describes the show as it is now, the listing keeps the seller's spelling and gets the time zone of the
/// show. If the seller uses a former name of the show, or the name that another seller gave it, the listing gets title,
/// place and time of the show.
pub(crate) fn details_when_joining(listing: ListingDetails, show: &ShowDetails) -> ListingDetails {
    if listing.show().name() == show.name() {
        let starts_at = if same_minute(listing.starts_at, show.starts_at) { listing.starts_at } else { show.starts_at };
        return ListingDetails { starts_at, time_zone: show.time_zone.clone(), ..listing };
    }
    let show = show.clone();
    ListingDetails {
        title: show.title,
        venue: show.venue,
        city: show.city,
        starts_at: show.starts_at,
        time_zone: show.time_zone,
        ..listing
    }
}

fn same_minute(one: Timestamp, other: Timestamp) -> bool {
    one.as_seconds().div_euclid(60) == other.as_seconds().div_euclid(60)
}

/// Whether a seller's new details of a listing describe the same show as its present ones.
pub(crate) fn is_same_show(details: &ListingDetails, present: &ListingDetails) -> bool {
    details.show().name() == described(present).name()
}

/// The new details of a listing that stays with its show. They keep the time zone of the present ones.
pub(crate) fn details_in_same_show(details: ListingDetails, present: &ListingDetails) -> ListingDetails {
    details_when_joining(details, &described(present))
}

/// The show that a stored listing describes. Its time zone is that of the show already.
fn described(listing: &ListingDetails) -> ShowDetails {
    ShowDetails { time_zone: listing.time_zone.clone(), ..listing.show() }
}

/// The next transition of a listing towards agreement with `show`, which is its show or the one that this was merged
/// into; `None` if they agree.
///
/// A merge changes the id of the listing's show and nothing else. A cancellation is recorded unless the listing has
/// ended. A move changes the terms of a listing at once if none of its seats is held or sold, and otherwise as soon as
/// none is.
pub(crate) fn next_transition(ticket: &Ticket, show: &Show, now: Timestamp) -> Option<(Ticket, TicketChange)> {
    let mut next = ticket.clone();
    next.show.id = show.id;
    if !ticket.has_ended() {
        next.show.country.clone_from(&show.details.country);
        next.show.is_cancelled = show.is_cancelled();
        next.show.moved_to = None;
        let is_other_occasion = !described(&ticket.listing).is_same_occasion(&show.details);
        if show.status == ShowStatus::Moved && is_other_occasion {
            let occasion = occasion(&show.details);
            if ticket.is_untouched() {
                next = next.move_to(occasion);
            } else {
                next.show.moved_to = Some(occasion);
            }
        }
    }
    // Users see when a listing was last changed. For one that has ended, that is its end.
    let updated_at = if ticket.has_ended() { ticket.updated_at } else { now };
    (next != *ticket).then_some((Ticket { updated_at, ..next }, TicketChange::Updated))
}

fn occasion(show: &ShowDetails) -> Occasion {
    let ShowDetails { venue, city, starts_at, time_zone, .. } = show.clone();
    Occasion { venue, city, starts_at, time_zone }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use common::events::ticket::TicketChange::{Released, Updated};
    use common::id::{OrderId, ShowId};

    use super::*;
    use crate::domain::fixtures::{details, hold, in_each_status, now, show_details, ticket, ticket_of};

    fn later() -> Timestamp {
        now().plus(Duration::from_secs(7 * 24 * 3600))
    }

    /// A listing and its show.
    fn listed() -> (Ticket, Show) {
        let show = Show::create(ShowId::new(), show_details(), now()).0;
        (Ticket { show: link(&show), ..ticket() }, show)
    }

    fn moved(show: &Show) -> Show {
        let details = ShowDetails { venue: "Old Vic".to_owned(), starts_at: later(), ..show.details.clone() };
        show.clone().revise(details, now()).unwrap().0
    }

    /// Follows the show until the listing agrees with it.
    fn follow(ticket: &Ticket, show: &Show) -> Ticket {
        let (next, change) = next_transition(ticket, show, later()).expect("a transition");
        let updated_at = if ticket.has_ended() { ticket.updated_at } else { later() };
        assert_eq!((change, next.updated_at), (Updated, updated_at));
        assert_eq!(next_transition(&next, show, later()), None);
        next
    }

    #[test]
    fn listing_agrees_with_the_show_that_it_made() {
        let (ticket, show) = listed();
        assert_eq!(next_transition(&ticket, &show, now()), None);
        let renamed = ShowDetails { title: "Hamlet, Prince of Denmark".to_owned(), ..show.details.clone() };
        let renamed = show.revise(renamed, now()).unwrap().0;
        assert_eq!(next_transition(&ticket, &renamed, now()), None, "listings keep their spelling");
    }

    #[test]
    fn merge_changes_the_show_and_nothing_else() {
        let (ticket, _) = listed();
        let other =
            Show::create(ShowId::new(), ShowDetails { title: "Hamlet (2)".to_owned(), ..show_details() }, now());
        for in_status in in_each_status(OrderId::new()) {
            let ticket = Ticket { show: ticket.show.clone(), ..in_status };
            let merged = follow(&ticket, &other.0);
            let expected = ShowLink { id: other.0.id, ..ticket.show.clone() };
            assert_eq!(merged, Ticket { show: expected, updated_at: merged.updated_at, ..ticket });
        }
    }

    #[test]
    fn move_changes_the_terms_of_a_listing_for_sale() {
        let (ticket, show) = listed();
        let after = follow(&ticket, &moved(&show));
        assert_eq!((after.listing.venue.as_str(), after.listing.starts_at), ("Old Vic", later()));
        assert_eq!((&after.listing.title, &after.listing.price), (&ticket.listing.title, &ticket.listing.price));
        assert!(after.words.contains(&"vic".to_owned()));
        let spelled =
            Ticket { listing: ListingDetails { venue: "OLD VIC".to_owned(), ..after.listing.clone() }, ..after };
        assert_eq!(next_transition(&spelled, &moved(&show), now()), None);
    }

    #[test]
    fn held_ticket_keeps_its_terms_until_it_is_released() {
        let (ticket, show) = listed();
        let order = OrderId::new();
        let held = hold(&ticket, order, &[0]);
        let waiting = follow(&held, &moved(&show));
        assert_eq!(waiting.listing, ticket.listing);
        let sold = waiting.clone().sell(order, now()).unwrap().0;
        assert_eq!((next_transition(&sold, &moved(&show), now()), &sold.listing), (None, &ticket.listing));
        let (released, change) = waiting.release(order, later()).unwrap();
        assert_eq!((change, released.listing.venue.as_str(), &released.show.moved_to), (Released, "Old Vic", &None));
        assert_eq!(next_transition(&released, &moved(&show), now()), None);
    }

    #[test]
    fn listing_moves_once_no_seat_is_held_or_sold() {
        let (one, show) = listed();
        let ticket = Ticket { show: one.show, ..ticket_of(&[1, 1, 1]) };
        let (first, second) = (OrderId::new(), OrderId::new());
        let waiting = follow(&hold(&hold(&ticket, first, &[0]), second, &[1]), &moved(&show));
        let still_waiting = waiting.release(first, later()).unwrap().0;
        assert_eq!(still_waiting.listing, ticket.listing, "another seat is held");
        assert_eq!(next_transition(&still_waiting, &moved(&show), later()), None);
        assert_eq!(still_waiting.clone().release(second, later()).unwrap().0.listing.venue, "Old Vic");
        let sold = still_waiting.sell(second, later()).unwrap().0;
        let third = hold(&sold, OrderId::new(), &[2]);
        let released = third.clone().release(third.seats.holders().pop_first().unwrap(), later()).unwrap().0;
        assert_eq!(released.listing, ticket.listing, "a buyer has the ticket for the earlier time");
        assert_eq!(next_transition(&released, &moved(&show), later()), None);
    }

    #[test]
    fn held_ticket_of_a_moved_show_that_was_merged_moves_once_it_is_released() {
        let (ticket, show) = listed();
        let order = OrderId::new();
        let waiting = follow(&hold(&ticket, order, &[0]), &moved(&show));
        // Another seller listed a ticket for the later time, and so made another show.
        let other = Show::create(ShowId::new(), moved(&show).details, now()).0;
        let other = other.absorb(&moved(&show), now()).unwrap().0;
        let merged = follow(&waiting, &other);
        assert_eq!((merged.show.id, &merged.listing), (other.id, &ticket.listing));
        assert_eq!(merged.release(order, later()).unwrap().0.listing.venue, "Old Vic");
    }

    #[test]
    fn cancellation_reaches_listings_that_have_not_ended() {
        let (ticket, show) = listed();
        let cancelled = show.cancel("Rain".to_owned(), now()).unwrap().0;
        let [available, held, sold, withdrawn] =
            in_each_status(OrderId::new()).map(|it| Ticket { show: ticket.show.clone(), ..it });
        let held_and_withdrawn = hold(&ticket_of(&[1, 1]), OrderId::new(), &[1]).withdraw(now()).unwrap().0;
        let held_and_withdrawn = Ticket { show: ticket.show.clone(), ..held_and_withdrawn };
        for open in [available, held, held_and_withdrawn] {
            assert!(follow(&open, &cancelled).show.is_cancelled);
        }
        for ended in [sold, withdrawn] {
            assert_eq!(next_transition(&ended, &cancelled, now()), None);
        }
        assert!(link(&cancelled).is_cancelled);
    }

    #[test]
    fn joining_listing_keeps_its_spelling_or_takes_the_present_show() {
        let (_, show) = listed();
        let spelled = ListingDetails { title: "HAMLET".to_owned(), time_zone: "UTC".to_owned(), ..details() };
        let joined = details_when_joining(spelled.clone(), &show.details);
        assert_eq!(joined, ListingDetails { time_zone: "Europe/London".to_owned(), ..spelled.clone() });
        let present = moved(&show).details;
        let joined = details_when_joining(spelled, &present);
        assert_eq!((joined.title, joined.venue, joined.starts_at), (present.title, present.venue, later()));
    }

    #[test]
    fn edit_in_another_zone_than_the_staff_gave_keeps_the_show() {
        let present = ListingDetails { time_zone: "Europe/Paris".to_owned(), ..details() };
        assert!(is_same_show(&details(), &present));
        assert_eq!(details_in_same_show(details(), &present), present);
    }

    #[test]
    fn same_local_time_is_the_same_start() {
        // The first seller of a show in a small town gave its time zone; the second one gave none.
        let listing = |zone: &str, start: &str| ListingDetails {
            city: Some("Springwood".to_owned()),
            time_zone: zone.to_owned(),
            starts_at: start.parse().unwrap(),
            ..details()
        };
        let first = listing("Europe/Paris", "2099-06-01T18:00:00Z");
        let second = listing("UTC", "2099-06-01T20:00:30Z");
        assert_eq!(details_when_joining(second.clone(), &first.show()), first);
        assert_eq!(details_in_same_show(second, &first), first, "and so it is in an edit");
        let seconds = listing("Europe/Paris", "2099-06-01T18:00:30Z");
        assert_eq!(details_when_joining(seconds.clone(), &first.show()), seconds);
    }
}
