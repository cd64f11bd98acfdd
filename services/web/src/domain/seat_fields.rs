//! The fields in which a seller names seats and says how they may be divided.

use common::events::ticket::TicketState;
use common::seats::{InvalidSplit, MAX_SEATS, Split, SplitRule};
use common::text::Text;
use strum::VariantArray as _;

use crate::i18n::msg;

/// Value of the choice to name the sizes of the blocks.
const OWN_SIZES: &str = "sizes";
/// What people write between two seats, besides a comma, in any of our languages.
const CONJUNCTIONS: [&str; 5] = [" and ", " und ", "&", "+", "/"];
/// What people write between the first and the last seat of a range.
const DASHES: [&str; 5] = ["-", "–", "—", " to ", " bis "];

/// The fields as they were typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SeatFields {
    pub seats: String,
    pub quantity: String,
    pub split: String,
    pub sizes: String,
}

/// The fields of a request about seats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestedSeats {
    pub seat: Option<Text>,
    pub seats: Option<Vec<Text>>,
    pub quantity: Option<u8>,
    pub split: Option<Split>,
}

/// The ways to divide seats: value of the field, label.
pub(crate) fn splits() -> impl Iterator<Item = (&'static str, String)> {
    let rules = SplitRule::VARIANTS.iter().map(|rule| {
        let label = match rule {
            SplitRule::Together => msg::sell_split_together(),
            SplitRule::Pairs => msg::sell_split_pairs(),
            SplitRule::Any => msg::sell_split_any(),
            SplitRule::NoSingle => msg::sell_split_no_single(),
        };
        (rule.as_ref(), label)
    });
    rules.chain([(OWN_SIZES, msg::sell_split_sizes())])
}

impl SeatFields {
    pub(crate) fn of(ticket: &TicketState) -> Self {
        let names: Vec<_> = ticket.seat_names().collect();
        let known: Vec<_> = names.iter().copied().flatten().collect();
        let seats = known.join(", ");
        // The number is said where the names don't tell it.
        let is_told = !known.is_empty() && listed(&seats) == known;
        let quantity =
            if is_told || names.len() == 1 && known.is_empty() { String::new() } else { names.len().to_string() };
        let (split, sizes) = match Split::from(&ticket.terms.blocks) {
            Split::Rule(rule) => (rule.as_ref().to_owned(), String::new()),
            Split::Sizes(sizes) => {
                let sizes: Vec<_> = sizes.iter().map(ToString::to_string).collect();
                (OWN_SIZES.to_owned(), sizes.join("+"))
            }
        };
        Self { seats, quantity, split, sizes }
    }

    /// What the fields ask for, or the field that is wrong and why, as a sentence. The rules of the tickets service find
    /// the rest.
    pub(crate) fn read(&self) -> Result<RequestedSeats, (&'static str, String)> {
        let quantity = Some(self.quantity.trim()).filter(|text| !text.is_empty());
        let quantity = quantity.map(|text| match text.parse::<u8>() {
            Ok(number) if (1..=MAX_SEATS).contains(&usize::from(number)) => Ok(number),
            _ => Err(("quantity", msg::form_range(MAX_SEATS, 1_u8))),
        });
        let quantity = quantity.transpose()?;
        let names = names(&self.seats, quantity.map(usize::from));
        if names.len() > MAX_SEATS {
            return Err(("seats", msg::sell_error_too_many_seats(MAX_SEATS)));
        }
        if !names.is_empty() && quantity.is_some_and(|quantity| usize::from(quantity) != names.len()) {
            return Err(("quantity", msg::sell_error_quantity(names.len())));
        }
        let count = if names.is_empty() { usize::from(quantity.unwrap_or(1)) } else { names.len() };
        // One seat can't be divided, whatever is chosen.
        let split = if count == 1 { None } else { Some(self.split(count)?) };
        let names: Vec<_> = names.iter().map(|name| Text::new(name)).collect();
        Ok(match <[Text; 1]>::try_from(names) {
            Ok([one]) => RequestedSeats { seat: Some(one), seats: None, quantity: None, split },
            Err(names) if names.is_empty() => RequestedSeats { seat: None, seats: None, quantity, split },
            Err(names) => RequestedSeats { seat: None, seats: Some(names), quantity: None, split },
        })
    }

