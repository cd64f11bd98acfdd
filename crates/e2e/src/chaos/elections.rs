//! Elections of MongoDB's primary. Just after one, a majority read may be older than an acknowledged write, so stale reads
//! are excused then, and at no other time.
//!
//! # Why
//! The new primary does not know what a majority has until it has committed a write of its own term. The members are
//! asked for their terms all the time: a fault that hits the primary need not lead to an election, and an election need
//! not be due to a fault.

use std::convert::Infallible;
use std::ops::Range;
use std::time::{Duration, Instant};

use futures::future::join_all;
use testkit::servers::mongo_wire::MemberStatus;
use tokio::time::{sleep, timeout};

use crate::test_fleet::TestFleet;

/// Time between two looks at the members.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long a member may take to answer. One that hangs does not answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a response may be under way, and how long a deposed primary that continues may answer.
const GRACE: Duration = Duration::from_secs(10);

/// Excuses stale reads during elections.
pub(super) struct Elections<'a> {
    fleet: &'a TestFleet,
    /// The term of the last primary that had committed a write, if there was one yet.
    term: Option<i64>,
    /// When this primary was last known to be the only one.
    led_at: Instant,
    /// The time of an election whose stale reads have not been excused yet.
    window: Option<Range<Instant>>,
    /// Number of excused stale reads.
    excused: usize,
}

impl<'a> Elections<'a> {
    pub(super) fn new(fleet: &'a TestFleet) -> Self {
        Self { fleet, term: None, led_at: Instant::now(), window: None, excused: 0 }
    }

    /// Watches the members for ever.
    pub(super) async fn watch(&mut self) -> Infallible {
        loop {
            self.look().await;
            if self.window.as_ref().is_some_and(|window| window.end <= Instant::now()) {
                self.excuse();
            }
            sleep(INTERVAL).await;
        }
    }

    /// Call it after the last read. Returns the number of excused stale reads.
    pub(super) async fn end(mut self) -> usize {
        self.look().await;
        self.excuse();
        self.excused
    }

    async fn look(&mut self) {
        let asked_at = Instant::now();
        let members = self.fleet.processes.servers().mongodb_members();
        let answers = join_all(members.iter().map(|member| timeout(PATIENCE, member.member_status()))).await;
        let statuses: Vec<MemberStatus> = answers.into_iter().flatten().flatten().collect();
        let Some(term) = settled_term(&statuses).filter(|term| Some(*term) >= self.term) else { return };
        if self.term.is_some_and(|known| term > known) {
            let start = self.window.take().map_or(self.led_at, |window| window.start);
            self.window = Some(start..Instant::now() + GRACE);
        }
        (self.term, self.led_at) = (Some(term), asked_at);
    }

    fn excuse(&mut self) {
        if let Some(window) = self.window.take() {
            self.excused += self.fleet.responses.ignore_stale_reads(&window);
        }
    }
}

/// The newest term that any member knows, if its primary has committed a write.
fn settled_term(members: &[MemberStatus]) -> Option<i64> {
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
    fn term_is_settled_once_its_primary_has_committed_a_write() {
        assert_eq!(settled_term(&[]), None);
        assert_eq!(settled_term(&[member(true, 1, 1), member(false, 1, 1)]), Some(1));
        assert_eq!(settled_term(&[member(true, 2, 1), member(false, 2, 1)]), None, "nothing is committed yet");
        assert_eq!(settled_term(&[member(true, 1, 1), member(false, 2, 1)]), None, "the primary is deposed");
        assert_eq!(settled_term(&[member(true, 1, 1), member(true, 2, 2)]), Some(2), "one continues after it hung");
    }
}
