//! The short number of an order, such as `TK-7F3K-29`, for people who read it out or type it.
//!
//! # Why
//! It is made from the id, so that it never changes and nothing stores it. It has the id's last 30 bits, which are
//! random in a `UUIDv7`, in Crockford's alphabet: no I, L, O or U, and what people type for 1 and 0 is read as these.
//!
//! It does not identify an order. Two orders share a number with a probability of one in 2^30: among 100 orders of one
//! buyer two do in one case of 217,000, among 40,000 orders of the shop in one of two. The search by number therefore
//! looks among one buyer's orders only, and shows all that it finds.

use std::fmt;
use std::str::FromStr;

use common::id::OrderId;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const PREFIX: &str = "TK";
/// Number of letters after the prefix, of five bits each.
const LENGTH: usize = 6;

/// The number of an order: 30 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OrderNumber(u32);

/// The text is no number of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidNumber;

impl OrderNumber {
    pub(crate) fn of(order: OrderId) -> Self {
        let [.., first, second, third, last] = order.as_uuid().into_bytes();
        Self(u32::from_be_bytes([first & 0b0011_1111, second, third, last]))
    }

    /// A regular expression for the ends of the ids that have this number.
    pub(crate) fn id_pattern(self) -> String {
        let high = self.0 >> 28;
        // The number lacks two bits of this digit.
        let digits = [0, 4, 8, 12].map(|missing| format!("{:x}", high + missing)).concat();
        format!("[{digits}]{:07x}$", self.0 & 0x0fff_ffff)
    }
}

impl fmt::Display for OrderNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |place: usize| {
            let index = usize::try_from((self.0 >> (5 * place)) & 31).unwrap_or_default();
            ALPHABET.get(index).map_or('0', |letter| char::from(*letter))
        };
        let letters: String = (0..LENGTH).rev().map(letter).collect();
        let (first, last) = letters.split_at(4);
        write!(f, "{PREFIX}-{first}-{last}")
    }
}

impl FromStr for OrderNumber {
    type Err = InvalidNumber;

    /// Reads a number as people type it: in any case, with or without its prefix and hyphens.
    fn from_str(text: &str) -> Result<Self, InvalidNumber> {
        let is_filler = |letter: &char| letter.is_whitespace() || matches!(letter, '-' | '–' | '—' | '.' | '#');
        let typed: String = text.to_ascii_uppercase().chars().filter(|letter| !is_filler(letter)).collect();
        let letters = typed.strip_prefix(PREFIX).filter(|rest| rest.len() == LENGTH).unwrap_or(&typed);
        if letters.chars().count() != LENGTH {
            return Err(InvalidNumber);
        }
        letters.bytes().try_fold(Self(0), |Self(read), letter| {
            let letter = match letter {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                _ => letter,
            };
            let index = ALPHABET.iter().position(|known| *known == letter).and_then(|index| u32::try_from(index).ok());
            index.map(|index| Self((read << 5) | index)).ok_or(InvalidNumber)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn number_is_stable_and_read_as_people_type_it() {
        let order: OrderId = "01970000-0000-7000-8000-0000fe31c849".parse().unwrap();
        let number = OrderNumber::of(order);
        assert_eq!(number.to_string(), "TK-Z33J-29");
        for typed in ["TK-Z33J-29", "tk z33j 29", "z33j29", " #TKZ33J29 ", "TK–Z33J–29"] {
            assert_eq!(typed.parse(), Ok(number), "{typed}");
        }
    }

    #[test]
    fn similar_letters_are_one_and_other_texts_no_number() {
        assert_eq!("TK-OIL0-11".parse::<OrderNumber>(), "TK-0110-11".parse());
        for text in ["", "TK-", "TK-7F3K-2", "TK-7F3K-299", "TK-7F3U-29", "TX-7F3K-29", "7F3K2é", "ÄÄÄ", "TK-TK"] {
            assert_eq!(text.parse::<OrderNumber>(), Err(InvalidNumber), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_number_is_read_back_and_found_by_its_pattern(bytes in any::<[u8; 16]>()) {
            let order = OrderId::from_uuid(uuid::Uuid::from_bytes(bytes));
            let number = OrderNumber::of(order);
            prop_assert_eq!(number.to_string().parse::<OrderNumber>(), Ok(number));
            let (id, pattern) = (order.to_string(), number.id_pattern());
            let (digits, end) = pattern.strip_suffix('$').unwrap().split_once(']').unwrap();
            let (before, last) = id.split_at(id.len() - 7);
            prop_assert_eq!(last, end);
            prop_assert!(digits.contains(before.chars().last().unwrap()), "{} {}", id, pattern);
        }
    }
}
