//! Load: so many connections that are always busy, or so many arrivals a second.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::Result;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;

use crate::latency::Latencies;

/// What came of a load.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    /// How many there were; not each of them need have been watched.
    pub(crate) count: u32,
    pub(crate) latencies: Latencies,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
}

impl Outcome {
    /// Requests a second.
    pub(crate) fn rate(&self) -> f64 {
        f64::from(self.count) / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }
}

/// Each worker repeats `work` until the time is over or `work` says that there is nothing left.
/// The first error ends it all.
pub(crate) async fn closed<W>(
    workers: &mut [W],
    duration: Duration,
    work: impl AsyncFn(&mut W) -> Result<bool>,
) -> Result<Outcome> {
    let began = Instant::now();
    let done = RefCell::new((0, Latencies::default()));
    let repeat = async |worker: &mut W| {
        while began.elapsed() < duration {
            let sent = Instant::now();
            if !work(worker).await? {
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
    Ok(Outcome { count, latencies, elapsed: began.elapsed() })
}

/// Starts `act` for every item at its scheduled time, `rate` a second, whether or not the ones
/// before have ended. `act` is told the scheduled time, which is what latency counts from, and
/// gives a latency if it took one.
pub(crate) async fn paced<T>(
    items: Vec<T>,
    rate: u32,
    act: impl AsyncFn(T, Instant) -> Result<Option<Duration>>,
) -> Result<Outcome> {
    let gap = Duration::from_secs(1) / rate;
    let began = Instant::now();
    let mut schedule = (0..).map(|index| began + gap * index);
    let (mut items, mut in_flight) = (items.into_iter(), FuturesUnordered::new());
    let mut waiting = items.next().zip(schedule.next());
    let (mut count, mut latencies) = (0, Latencies::default());
    loop {
        let next = waiting.as_ref().map(|(_, at)| *at);
        tokio::select! {
            () = tokio::time::sleep_until(next.unwrap_or(began)), if next.is_some() => {
                if let Some((item, at)) = waiting.take() {
                    in_flight.push(act(item, at));
                }
                waiting = items.next().zip(schedule.next());
            }
            Some(done) = in_flight.next() => {
                count += 1;
                if let Some(latency) = done? {
                    latencies.record(latency);
                }
            }
            else => break,
        }
    }
    Ok(Outcome { count, latencies, elapsed: began.elapsed() })
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[tokio::test]
    async fn workers_repeat_until_the_time_is_over() {
        let (mut workers, pause) = ([(); 4], Duration::from_millis(10));
        let outcome = closed(&mut workers, Duration::from_millis(100), async |()| {
            tokio::time::sleep(pause).await;
            Ok(true)
        });
        let outcome = outcome.await.unwrap();
        // None begins after 100 ms; each does one thing at a time.
        assert!((4..=40).contains(&outcome.count), "{outcome:?}");
        assert_eq!(outcome.latencies.count(), outcome.count as usize);
        assert!(outcome.elapsed >= Duration::from_millis(100) && outcome.rate() <= 400.0, "{outcome:?}");
        assert!(outcome.latencies.percentile(1).unwrap() >= 10.0, "{outcome:?}");
    }

    #[tokio::test]
    async fn workers_end_when_nothing_is_left_and_at_the_first_failure() {
        let (mut workers, left) = ([(); 3], RefCell::new(10));
        let outcome = closed(&mut workers, Duration::MAX, async |()| {
            let mut left = left.borrow_mut();
            let some = *left > 0;
            *left -= i32::from(some);
            Ok(some)
        });
        assert_eq!(outcome.await.unwrap().count, 10);
        let failing = closed(&mut workers, Duration::MAX, async |()| bail!("refused"));
        assert_eq!(failing.await.unwrap_err().to_string(), "refused");
    }

    #[tokio::test]
    async fn arrivals_wait_for_nobody_and_latency_counts_from_the_schedule() {
        // Ten arrivals, 10 ms apart, through a door that opens when all are before it.
        let (arrived, door) = (RefCell::new(Vec::new()), tokio::sync::Semaphore::new(0));
        let outcome = paced((0..10).collect(), 100, async |index, scheduled| {
            arrived.borrow_mut().push(scheduled);
            if index == 9 {
                door.close();
            }
            door.acquire().await.unwrap_err();
            Ok(Some(scheduled.elapsed()))
        });
        let outcome = outcome.await.unwrap();
        let arrived = arrived.into_inner();
        assert!(arrived.windows(2).all(|two| two[1] - two[0] == Duration::from_millis(10)), "{arrived:?}");
        assert_eq!(outcome.count, 10);
        // The first one waited for the last one, which was due 90 ms after it.
        assert!(outcome.latencies.percentile(100).unwrap() >= 90.0, "{outcome:?}");
        assert!(outcome.elapsed >= Duration::from_millis(90), "{outcome:?}");
    }

    #[tokio::test]
    async fn what_nobody_watched_has_no_latency() {
        let items = vec![1, 2, 3];
        let outcome = paced(items, 1000, async |item, _| Ok((item == 2).then_some(Duration::from_millis(5))));
        let outcome = outcome.await.unwrap();
        assert_eq!((outcome.count, outcome.latencies.count()), (3, 1));
    }
}
