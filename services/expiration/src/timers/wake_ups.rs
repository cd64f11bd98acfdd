//! Requests wake-ups from Redis. Handlers only add a request to a channel, so that none of them waits for Redis.

use std::collections::BTreeSet;
use std::time::Duration;

use apalis::prelude::{TaskBuilder, TaskSink};
use common::timestamp::Timestamp;
use futures::stream;
use platform::lifecycle::{Backoff, Tasks};
use tokio::sync::mpsc;

use super::{Queue, WakeUp};

/// Maximum number of queued requests. Requests beyond it are dropped; the sweep, which searches MongoDB, fires their
/// timers.
const CHANNEL_CAPACITY: usize = 8192;
/// Longest delay after a failed write to Redis.
const MAX_BACKOFF: Duration = Duration::from_secs(2);
/// Maximum number of requests in one write.
const BATCH: usize = 512;

/// Sender of wake-up requests; cheap to clone.
#[derive(Clone)]
pub struct WakeUps(Option<mpsc::Sender<i64>>);

impl WakeUps {
    /// Discards every request, for a service without Redis, in which only the sweep fires timers.
    pub(crate) fn disabled() -> Self {
        Self(None)
    }

    /// Requests a wake-up at this time, on a best-effort basis.
    pub(crate) fn request(&self, time: Timestamp) {
        if let Some(requests) = &self.0
            && requests.try_send(second_of(time)).is_err()
        {
            metrics::counter!("wake_up_requests_dropped_total").increment(1);
        }
    }
}

/// Rounds up to a full second: the queue truncates times to seconds, and a wake-up would come too early.
fn second_of(time: Timestamp) -> i64 {
    time.as_millis().saturating_add(999).div_euclid(1000)
}

/// Sender and receiver of wake-up requests.
pub fn channel() -> (WakeUps, mpsc::Receiver<i64>) {
    let (sender, receiver) = mpsc::channel(CHANNEL_CAPACITY);
    (WakeUps(Some(sender)), receiver)
}

/// Forwards the requests to Redis until the service stops. During an outage of Redis they are counted and dropped,
/// because the sweep fires the timers.
pub(crate) async fn run(mut requests: mpsc::Receiver<i64>, queue: Queue, tasks: Tasks) {
    let mut storage = queue.storage();
    let mut batch = Vec::with_capacity(BATCH);
    let mut backoff = Backoff::up_to(MAX_BACKOFF);
    loop {
        tokio::select! {
            received = requests.recv_many(&mut batch, BATCH) => if received == 0 { return },
            () = tasks.stop_token().cancelled() => return,
        }
        let seconds: BTreeSet<i64> = batch.drain(..).collect();
        let count = seconds.len();
        let jobs = seconds.into_iter().filter_map(|second| {
            let task = TaskBuilder::new(WakeUp { second }).idempotency_key(second.to_string());
            Some(task.run_at_timestamp(u64::try_from(second).ok()?).build())
        });
        if let Err(error) = storage.push_all(stream::iter(jobs)).await {
            metrics::counter!("wake_up_requests_dropped_total").increment(count as u64);
            tracing::warn!(error = %error, count, "wake-ups could not be enqueued; the sweep will fire these timers");
            // A storage that failed may retain the jobs that it could not send.
            storage = queue.storage();
            if !tasks.sleep_unless_stopping(backoff.next_delay()).await {
                return;
            }
        } else {
            backoff.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wake_ups_are_never_early() {
        let table = [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2)];
        for (millis, second) in table {
            assert_eq!(second_of(Timestamp::from_millis(millis)), second, "{millis}");
        }
    }
}
