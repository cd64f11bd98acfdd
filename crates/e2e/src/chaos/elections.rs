//! Detects elections of MongoDB's primary and excuses the stale reads around them. At any other time a stale read is a
//! violation.
//!
//! # Why
//! Just after an election, a majority read may be older than an acknowledged write: the new primary does not know what
//! a majority has until it has committed a write of its own term.
//!
//! The members are polled for their terms during the whole run, because a fault that hits the primary need not cause an
//! election, and an election need not be caused by a fault.

use std::convert::Infallible;
use std::ops::Range;
use std::time::{Duration, Instant};

use futures::future::join_all;
use testkit::servers::mongo_wire::MemberStatus;
use tokio::time::{sleep, timeout};

use crate::test_fleet::TestFleet;

/// Time between two polls of the members.
const INTERVAL: Duration = Duration::from_millis(500);
/// Maximum time for the response of a member. A suspended member never responds.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);
/// For how long after an election its stale reads are excused: a response may still be in flight, and a deposed primary
/// that resumes may still respond to reads for a while.
const GRACE: Duration = Duration::from_secs(10);

/// The elections of a run and the stale reads that they excuse.
pub(super) struct Elections<'a> {
    fleet: &'a TestFleet,
    /// The newest term in which a primary has committed a write; `None` until the first poll finds one.
    term: Option<i64>,
    /// When a poll last found this term to be the newest. The next election is later.
    confirmed_at: Instant,
    /// The time around an election whose stale reads have not been excused yet.
    window: Option<Range<Instant>>,
    /// Number of stale reads excused so far.
    excused: usize,
}

impl<'a> Elections<'a> {
    pub(super) fn new(fleet: &'a TestFleet) -> Self {
        Self { fleet, term: None, confirmed_at: Instant::now(), window: None, excused: 0 }
    }

    /// Polls the members until it is dropped, and excuses the stale reads of each election after its window has ended.
    pub(super) async fn watch(&mut self) -> Infallible {
        loop {
            self.poll().await;
            if self.window.as_ref().is_some_and(|window| window.end <= Instant::now()) {
                self.excuse();
            }
            sleep(INTERVAL).await;
        }
    }

    /// Polls the members once more and excuses the stale reads of the last election. Call it after the last read.
    /// Returns the number of all excused stale reads.
    pub(super) async fn end(mut self) -> usize {
        self.poll().await;
        self.excuse();
        self.excused
    }

    async fn poll(&mut self) {
        let polled_at = Instant::now();
        let members = self.fleet.processes.servers().mongodb_members();
        let polls = join_all(members.iter().map(|member| timeout(RESPONSE_TIMEOUT, member.member_status()))).await;
        let statuses: Vec<MemberStatus> = polls.into_iter().flatten().flatten().collect();
        let Some(term) = newest_committed_term(&statuses).filter(|term| Some(*term) >= self.term) else { return };
        if self.term.is_some_and(|known| term > known) {
            let start = self.window.take().map_or(self.confirmed_at, |window| window.start);
            self.window = Some(start..Instant::now() + GRACE);
        }
        (self.term, self.confirmed_at) = (Some(term), polled_at);
    }

    fn excuse(&mut self) {
        if let Some(window) = self.window.take() {
            self.excused += self.fleet.responses.ignore_stale_reads(&window);
        }
    }
}

/// The newest term that any member knows; `None` until the primary of that term has committed a write.
fn newest_committed_term(members: &[MemberStatus]) -> Option<i64> {
    let newest = members.iter().map(|member| member.term).max()?;
    let leads = |member: &MemberStatus| member.is_primary && member.term == newest && member.committed_term == newest;
    members.iter().any(leads).then_some(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(is_primary: bool, term: i64, committed_term: i64) -> MemberStatus {
        MemberStatus { is_primary, term, committed_term, applied: (term, 0, 0) }
    }

    #[test]
    fn term_counts_once_its_primary_has_committed_a_write() {
        assert_eq!(newest_committed_term(&[]), None);
        assert_eq!(newest_committed_term(&[member(true, 1, 1), member(false, 1, 1)]), Some(1));
        assert_eq!(newest_committed_term(&[member(true, 2, 1), member(false, 2, 1)]), None, "nothing is committed yet");
        assert_eq!(
            newest_committed_term(&[member(true, 1, 1), member(false, 2, 1)]),
            None,
            "the primary has been deposed"
        );
        assert_eq!(
            newest_committed_term(&[member(true, 1, 1), member(true, 2, 2)]),
            Some(2),
            "a deposed primary resumes"
        );
    }
}
