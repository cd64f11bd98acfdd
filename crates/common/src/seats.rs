//! The seats of a listing, and the blocks of adjacent seats in which it is sold.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::VariantArray as _;
use utoipa::ToSchema;

use crate::string_form::text_enum;

/// Maximum number of seats of a listing.
pub const MAX_SEATS: usize = 8;

/// The place of a seat in its listing, counted from 0 in the seller's order.
pub type Slot = u8;

/// The blocks don't divide 1 to 8 seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be sizes of blocks that add up to 1 to 8 seats, each 1 or more")]
pub struct InvalidBlocks;

/// How many seats each block of a listing has, in the order of its seats. An order takes consecutive whole blocks.
///
/// # Why
/// The seller fixes the blocks, so whatever orders are placed and in whichever order they arrive, none of them can
/// leave a remainder that the seller didn't want, such as a single seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
#[schemars(inline, with = "Vec<u8>")]
#[schema(value_type = Vec<u8>, example = json!([2, 2]))]
pub struct Blocks(Vec<u8>);

impl TryFrom<Vec<u8>> for Blocks {
    type Error = InvalidBlocks;
    fn try_from(sizes: Vec<u8>) -> Result<Self, InvalidBlocks> {
        let seats: usize = sizes.iter().copied().map(usize::from).sum();
        let is_valid = !sizes.contains(&0) && (1..=MAX_SEATS).contains(&seats);
        is_valid.then_some(Self(sizes)).ok_or(InvalidBlocks)
    }
}

impl From<Blocks> for Vec<u8> {
    fn from(blocks: Blocks) -> Self {
        blocks.0
    }
}

impl Blocks {
    /// The one block of a listing of one seat.
    pub fn one_seat() -> Self {
        Self(vec![1])
    }

    /// The number of seats in each block.
    pub fn sizes(&self) -> &[u8] {
        &self.0
    }

    /// The number of seats in all blocks.
    pub fn seats(&self) -> usize {
        self.0.iter().copied().map(usize::from).sum()
    }

    /// All slots, ascending.
    pub fn slots(&self) -> Vec<Slot> {
        self.ranges().flatten().collect()
    }

    /// Whether each block is one seat.
    pub fn are_single_seats(&self) -> bool {
        self.0.iter().all(|size| *size == 1)
    }

    /// The slots of each run of consecutive free blocks that has exactly this number of seats, the lowest run first.
    pub fn runs(&self, quantity: usize, is_free: impl Fn(Slot) -> bool) -> Vec<Vec<Slot>> {
        let runs = self.free_runs(is_free).map(Iterator::collect::<Vec<_>>);
        runs.filter(|slots| slots.len() == quantity).collect()
    }

    /// The numbers of seats that can be ordered together, ascending.
    pub fn quantities(&self, is_free: impl Fn(Slot) -> bool) -> Vec<usize> {
        let mut quantities: Vec<_> = self.free_runs(is_free).map(|slots| slots.len()).collect();
        quantities.sort_unstable();
        quantities.dedup();
        quantities
    }

    /// The slots of each run of consecutive free blocks, by their first slot and then by their length.
    fn free_runs(&self, is_free: impl Fn(Slot) -> bool) -> impl Iterator<Item = Range<Slot>> {
        let ranges: Vec<_> = self.ranges().collect();
        let mut runs = Vec::new();
        for (n, first) in ranges.iter().enumerate() {
            let free = ranges.iter().skip(n).take_while(|block| (**block).clone().all(&is_free));
            runs.extend(free.map(|last| first.start..last.end));
        }
        runs.into_iter()
    }

    /// The slots of each block.
    fn ranges(&self) -> impl Iterator<Item = Range<Slot>> {
        self.0.iter().scan(0, |start, size| {
            let block = *start..*start + size;
            *start = block.end;
            Some(block)
        })
    }
}

/// How the seats of a listing may be divided among orders: a rule, or the sizes of the blocks in order of the seats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "must be together, pairs, any, noSingle, or a list of the sizes of the blocks")]
#[schema(example = "pairs")]
pub enum Split {
    /// A rule for any number of seats.
    Rule(SplitRule),
    /// The sizes of the blocks, such as 3 and 3.
    Sizes(Vec<u8>),
}

text_enum! {
    /// A rule that divides the seats of a listing among orders.
    SplitRule {
        /// All seats together.
        Together,
        /// Pairs; the number of seats must be even.
        Pairs,
        /// Any number of seats.
        Any,
        /// Pairs, and the last three seats together if their number is odd, so that no single seat is left.
        NoSingle,
    }
}

impl Default for Split {
    fn default() -> Self {
        Self::Rule(SplitRule::Together)
    }
}

/// The split does not fit the number of seats. The message completes "must …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSplit {
    /// Pairs need an even number of seats.
    #[error("must be another split: an odd number of seats can't be sold in pairs")]
    Odd,
    /// One seat can't be sold without single seats.
    #[error("must be another split: there is only one seat")]
    OneSeat,
    /// The sizes don't add up to the number of seats.
    #[error("must be sizes of 1 or more that add up to the number of seats")]
    Sizes,
}

impl InvalidSplit {
    /// The code of the field error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Odd => "split-odd",
            Self::OneSeat => "split-one-seat",
            Self::Sizes => "split-sizes",
        }
    }
}

