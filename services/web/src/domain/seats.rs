//! Seats in words: their names, the numbers of them that can be bought together, and what is left of a listing.

use common::events::ticket::{TicketState, TicketStatus};
use common::money::Money;
use common::seats::{Blocks, Slot, Split, SplitRule};

use super::form::capitalized;
use crate::i18n::msg;
use crate::i18n::price::format_price;

/// The number of seats from which consecutive numbers are shown as a range.
const MIN_RANGE: usize = 3;

/// A number of seats that a buyer can choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub quantity: usize,
    /// `2 seats together`.
    pub label: String,
    /// `2 × €46.00 = €92.00`.
    pub sum: String,
    pub is_chosen: bool,
}

/// Words, in lower case, that tell that a name is one of a section. Such a name needs no `Section` before it.
const SECTION_WORDS: [&str; 10] =
    ["area", "bereich", "block", "level", "rang", "section", "sector", "sektor", "stand", "tribüne"];

/// `Section A` for the section `A`. A name that says what it is, such as `Block 231`, stays as it is.
pub(crate) fn section_text(name: &str) -> String {
    let first = name.split_whitespace().next().unwrap_or_default().to_lowercase();
    if SECTION_WORDS.contains(&first.as_str()) { name.to_owned() } else { msg::seats_section(name) }
}

/// `Section A, row 3, seats 12, 13` without unknown parts; empty if all are unknown and there is one seat.
pub(crate) fn place_of_seats(section: Option<&str>, row: Option<&str>, names: &[Option<&str>]) -> String {
    match (section.map(section_text), row, seats(names)) {
        (Some(section), Some(row), Some(seats)) => msg::seats_section_row_seats(row, seats, section),
        (Some(section), Some(row), None) => msg::seats_section_row(row, section),
        (Some(section), None, Some(seats)) => msg::seats_section_seats(seats, section),
        (Some(section), None, None) => section,
        (None, Some(row), Some(seats)) => msg::seats_row_seats(row, seats),
        (None, Some(row), None) => msg::seats_row(row),
        (None, None, Some(seats)) => capitalized(&seats),
        (None, None, None) => String::new(),
    }
}

/// `seat 12`, `seats 12 to 15` or `4 seats`; `None` for one seat without a name.
fn seats(names: &[Option<&str>]) -> Option<String> {
    let known: Vec<_> = names.iter().copied().flatten().collect();
    if known.is_empty() || known.len() < names.len() {
        return (names.len() > 1).then(|| msg::seats_unnamed(names.len()));
    }
    Some(msg::seats_named(known.len(), listed_names(&known)))
}

/// `12, 13` or `12 to 15`.
pub(crate) fn listed_names(names: &[&str]) -> String {
    let numbers: Option<Vec<u32>> = names.iter().map(|name| name.parse().ok()).collect();
    let is_run = |numbers: &Vec<u32>| {
        let mut pairs = numbers.iter().zip(numbers.iter().skip(1));
        numbers.len() >= MIN_RANGE && pairs.all(|(one, next)| one.checked_add(1) == Some(*next))
    };
    match (numbers.filter(is_run), names) {
        (Some(_), [first, .., last]) => msg::seats_range(*first, *last),
        _ => names.join(", "),
    }
}

/// The slots that can be ordered.
pub(crate) fn free_slots(ticket: &TicketState) -> Vec<Slot> {
    if ticket.status == TicketStatus::Available { ticket.free_slots() } else { Vec::new() }
}

/// The names of the seats that can be ordered, or of all if there are none.
pub(crate) fn shown_names(ticket: &TicketState) -> Vec<Option<&str>> {
    let free = free_slots(ticket);
    let numbered = (0..).zip(ticket.seat_names());
    numbered.filter(|(slot, _)| free.is_empty() || free.contains(slot)).map(|(_, name)| name).collect()
}

/// A sentence for the seller: which seats of the listing are sold, and for how much. `None` if none is. The present price
/// is the one of the sale, since it can't change once a seat is held or sold.
pub(crate) fn sale(ticket: &TicketState) -> Option<String> {
    let sold = ticket.seats.iter().filter(|seat| [ticket.status, seat.status].contains(&TicketStatus::Sold));
    let names: Vec<_> = sold.map(|seat| seat.name.as_deref()).collect();
    if names.is_empty() {
        return None;
    }
    let sum = sum(names.len(), &ticket.price);
    Some(match seats(&names) {
        Some(seats) if ticket.seats.len() > 1 => msg::selling_sold_seats(seats, sum),
        _ => msg::selling_sold(sum),
    })
}

