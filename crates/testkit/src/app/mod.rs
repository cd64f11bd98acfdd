//! Runs one service inside the test process, on real servers, with its own database, subject prefix
//! and adjustable clock.
//!
//! Dropping a [`TestApp`] fails the test if an event stays in an outbox or a message became an
//! unexpected dead letter.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::needless_pass_by_value,
    clippy::return_self_not_must_use,
    reason = "this code fails tests by panicking, and keeps calls in tests short"
)]

pub mod contract;
pub mod dead_letters;
pub mod fuzz;
pub mod profiler;
pub mod proxy;
pub mod request;
pub mod users;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream;
use async_nats::jetstream::consumer::{self, DeliverPolicy};
use common::clock::{Clock, ShiftedClock};
use common::events::envelope::Envelope;
use common::events::{Change, ENTITIES, Payload};
use futures::StreamExt;
use mongodb::bson::{Document, doc};
use mongodb::options::ReadConcern;
use platform::app::{App, RunningApp};
use platform::config;
use platform::context::Context;
use platform::lifecycle::Tasks;
use platform::stream::names::Names;
use platform::stream::provision::DEAD_LETTER_OWNER;
use platform::stream::subscription::Subscription;
use serde_json::Value;

use self::request::Request;
use self::users::Signer;
use crate::fleet::options::NO_RATE_LIMITS;

/// How long [`eventually`] waits before it fails the test.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A running service.
pub struct TestApp {
    /// The service's connections.
    pub context: Context,
    /// The service's routes and subscriptions.
    pub running: RunningApp,
    document: Arc<Value>,
    /// The clock that all instances share.
    pub clock: ShiftedClock,
    /// Creates users and signs their tokens.
    pub signer: Signer,
    jetstream: jetstream::Context,
    names: Names,
    expected_dead_letters: AtomicU64,
    /// The settings of every instance.
    settings: BTreeMap<String, String>,
    /// Counts the instances; the last one cleans up.
    instances: Arc<()>,
}

/// Returns the URL in a variable that `cargo xtask test` and `cargo xtask servers` set.
fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run the tests with `cargo xtask test`"))
}

/// The URL of the run's Redis.
pub fn redis_url() -> String {
    server("TEST_REDIS_URL")
}

impl TestApp {
    /// Starts a service and waits until it is ready. `build` is the service's function; the names of
    /// `settings` are those of environment variables.
    pub async fn start<C: clap::Args>(
        service: &'static str,
        build: fn(C, &Context) -> anyhow::Result<App>,
        settings: &[(&str, &str)],
    ) -> Self {
        let app = Self::start_without_waiting(service, build, settings).await;
        app.ready().await;
        app
    }

    /// Like [`TestApp::start`], without waiting until the service is ready.
    pub async fn start_without_waiting<C: clap::Args>(
        service: &'static str,
        build: fn(C, &Context) -> anyhow::Result<App>,
        settings: &[(&str, &str)],
    ) -> Self {
        let id = uuid::Uuid::now_v7().simple().to_string();
        // A UUIDv7 begins with a timestamp, whose leading digits are the same for all tests of a run.
        let name = format!("t{}", &id[12..]);
        let signer = Signer::new();
        let mut all: BTreeMap<String, String> = BTreeMap::new();
        let mut set = |name: &str, value: &str| drop(all.insert(name.to_owned(), value.to_owned()));
        set("MONGODB_URL", &server("TEST_MONGODB_URL"));
        set("NATS_URL", &server("TEST_NATS_URL"));
        set("MONGODB_DATABASE", &format!("{name}_{service}"));
        set("NATS_PREFIX", &name);
        set("PUBLIC_URL", users::PUBLIC_URL);
        set("STREAM_MAX_BYTES", &(16 << 20).to_string());
        set("OUTBOX_SWEEP_INTERVAL", "200ms");
        set("OUTBOX_REMOVAL_DELAY", "20ms");
        set("GAUGE_INTERVAL", "500ms");
        // Tests count events, so the scan does not publish snapshots. The announcer does so for entities that have not
        // changed for `ANNOUNCE_AFTER`.
        set("ANNOUNCE_PER_SECOND", "0");
        set("LIMIT_SECRET", "an HMAC key for tests that is long enough");
        match service {
            "auth" => set("JWT_PRIVATE_KEYS", &signer.pem),
            // `expiration` has no users.
            "expiration" => {}
            _ => set("JWKS", &signer.jwks),
        }
        NO_RATE_LIMITS.iter().chain(settings).for_each(|(name, value)| set(name, value));
        // On the heap, because the future of a whole service is large.
        Box::pin(Self::instance(service, build, all, ShiftedClock::default(), signer)).await
    }

    /// Starts another instance of the service, with the same database, streams, clock and settings.
    pub async fn start_second_instance<C: clap::Args>(&self, build: fn(C, &Context) -> anyhow::Result<App>) -> Self {
        self.start_second_instance_with(build, &[]).await
    }

