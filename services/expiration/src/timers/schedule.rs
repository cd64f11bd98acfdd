//! Asks Redis for wake-ups. Handlers only drop a note here, so that none of them waits for Redis.

use std::collections::BTreeSet;
use std::time::Duration;

use apalis::prelude::{TaskBuilder, TaskSink};
use common::timestamp::Timestamp;
use futures::stream;
use platform::lifecycle::{Backoff, Tasks};
use tokio::sync::mpsc;

use super::{Queue, WakeUp};

/// How many notes wait at most; the sweep covers what does not fit.
const NOTES: usize = 8192;
/// The longest pause after Redis took nothing.
const LONGEST: Duration = Duration::from_secs(2);
/// How many notes are taken at once.
const BATCH: usize = 512;

/// Asks for wake-ups; cheap to clone.
#[derive(Clone)]
pub struct WakeUps(Option<mpsc::Sender<i64>>);

impl WakeUps {
    /// Discards every request, for a service without Redis: the sweep alone fires the timers.
    pub fn nowhere() -> Self {
        Self(None)
    }

    /// The service should be woken as soon as this moment has come. Nothing is lost if it is not.
    pub fn at(&self, moment: Timestamp) {
        if let Some(notes) = &self.0
            && notes.try_send(second_of(moment)).is_err()
        {
            metrics::counter!("wake_up_requests_dropped_total").increment(1);
        }
    }
}

/// The first full second at or after the moment: the queue cuts times to seconds, and would come early.
fn second_of(moment: Timestamp) -> i64 {
    moment.as_millis().saturating_add(999).div_euclid(1000)
}

/// The two ends of the notes.
pub fn channel() -> (WakeUps, mpsc::Receiver<i64>) {
    let (sender, receiver) = mpsc::channel(NOTES);
    (WakeUps(Some(sender)), receiver)
}

/// Passes the notes on to Redis until the service ends. While Redis is away they are counted and
/// dropped, because the sweep fires the timers.
pub async fn run(mut notes: mpsc::Receiver<i64>, queue: Queue, tasks: Tasks) {
    let mut storage = queue.storage();
    let mut batch = Vec::with_capacity(BATCH);
    let mut backoff = Backoff::up_to(LONGEST);
    loop {
        tokio::select! {
            received = notes.recv_many(&mut batch, BATCH) => if received == 0 { return },
            () = tasks.stop().cancelled() => return,
        }
        let seconds: BTreeSet<i64> = batch.drain(..).collect();
        let count = seconds.len();
        let jobs = seconds.into_iter().filter_map(|second| {
            let task = TaskBuilder::new(WakeUp { second }).idempotency_key(second.to_string());
            Some(task.run_at_timestamp(u64::try_from(second).ok()?).build())
        });
        if let Err(error) = storage.push_all(stream::iter(jobs)).await {
            metrics::counter!("wake_up_requests_dropped_total").increment(count as u64);
            tracing::warn!(error = %error, count, "Redis takes no wake-ups; the sweep will fire these timers");
            // A storage that failed may hold on to what it could not send.
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
    fn a_wake_up_is_never_early() {
        let table = [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2)];
        for (millis, second) in table {
            assert_eq!(second_of(Timestamp::from_millis(millis)), second, "{millis}");
        }
    }
}
