//! Takes wake-ups from Redis. Any error of Redis ends a worker, so each one is followed by a new one.

use std::time::Duration;

use apalis::prelude::{BackendExt, BoxDynError, Data, WorkerBuilder, WorkerError};
use apalis_core::backend::Vacuum;
use platform::lifecycle::Backoff;
use redis::AsyncCommands;

use super::{Queue, WakeUp};
use crate::flows::fire_due::fire_due;
use crate::state::AppState;

/// How often Redis is asked for wake-ups. Much shorter is erratic, and the default is the heartbeat.
const POLL: Duration = Duration::from_millis(500);
/// How often finished jobs are removed, which would stay for ever.
const CLEANING: Duration = Duration::from_secs(10);
/// How long a worker's name card stays in Redis when nobody renews it, in seconds.
const CARD_TTL: i64 = 600;
/// The longest pause between two workers.
const LONGEST: Duration = Duration::from_secs(3);
/// How long a worker may take to end. What it was doing is in MongoDB, and another will finish it.
const ENDING: Duration = Duration::from_secs(5);

/// Runs one worker after the other until the service ends.
pub async fn run(state: AppState, queue: Queue) {
    let mut backoff = Backoff::up_to(LONGEST);
    while !state.tasks.stop().is_cancelled() {
        // Each has a name of its own: Redis takes a name again only after it was silent for a while.
        let name = format!("expiration-{}", uuid::Uuid::now_v7());
        let began = tokio::time::Instant::now();
        let worker = work(state.clone(), &queue, &name);
        let end = tokio::select! {
            end = worker => end,
            () = too_late(&state) => {
                tracing::warn!("the worker was still busy at the end; the sweep of another instance goes on");
                return;
            }
        };
        if state.tasks.stop().is_cancelled() {
            return;
        }
        if began.elapsed() > Duration::from_secs(60) {
            backoff.reset();
        }
        let pause = backoff.next_delay();
        metrics::counter!("wake_up_worker_restarts_total").increment(1);
        let error = end.err().map(|error| error.to_string()).unwrap_or_default();
        tracing::warn!(
            error,
            attempt = backoff.failures(),
            "no wake-ups from Redis; the sweep fires the timers meanwhile"
        );
        if !state.tasks.sleep_unless_stopping(pause).await {
            return;
        }
    }
}

async fn too_late(state: &AppState) {
    state.tasks.stop().cancelled().await;
    tokio::time::sleep(ENDING).await;
}

/// One worker, until it fails or the service ends, with what it leaves behind being cleaned up.
async fn work(state: AppState, queue: &Queue, name: &str) -> Result<(), WorkerError> {
    let stop = state.tasks.stop().clone();
    let worker =
        WorkerBuilder::new(name).backend(queue.storage().poll_with_interval(POLL)).data(state.clone()).build(woken);
    let running = worker.run_until(async move {
        stop.cancelled().await;
        Ok::<_, WorkerError>(())
    });
    tokio::select! {
        end = running => end,
        () = clean(&state, queue, name) => Ok(()),
    }
}

/// Handles one wake-up. It never fails: the queue would keep a failed job for a retry while cleaning
/// removes its data, and the next worker would stumble over it. The sweep does what was not done.
async fn woken(_: WakeUp, state: Data<AppState>) -> Result<(), BoxDynError> {
    match fire_due(&state).await {
        Ok(count) => metrics::counter!("due_timers_found_total", "found_by" => "wake-up").increment(count as u64),
        Err(error) => tracing::warn!(error = %error, "woken in vain; the sweep will fire the timers"),
    }
    Ok(())
}

/// Removes finished jobs and renews the worker's card. Ends only when its caller does.
async fn clean(state: &AppState, queue: &Queue, name: &str) {
    let mut storage = queue.storage();
    let mut connection = queue.connection.clone();
    let card = format!("{}:workers:metadata:{name}", queue.config.queue);
    while state.tasks.sleep_unless_stopping(CLEANING).await {
        let cleaned = async {
            storage.vacuum().await.map_err(|error| error.to_string())?;
            // Only the ids of finished jobs, which vacuuming leaves in place.
            let finished = [queue.config.done_jobs_set(), queue.config.dead_jobs_set()];
            connection.del::<_, ()>(&finished).await.map_err(|error| error.to_string())?;
            connection.expire::<_, ()>(&card, CARD_TTL).await.map_err(|error| error.to_string())
        };
        if let Err(error) = cleaned.await {
            tracing::debug!(error, "finished wake-ups could not be removed");
        }
    }
    std::future::pending::<()>().await;
}