    /// Like [`TestApp::start_second_instance`], with other values of these settings.
    pub async fn start_second_instance_with<C: clap::Args>(
        &self,
        build: fn(C, &Context) -> anyhow::Result<App>,
        changed: &[(&str, &str)],
    ) -> Self {
        let mut settings = self.settings.clone();
        settings.extend(changed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let instance = Self::instance(self.context.service, build, settings, self.clock.clone(), self.signer.clone());
        let mut app = Box::pin(instance).await;
        app.instances = Arc::clone(&self.instances);
        app.ready().await;
        app
    }

    /// Waits until the service is ready.
    pub async fn ready(&self) {
        eventually("the service to be ready", async || self.monitor("/readyz").send().await.status == 200).await;
    }

    async fn instance<C: clap::Args>(
        service: &'static str,
        build: fn(C, &Context) -> anyhow::Result<App>,
        settings: BTreeMap<String, String>,
        clock: ShiftedClock,
        signer: Signer,
    ) -> Self {
        let flag = |(name, value): (&String, &String)| {
            OsString::from(format!("--{}={value}", name.to_lowercase().replace('_', "-")))
        };
        let flags = settings.iter().map(flag);
        let arguments = std::iter::once(OsString::from(service)).chain(flags);
        let (platform, config) = config::parse::<C>(service, arguments).unwrap_or_else(|end| panic!("{}", end.text));
        let names = Names::new(&platform.nats_prefix);
        let (tasks, _failures) = Tasks::new();
        let (context, queue) =
            Context::new(service, platform, Arc::new(clock.clone()), tasks).await.expect("a context");
        if service != DEAD_LETTER_OWNER {
            dead_letters::create_stream(&names).await;
        }
        let running = build(config, &context).expect("a service").start(&context, queue);
        let document = Arc::new(serde_json::to_value(&running.openapi).expect("a document"));
        let jetstream = jetstream::new(context.nats.clone());
        Self {
            context,
            running,
            document,
            clock,
            signer,
            jetstream,
            names,
            expected_dead_letters: AtomicU64::new(0),
            settings,
            instances: Arc::default(),
        }
    }

    /// Creates a request to the public routes, whose responses are checked against the `OpenAPI` document.
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.running.public.clone(), method, path).check_against(Arc::clone(&self.document))
    }

    /// Creates a request to the admin routes.
    pub fn admin(&self, method: &str, path: &str) -> Request {
        Request::new(self.running.admin.clone(), method, path)
    }

    /// Creates a GET request to the metrics server.
    pub fn monitor(&self, path: &str) -> Request {
        Request::new(self.running.metrics.clone(), "GET", path)
    }

    /// Reads a metric, such as `dead_letters{entity="order"}`, from /metrics. Labels may be in any order.
    pub async fn metric(&self, series: &str) -> Option<f64> {
        let sorted = |series: &str| {
            let mut parts: Vec<_> = series.split(['{', ',', '}']).map(ToOwned::to_owned).collect();
            parts.sort_unstable();
            parts
        };
        let text = self.monitor("/metrics").send().await.expect(200).text();
        let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        lines.find(|(found, _)| sorted(found) == sorted(series)).and_then(|(_, value)| value.parse().ok())
    }

    /// Publishes an event in the name of the service that owns the entity.
    pub async fn publish<S: Payload>(
        &self,
        change: S::Change,
        id: impl ToString,
        version: u64,
        state: S,
    ) -> Envelope<S> {
        let event = self.event(change, id, version, state);
        self.publish_raw(S::Change::SOURCE, S::Change::ENTITY, &event.kind, &serde_json::to_vec(&event).unwrap()).await;
        event
    }

    /// Creates an event without publishing it, to pass to a handler directly.
    pub fn event<S: Payload>(&self, change: S::Change, id: impl ToString, version: u64, state: S) -> Envelope<S> {
        Envelope::new(change, id.to_string(), version, self.clock.now(), state)
    }

    /// Publishes arbitrary bytes on another service's stream, which is created if necessary.
    pub async fn publish_raw(&self, source: &str, entity: &str, kind: &str, payload: &[u8]) {
        // The events of all entities of a service are in one stream.
        let owned = ENTITIES.iter().filter(|owned| owned.source == source && owned.name != entity);
        let entities = owned.map(|owned| owned.name).chain([entity]);
        let config = jetstream::stream::Config {
            name: self.names.stream(source),
            subjects: entities.map(|entity| self.names.subject(&format!("{entity}.>"))).collect(),
            ..Default::default()
        };
        let stream = self.jetstream.get_or_create_stream(config).await;
        stream.expect("the stream of another service");
        let published = self.jetstream.publish(self.names.subject(kind), payload.to_vec().into()).await;
        published.expect("publishing").await.expect("the stream's ack");
    }

    /// The subscription to this entity's events.
    pub fn subscription(&self, entity: &str) -> &Subscription {
        let mut all = self.running.subscriptions.iter();
        all.find(|one| one.entity == entity).unwrap_or_else(|| panic!("no subscription to {entity}"))
    }

    /// Passes an event to its handler, as the consumer does after a delivery.
    pub async fn handle<S: Payload>(
        &self,
        event: &Envelope<S>,
    ) -> Result<platform::stream::subscription::Applied, platform::stream::subscription::Failure> {
        self.subscription(S::Change::ENTITY).handle(&serde_json::to_vec(event).unwrap()).await
    }

    /// Waits until every outbox is empty and every consumer has handled all messages.
    pub async fn wait_until_idle(&self) {
        let mut idle_checks = 0;
        eventually("outboxes and consumers to be empty", async || {
            let is_idle = self.outbox_backlog().await == 0 && self.consumer_backlog().await == 0;
            idle_checks = if is_idle { idle_checks + 1 } else { 0 };
            // Check twice, since the handler of the last message may have written another event.
            idle_checks > 1
        })
        .await;
    }

    /// Counts the documents with unpublished events. The read concern is local, because the relay removes events from
    /// outboxes without waiting for a majority.
    pub async fn outbox_backlog(&self) -> u64 {
        let mut count = 0;
        for name in self.context.database.list_collection_names().await.unwrap_or_default() {
            let documents = self.context.database.collection::<Document>(&name);
            let unpublished = documents.count_documents(doc! { "outbox.0": { "$exists": true } });
            count += unpublished.read_concern(ReadConcern::local()).await.unwrap_or(0);
        }
        count
    }

    async fn consumer_backlog(&self) -> u64 {
        let mut count = 0;
        for subscription in &self.running.subscriptions {
            let stream = self.names.stream(subscription.source);
            let Ok(stream) = self.jetstream.get_stream(stream).await else { continue };
            let name = format!("{}-{}", self.context.service, subscription.entity);
            match stream.get_consumer::<consumer::pull::Config>(&name).await {
                Ok(mut consumer) => {
                    let info = consumer.info().await.expect("consumer info");
                    count += info.num_pending + info.num_ack_pending as u64;
                }
                // The stream exists, but not yet the consumer.
                Err(_) => count += 1,
            }
        }
        count
    }

    /// All events in a service's stream, oldest first.
    pub async fn events(&self, source: &str) -> Vec<Envelope<serde_json::Value>> {
        let messages = self.messages(&self.names.stream(source)).await;
        messages.iter().map(|message| serde_json::from_slice(&message.payload).expect("an envelope")).collect()
    }

    /// The events of one entity, oldest first, as (type, version).
    pub async fn history(&self, source: &str, id: impl ToString) -> Vec<(String, u64)> {
        let id = id.to_string();
        let events = self.events(source).await;
        events.into_iter().filter(|e| e.subject == id).map(|e| (e.kind, e.entityversion)).collect()
    }

    async fn messages(&self, name: &str) -> Vec<jetstream::Message> {
        let Ok(mut stream) = self.jetstream.get_stream(name).await else { return Vec::new() };
        let count = stream.info().await.expect("stream info").state.messages;
        if count == 0 {
            return Vec::new();
        }
        let config = consumer::pull::OrderedConfig { deliver_policy: DeliverPolicy::All, ..Default::default() };
        let consumer = stream.create_consumer(config).await.expect("a reader");
        let messages = consumer.messages().await.expect("messages").take(usize::try_from(count).unwrap());
        messages.map(|message| message.expect("a message")).collect().await
    }

    /// Drops the database and the streams, since a run has many tests and the servers' open files are
    /// limited. The data of a failed test are retained for inspection.
    async fn clean_up(&self) {
        self.context.database.drop().await.ok();
        if self.context.nats.connection_state() == async_nats::connection::State::Connected {
            let sources = self.running.subscriptions.iter().map(|subscription| subscription.source);
            let streams = sources.chain([self.context.service]).map(|service| self.names.stream(service));
            for stream in streams.chain([self.names.dead_letter_stream()]) {
                self.jetstream.delete_stream(stream).await.ok();
            }
        }
    }

    /// Shuts the instance down gracefully, as SIGTERM does. Unpublished events remain for another instance.
    pub async fn stop(&self) {
        assert!(self.context.tasks.drain(Duration::from_secs(10)).await, "the service did not drain within 10 s");
    }
}

/// Polls until the condition holds. Fails the test after a timeout.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < TIMEOUT, "waited {TIMEOUT:?} for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                if !self.context.tasks.stop_token().is_cancelled() {
                    eventually("the outbox to be relayed", async || self.outbox_backlog().await == 0).await;
                    self.stop().await;
                }
                let letters = self.dead_letters().await;
                let expected = self.expected_dead_letters.load(Ordering::SeqCst);
                let shown: Vec<_> = letters.iter().map(|letter| String::from_utf8_lossy(letter)).collect();
                assert_eq!(letters.len() as u64, expected, "unexpected dead letters: {shown:?}");
                if Arc::strong_count(&self.instances) == 1 {
                    self.clean_up().await;
                }
            });
        });
    }
}
