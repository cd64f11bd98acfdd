//! How long somebody who failed too often has to wait.

use std::net::IpAddr;
use std::time::Duration;

use common::timestamp::Timestamp;

/// From how many failures on there is a wait, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// From this failure on within the window.
    pub failures: u32,
    /// How long a failure counts.
    pub window: Duration,
    /// The first wait; it doubles with each further failure, up to the window.
    pub backoff: Duration,
}

/// How many failures beyond the limit make a difference: by then the wait has long reached the window.
const BEYOND: u32 = 32;

impl Limit {
    /// How many failures have to be remembered.
    pub fn remembered(&self) -> u32 {
        self.failures.saturating_add(BEYOND)
    }

    /// How long from now on no attempt is allowed, after these failures (oldest first); `None` when
    /// one is allowed now. Everybody gets another attempt in the end: nobody is locked out.
    pub fn wait(&self, failures: &[Timestamp], now: Timestamp) -> Option<Duration> {
        let counted: Vec<_> = failures.iter().filter(|failure| now.since(**failure) < self.window).collect();
        let beyond = u32::try_from(counted.len()).unwrap_or(u32::MAX).checked_sub(self.failures)?;
        let wait = self.backoff.saturating_mul(2_u32.saturating_pow(beyond)).min(self.window);
        let until = counted.last()?.plus(wait);
        Some(until.since(now)).filter(|wait| !wait.is_zero())
    }
}

/// The network that counts as one address: of IPv6 a whole /64, which is what one household has.
pub fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit { failures: 3, window: Duration::from_secs(900), backoff: Duration::from_secs(2) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn wait(failures: &[i64], now: i64) -> Option<u64> {
        let failures: Vec<_> = failures.iter().map(|seconds| at(*seconds)).collect();
        LIMIT.wait(&failures, at(now)).map(|wait| wait.as_secs())
    }

    #[test]
    fn the_wait_doubles_with_each_failure_and_ends() {
        let table: [(&[i64], i64, Option<u64>); 10] = [
            (&[], 0, None),
            (&[1, 2], 2, None),
            (&[1, 2, 3], 3, Some(2)),
            (&[1, 2, 3], 4, Some(1)),
            (&[1, 2, 3], 5, None),
            (&[1, 2, 3, 5], 5, Some(4)),
            (&[1, 2, 3, 5, 9], 9, Some(8)),
            (&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13], 13, Some(900)),
            // The first failure counts no more from 901 on.
            (&[1, 899, 900], 900, Some(2)),
            (&[1, 899, 900], 901, None),
        ];
        for (failures, now, expected) in table {
            assert_eq!(wait(failures, now), expected, "{failures:?} at {now}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nobody_waits_longer_than_the_window(times in proptest::collection::vec(0_i64..2000, 0..60)) {
            let mut failures: Vec<_> = times.iter().map(|seconds| at(*seconds)).collect();
            failures.sort();
            let last = failures.last().copied().unwrap_or(at(0));
            let wait = LIMIT.wait(&failures, last);
            proptest::prop_assert!(wait.is_none_or(|wait| wait <= LIMIT.window));
            proptest::prop_assert_eq!(LIMIT.wait(&failures, last.plus(LIMIT.window)), None);
        }
    }

    #[test]
    fn a_household_is_one_address() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2:ffff::"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("203.0.113.7"), of("203.0.113.8"));
    }
}
