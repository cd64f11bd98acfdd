//! The listings of a show as one-line rows, the filters that can narrow them, and the prices that similar ones ask.

use std::collections::{BTreeMap, BTreeSet};

use common::aggregate::Versioned;
use common::events::ticket::TicketState;
use common::id::UserId;
use common::money::{Currency, Money};

use super::listing_view::unknown_user_name;
use super::search::tokenize;
use super::seats::{free_slots, left, place_of_seats, quantities, section_text, shown_names};
use crate::i18n::msg;
use crate::i18n::price::format_price;

/// Maximum number of sections whose prices are named.
const MAX_ASKS: usize = 8;

/// A listing that is for sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub id: String,
    /// URL path of its page, on which the number of seats that the filter names is chosen.
    pub path: String,
    /// `Section A, row 3, seat 14`, or what is known of it.
    pub seat: String,
    /// Number of seats that are for sale.
    pub free: usize,
    /// What is left of several seats; empty for one.
    pub left: String,
    /// The price of a seat.
    pub price: String,
    /// The difference to the face value; `None` if that is unknown.
    pub difference: Option<String>,
    pub seller: String,
    /// `Cheapest in Section A`, on the cheapest listing of each section, if the show has at least two listings.
    pub mark: Option<String>,
    pub version: u64,
}

/// Which rows are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RowFilter {
    /// Number of seats that can be ordered together.
    pub quantity: Option<usize>,
    /// Key of a section, as in [`sections`].
    pub section: Option<String>,
    pub currency: Option<Currency>,
    /// Maximum price in minor units of `currency`.
    pub max: Option<i64>,
}

/// A section that listings name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    /// The same for names that differ in case, accents or punctuation only; empty for no name.
    pub key: String,
    /// As its first listing names it.
    pub name: String,
}

impl Section {
    fn of(ticket: &TicketState) -> Self {
        let name = ticket.terms.section.as_deref().unwrap_or_default();
        Self { key: section_key(name), name: name.to_owned() }
    }
}

/// The key of a section with this name.
pub(crate) fn section_key(name: &str) -> String {
    let words = tokenize(name);
    if words.is_empty() { name.trim().to_lowercase() } else { words.join(" ") }
}

/// The sections that these listings name, by name.
pub(crate) fn sections(tickets: &[Versioned<TicketState>]) -> Vec<Section> {
    let mut seen = BTreeSet::new();
    let mut sections: Vec<_> = tickets.iter().map(|ticket| Section::of(ticket)).collect();
    sections.retain(|section| !section.key.is_empty() && seen.insert(section.key.clone()));
    sections.sort_by_cached_key(|section| section.key.clone());
    sections
}

/// The sections that a filter offers; none if it could not narrow the list.
pub(crate) fn section_choices(tickets: &[Versioned<TicketState>]) -> Vec<Section> {
    let sections = sections(tickets);
    let has_unnamed = tickets.iter().any(|ticket| Section::of(ticket).key.is_empty());
    if sections.len() + usize::from(has_unnamed) > 1 { sections } else { Vec::new() }
}

/// The numbers of seats that a filter offers: the chosen one, and those that an order of some listing can have; none if
/// each listing has all of them, so that the filter could not narrow the list.
pub(crate) fn quantity_choices(tickets: &[Versioned<TicketState>], chosen: Option<usize>) -> Vec<usize> {
    let offered: Vec<_> = tickets.iter().map(|ticket| quantities(ticket)).collect();
    let all: BTreeSet<usize> = offered.iter().flatten().copied().chain(chosen).collect();
    if offered.iter().all(|some| some.len() == all.len()) { Vec::new() } else { all.into_iter().collect() }
}

/// The number of seats that these listings have for sale.
pub(crate) fn free_seats(tickets: &[Versioned<TicketState>]) -> usize {
    tickets.iter().map(|ticket| free_slots(ticket).len()).sum()
}

/// The currencies of these listings, that of the most first.
pub(crate) fn currencies(tickets: &[Versioned<TicketState>]) -> Vec<Currency> {
    let mut counts: BTreeMap<&Currency, usize> = BTreeMap::new();
    for ticket in tickets {
        *counts.entry(&ticket.price.currency).or_default() += 1;
    }
    let mut currencies: Vec<_> = counts.into_iter().collect();
    currencies.sort_by(|(_, one), (_, other)| other.cmp(one));
    currencies.into_iter().map(|(currency, _)| currency.clone()).collect()
}