/// The number of seats that are sold.
pub(crate) fn sold_count(ticket: &TicketState) -> usize {
    if ticket.status == TicketStatus::Sold { ticket.seats.len() } else { count(ticket, TicketStatus::Sold) }
}

fn count(ticket: &TicketState, status: TicketStatus) -> usize {
    ticket.seats.iter().filter(|seat| seat.status == status).count()
}

/// The numbers of seats that can be ordered together, ascending.
pub(crate) fn quantities(ticket: &TicketState) -> Vec<usize> {
    let free = free_slots(ticket);
    ticket.terms.blocks.quantities(|slot| free.contains(&slot))
}

/// What a buyer of a listing of several seats chooses from; the lowest number is chosen. Empty for one seat.
pub(crate) fn choices(ticket: &TicketState) -> Vec<Choice> {
    if ticket.seats.len() < 2 {
        return Vec::new();
    }
    let choice = |(n, quantity): (usize, usize)| Choice {
        quantity,
        label: msg::seats_together(quantity),
        sum: sum(quantity, &ticket.price),
        is_chosen: n == 0,
    };
    quantities(ticket).into_iter().enumerate().map(choice).collect()
}

/// `2 × €46.00 = €92.00`, or `€46.00` for one seat.
pub(crate) fn sum(quantity: usize, price: &Money) -> String {
    match price.times(quantity) {
        Some(total) if quantity != 1 => msg::seats_sum(quantity, format_price(price), format_price(&total)),
        _ => format_price(price),
    }
}

/// `2, 4 or 6`, or `1 to 6`.
pub(crate) fn alternatives(quantities: &[usize]) -> String {
    let is_run = quantities.iter().zip(quantities.iter().skip(1)).all(|(one, next)| one + 1 == *next);
    match quantities {
        [first, .., last] if is_run && quantities.len() >= MIN_RANGE => msg::seats_range(*first, *last),
        [others @ .., last] if !others.is_empty() => {
            let others: Vec<_> = others.iter().map(ToString::to_string).collect();
            msg::seats_or(*last, others.join(", "))
        }
        [only] => only.to_string(),
        _ => String::new(),
    }
}

