//! Seats that are listed more than once: which they are, and the warnings for their sellers.
//!
//! # Why
//! A listing knows nothing of others. What it shares with them is compared when a page is read, so that a warning
//! ends as soon as a listing is edited, sold or withdrawn, and begins when two shows are merged.

use common::events::ticket::{TicketState, TicketStatus};
use common::timestamp::Timestamp;
use serde_json::json;

use super::seats::{free_slots, listed_names};
use crate::i18n::msg;

/// The statuses of a listing or a seat that is neither sold nor withdrawn.
pub(crate) const OPEN: [TicketStatus; 2] = [TicketStatus::Available, TicketStatus::Reserved];

/// The seats of a listing that other listings have too. It does not reveal the other sellers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DuplicateSeats<'a> {
    ticket: &'a TicketState,
    /// Names of the seats that the same seller has in another listing.
    own: Vec<&'a str>,
    /// Names of the seats that other sellers have.
    others: Vec<&'a str>,
    /// When the last of the listings was created, which is when the news began. Later changes are no news.
    pub since: Timestamp,
}

impl<'a> DuplicateSeats<'a> {
    /// Compares a listing with others, which it may be among. `None` if they share no open seat, or if its show is
    /// cancelled or has begun.
    pub(crate) fn find<'b>(
        ticket: &'a TicketState,
        listings: impl IntoIterator<Item = &'b TicketState>,
        now: Timestamp,
    ) -> Option<Self> {
        if ticket.show_cancelled || now >= ticket.terms.starts_at {
            return None;
        }
        let in_row: Vec<_> = listings.into_iter().filter(|other| is_another_of_row(ticket, other)).collect();
        let mut found = Self { ticket, own: Vec::new(), others: Vec::new(), since: ticket.created_at };
        for name in open_names(ticket) {
            for other in in_row.iter().filter(|other| open_names(other).any(|it| it == name)) {
                let names = if other.seller_id == ticket.seller_id { &mut found.own } else { &mut found.others };
                if !names.contains(&name) {
                    names.push(name);
                }
                found.since = found.since.max(other.created_at);
            }
        }
        (!found.own.is_empty() || !found.others.is_empty()).then_some(found)
    }

    /// `Seats 12, 13 for Jazz are listed twice.`
    pub(crate) fn summary(&self) -> String {
        let is_shared = |name: &&str| self.own.contains(name) || self.others.contains(name);
        let names: Vec<_> = open_names(self.ticket).filter(is_shared).collect();
        msg::selling_twice(names.len(), listed_names(&names), &self.ticket.terms.title)
    }

    /// The warnings that the seller sees beside the listing, each with what to do.
    pub(crate) fn sentences(&self) -> Vec<String> {
        let own = (!self.own.is_empty()).then(|| msg::selling_twice_by_you(self.own.len(), listed_names(&self.own)));
        let others = (!self.others.is_empty()).then(|| self.of_others());
        own.into_iter().chain(others).collect()
    }

    /// The warning about other sellers. It advises only what the tickets service allows: a listing can be edited while
    /// all its seats are free, and free seats can be withdrawn. If there are none, the seller has to wait until a hold
    /// ends.
    fn of_others(&self) -> String {
        let (count, names) = (self.others.len(), listed_names(&self.others));
        match free_slots(self.ticket).len() {
            0 => msg::selling_twice_withdraw_later(count, names),
            free if free == self.ticket.seats.len() => msg::selling_twice_edit(count, names),
            _ => msg::selling_twice_withdraw_rest(count, names),
        }
    }
}

/// Identifies the open named seats of a listing: the listings that have one of these keys have that seat.
pub(crate) fn seat_keys(ticket: &TicketState) -> Vec<String> {
    let (section, row) = (&ticket.terms.section, &ticket.terms.row);
    open_names(ticket).map(|name| json!([ticket.show_id, section, row, name]).to_string()).collect()
}

fn is_another_of_row(ticket: &TicketState, other: &TicketState) -> bool {
    let (one, another) = (&ticket.terms, &other.terms);
    let has_same_row = ticket.show_id == other.show_id && one.section == another.section && one.row == another.row;
    has_same_row && one.id != another.id
}

