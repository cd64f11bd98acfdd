//! How a service lives and ends: named background tasks, SIGTERM, a deadline.
//!
//! # Why
//! A background task that dies would leave a service that looks alive and does half its work; so its
//! death ends the process, and the orchestrator starts a whole one.

use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The background tasks of one service instance.
#[derive(Clone)]
pub struct Tasks {
    stop: CancellationToken,
    tracker: TaskTracker,
    last_stop: CancellationToken,
    last_tracker: TaskTracker,
    died: mpsc::Sender<&'static str>,
}

impl Tasks {
    /// No tasks yet. The receiver yields the name of a task that ended before it was asked to.
    pub fn new() -> (Self, mpsc::Receiver<&'static str>) {
        let (died, deaths) = mpsc::channel(1);
        let tasks = Self {
            stop: CancellationToken::new(),
            tracker: TaskTracker::new(),
            last_stop: CancellationToken::new(),
            last_tracker: TaskTracker::new(),
            died,
        };
        (tasks, deaths)
    }

    /// Is cancelled when the service should finish what it has in hand and end.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Runs a task until it ends by itself after [`Tasks::stop`]; any other end ends the process.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.watch(&self.tracker, self.stop.clone(), name, task);
    }

    /// Like [`Tasks::spawn`], for a task that the others still need while they end: the token that it
    /// is handed is cancelled once they have.
    pub fn spawn_until_drained<T>(&self, name: &'static str, task: impl FnOnce(CancellationToken) -> T)
    where
        T: Future<Output = ()> + Send + 'static,
    {
        let stop = self.last_stop.clone();
        self.watch(&self.last_tracker, stop.clone(), name, task(stop));
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that spawns, and watches what it spawned")]
    fn watch(
        &self,
        tracker: &TaskTracker,
        stop: CancellationToken,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let died = self.died.clone();
        let watched = tracker.track_future(async move {
            let task = tokio::spawn(task);
            let end = task.await;
            if let Err(error) = &end {
                tracing::error!(task = name, error = %error, "background task panicked");
            }
            if !stop.is_cancelled() {
                // A full channel means that another death was told already.
                died.try_send(name).ok();
            }
        });
        tokio::spawn(watched);
    }

    /// Runs a short piece of work that may end at any time, and is awaited when the service drains.
    #[expect(clippy::disallowed_methods, reason = "tracked, so that draining waits for it")]
    pub fn detach(&self, work: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(self.tracker.track_future(work));
    }

    /// Asks every task to end and waits for them, at most `grace`. Whether all ended.
    pub async fn drain(&self, grace: Duration) -> bool {
        let ended = async {
            self.stop.cancel();
            self.tracker.close();
            self.tracker.wait().await;
            self.last_stop.cancel();
            self.last_tracker.close();
            self.last_tracker.wait().await;
        };
        tokio::time::timeout(grace, ended).await.is_ok()
    }

    /// Waits out a pause between two rounds of work; false when the task should end instead.
    pub async fn sleep_unless_stopping(&self, pause: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            () = self.stop.cancelled() => false,
        }
    }
}

/// Ends when the process is asked to end, by SIGTERM or Ctrl-C.
pub async fn shutdown_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// The pause spread by up to a fifth either way, so that instances do not act in step.
pub fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.8..1.2))
}

/// Exponential backoff: 100 ms after the first failure, doubled by each further one, with 20 % jitter.
#[derive(Debug, Clone)]
pub struct Backoff {
    longest: Duration,
    failures: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::up_to(Duration::from_secs(30))
    }
}

impl Backoff {
    /// The shortest pause.
    const FIRST: Duration = Duration::from_millis(100);

    /// A backoff whose pauses are at most `longest`, before jitter.
    pub const fn up_to(longest: Duration) -> Self {
        Self { longest, failures: 0 }
    }

    /// How many attempts have failed in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Notes that an attempt succeeded.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Notes that an attempt failed; the pause before the next.
    pub fn next_delay(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.after(self.failures)
    }

    /// The pause before the next round of periodic work: `interval`, or the backoff after a failed round if it is longer.
    pub fn after_round<T, E>(&mut self, round: &Result<T, E>, interval: Duration) -> Duration {
        if round.is_err() {
            return self.next_delay().max(jittered(interval));
        }
        self.reset();
        jittered(interval)
    }

    /// The pause after this many failures, for a caller that counts them itself.
    pub fn after(&self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        jittered(Self::FIRST.saturating_mul(doubled).min(self.longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_about(pause: Duration, millis: u64) -> bool {
        let expected = Duration::from_millis(millis);
        (expected.mul_f64(0.79)..=expected.mul_f64(1.21)).contains(&pause)
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::up_to(Duration::from_secs(1));
        for millis in [100, 200, 400, 800, 1000, 1000] {
            let pause = backoff.next_delay();
            assert!(is_about(pause, millis), "{pause:?} is not about {millis} ms");
        }
        assert_eq!(backoff.failures(), 6);
        backoff.reset();
        assert!(is_about(backoff.next_delay(), 100));
        assert!(is_about(Backoff::default().after(u32::MAX), 30_000));
    }

    #[test]
    fn rounds_that_fail_are_no_closer_than_those_that_succeed() {
        let (mut backoff, second) = (Backoff::default(), Duration::from_secs(1));
        for millis in [1000, 1000, 1000, 1000, 1600] {
            let pause = backoff.after_round(&Err::<(), _>("away"), second);
            assert!(is_about(pause, millis), "{pause:?} is not about {millis} ms");
        }
        assert!(is_about(backoff.after_round(&Ok::<_, ()>(()), second), 1000));
        assert_eq!(backoff.failures(), 0);
    }
}