impl Split {
    /// The blocks that this split divides 1 to 8 seats into.
    pub fn blocks(&self, seats: usize) -> Result<Blocks, InvalidSplit> {
        let total = u8::try_from(seats).map_err(|_| InvalidSplit::Sizes)?;
        let sizes = match self {
            Self::Rule(SplitRule::Together) => vec![total],
            Self::Rule(SplitRule::Pairs) if total % 2 == 1 => return Err(InvalidSplit::Odd),
            Self::Rule(SplitRule::Pairs) => vec![2; seats / 2],
            Self::Rule(SplitRule::Any) => vec![1; seats],
            Self::Rule(SplitRule::NoSingle) if total == 1 => return Err(InvalidSplit::OneSeat),
            Self::Rule(SplitRule::NoSingle) => {
                let mut sizes = vec![2; seats / 2];
                if let Some(last) = sizes.last_mut() {
                    *last += total % 2;
                }
                sizes
            }
            Self::Sizes(sizes) => sizes.clone(),
        };
        let blocks = Blocks::try_from(sizes).map_err(|_| InvalidSplit::Sizes)?;
        if blocks.seats() == seats { Ok(blocks) } else { Err(InvalidSplit::Sizes) }
    }
}

impl From<&Blocks> for Split {
    /// The rule that makes these blocks, if there is one; else their sizes.
    fn from(blocks: &Blocks) -> Self {
        let made_by = |rule: &SplitRule| Self::Rule(*rule).blocks(blocks.seats()).as_ref() == Ok(blocks);
        match SplitRule::VARIANTS.iter().find(|rule| made_by(rule)) {
            Some(rule) => Self::Rule(*rule),
            None => Self::Sizes(blocks.0.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(sizes: &[u8]) -> Blocks {
        sizes.to_vec().try_into().unwrap()
    }

    fn rule(rule: SplitRule, seats: usize) -> Result<Vec<u8>, InvalidSplit> {
        Split::Rule(rule).blocks(seats).map(Vec::from)
    }

    #[test]
    fn rules_divide_the_seats() {
        assert_eq!(rule(SplitRule::Together, 5), Ok(vec![5]));
        assert_eq!(rule(SplitRule::Pairs, 6), Ok(vec![2, 2, 2]));
        assert_eq!(rule(SplitRule::Pairs, 5), Err(InvalidSplit::Odd));
        assert_eq!(rule(SplitRule::Any, 3), Ok(vec![1, 1, 1]));
        assert_eq!(rule(SplitRule::NoSingle, 4), Ok(vec![2, 2]));
        assert_eq!(rule(SplitRule::NoSingle, 7), Ok(vec![2, 2, 3]));
        assert_eq!(rule(SplitRule::NoSingle, 3), Ok(vec![3]));
        assert_eq!(rule(SplitRule::NoSingle, 1), Err(InvalidSplit::OneSeat));
        assert_eq!(Split::Sizes(vec![3, 3]).blocks(6), Ok(blocks(&[3, 3])));
        for sizes in [vec![3, 2], vec![6, 0], vec![], vec![200, 62]] {
            assert_eq!(Split::Sizes(sizes.clone()).blocks(6), Err(InvalidSplit::Sizes), "{sizes:?}");
        }
        for seats in [0, 9, 300] {
            assert_eq!(rule(SplitRule::Any, seats), Err(InvalidSplit::Sizes), "{seats}");
        }
    }

    #[test]
    fn split_of_blocks_makes_the_same_blocks() {
        for sizes in [&[1][..], &[4], &[2, 2], &[1, 1, 1], &[2, 3], &[3, 3], &[1, 2]] {
            let blocks = blocks(sizes);
            assert_eq!(Split::from(&blocks).blocks(blocks.seats()), Ok(blocks));
        }
        assert_eq!(Split::from(&blocks(&[1])), Split::default());
        assert_eq!(Split::from(&blocks(&[3, 3])), Split::Sizes(vec![3, 3]));
    }

    #[test]
    fn split_is_a_name_or_sizes() {
        assert_eq!(serde_json::from_str::<Split>("\"noSingle\"").unwrap(), Split::Rule(SplitRule::NoSingle));
        assert_eq!(serde_json::from_str::<Split>("[3,3]").unwrap(), Split::Sizes(vec![3, 3]));
        for invalid in ["\"thirds\"", "2", "[300]"] {
            let error = serde_json::from_str::<Split>(invalid).unwrap_err().to_string();
            let rules = SplitRule::VARIANTS.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", ");
            assert!(error.starts_with(&format!("must be {rules}, or a list of the sizes")), "{invalid}: {error}");
        }
    }

    #[test]
    fn orders_take_consecutive_free_blocks() {
        let pairs = blocks(&[2, 2, 2]);
        assert_eq!(pairs.quantities(|_| true), [2, 4, 6]);
        assert_eq!(pairs.runs(2, |_| true), [vec![0, 1], vec![2, 3], vec![4, 5]]);
        assert_eq!(pairs.runs(4, |_| true), [vec![0, 1, 2, 3], vec![2, 3, 4, 5]]);
        assert!(pairs.runs(3, |_| true).is_empty(), "no whole blocks have three seats");
        let without_the_middle = |slot| slot != 3;
        assert_eq!(pairs.quantities(without_the_middle), [2]);
        assert_eq!(pairs.runs(2, without_the_middle), [vec![0, 1], vec![4, 5]]);
        assert!(pairs.quantities(|_| false).is_empty());
        assert_eq!(blocks(&[2, 3]).runs(3, |_| true), [vec![2, 3, 4]]);
    }
}
