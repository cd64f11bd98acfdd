//! Latencies and their percentiles.

use std::time::Duration;

/// All latencies of a measurement, in microseconds: at most some hundred thousand numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies(Vec<u32>);

impl Latencies {
    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    }

    /// The percentile in milliseconds, by the nearest-rank method; `None` if there are no latencies.
    pub(crate) fn percentile(&self, percent: u32) -> Option<f64> {
        let mut sorted = self.0.clone();
        let rank = (sorted.len() * percent as usize).div_ceil(100).max(1);
        let (_, at_rank, _) = (rank <= sorted.len()).then(|| sorted.select_nth_unstable(rank - 1))?;
        Some(f64::from(*at_rank) / 1000.0)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(millis: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::default();
        millis.into_iter().for_each(|one| latencies.record(Duration::from_millis(one)));
        latencies
    }

    #[test]
    fn percentiles_use_the_nearest_rank() {
        let hundred = of((1..=100).rev());
        assert_eq!([50, 99, 100].map(|p| hundred.percentile(p)), [Some(50.0), Some(99.0), Some(100.0)]);
        let ten = of(1..=10);
        assert_eq!([50, 99].map(|p| ten.percentile(p)), [Some(5.0), Some(10.0)]);
        assert_eq!(of([7]).percentile(50), Some(7.0));
        assert_eq!(of([]).percentile(50), None);
    }

    #[test]
    fn latency_beyond_the_range_saturates() {
        let mut latencies = Latencies::default();
        latencies.record(Duration::from_secs(1 << 20));
        assert_eq!(latencies.percentile(50), Some(f64::from(u32::MAX) / 1000.0));
    }
}