/// What is left of a listing of several seats: `4 of 6 seats left (buy 2 or 4 together), 2 of 6 sold`. Empty for one
/// seat, and where nothing is left and nothing is sold.
pub(crate) fn left(ticket: &TicketState) -> String {
    let all = ticket.seats.len();
    if all < 2 || ticket.status == TicketStatus::Sold {
        return String::new();
    }
    let (free, held, sold) = (free_slots(ticket).len(), count(ticket, TicketStatus::Reserved), sold_count(ticket));
    let quantities = quantities(ticket);
    let parts = [
        (free > 0).then(|| match quantities.as_slice() {
            [1] => msg::seats_left(all, free),
            _ => msg::seats_left_together(all, free, alternatives(&quantities)),
        }),
        (held > 0).then(|| msg::seats_held(held)),
        (sold > 0).then(|| msg::seats_sold(all, sold)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// How the seats may be divided: `sold in pairs`; `None` for one seat.
pub(crate) fn split_words(blocks: &Blocks) -> Option<String> {
    Some(match Split::from(blocks) {
        _ if blocks.seats() == 1 => return None,
        Split::Rule(SplitRule::Together) => msg::seats_split_together(),
        Split::Rule(SplitRule::Pairs) => msg::seats_split_pairs(),
        Split::Rule(SplitRule::Any) => msg::seats_split_any(),
        Split::Rule(SplitRule::NoSingle) => msg::seats_split_no_single(),
        Split::Sizes(sizes) => {
            let sizes: Vec<_> = sizes.iter().map(ToString::to_string).collect();
            msg::seats_split_sizes(sizes.join(" + "))
        }
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use common::events::ticket::{Category, Seat, TicketTerms};
    use common::id::{ShowId, TicketId, UserId};

    use super::*;
    use crate::i18n::testing::in_german;

    /// A listing with all details, and with HTML in its texts.
    pub(crate) fn sample() -> TicketState {
        let money = |amount| Money { amount, currency: "USD".parse().unwrap() };
        TicketState {
            terms: TicketTerms {
                id: TicketId::new(),
                title: "Jazz & <b>Blues</b>".to_owned(),
                venue: "Town Hall".to_owned(),
                city: Some("New York".to_owned()),
                starts_at: "2099-06-01T19:30:00Z".parse().unwrap(),
                time_zone: "America/New_York".to_owned(),
                section: Some("A".to_owned()),
                row: Some("3".to_owned()),
                blocks: Blocks::one_seat(),
            },
            show_id: ShowId::new(),
            show_cancelled: false,
            seller_id: UserId::new(),
            price: money(12_550),
            price_drop: None,
            face_value: Some(money(9_900)),
            category: Some(Category::Concert),
            description: Some("Two lines,\n\"quoted\".".to_owned()),
            status: TicketStatus::Available,
            seats: vec![Seat { name: Some("14".to_owned()), status: TicketStatus::Available, order_id: None }],
            refusals: Vec::new(),
            created_at: "2026-01-01T00:00:00Z".parse().unwrap(),
            updated_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    /// The sample listing with six seats in these blocks.
    pub(crate) fn six_seats(sizes: &[u8]) -> TicketState {
        let mut ticket = sample();
        ticket.terms.blocks = sizes.to_vec().try_into().unwrap();
        let seat = |n: u8| Seat { name: Some(n.to_string()), status: TicketStatus::Available, order_id: None };
        ticket.seats = (12..18).map(seat).collect();
        ticket
    }

    #[test]
    fn place_omits_unknown_parts() {
        assert_eq!(place_of_seats(Some("A"), Some("3"), &[Some("14")]), "Section A, row 3, seat 14");
        assert_eq!(place_of_seats(Some("Block 231"), Some("3"), &[Some("14")]), "Block 231, row 3, seat 14");
        assert_eq!(place_of_seats(Some("SECTION A"), None, &[None]), "SECTION A");
        assert_eq!(place_of_seats(Some("Blockhaus"), None, &[None]), "Section Blockhaus");
        assert_eq!(place_of_seats(None, None, &[Some("14")]), "Seat 14");
        assert_eq!(place_of_seats(None, None, &[None]), "");
        assert_eq!(place_of_seats(Some("A"), None, &[Some("12"), Some("13")]), "Section A, seats 12, 13");
        assert_eq!(place_of_seats(None, Some("B"), &[Some("9"), Some("10"), Some("11")]), "Row B, seats 9 to 11");
        assert_eq!(place_of_seats(None, None, &[Some("9"), Some("11"), Some("13")]), "Seats 9, 11, 13");
        assert_eq!(place_of_seats(None, None, &[None, None]), "2 seats");
        assert_eq!(place_of_seats(None, Some("B"), &[Some("9"), None]), "Row B, 2 seats");
        assert_eq!(place_of_seats(Some("A"), Some("3"), &[None]), "Section A, row 3");
        assert_eq!(place_of_seats(Some("A"), None, &[None]), "Section A");
        assert_eq!(place_of_seats(None, Some("3"), &[None]), "Row 3");
        assert_eq!(place_of_seats(None, None, &[]), "");
    }

    #[test]
    fn choices_are_runs_of_free_blocks_with_their_sums() {
        let mut ticket = six_seats(&[2, 2, 2]);
        let all: Vec<_> = choices(&ticket).into_iter().map(|it| (it.quantity, it.sum, it.is_chosen)).collect();
        let expected = [
            (2, "2 × $125.50 = $251.00".to_owned(), true),
            (4, "4 × $125.50 = $502.00".to_owned(), false),
            (6, "6 × $125.50 = $753.00".to_owned(), false),
        ];
        assert_eq!(all, expected);
        assert_eq!(left(&ticket), "6 of 6 seats left (buy 2, 4 or 6 together)");
        // The middle pair is gone, so that there are no four together.
        for slot in [2, 3] {
            ticket.seats[slot].status = TicketStatus::Sold;
        }
        assert_eq!((quantities(&ticket), sold_count(&ticket)), (vec![2], 2));
        assert_eq!(left(&ticket), "4 of 6 seats left (buy 2 together), 2 of 6 sold");
        for slot in [0, 1, 4, 5] {
            ticket.seats[slot].status = TicketStatus::Reserved;
        }
        ticket.status = TicketStatus::Reserved;
        assert_eq!((left(&ticket).as_str(), choices(&ticket).len()), ("4 held, 2 of 6 sold", 0));
        assert_eq!(left(&six_seats(&[1; 6])), "6 of 6 seats left (buy 1 to 6 together)");
        assert!(choices(&sample()).is_empty() && left(&sample()).is_empty(), "one seat leaves no choice");
    }

    #[test]
    fn free_seats_are_named_to_buyers_and_sold_ones_to_the_seller() {
        let mut ticket = six_seats(&[2, 2, 2]);
        let shown = |ticket: &TicketState| place_of_seats(None, None, &shown_names(ticket));
        assert_eq!((shown(&ticket).as_str(), sale(&ticket)), ("Seats 12 to 17", None));
        for slot in [0, 1] {
            ticket.seats[slot].status = TicketStatus::Sold;
        }
        ticket.seats[2].status = TicketStatus::Reserved;
        assert_eq!(shown(&ticket), "Seats 15 to 17");
        assert_eq!(sale(&ticket).as_deref(), Some("You sold seats 12, 13 for 2 × $125.50 = $251.00."));
        let german = in_german(|| sale(&ticket));
        assert_eq!(
            german.as_deref(),
            Some("Du hast Plätze\u{a0}12, 13 für 2 × 125,50\u{a0}$ =\u{a0}251,00\u{a0}$ verkauft.")
        );
        for slot in 3..6 {
            ticket.seats[slot].status = TicketStatus::Sold;
        }
        ticket.status = TicketStatus::Reserved;
        assert_eq!(shown(&ticket), "Seats 12 to 17", "nothing is free");
        let sold = TicketState { status: TicketStatus::Sold, ..sample() };
        assert_eq!(sale(&sold).as_deref(), Some("You sold it for $125.50."));
    }

    #[test]
    fn numbers_and_splits_are_words() {
        assert_eq!(["2", "2 or 4", "1 or 2", "1 to 3"], [&[2][..], &[2, 4], &[1, 2], &[1, 2, 3]].map(alternatives)[..]);
        for (sizes, words) in [
            (&[4][..], "sold all together"),
            (&[2, 2], "sold in pairs"),
            (&[1, 1], "sold in any quantity"),
            (&[2, 3], "sold without leaving one seat on its own"),
            (&[3, 3], "sold in groups of 3 + 3"),
        ] {
            assert_eq!(split_words(&sizes.to_vec().try_into().unwrap()).as_deref(), Some(words));
        }
        assert_eq!(split_words(&Blocks::one_seat()), None);
    }

    #[test]
    fn seats_are_german_words_for_german_readers() {
        let mut ticket = six_seats(&[2, 2, 2]);
        ticket.seats[5].status = TicketStatus::Sold;
        ticket.seats[4].status = TicketStatus::Reserved;
        in_german(|| {
            let names: Vec<_> = ticket.seat_names().collect();
            assert_eq!(place_of_seats(Some("A"), Some("3"), &names), "Block A, Reihe 3, Plätze\u{a0}12 bis 17");
            assert_eq!(place_of_seats(None, None, &[Some("14")]), "Platz\u{a0}14");
            assert_eq!(place_of_seats(Some("Sektor C"), Some("3"), &[None]), "Sektor C, Reihe 3");
            assert_eq!(
                left(&ticket),
                "4 von 6 Plätzen frei (2 oder 4 zusammen erhältlich), 1 reserviert, 1 von 6 verkauft"
            );
            let [two, _] = <[Choice; 2]>::try_from(choices(&ticket)).unwrap();
            assert_eq!(two.label, "2 Plätze nebeneinander");
            assert_eq!(two.sum, "2 × 125,50\u{a0}$ =\u{a0}251,00\u{a0}$");
            assert_eq!(split_words(&ticket.terms.blocks).as_deref(), Some("nur paarweise"));
        });
    }
}
