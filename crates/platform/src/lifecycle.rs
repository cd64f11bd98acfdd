//! The lifecycle of a service: background tasks, graceful shutdown and backoff.
//!
//! # Why
//! A service whose background task has failed would look alive and do only half of its work. So the failure of a task
//! ends the process, and the orchestrator starts a new one.

use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The background tasks of one service instance.
#[derive(Clone)]
pub struct Tasks {
    main: Phase,
    /// The tasks that outlive the others.
    last: Phase,
    failed: mpsc::Sender<&'static str>,
}

/// Tasks that are stopped together.
#[derive(Clone, Default)]
struct Phase {
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Phase {
    async fn end(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl Tasks {
    /// An empty set of tasks. The receiver yields the name of a task that ended before shutdown.
    pub fn new() -> (Self, mpsc::Receiver<&'static str>) {
        let (failed, failures) = mpsc::channel(1);
        (Self { main: Phase::default(), last: Phase::default(), failed }, failures)
    }

    /// The token that is cancelled at the start of the shutdown: tasks then finish their current work and end.
    pub fn stop_token(&self) -> &CancellationToken {
        &self.main.stop
    }

    /// Runs a task, which ends once [`Tasks::stop_token`] is cancelled. If it ends earlier, the process ends.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.watch(&self.main, name, task);
    }

    /// Like [`Tasks::spawn`], for a task that must outlive the others. Its token is cancelled once they have ended.
    pub fn spawn_until_drained<T>(&self, name: &'static str, task: impl FnOnce(CancellationToken) -> T)
    where
        T: Future<Output = ()> + Send + 'static,
    {
        self.watch(&self.last, name, task(self.last.stop.clone()));
    }

    #[expect(clippy::disallowed_methods, reason = "the only place that spawns, and it watches the task")]
    fn watch(&self, phase: &Phase, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let (stop, failed) = (phase.stop.clone(), self.failed.clone());
        let watched = phase.tracker.track_future(async move {
            if let Err(error) = tokio::spawn(task).await {
                tracing::error!(task = name, error = %error, "background task panicked");
            }
            if !stop.is_cancelled() {
                // A full channel means that another failure was reported already.
                failed.try_send(name).ok();
            }
        });
        tokio::spawn(watched);
    }

    /// Runs short work that may end at any time. Shutdown waits for it.
    #[expect(clippy::disallowed_methods, reason = "tracked, so that shutdown waits for it")]
    pub fn detach(&self, work: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(self.main.tracker.track_future(work));
    }

    /// Stops all tasks, and waits for them for `grace` at most. Returns whether all ended.
    pub async fn drain(&self, grace: Duration) -> bool {
        let ended = async {
            self.main.end().await;
            self.last.end().await;
        };
        tokio::time::timeout(grace, ended).await.is_ok()
    }

    /// Sleeps. Returns false if shutdown starts first: the task should then end.
    pub async fn sleep_unless_stopping(&self, pause: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            () = self.main.stop.cancelled() => false,
        }
    }
}

/// Waits for SIGTERM or Ctrl-C.
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

/// Changes a pause randomly by up to 20 %, so that instances do not act at the same time.
pub fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.8..1.2))
}

/// Exponential backoff: 100 ms after the first failure, doubled by each further one, with 20 % jitter.
#[derive(Debug, Clone)]
pub struct Backoff {
    max: Duration,
    failures: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::up_to(Duration::from_secs(30))
    }
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);

    /// A backoff with this maximum delay, before jitter.
    pub const fn up_to(max: Duration) -> Self {
        Self { max, failures: 0 }
    }

    /// Number of consecutive failures.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Records a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Records a failure. Returns the delay before the next attempt.
    pub fn next_delay(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.delay_after(self.failures)
    }

    /// The delay before the next round of periodic work: `interval`, or a longer backoff after a failed round.
    pub fn after_round<T, E>(&mut self, round: &Result<T, E>, interval: Duration) -> Duration {
        if round.is_err() {
            return self.next_delay().max(jittered(interval));
        }
        self.reset();
        jittered(interval)
    }

    /// The delay after this many consecutive failures, for callers that count them.
    pub fn delay_after(&self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        jittered(Self::FIRST.saturating_mul(doubled).min(self.max))
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
    fn delays_double_up_to_the_maximum_and_reset_after_a_success() {
        let mut backoff = Backoff::up_to(Duration::from_secs(1));
        for millis in [100, 200, 400, 800, 1000, 1000] {
            let pause = backoff.next_delay();
            assert!(is_about(pause, millis), "{pause:?} is not about {millis} ms");
        }
        assert_eq!(backoff.failures(), 6);
        backoff.reset();
        assert!(is_about(backoff.next_delay(), 100));
        assert!(is_about(Backoff::default().delay_after(u32::MAX), 30_000));
    }

    #[test]
    fn failed_rounds_wait_for_the_interval_at_least() {
        let (mut backoff, second) = (Backoff::default(), Duration::from_secs(1));
        for millis in [1000, 1000, 1000, 1000, 1600] {
            let pause = backoff.after_round(&Err::<(), _>("unavailable"), second);
            assert!(is_about(pause, millis), "{pause:?} is not about {millis} ms");
        }
        assert!(is_about(backoff.after_round(&Ok::<_, ()>(()), second), 1000));
        assert_eq!(backoff.failures(), 0);
    }
}
