//! Exports gauges every few seconds: health of dependencies, consumer backlogs, dead letters and service gauges.
//!
//! # Why
//! Counters describe this process; gauges describe the state that instances share. Every instance reports the same
//! value, so combine them with `max()`. While the source of a gauge is unavailable, which another gauge shows, it keeps
//! its last value.

use std::time::Instant;

use async_nats::connection;
use async_nats::jetstream::consumer::pull;
use futures::future::{BoxFuture, join_all};

use crate::context::Context;
use crate::lifecycle;
use crate::store::error::StoreError;
use crate::stream::dead_letter;
use crate::stream::names::Names;
use crate::stream::subscription::Subscription;
use crate::telemetry;

type ReadGauge = Box<dyn Fn() -> BoxFuture<'static, Result<f64, StoreError>> + Send + Sync>;

/// A gauge that the service defines.
pub(crate) struct Gauge {
    pub(crate) name: &'static str,
    pub(crate) read: ReadGauge,
}

/// Updates all gauges until shutdown.
pub(crate) async fn run(context: Context, gauges: Vec<Gauge>, subscriptions: Vec<Subscription>) {
    let stop = context.tasks.stop_token().clone();
    let backlog = |subscription| Backlog { subscription, stall: None };
    let mut backlogs: Vec<_> = subscriptions.into_iter().map(backlog).collect();
    loop {
        let round = async {
            tokio::join!(
                update_health(&context),
                update_service_gauges(&context, &gauges),
                update_streams(&context, &mut backlogs)
            );
        };
        tokio::select! {
            () = round => {}
            () = stop.cancelled() => return,
        }
        // Drains histogram samples, which would otherwise accumulate until the next scrape.
        telemetry::metrics_handle().run_upkeep();
        if !context.tasks.sleep_unless_stopping(lifecycle::jittered(context.config.gauge_interval)).await {
            return;
        }
    }
}

/// Readiness, and whether dependencies are available.
async fn update_health(context: &Context) {
    let release = context.config.release.clone();
    metrics::gauge!("build_info", "version" => env!("CARGO_PKG_VERSION"), "release" => release).set(1.0);
    metrics::gauge!("database_up").set(f64::from(context.readiness.is_database_up().await));
    metrics::gauge!("service_ready").set(f64::from(context.readiness.check().is_ok()));
    metrics::gauge!("nats_connected").set(f64::from(is_nats_connected(context)));
}

fn is_nats_connected(context: &Context) -> bool {
    context.nats.connection_state() == connection::State::Connected
}

/// Skipped until the indexes exist, since the gauges are read by index.
async fn update_service_gauges(context: &Context, gauges: &[Gauge]) {
    if !context.readiness.indexes_built() {
        return;
    }
    join_all(gauges.iter().map(async |gauge| match (gauge.read)().await {
        Ok(value) => metrics::gauge!(gauge.name).set(value),
        Err(error) => tracing::warn!(gauge = gauge.name, error = telemetry::causes(&error), "a gauge can't be read"),
    }))
    .await;
}

/// Dead letters and consumer backlogs.
async fn update_streams(context: &Context, backlogs: &mut [Backlog]) {
    if !is_nats_connected(context) {
        return;
    }
    let entities = backlogs.iter().map(|backlog| backlog.subscription.entity).collect();
    tokio::join!(
        dead_letter::measure(context, entities),
        join_all(backlogs.iter_mut().map(|backlog| backlog.measure(context))),
    );
}

/// The unhandled messages of one subscription.
struct Backlog {
    subscription: Subscription,
    stall: Option<AckFloorStall>,
}

impl Backlog {
    async fn measure(&mut self, context: &Context) {
        let Subscription { source, entity, .. } = self.subscription;
        // Nothing is reported before the stream and the consumer exist.
        let Ok(stream) = context.jetstream.get_stream_no_info(context.names.stream(source)).await else { return };
        let name = Names::consumer(context.service, entity);
        let Ok(consumer) = stream.get_consumer::<pull::Config>(&name).await else { return };
        let info = consumer.cached_info();
        let pending = info.num_pending + info.num_ack_pending as u64;
        self.stall = AckFloorStall::next(self.stall.take(), pending, info.ack_floor.stream_sequence, Instant::now());
        #[expect(clippy::cast_precision_loss, reason = "a gauge does not need precision beyond 2^52 messages")]
        metrics::gauge!("consumer_pending", "entity" => entity).set(pending as f64);
        let age = self.stall.as_ref().map_or(0.0, |stall| stall.since.elapsed().as_secs_f64());
        metrics::gauge!("consumer_ack_floor_stalled_seconds", "entity" => entity).set(age);
    }
}

/// How long the ack floor has been unchanged while messages are pending. All messages up to it are handled, so the
/// oldest unhandled message has been the same one.
#[derive(Debug, PartialEq, Eq)]
struct AckFloorStall {
    ack_floor: u64,
    since: Instant,
}

impl AckFloorStall {
    fn next(previous: Option<Self>, pending: u64, ack_floor: u64, now: Instant) -> Option<Self> {
        let unchanged = previous.filter(|previous| previous.ack_floor == ack_floor);
        (pending > 0).then(|| unchanged.unwrap_or(Self { ack_floor, since: now }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn stall_lasts_while_the_ack_floor_is_unchanged() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut stall = None;
        for (second, pending, ack_floor, since) in [
            (0, 0, 10, None),
            (5, 3, 10, Some(5)),
            (10, 900, 10, Some(5)),
            (15, 899, 11, Some(15)),
            (20, 1, 909, Some(20)),
            (25, 1, 909, Some(20)),
            (30, 0, 910, None),
            (35, 1, 910, Some(35)),
        ] {
            stall = AckFloorStall::next(stall, pending, ack_floor, at(second));
            assert_eq!(stall.as_ref().map(|stall| stall.since), since.map(at), "at {second} s");
        }
    }
}