/// The names of the seats that are for sale or held, by slot, without seats that have no name.
fn open_names(ticket: &TicketState) -> impl Iterator<Item = &str> {
    let is_open = OPEN.contains(&ticket.status);
    let open = ticket.seats.iter().filter(move |seat| is_open && OPEN.contains(&seat.status));
    open.filter_map(|seat| seat.name.as_deref())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use common::id::ShowId;

    use super::*;
    use crate::domain::seats::tests::{sample, six_seats};
    use crate::i18n::testing::in_german;

    /// Seats 12 to 17, and seat 14 of another seller.
    fn two_sellers() -> (TicketState, TicketState) {
        let six = six_seats(&[2, 2, 2]);
        let mut one = TicketState { show_id: six.show_id, ..sample() };
        one.created_at = six.created_at.plus(Duration::from_secs(60));
        (six, one)
    }

    fn told(ticket: &TicketState, other: &TicketState) -> Vec<String> {
        let found = DuplicateSeats::find(ticket, [ticket, other], ticket.created_at);
        found.map(|found| found.sentences()).unwrap_or_default()
    }

    #[test]
    fn both_sellers_are_told_since_the_later_listing() {
        let (six, one) = two_sellers();
        for (ticket, other) in [(&six, &one), (&one, &six)] {
            let found = DuplicateSeats::find(ticket, [other, ticket], ticket.created_at).unwrap();
            assert_eq!(found.since, one.created_at);
            assert_eq!(found.summary(), "Seat 14 for Jazz & <b>Blues</b> is listed twice.");
            let sentence = "Seat 14 is also listed by another seller. If it isn’t yours to sell, edit or withdraw this \
                            listing. Our staff can see this too.";
            assert_eq!(found.sentences(), [sentence]);
        }
        let again = TicketState { seller_id: six.seller_id, ..one.clone() };
        let own = "You have listed seat 14 twice. Edit or withdraw one of the listings.";
        assert_eq!(told(&six, &again), [own]);
        let copy = TicketState { show_id: six.show_id, ..six_seats(&[6]) };
        let found = DuplicateSeats::find(&six, [&again, &copy], six.created_at).unwrap();
        assert_eq!(found.summary(), "Seats 12 to 17 for Jazz & <b>Blues</b> are listed twice.");
        let [first, second] = <[String; 2]>::try_from(found.sentences()).unwrap();
        assert_eq!(first, own);
        assert!(second.starts_with("Seats 12 to 17 are also listed by another seller. If they aren’t"), "{second}");
    }

    #[test]
    fn warnings_are_german_for_german_sellers() {
        let (six, one) = two_sellers();
        let (own, held) = (TicketState { seller_id: six.seller_id, ..one.clone() }, TicketStatus::Reserved);
        in_german(|| {
            let found = DuplicateSeats::find(&six, [&one], six.created_at).unwrap();
            assert_eq!(found.summary(), "Platz 14 für Jazz & <b>Blues</b> wird doppelt angeboten.");
            assert!(told(&six, &own)[0].starts_with("Du bietest Platz 14 zweimal an."));
            let mut partly = six.clone();
            partly.seats[0].status = held;
            for (ticket, remedy) in [
                (&six, "bearbeite dieses Angebot oder zieh es zurück"),
                (&partly, "zieh die übrigen Plätze zurück"),
                (&TicketState { status: held, ..six.clone() }, "zieh dieses Angebot zurück, sobald"),
            ] {
                let [sentence] = <[String; 1]>::try_from(told(ticket, &one)).unwrap();
                assert!(sentence.contains(&format!("gehört, {remedy}")), "{sentence}");
            }
        });
    }

    #[test]
    fn seats_are_the_same_if_show_section_row_and_name_are() {
        let (six, one) = two_sellers();
        let shared = |other: &TicketState| {
            let has_key = seat_keys(other).iter().any(|key| seat_keys(&six).contains(key));
            assert_eq!(has_key, !told(&six, other).is_empty(), "what is found is what is told");
            has_key
        };
        assert!(shared(&one));
        let mut held = one.clone();
        (held.status, held.seats[0].status) = (TicketStatus::Reserved, TicketStatus::Reserved);
        assert!(shared(&held));
        let changes: [fn(&mut TicketState); 8] = [
            |it| it.show_id = ShowId::new(),
            |it| it.terms.section = None,
            |it| it.terms.row = Some("4".to_owned()),
            |it| it.seats[0].name = Some("18".to_owned()),
            |it| it.seats[0].name = None,
            |it| it.seats[0].status = TicketStatus::Sold,
            |it| it.seats[0].status = TicketStatus::Withdrawn,
            |it| it.status = TicketStatus::Withdrawn,
        ];
        for change in changes {
            let mut other = one.clone();
            change(&mut other);
            assert!(!shared(&other), "{other:?}");
        }
        let mut unnamed = two_sellers();
        for ticket in [&mut unnamed.0, &mut unnamed.1] {
            ticket.seats.iter_mut().for_each(|seat| seat.name = None);
        }
        assert!(told(&unnamed.0, &unnamed.1).is_empty());
    }

    #[test]
    fn remedy_is_what_the_seller_can_do() {
        let (mut six, mut one) = two_sellers();
        let advises = |ticket: &TicketState, other: &TicketState, remedy: &str| {
            let [sentence] = <[String; 1]>::try_from(told(ticket, other)).unwrap();
            assert!(sentence.contains(&format!("yours to sell, {remedy}. Our staff")), "{sentence}");
        };
        six.seats[0].status = TicketStatus::Sold;
        advises(&six, &one, "withdraw the remaining seats");
        (one.status, one.seats[0].status) = (TicketStatus::Reserved, TicketStatus::Reserved);
        advises(&one, &six, "withdraw this listing once no buyer is holding it");
        assert!(DuplicateSeats::find(&six, [&one], six.terms.starts_at).is_none(), "the show has begun");
        six.show_cancelled = true;
        assert!(told(&six, &one).is_empty());
    }
}