/// Whether these listings have different prices in one currency.
pub(crate) fn has_several_prices(tickets: &[Versioned<TicketState>]) -> bool {
    let mut prices: BTreeMap<&Currency, BTreeSet<i64>> = BTreeMap::new();
    for ticket in tickets {
        prices.entry(&ticket.price.currency).or_default().insert(ticket.price.amount);
    }
    prices.values().any(|amounts| amounts.len() > 1)
}

/// The rows of these listings that the filter admits, the cheapest first; with several currencies, those of the most
/// common one first.
pub(crate) fn rows(
    tickets: &[Versioned<TicketState>],
    sellers: &BTreeMap<UserId, String>,
    filter: &RowFilter,
) -> Vec<Row> {
    let currencies = currencies(tickets);
    let rank = |ticket: &TicketState| currencies.iter().position(|currency| *currency == ticket.price.currency);
    let mut sorted: Vec<_> = tickets.iter().collect();
    sorted.sort_by_key(|ticket| (rank(&ticket.state), ticket.price.amount, ticket.terms.id));
    let has_sections = !sections(tickets).is_empty();
    let mut seen = BTreeSet::new();
    let mut rows = Vec::new();
    for ticket in sorted {
        let section = Section::of(ticket);
        // Also of listings that the filter omits.
        let is_cheapest = tickets.len() > 1 && seen.insert((&ticket.price.currency, section.key.clone()));
        if !admits(filter, ticket, &section) {
            continue;
        }
        rows.push(Row {
            id: ticket.terms.id.to_string(),
            path: match filter.quantity {
                Some(quantity) if ticket.seats.len() > 1 => format!("/tickets/{}?quantity={quantity}", ticket.terms.id),
                _ => format!("/tickets/{}", ticket.terms.id),
            },
            seat: seat_text(ticket),
            free: free_slots(ticket).len(),
            left: left(ticket),
            price: format_price(&ticket.price),
            difference: ticket.face_value.as_ref().map(|face| difference(&ticket.price, face)),
            seller: sellers.get(&ticket.seller_id).cloned().unwrap_or_else(unknown_user_name),
            mark: is_cheapest.then(|| match (has_sections, section.name.as_str()) {
                (false, _) => msg::show_cheapest(),
                (true, "") => msg::show_cheapest_unnamed(),
                (true, name) => msg::show_cheapest_in(section_text(name)),
            }),
            version: ticket.version,
        });
    }
    rows
}

fn admits(filter: &RowFilter, ticket: &TicketState, section: &Section) -> bool {
    filter.quantity.is_none_or(|wanted| quantities(ticket).contains(&wanted))
        && filter.section.as_ref().is_none_or(|wanted| *wanted == section.key)
        && filter.currency.as_ref().is_none_or(|currency| *currency == ticket.price.currency)
        && filter.max.is_none_or(|max| ticket.price.amount <= max)
}

/// `Section A, row 3, seat 14`, without the parts that are unknown. Of a listing with several seats, it names those that
/// can be ordered.
fn seat_text(ticket: &TicketState) -> String {
    let terms = &ticket.terms;
    let known = place_of_seats(terms.section.as_deref(), terms.row.as_deref(), &shown_names(ticket));
    if known.is_empty() { msg::show_seat_unspecified() } else { known }
}

/// How a price compares with the face value.
fn difference(price: &Money, face: &Money) -> String {
    let amount = |amount| format_price(&Money { amount, currency: price.currency.clone() });
    match price.amount - face.amount {
        0 => msg::show_at_face_value(),
        more @ 1.. => msg::show_over_face_value(amount(more)),
        less => msg::show_under_face_value(amount(-less)),
    }
}

/// What other sellers than this one ask for a ticket of a show: first those of this section, if it is known, then each
/// other section.
pub(crate) fn asks(tickets: &[Versioned<TicketState>], section: &str, seller: UserId) -> Vec<String> {
    let others: Vec<_> = tickets.iter().filter(|ticket| ticket.seller_id != seller).collect();
    let mut groups: BTreeMap<(String, &Currency), (String, Vec<&Money>)> = BTreeMap::new();
    for ticket in &others {
        let Section { key, name } = Section::of(ticket);
        groups.entry((key, &ticket.price.currency)).or_insert_with(|| (name, Vec::new())).1.push(&ticket.price);
    }
    let wanted = section_key(section);
    let are_named = groups.keys().any(|(key, _)| !key.is_empty());
    let (similar, rest): (Vec<_>, Vec<_>) =
        groups.into_iter().partition(|((key, _), _)| !wanted.is_empty() && *key == wanted);
    let similar = similar.into_iter().map(|(_, (_, prices))| msg::show_asks_similar(range(&prices)));
    let rest = rest.into_iter().map(|((key, _), (name, prices))| match (key.is_empty(), are_named) {
        (false, _) => msg::show_asks_section(range(&prices), name),
        (true, true) => msg::show_asks_unnamed(range(&prices)),
        (true, false) => msg::show_asks_show(range(&prices)),
    });
    similar.chain(rest).take(MAX_ASKS).collect()
}