    fn split(&self, count: usize) -> Result<Split, (&'static str, String)> {
        let (chosen, sizes) = (self.split.trim(), self.sizes.trim());
        // Without this choice the field of the sizes is hidden.
        if chosen == OWN_SIZES {
            let wrong = || ("sizes", msg::sell_error_sizes(count, format!("{}+1", count - 1)));
            let numbers: Result<Vec<u8>, _> =
                separated(sizes, &['+', ',', ';', '/', ' ']).map(str::parse::<u8>).collect();
            let split = Split::Sizes(numbers.map_err(|_| wrong())?);
            return split.blocks(count).map(|_| split).map_err(|_| wrong());
        }
        let rule = Some(chosen).filter(|name| !name.is_empty());
        let rule = rule.map_or(Ok(SplitRule::Together), str::parse::<SplitRule>);
        let rule = rule.map_err(|_| ("split", msg::form_choice()))?;
        let split = Split::Rule(rule);
        let blocks = split.blocks(count).map_err(|error| match error {
            InvalidSplit::Odd => ("split", msg::form_split_odd()),
            InvalidSplit::OneSeat => ("split", msg::form_split_one_seat()),
            InvalidSplit::Sizes => ("split", msg::form_split_sizes()),
        });
        blocks.map(|_| split)
    }
}

fn separated<'a>(text: &'a str, separators: &'a [char]) -> impl Iterator<Item = &'a str> {
    text.split(separators).map(str::trim).filter(|part| !part.is_empty())
}

/// The names in a text; `quantity` is the number of seats, if it is said. A range such as `12-15` stands for its seats,
/// unless the text has that number of names as it is.
fn names(text: &str, quantity: Option<usize>) -> Vec<String> {
    let text = text.trim();
    if quantity == Some(1) && !text.is_empty() {
        return vec![text.to_owned()];
    }
    let parts: Vec<_> = separated(text, &[',', ';']).map(str::to_owned).collect();
    if quantity == Some(parts.len()) { parts } else { listed(text) }
}

/// The names in a text, with the seats of each range. Numbers may also be separated by spaces.
fn listed(text: &str) -> Vec<String> {
    let is_numbers = text.chars().all(|letter| letter.is_ascii_digit() || letter.is_whitespace());
    let separators: &[char] = if is_numbers { &[' ', '\t'] } else { &[',', ';'] };
    separated(text, separators).flat_map(seats_of).collect()
}

/// The seats of a part of a list: of `12 and 13` or `12/13` each one, if all are numbers or ranges.
fn seats_of(part: &str) -> Vec<String> {
    // A part may begin with a conjunction: `12, 13, and 14`.
    let split = CONJUNCTIONS.iter().fold(format!(" {part}"), |text, conjunction| text.replace(conjunction, ","));
    let seats = |seat: &str| range(seat).or_else(|| numbered(seat).map(|_| vec![seat.to_owned()]));
    let seats: Option<Vec<_>> = separated(&split, &[',']).map(seats).collect();
    seats.map(|seats| seats.concat()).filter(|seats| !seats.is_empty()).unwrap_or_else(|| vec![part.to_owned()])
}

/// The seats of `12-15`, `A12-A15` or `12 to 15`; `None` if it is no range. Of a long one only so many that it is seen
/// to be too long.
fn range(text: &str) -> Option<Vec<String>> {
    let (first, last) = DASHES.iter().find_map(|dash| text.split_once(dash))?;
    let ((prefix, first), (last_prefix, last)) = (numbered(first.trim())?, numbered(last.trim())?);
    let is_range = first < last && (last_prefix.is_empty() || last_prefix == prefix);
    is_range.then(|| (first..=last).take(MAX_SEATS + 1).map(|number| format!("{prefix}{number}")).collect())
}

/// `A12` as `A` and 12; `None` without a number, or if that would be shown otherwise.
fn numbered(text: &str) -> Option<(&str, u32)> {
    let prefix = text.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let number: u32 = text.strip_prefix(prefix)?.parse().ok()?;
    (format!("{prefix}{number}") == text).then_some((prefix, number))
}

