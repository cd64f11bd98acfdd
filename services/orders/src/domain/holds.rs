//! Limits on how many unpaid orders a buyer may have at once, whatever their number of seats, and on how often a buyer
//! may hold seats of the same listing, so that nobody blocks seats without buying them.
//!
//! # Why
//! A unique index can't count across shards, so the number of holds is checked after the insert. Each request reads its
//! buyer's holds once its own hold is stored:
//!
//! - If it sees no more than the limit, it keeps its hold. Of the requests that keep their hold, the last to read has
//!   seen all the others, so the limit is never exceeded.
//! - If it sees more, and older holds alone reach the limit, it withdraws its own hold. A hold is older if its id is
//!   lower.
//! - If it sees more, but not enough older ones, it waits for the newer ones to be withdrawn. That may never happen,
//!   because a hold with a lower id can be stored after newer holds were kept. So after a while the waiting requests
//!   withdraw one after the other, the newest first, until the limit is met.

use std::time::Duration;

use common::error::{Error, Rejection, seconds_param};
use common::id::OrderId;
use common::problem::Params;

/// What to do with a hold that was just stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldDecision {
    /// Keep it.
    Keep,
    /// Read again, because newer holds are about to be withdrawn. If they are not, withdraw this one.
    Wait {
        /// Maximum number of waiting requests that withdraw before this one: the limit minus one, minus the number of
        /// older holds.
        ahead: usize,
    },
    /// Withdraw it.
    Withdraw,
}

/// Decides what to do with `hold`, given the buyer's other holds.
pub fn decide_hold(hold: OrderId, others: &[OrderId], limit: usize) -> HoldDecision {
    if others.len() < limit {
        return HoldDecision::Keep;
    }
    let older = others.iter().filter(|other| **other < hold).count();
    match (limit - 1).checked_sub(older) {
        Some(ahead) => HoldDecision::Wait { ahead },
        None => HoldDecision::Withdraw,
    }
}

/// Why a buyer may not hold seats.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// The buyer has reached the limit with these orders.
    #[error("the buyer has reached the limit of holds")]
    TooMany(Vec<OrderId>),
    /// Too many of the buyer's holds of this listing were cancelled or expired; the time until it may be held again.
    #[error("the buyer has held this listing too often without buying it")]
    TooOften(Duration),
}

impl From<HoldError> for Error {
    fn from(error: HoldError) -> Self {
        match error {
            HoldError::TooMany(orders) => {
                let detail = format!(
                    "You have {} unpaid orders. Pay for one or cancel one before you place another.",
                    orders.len()
                );
                Self::Conflict(Rejection::new("too-many-holds", detail).with_blocking_orders(orders))
            }
            HoldError::TooOften(wait) => {
                let minutes = wait.as_secs().div_ceil(60);
                let unit = if minutes == 1 { "minute" } else { "minutes" };
                let detail =
                    format!("You have held this ticket too often without buying it. Try again in {minutes} {unit}.");
                let params = Params::default().with("limit", "holds").with("retryAfter", seconds_param(wait));
                Self::LimitReached(Rejection::new("rate-limited", detail).retry_after(wait).with_params(params))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids(count: usize) -> Vec<OrderId> {
        (0..count).map(|_| OrderId::new()).collect()
    }

    #[test]
    fn newest_holds_beyond_the_limit_are_withdrawn() {
        let ids = ids(6);
        assert_eq!(decide_hold(ids[0], &[], 1), HoldDecision::Keep);
        assert_eq!(decide_hold(ids[4], &ids[..4], 5), HoldDecision::Keep);
        assert_eq!(decide_hold(ids[5], &ids[..5], 5), HoldDecision::Withdraw);
        assert_eq!(decide_hold(ids[0], &ids[1..], 5), HoldDecision::Wait { ahead: 4 });
        let others = [&ids[..4], &ids[5..]].concat();
        assert_eq!(decide_hold(ids[4], &others, 5), HoldDecision::Wait { ahead: 0 });
    }

    /// The progress of a request.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Stage {
        NotStored,
        Undecided,
        Kept,
        Withdrawn,
    }

    /// A buyer's requests, ordered by id.
    struct Requests {
        ids: Vec<OrderId>,
        stages: Vec<Stage>,
        limit: usize,
    }

    impl Requests {
        fn decide(&self, n: usize) -> HoldDecision {
            let held = |other: &usize| matches!(self.stages[*other], Stage::Undecided | Stage::Kept);
            let others = (0..self.ids.len()).filter(|other| *other != n).filter(held);
            decide_hold(self.ids[n], &others.map(|other| self.ids[other]).collect::<Vec<_>>(), self.limit)
        }

        /// Stores the hold of a request, or reads the others and decides.
        fn step(&mut self, n: usize) {
            match self.stages[n] {
                Stage::NotStored => self.stages[n] = Stage::Undecided,
                Stage::Undecided => match self.decide(n) {
                    HoldDecision::Keep => self.stages[n] = Stage::Kept,
                    HoldDecision::Withdraw => self.stages[n] = Stage::Withdrawn,
                    HoldDecision::Wait { .. } => {}
                },
                Stage::Kept | Stage::Withdrawn => {}
            }
        }

        /// Advances all requests until nothing changes.
        fn run_until_stable(&mut self) {
            loop {
                let before = self.stages.clone();
                (0..self.ids.len()).for_each(|n| self.step(n));
                if self.stages == before {
                    return;
                }
            }
        }

        /// The waiting request that withdraws first.
        fn next_to_withdraw(&self) -> Option<usize> {
            let waiting = (0..self.ids.len()).filter(|n| self.stages[*n] == Stage::Undecided);
            waiting.min_by_key(|n| match self.decide(*n) {
                HoldDecision::Wait { ahead } => ahead,
                decision => panic!("{decision:?} should have been carried out"),
            })
        }

        fn kept(&self) -> usize {
            self.stages.iter().filter(|stage| **stage == Stage::Kept).count()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Holds for every order in which ids are generated, stored and read.
        #[test]
        fn exactly_the_limit_is_kept(
            count in 1_usize..12,
            limit in 1_usize..6,
            turns in proptest::collection::vec(any::<prop::sample::Index>(), 0..80),
        ) {
            let mut requests = Requests { ids: ids(count), stages: vec![Stage::NotStored; count], limit };
            for turn in &turns {
                requests.step(turn.index(count));
                prop_assert!(requests.kept() <= limit);
            }
            requests.run_until_stable();
            while let Some(n) = requests.next_to_withdraw() {
                requests.stages[n] = Stage::Withdrawn;
                requests.run_until_stable();
            }
            prop_assert_eq!(requests.kept(), count.min(limit));
        }
    }
}
