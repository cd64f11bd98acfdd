//! Exponential back-off after repeated failures.

use std::net::IpAddr;
use std::time::Duration;

use common::timestamp::Timestamp;

/// When back-off starts, and how long it lasts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BackoffPolicy {
    /// Number of failures within the window after which back-off starts.
    pub(crate) threshold: u32,
    /// How long a failure counts.
    pub(crate) window: Duration,
    /// First delay; each further failure doubles it, up to the window.
    pub(crate) initial_delay: Duration,
}

/// Maximum number of failures recorded beyond the threshold. Each doubles the delay, so that fewer are enough for it to
/// reach the window.
const MAX_DOUBLINGS: u32 = 32;

impl BackoffPolicy {
    pub(crate) fn max_recorded_failures(&self) -> u32 {
        self.threshold.saturating_add(MAX_DOUBLINGS)
    }

    /// Time until the next attempt is allowed, given the failures, oldest first; `None` if it is allowed now. The delay
    /// is finite: no account is locked permanently.
    pub(crate) fn retry_after(&self, failures: &[Timestamp], now: Timestamp) -> Option<Duration> {
        let counted: Vec<_> = failures.iter().filter(|failure| now.since(**failure) < self.window).collect();
        let excess = u32::try_from(counted.len()).unwrap_or(u32::MAX).checked_sub(self.threshold)?;
        let delay = self.initial_delay.saturating_mul(2_u32.saturating_pow(excess)).min(self.window);
        let until = counted.last()?.plus(delay);
        Some(until.since(now)).filter(|wait| !wait.is_zero())
    }
}

/// The address range that is treated as one client: an IPv4 address or an IPv6 /64, which is what one household has.
pub(crate) fn client_network(address: IpAddr) -> String {
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

    const POLICY: BackoffPolicy =
        BackoffPolicy { threshold: 3, window: Duration::from_secs(900), initial_delay: Duration::from_secs(2) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn retry_after(failures: &[i64], now: i64) -> Option<u64> {
        let failures: Vec<_> = failures.iter().map(|seconds| at(*seconds)).collect();
        POLICY.retry_after(&failures, at(now)).map(|wait| wait.as_secs())
    }

    #[test]
    fn delay_doubles_with_each_failure_and_ends() {
        let table: [(&[i64], i64, Option<u64>); 10] = [
            (&[], 0, None),
            (&[1, 2], 2, None),
            (&[1, 2, 3], 3, Some(2)),
            (&[1, 2, 3], 4, Some(1)),
            (&[1, 2, 3], 5, None),
            (&[1, 2, 3, 5], 5, Some(4)),
            (&[1, 2, 3, 5, 9], 9, Some(8)),
            (&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13], 13, Some(900)),
            // The first failure no longer counts from 901 on.
            (&[1, 899, 900], 900, Some(2)),
            (&[1, 899, 900], 901, None),
        ];
        for (failures, now, expected) in table {
            assert_eq!(retry_after(failures, now), expected, "{failures:?} at {now}");
        }
    }

    proptest::proptest! {
        #[test]
        fn delay_never_exceeds_the_window(times in proptest::collection::vec(0_i64..2000, 0..60)) {
            let mut failures: Vec<_> = times.iter().map(|seconds| at(*seconds)).collect();
            failures.sort();
            let last = failures.last().copied().unwrap_or(at(0));
            let wait = POLICY.retry_after(&failures, last);
            proptest::prop_assert!(wait.is_none_or(|wait| wait <= POLICY.window));
            proptest::prop_assert_eq!(POLICY.retry_after(&failures, last.plus(POLICY.window)), None);
        }
    }

    #[test]
    fn ipv6_addresses_of_one_household_are_one_client() {
        let of = |text: &str| client_network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2:ffff::"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("203.0.113.7"), of("203.0.113.8"));
    }
}