/// A question to the seller of seats that are hardly neighbours by their numbers, which step by 1 or, on one side of an
/// aisle, by 2; `None` if they may be, or if they are not numbers of one kind.
pub(crate) fn neighbour_question(names: &[Option<String>]) -> Option<String> {
    let numbers: Option<Vec<_>> = names.iter().map(|name| numbered(name.as_deref()?)).collect();
    let mut numbers = numbers?;
    numbers.sort_unstable_by_key(|(_, number)| *number);
    let is_same_kind = numbers.iter().zip(numbers.iter().skip(1)).all(|((one, _), (next, _))| one == next);
    let steps_by =
        |step: u32| numbers.iter().zip(numbers.iter().skip(1)).all(|((_, one), (_, next))| next - one == step);
    if !is_same_kind || steps_by(1) || steps_by(2) {
        return None;
    }
    let names: Vec<_> = numbers.iter().map(|(prefix, number)| format!("{prefix}{number}")).collect();
    let (last, others) = names.split_last()?;
    Some(msg::sell_check_gap(last, others.join(", ")))
}

#[cfg(test)]
mod tests {
    use common::events::ticket::Seat;

    use super::*;
    use crate::domain::seats::tests::six_seats;
    use crate::i18n::testing::in_german;

    fn fields(seats: &str, quantity: &str, split: &str, sizes: &str) -> SeatFields {
        let [seats, quantity, split, sizes] = [seats, quantity, split, sizes].map(str::to_owned);
        SeatFields { seats, quantity, split, sizes }
    }

    #[test]
    fn seats_are_listed_as_people_write_them() {
        for (typed, quantity, expected) in [
            ("12, 13, 14", None, &["12", "13", "14"][..]),
            ("12-15", None, &["12", "13", "14", "15"]),
            ("12 – 14; 20", None, &["12", "13", "14", "20"]),
            ("A9 to A11", None, &["A9", "A10", "A11"]),
            ("A9-11", None, &["A9", "A10", "A11"]),
            ("12 13", None, &["12", "13"]),
            ("12 and 13", None, &["12", "13"]),
            ("7 und 8", None, &["7", "8"]),
            ("12 & 13", None, &["12", "13"]),
            ("12/13", None, &["12", "13"]),
            ("12+13+14", None, &["12", "13", "14"]),
            ("12, 13, and 14", None, &["12", "13", "14"]),
            ("A9 and A10", Some(2), &["A9", "A10"]),
            ("12-14 und 16", None, &["12", "13", "14", "16"]),
            ("7 bis 9", None, &["7", "8", "9"]),
            ("12 and 13", Some(1), &["12 and 13"]),
            ("Left and right", None, &["Left and right"]),
            ("A/B", None, &["A/B"]),
            ("012/013", None, &["012/013"]),
            ("&", None, &["&"]),
            ("Box 3", None, &["Box 3"]),
            ("B-stalls", None, &["B-stalls"]),
            ("12-1", None, &["12-1"]),
            ("012-014", None, &["012-014"]),
            ("12-15", Some(1), &["12-15"]),
            ("1-2, 3-4", Some(2), &["1-2", "3-4"]),
            (" ", None, &[]),
            ("", Some(3), &[]),
        ] {
            assert_eq!(names(typed, quantity), expected, "{typed}");
        }
        assert_eq!(names("1-4000000000", None).len(), MAX_SEATS + 1);
    }

    #[test]
    fn every_way_to_list_numbers_names_the_same_seats() {
        let separators = [", ", "; ", " "].into_iter().chain(CONJUNCTIONS);
        for separator in separators {
            for prefix in ["", "A"] {
                let seats: Vec<_> = (9..=9 + MAX_SEATS).map(|number| format!("{prefix}{number}")).collect();
                for count in 2..=MAX_SEATS {
                    let typed = seats[..count].join(separator);
                    // Only numbers are separated by blanks.
                    let is_one = separator == " " && prefix == "A";
                    let expected = if is_one { std::slice::from_ref(&typed) } else { &seats[..count] };
                    assert_eq!(names(&typed, None), expected, "{typed}");
                }
            }
        }
        for dash in DASHES {
            let typed = ["7", "10"].join(dash);
            assert_eq!(names(&typed, None), ["7", "8", "9", "10"], "{typed}");
        }
    }

