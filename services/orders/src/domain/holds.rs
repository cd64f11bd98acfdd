//! How many tickets a buyer may hold at once, and how often one listing again: so that nobody keeps others from
//! buying without buying.
//!
//! # Why
//! A unique index can't count over the shards, so whether a hold is one too many is decided after its insert. Each
//! request reads its buyer's holds once its own is stored, and lets its hold stay when it sees no more than the limit.
//! Of those that stay the last to look has seen all others, so there are never more. Who sees more gives up when it
//! comes behind the limit by id, and else waits until the others have. They may never: an id that was made earlier
//! can be stored later, behind holds that stay already. Then those who wait give up one after the other, the newest
//! first, until there are few enough.

use std::time::Duration;

use common::error::{Error, Rejection};
use common::id::OrderId;

/// What becomes of a hold that was just stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Stay,
    /// Others are about to give up: look again. If they don't, so many holds are to give up before this one.
    Wait {
        /// How many.
        behind: usize,
    },
    /// It is one too many.
    GiveUp,
}

/// What becomes of `own`, given the buyer's other holds.
pub fn judge(own: OrderId, others: &[OrderId], limit: usize) -> Verdict {
    if others.len() < limit {
        return Verdict::Stay;
    }
    let before = others.iter().filter(|other| **other < own).count();
    match (limit - 1).checked_sub(before) {
        Some(behind) => Verdict::Wait { behind },
        None => Verdict::GiveUp,
    }
}

/// Why a buyer may not hold a ticket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// These are held already.
    #[error("the buyer holds as many tickets as one may")]
    TooMany(Vec<OrderId>),
    /// The buyer's holds of this listing ended again and again; it may be held after this long.
    #[error("the buyer has held this listing again and again")]
    TooOften(Duration),
}

impl From<HoldError> for Error {
    fn from(error: HoldError) -> Self {
        match error {
            HoldError::TooMany(orders) => {
                let detail = format!("You hold {} tickets. Pay for one, or let one go, before the next.", orders.len());
                Self::Conflict(Rejection::new("too-many-holds", detail).with_blocking_orders(orders))
            }
            HoldError::TooOften(wait) => {
                let detail = format!(
                    "You held this ticket again and again without buying it, so it is for others now. Try again in {} \
                     minutes.",
                    wait.as_secs().div_ceil(60)
                );
                Self::LimitReached(Rejection::new("rate-limited", detail).retry_after(wait))
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
    fn of_more_than_the_limit_the_newest_give_up() {
        let ids = ids(6);
        assert_eq!(judge(ids[0], &[], 1), Verdict::Stay);
        assert_eq!(judge(ids[4], &ids[..4], 5), Verdict::Stay);
        assert_eq!(judge(ids[5], &ids[..5], 5), Verdict::GiveUp);
        assert_eq!(judge(ids[0], &ids[1..], 5), Verdict::Wait { behind: 4 });
        let others = [&ids[..4], &ids[5..]].concat();
        assert_eq!(judge(ids[4], &others, 5), Verdict::Wait { behind: 0 });
    }

    /// A request on its way.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Stage {
        Unstored,
        Undecided,
        Stays,
        Gone,
    }

    /// A buyer's requests, by id.
    struct Requests {
        ids: Vec<OrderId>,
        stages: Vec<Stage>,
        limit: usize,
    }

    impl Requests {
        fn verdict(&self, n: usize) -> Verdict {
            let held = |other: &usize| matches!(self.stages[*other], Stage::Undecided | Stage::Stays);
            let others = (0..self.ids.len()).filter(|other| *other != n).filter(held);
            judge(self.ids[n], &others.map(|other| self.ids[other]).collect::<Vec<_>>(), self.limit)
        }

        /// One is stored, or looks.
        fn step(&mut self, n: usize) {
            match self.stages[n] {
                Stage::Unstored => self.stages[n] = Stage::Undecided,
                Stage::Undecided => match self.verdict(n) {
                    Verdict::Stay => self.stages[n] = Stage::Stays,
                    Verdict::GiveUp => self.stages[n] = Stage::Gone,
                    Verdict::Wait { .. } => {}
                },
                Stage::Stays | Stage::Gone => {}
            }
        }

        /// Everybody is stored, and looks until nothing changes.
        fn rest(&mut self) {
            loop {
                let before = self.stages.clone();
                (0..self.ids.len()).for_each(|n| self.step(n));
                if self.stages == before {
                    return;
                }
            }
        }

        /// Of those who wait the one that gives up first, if any waits.
        fn impatient(&self) -> Option<usize> {
            let waiting = (0..self.ids.len()).filter(|n| self.stages[*n] == Stage::Undecided);
            waiting.min_by_key(|n| match self.verdict(*n) {
                Verdict::Wait { behind } => behind,
                verdict => panic!("{verdict:?} is acted on at once"),
            })
        }

        fn staying(&self) -> usize {
            self.stages.iter().filter(|stage| **stage == Stage::Stays).count()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Whatever the order in which ids are made, stored and looked at.
        #[test]
        fn as_many_stay_as_may_and_never_more(
            count in 1_usize..12,
            limit in 1_usize..6,
            turns in proptest::collection::vec(any::<prop::sample::Index>(), 0..80),
        ) {
            let mut requests = Requests { ids: ids(count), stages: vec![Stage::Unstored; count], limit };
            for turn in &turns {
                requests.step(turn.index(count));
                prop_assert!(requests.staying() <= limit);
            }
            requests.rest();
            while let Some(n) = requests.impatient() {
                requests.stages[n] = Stage::Gone;
                requests.rest();
            }
            prop_assert_eq!(requests.staying(), count.min(limit));
        }
    }
}