/// `€50.00 to €62.00`, or `€50.00`.
fn range(prices: &[&Money]) -> String {
    let lowest = prices.iter().min_by_key(|price| price.amount);
    let highest = prices.iter().max_by_key(|price| price.amount);
    match (lowest, highest) {
        (Some(low), Some(high)) if low.amount < high.amount => {
            msg::show_price_range(format_price(high), format_price(low))
        }
        (Some(price), _) => format_price(price),
        (None, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use common::events::ticket::TicketStatus;

    use super::*;
    use crate::domain::seats::tests::{sample, six_seats};
    use crate::i18n::testing::in_german;

    fn ticket(section: Option<&str>, amount: i64, currency: &str) -> Versioned<TicketState> {
        let mut state = sample();
        state.terms.section = section.map(str::to_owned);
        state.price = Money { amount, currency: currency.parse().unwrap() };
        state.face_value = None;
        Versioned { version: 2, state }
    }

    fn tickets() -> Vec<Versioned<TicketState>> {
        vec![
            ticket(Some("Stalls"), 6_200, "EUR"),
            ticket(Some("Balcony"), 4_000, "EUR"),
            ticket(Some("STALLS"), 5_000, "EUR"),
            ticket(None, 4_500, "EUR"),
            ticket(Some("Stalls"), 4_000, "USD"),
        ]
    }

    fn shown(filter: &RowFilter) -> Vec<String> {
        let rows = rows(&tickets(), &BTreeMap::new(), filter);
        rows.iter().map(|row| format!("{} {}", row.price, row.mark.as_deref().unwrap_or("-"))).collect()
    }

    #[test]
    fn rows_are_sorted_by_price_and_the_cheapest_of_each_section_is_marked() {
        let expected = [
            "€40.00 Cheapest in Section Balcony",
            "€45.00 Cheapest without a section",
            "€50.00 Cheapest in Section STALLS",
            "€62.00 -",
            "$40.00 Cheapest in Section Stalls",
        ];
        assert_eq!(shown(&RowFilter::default()), expected);
        let unnamed = [ticket(None, 4_500, "EUR"), ticket(None, 4_400, "EUR")];
        let marks: Vec<_> =
            rows(&unnamed, &BTreeMap::new(), &RowFilter::default()).into_iter().map(|row| row.mark).collect();
        assert_eq!(marks, [Some("Cheapest".to_owned()), None]);
        assert_eq!(rows(&unnamed[..1], &BTreeMap::new(), &RowFilter::default())[0].mark, None, "it is the only one");
    }

    #[test]
    fn filters_keep_the_marks() {
        let euro: Currency = "EUR".parse().unwrap();
        let stalls = RowFilter { section: Some("stalls".to_owned()), ..RowFilter::default() };
        assert_eq!(shown(&stalls).len(), 3);
        let cheap = RowFilter { currency: Some(euro), max: Some(5_000), ..RowFilter::default() };
        assert_eq!(shown(&cheap).len(), 3);
        assert_eq!(
            shown(&RowFilter { max: Some(5_000), ..stalls }),
            ["€50.00 Cheapest in Section STALLS", "$40.00 Cheapest in Section Stalls"]
        );
        assert_eq!(shown(&RowFilter { section: Some("pit".to_owned()), ..RowFilter::default() }), [""; 0]);
    }

    #[test]
    fn sections_and_currencies_are_what_listings_name() {
        let tickets = tickets();
        let names: Vec<_> = sections(&tickets).into_iter().map(|section| section.name).collect();
        assert_eq!(names, ["Balcony", "Stalls"]);
        assert_eq!(section_choices(&tickets).len(), 2);
        assert_eq!(section_choices(&tickets[1..2]), [], "all are in one section");
        assert_eq!(section_choices(&tickets[2..4]).len(), 1, "one has no section");
        assert_eq!(currencies(&tickets).iter().map(ToString::to_string).collect::<Vec<_>>(), ["EUR", "USD"]);
        assert!(has_several_prices(&tickets));
        assert!(!has_several_prices(&[ticket(None, 4_000, "EUR"), ticket(None, 4_100, "USD")]));
        assert_eq!((section_key(" Ébène-A "), section_key("★")), ("ebene a".to_owned(), "★".to_owned()));
    }

    #[test]
    fn row_has_the_seat_the_seller_and_the_difference_to_the_face_value() {
        let state = sample();
        let sellers = BTreeMap::from([(state.seller_id, "Ana".to_owned())]);
        let mut tickets = [Versioned { version: 7, state }];
        let mut row = |face: Option<i64>| {
            tickets[0].state.face_value = face.map(|amount| Money { amount, ..tickets[0].price.clone() });
            rows(&tickets, &sellers, &RowFilter::default()).remove(0)
        };
        let first = row(Some(9_900));
        assert_eq!(
            (first.seat.as_str(), first.seller.as_str(), first.version),
            ("Section A, row 3, seat 14", "Ana", 7)
        );
        assert_eq!((first.price.as_str(), first.difference.as_deref()), ("$125.50", Some("$26.50 over face value")));
        assert_eq!(row(Some(12_550)).difference.as_deref(), Some("at face value"));
        assert_eq!(row(Some(13_000)).difference.as_deref(), Some("$4.50 under face value"));
        assert_eq!(row(None).difference, None);
        let state = &mut tickets[0].state;
        (state.terms.section, state.terms.row, state.seats[0].name) = (None, None, None);
        assert_eq!(rows(&tickets, &BTreeMap::new(), &RowFilter::default())[0].seat, "Seat not specified");
    }

    #[test]
    fn number_of_seats_narrows_the_rows_to_runs_of_free_blocks() {
        let mut state = six_seats(&[2, 2, 2]);
        state.price.amount = 13_000;
        let mut tickets = vec![Versioned { version: 1, state: sample() }, Versioned { version: 1, state }];
        let shown = |tickets: &[Versioned<TicketState>], quantity| {
            let filter = RowFilter { quantity, ..RowFilter::default() };
            let rows = rows(tickets, &BTreeMap::new(), &filter);
            rows.into_iter().map(|row| (row.free, row.path.ends_with("?quantity=4"))).collect::<Vec<_>>()
        };
        assert_eq!((quantity_choices(&tickets, Some(2)), free_seats(&tickets)), (vec![1, 2, 4, 6], 7));
        assert_eq!(shown(&tickets, None), [(1, false), (6, false)]);
        assert_eq!(shown(&tickets, Some(1)), [(1, false)]);
        assert_eq!(shown(&tickets, Some(4)), [(6, true)]);
        assert!(shown(&tickets, Some(3)).is_empty());
        for slot in [2, 3] {
            tickets[1].state.seats[slot].status = TicketStatus::Reserved;
        }
        let seats: Vec<_> =
            rows(&tickets, &BTreeMap::new(), &RowFilter::default()).into_iter().map(|row| row.seat).collect();
        assert_eq!(seats[1], "Section A, row 3, seats 12, 13, 16, 17", "of the free ones");
        assert!(shown(&tickets, Some(4)).is_empty(), "the four that are left are not together");
        assert!(quantity_choices(&tickets[..1], None).is_empty() && quantity_choices(&[], Some(2)).is_empty());
        assert!(quantity_choices(&tickets, Some(8)).contains(&8), "a link may ask for what no listing has any more");
    }

    #[test]
    fn asks_name_similar_seats_first() {
        let tickets = tickets();
        let all = asks(&tickets, "", UserId::new());
        let expected = ["Without a section: €45.00", "Balcony: €40.00", "Stalls: €50.00 to €62.00", "Stalls: $40.00"];
        assert_eq!(all, expected);
        let similar = asks(&tickets, "stalls", tickets[4].seller_id);
        assert_eq!(similar[0], "Similar seats: €50.00 to €62.00");
        assert_eq!(similar.len(), 3, "without the seller's own listing: {similar:?}");
        assert_eq!(asks(&tickets[3..4], "pit", UserId::new()), ["This show: €45.00"]);
        assert!(asks(&[], "pit", UserId::new()).is_empty());
    }

    #[test]
    fn texts_are_in_the_readers_language() {
        in_german(|| {
            let german =
                ["40,00\u{a0}€ Günstigstes Ticket in Block Balcony", "45,00\u{a0}€ Günstigstes Ticket ohne Block"];
            assert_eq!(shown(&RowFilter::default())[..2], german);
            let asked = asks(&tickets(), "stalls", UserId::new());
            assert_eq!(asked[0], "Vergleichbare Plätze: 50,00\u{a0}€ bis 62,00\u{a0}€");
            let price = |amount| Money { amount, currency: "EUR".parse().unwrap() };
            assert_eq!(difference(&price(5_000), &price(4_000)), "10,00\u{a0}€ über dem Originalpreis");
        });
    }
}