    #[test]
    fn seats_with_a_gap_are_questioned() {
        let question = |typed: &str| {
            let names: Vec<_> = names(typed, None).into_iter().map(Some).collect();
            neighbour_question(&names)
        };
        for typed in ["12", "12, 13", "13, 12, 14", "12, 14, 16", "A9, A10", "A9, B12", "Left, 12", ""] {
            assert_eq!(question(typed), None, "{typed}");
        }
        for (typed, expected) in [
            ("12, 15", "Are seats 12 and 15 really side by side?"),
            ("15, 12, 13", "Are seats 12, 13 and 15 really side by side?"),
            ("A1, A3, A4", "Are seats A1, A3 and A4 really side by side?"),
        ] {
            assert_eq!(question(typed).as_deref(), Some(expected));
        }
        let german = in_german(|| question("12, 15"));
        assert_eq!(german.as_deref(), Some("Liegen die Plätze 12 und 15 wirklich nebeneinander?"));
        assert_eq!(neighbour_question(&[None, Some("12".to_owned())]), None);
    }

    #[test]
    fn request_has_the_seats_and_the_split() {
        let read = |seats, quantity, split, sizes| fields(seats, quantity, split, sizes).read();
        let four = read("12-15", "", "pairs", "").unwrap();
        assert_eq!(four.seats.map(|seats| seats.len()), Some(4));
        assert_eq!(four.split, Some(Split::Rule(SplitRule::Pairs)));
        let unnamed = read("", "3", "", "").unwrap();
        assert_eq!((unnamed.quantity, unnamed.split), (Some(3), Some(Split::default())));
        let one = read("14", "", "noSingle", "").unwrap();
        assert_eq!((one.seat, one.seats, one.split), (Some(Text::new("14")), None, None));
        assert_eq!(read("1-6", "", OWN_SIZES, "3 + 3").unwrap().split, Some(Split::Sizes(vec![3, 3])));
        assert_eq!(read("1-6", "", "any", "3+3").unwrap().split, Some(Split::Rule(SplitRule::Any)));
        let none = RequestedSeats { seat: None, seats: None, quantity: None, split: None };
        assert_eq!(read("", "", "", ""), Ok(none));
    }

    #[test]
    fn wrong_fields_are_named_in_words() {
        for ((seats, quantity, split, sizes), field, english, german) in [
            (("1-9", "", "", ""), "seats", "at most 8 seats. List", "höchstens 8 Plätze ein."),
            (("", "9", "", ""), "quantity", "Enter a number from 1 to 8.", "Gib eine Zahl von 1 bis 8 ein."),
            (("", "two", "", ""), "quantity", "Enter a number from 1 to 8.", "Gib eine Zahl von 1 bis 8 ein."),
            (("12, 13", "3", "", ""), "quantity", "empty or enter 2,", "leer oder gib 2 ein,"),
            (("1-5", "", "pairs", ""), "split", "an odd number of seats", "ungerade Zahl von Plätzen"),
            (("1-5", "", "thirds", ""), "split", "one of the options", "eine der Möglichkeiten"),
            (("1-5", "", OWN_SIZES, "2+2"), "sizes", "add up to 5 seats, such as 4+1.", "zusammen 5 Plätze"),
            (("1-5", "", OWN_SIZES, "two"), "sizes", "add up to 5 seats", "zusammen 5 Plätze"),
        ] {
            let read = || fields(seats, quantity, split, sizes).read().unwrap_err();
            let (named, message) = read();
            assert!(named == field && message.contains(english), "{seats} {quantity}: {named} {message}");
            let (_, message) = in_german(read);
            assert!(message.contains(german), "{seats} {quantity}: {message}");
        }
        assert_eq!(splits().count(), 5);
    }

    #[test]
    fn form_of_a_listing_asks_for_the_same_seats() {
        let mut ticket = six_seats(&[3, 3]);
        assert_eq!(SeatFields::of(&ticket), fields("12, 13, 14, 15, 16, 17", "", OWN_SIZES, "3+3"));
        ticket.seats = vec![Seat { name: None, ..ticket.seats[0].clone() }; 6];
        assert_eq!(SeatFields::of(&ticket), fields("", "6", OWN_SIZES, "3+3"));
        // A name that looks like a range or like several names.
        for name in ["12-15", "A, 3", "12/13", "12 and 13"] {
            ticket.seats = vec![Seat { name: Some(name.to_owned()), ..ticket.seats[0].clone() }];
            ticket.terms.blocks = common::seats::Blocks::one_seat();
            assert_eq!(SeatFields::of(&ticket).read().unwrap().seat, Some(Text::new(name)));
        }
    }
}
