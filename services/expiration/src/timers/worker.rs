//! Handles wake-ups from Redis. A Redis error ends a worker, so a supervisor starts a new one.

use std::time::Duration;

use apalis::prelude::{BackendExt, BoxDynError, Data, WorkerBuilder, WorkerError};
use apalis_core::backend::Vacuum;
use futures::FutureExt as _;
use platform::lifecycle::Backoff;
use redis::AsyncCommands;

use super::{Queue, WakeUp};
use crate::flows::fire_due::fire_due;
use crate::state::AppState;

/// Interval at which Redis is polled: shorter than the library's default, the heartbeat interval, but not so short that
/// polling becomes erratic.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Interval at which finished jobs are removed; the queue itself never removes them.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(10);
/// Seconds after which a worker's metadata in Redis expires if they are not renewed.
const METADATA_TTL: i64 = 600;
/// Longest delay before a new worker starts.
const MAX_BACKOFF: Duration = Duration::from_secs(3);
/// How long a worker may take to stop. Its unfinished work is in MongoDB, and another instance takes it over.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs one worker after the other until the service stops.
pub(crate) async fn run(state: AppState, queue: Queue) {
    let mut backoff = Backoff::up_to(MAX_BACKOFF);
    while !state.tasks.stop_token().is_cancelled() {
        // Each worker has a new name: the queue accepts a name again only after its heartbeats have timed out.
        let name = format!("expiration-{}", uuid::Uuid::now_v7());
        let started = tokio::time::Instant::now();
        let end = run_worker(state.clone(), &queue, &name).await;
        if state.tasks.stop_token().is_cancelled() {
            return;
        }
        if started.elapsed() > Duration::from_secs(60) {
            backoff.reset();
        }
        let pause = backoff.next_delay();
        metrics::counter!("wake_up_worker_restarts_total").increment(1);
        let error = end.err().map(|error| error.to_string()).unwrap_or_default();
        tracing::warn!(
            error,
            attempt = backoff.failures(),
            "the wake-up worker ended; the sweep fires timers until it is restarted"
        );
        if !state.tasks.sleep_unless_stopping(pause).await {
            return;
        }
    }
}

/// Runs one worker and the cleanup of its finished jobs until it fails or the service stops.
async fn run_worker(state: AppState, queue: &Queue, name: &str) -> Result<(), WorkerError> {
    let backend = queue.storage().poll_with_interval(POLL_INTERVAL);
    let worker = WorkerBuilder::new(name).backend(backend).data(state.clone()).build(handle_wake_up);
    let stopping = state.tasks.stop_token().clone().cancelled_owned();
    let running = worker.run_until(stopping.map(Ok::<_, WorkerError>));
    let deadline = async {
        state.tasks.stop_token().cancelled().await;
        tokio::time::sleep(SHUTDOWN_TIMEOUT).await;
    };
    tokio::select! {
        end = running => return end,
        () = clean_up(&state, queue, name) => {},
        () = deadline => tracing::warn!("the wake-up worker did not stop in time; another instance fires its timers"),
    }
    Ok(())
}

/// Handles one wake-up. It never fails: the queue would retain a failed job for a retry while the cleanup removes its
/// data, and the next worker would fail on it. The sweep fires the timers instead.
async fn handle_wake_up(_: WakeUp, state: Data<AppState>) -> Result<(), BoxDynError> {
    match fire_due(&state).await {
        Ok(count) => metrics::counter!("due_timers_found_total", "found_by" => "wake-up").increment(count as u64),
        Err(error) => tracing::warn!(error = %error, "firing due timers failed; the sweep will retry"),
    }
    Ok(())
}

/// Removes finished jobs and renews the worker's metadata; never returns.
async fn clean_up(state: &AppState, queue: &Queue, name: &str) {
    let mut storage = queue.storage();
    let mut connection = queue.connection.clone();
    let metadata = format!("{}:workers:metadata:{name}", queue.config.queue);
    while state.tasks.sleep_unless_stopping(CLEANUP_INTERVAL).await {
        let cleaned = async {
            storage.vacuum().await.map_err(|error| error.to_string())?;
            // The ids of finished jobs, which vacuuming leaves in place.
            let finished = [queue.config.done_jobs_set(), queue.config.dead_jobs_set()];
            connection.del::<_, ()>(&finished).await.map_err(|error| error.to_string())?;
            connection.expire::<_, ()>(&metadata, METADATA_TTL).await.map_err(|error| error.to_string())
        };
        if let Err(error) = cleaned.await {
            tracing::debug!(error, "cleanup of finished wake-ups failed");
        }
    }
    std::future::pending::<()>().await;
}
