//! Load generators: closed loops (a number of busy workers) and open loops (a fixed arrival rate).

use std::cell::RefCell;
use std::time::Duration;

use anyhow::Result;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;

use crate::latency::Latencies;

#[derive(Debug, Clone, Default)]
pub(crate) struct LoadResult {
    /// Number of completed operations.
    pub(crate) count: u32,
    pub(crate) latencies: Latencies,
    /// The time from the first request to the last response.
    pub(crate) elapsed: Duration,
}

impl LoadResult {
    /// Operations per second.
    pub(crate) fn rate(&self) -> f64 {
        f64::from(self.count) / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }
}

/// Each worker repeats `operation` until the duration has elapsed or `operation` returns false because there is nothing
/// left to do. Stops at the first error.
pub(crate) async fn run_closed_loop<W>(
    workers: &mut [W],
    duration: Duration,
    operation: impl AsyncFn(&mut W) -> Result<bool>,
) -> Result<LoadResult> {
    let started = Instant::now();
    let done = RefCell::new((0, Latencies::default()));
    let repeat = async |worker: &mut W| {
        while started.elapsed() < duration {
            let sent = Instant::now();
            if !operation(worker).await? {
                break;
            }
            let (count, latencies) = &mut *done.borrow_mut();
            *count += 1;
            latencies.record(sent.elapsed());
        }
        anyhow::Ok(())
    };
    futures::future::try_join_all(workers.iter_mut().map(repeat)).await?;
    let (count, latencies) = done.into_inner();
    Ok(LoadResult { count, latencies, elapsed: started.elapsed() })
}

/// Starts `operation` for every item at its scheduled time, `rate` per second, whether or not earlier ones have ended.
/// `operation` receives the scheduled time, from which it measures its latency.
pub(crate) async fn run_open_loop<T>(
    items: Vec<T>,
    rate: u32,
    operation: impl AsyncFn(T, Instant) -> Result<Duration>,
) -> Result<LoadResult> {
    let gap = Duration::from_secs(1) / rate;
    let started = Instant::now();
    let mut schedule = (0..).map(|index| started + gap * index);
    let (mut items, mut in_flight) = (items.into_iter(), FuturesUnordered::new());
    let mut waiting = items.next().zip(schedule.next());
    let (mut count, mut latencies) = (0, Latencies::default());
    loop {
        let next = waiting.as_ref().map(|(_, at)| *at);
        tokio::select! {
            () = tokio::time::sleep_until(next.unwrap_or(started)), if next.is_some() => {
                if let Some((item, at)) = waiting.take() {
                    in_flight.push(operation(item, at));
                }
                waiting = items.next().zip(schedule.next());
            }
            Some(done) = in_flight.next() => {
                count += 1;
                latencies.record(done?);
            }
            else => break,
        }
    }
    Ok(LoadResult { count, latencies, elapsed: started.elapsed() })
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[tokio::test]
    async fn workers_repeat_until_the_duration_has_elapsed() {
        let (mut workers, pause) = ([(); 4], Duration::from_millis(10));
        let outcome = run_closed_loop(&mut workers, Duration::from_millis(100), async |()| {
            tokio::time::sleep(pause).await;
            Ok(true)
        });
        let outcome = outcome.await.unwrap();
        // No operation starts after 100 ms, and each worker runs one at a time.
        assert!((4..=40).contains(&outcome.count), "{outcome:?}");
        assert_eq!(outcome.latencies.count(), outcome.count as usize);
        assert!(outcome.elapsed >= Duration::from_millis(100) && outcome.rate() <= 400.0, "{outcome:?}");
        assert!(outcome.latencies.percentile(1).unwrap() >= 10.0, "{outcome:?}");
    }

    #[tokio::test]
    async fn workers_stop_when_nothing_is_left_or_an_operation_fails() {
        let (mut workers, left) = ([(); 3], RefCell::new(10));
        let outcome = run_closed_loop(&mut workers, Duration::MAX, async |()| {
            let mut left = left.borrow_mut();
            let some = *left > 0;
            *left -= i32::from(some);
            Ok(some)
        });
        assert_eq!(outcome.await.unwrap().count, 10);
        let failing = run_closed_loop(&mut workers, Duration::MAX, async |()| bail!("failed"));
        assert_eq!(failing.await.unwrap_err().to_string(), "failed");
    }

    #[tokio::test]
    async fn open_loop_starts_on_schedule_and_measures_from_the_scheduled_time() {
        // Ten arrivals, 10 ms apart; none completes before the last has arrived.
        let (arrived, barrier) = (RefCell::new(Vec::new()), tokio::sync::Semaphore::new(0));
        let outcome = run_open_loop((0..10).collect(), 100, async |index, scheduled| {
            arrived.borrow_mut().push(scheduled);
            if index == 9 {
                barrier.close();
            }
            barrier.acquire().await.unwrap_err();
            Ok(scheduled.elapsed())
        });
        let outcome = outcome.await.unwrap();
        let arrived = arrived.into_inner();
        assert!(arrived.windows(2).all(|two| two[1] - two[0] == Duration::from_millis(10)), "{arrived:?}");
        assert_eq!(outcome.count, 10);
        // The first arrival waited for the last, which was scheduled 90 ms later.
        assert!(outcome.latencies.percentile(100).unwrap() >= 90.0, "{outcome:?}");
        assert!(outcome.elapsed >= Duration::from_millis(90), "{outcome:?}");
    }
}
