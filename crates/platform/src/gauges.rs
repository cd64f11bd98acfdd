//! What an instance tells of its surroundings every few seconds: whether they answer, how much waits
//! for its consumers, what nobody could take, and what the service itself has read of its own.
//!
//! # Why
//! Counters tell what this process did; these tell how things are, whoever made them so. What instances
//! share, each of them tells alike, so whoever adds them up takes the maximum. What can't be read keeps
//! its last value: that its source is away is a gauge of its own.

use std::time::Instant;

use async_nats::connection;
use async_nats::jetstream::consumer::pull;
use futures::future::{BoxFuture, join_all};

use crate::context::Context;
use crate::lifecycle;
use crate::store::error::StoreError;
use crate::stream::dead_letter;
use crate::telemetry;

/// Reads a gauge of the service's own.
type Read = Box<dyn Fn() -> BoxFuture<'static, Result<f64, StoreError>> + Send + Sync>;

/// A gauge of the service's own.
pub(crate) struct Gauge {
    pub(crate) name: &'static str,
    pub(crate) read: Read,
}

/// Whose events the service takes.
pub(crate) struct Line {
    pub(crate) source: &'static str,
    pub(crate) entity: &'static str,
}

/// Keeps all gauges until the service ends.
pub(crate) async fn run(context: Context, gauges: Vec<Gauge>, lines: Vec<Line>) {
    let stop = context.tasks.stop().clone();
    let mut backlogs: Vec<_> = lines.into_iter().map(|line| Backlog { line, waits: None }).collect();
    loop {
        let round = async {
            tokio::join!(surroundings(&context), own(&context, &gauges), streams(&context, &mut backlogs));
        };
        tokio::select! {
            () = round => {}
            () = stop.cancelled() => return,
        }
        // Whether or not somebody scrapes: what was measured is kept one by one until then.
        telemetry::metrics_handle().run_upkeep();
        if !context.tasks.sleep_unless_stopping(lifecycle::jittered(context.config.gauge_interval)).await {
            return;
        }
    }
}

/// Whether this instance takes requests, and whether what it needs answers.
async fn surroundings(context: &Context) {
    let release = context.config.release.clone();
    metrics::gauge!("build_info", "version" => env!("CARGO_PKG_VERSION"), "release" => release).set(1.0);
    let is = |condition: bool| if condition { 1.0 } else { 0.0 };
    metrics::gauge!("database_up").set(is(context.readiness.database_answers().await));
    metrics::gauge!("service_ready").set(is(context.readiness.check().is_ok()));
    let state = context.nats.connection_state();
    metrics::gauge!("nats_connected").set(is(state == connection::State::Connected));
}

/// What the service reads of its own; not before the indexes stand by which it is found.
async fn own(context: &Context, gauges: &[Gauge]) {
    if !context.readiness.indexes_stand() {
        return;
    }
    join_all(gauges.iter().map(async |gauge| match (gauge.read)().await {
        Ok(value) => metrics::gauge!(gauge.name).set(value),
        Err(error) => tracing::warn!(gauge = gauge.name, error = telemetry::causes(&error), "a gauge can't be read"),
    }))
    .await;
}

/// What waits in the streams for this service, and what it put aside.
async fn streams(context: &Context, backlogs: &mut [Backlog]) {
    // While NATS is away the last values stand.
    if context.nats.connection_state() != connection::State::Connected {
        return;
    }
    let entities = backlogs.iter().map(|backlog| backlog.line.entity).collect();
    tokio::join!(
        dead_letter::measure(&context.jetstream, &context.names, context.service, entities),
        join_all(backlogs.iter_mut().map(|backlog| backlog.measure(context))),
    );
}

/// The messages of one subscription that are not handled yet.
struct Backlog {
    line: Line,
    waits: Option<Waits>,
}

impl Backlog {
    async fn measure(&mut self, context: &Context) {
        let entity = self.line.entity;
        let stream = context.jetstream.get_stream_no_info(context.names.stream(self.line.source)).await;
        let Ok(stream) = stream else { return };
        // Before the stream or the consumer exists there is nothing to be told.
        let Ok(consumer) = stream.get_consumer::<pull::Config>(&format!("{}-{entity}", context.service)).await else {
            return;
        };
        let info = consumer.cached_info();
        let pending = info.num_pending + info.num_ack_pending as u64;
        self.waits = Waits::next(self.waits.take(), pending, info.ack_floor.stream_sequence, Instant::now());
        #[expect(clippy::cast_precision_loss, reason = "a gauge; nobody counts past 2^52 messages")]
        metrics::gauge!("consumer_pending", "entity" => entity).set(pending as f64);
        let age = self.waits.as_ref().map_or(0.0, |waits| waits.since.elapsed().as_secs_f64());
        metrics::gauge!("consumer_ack_floor_stalled_seconds", "entity" => entity).set(age);
    }
}

/// Since when the oldest message that is not handled has been seen to wait. All before it are handled,
/// so while that mark does not move it is the same one.
#[derive(Debug, PartialEq, Eq)]
struct Waits {
    behind: u64,
    since: Instant,
}

impl Waits {
    fn next(before: Option<Self>, pending: u64, behind: u64, now: Instant) -> Option<Self> {
        let same = before.filter(|before| before.behind == behind);
        (pending > 0).then(|| same.unwrap_or(Self { behind, since: now }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_message_waits_for_as_long_as_the_mark_before_it_stands() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut waits = None;
        for (second, pending, mark, since) in [
            (0, 0, 10, None),
            (5, 3, 10, Some(5)),
            (10, 900, 10, Some(5)),
            (15, 899, 11, Some(15)),
            (20, 1, 909, Some(20)),
            (25, 1, 909, Some(20)),
            (30, 0, 910, None),
            (35, 1, 910, Some(35)),
        ] {
            waits = Waits::next(waits, pending, mark, at(second));
            assert_eq!(waits.as_ref().map(|waits| waits.since), since.map(at), "at {second} s");
        }
    }
}
