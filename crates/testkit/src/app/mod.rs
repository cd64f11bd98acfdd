//! One service in the test's own process, on real servers, with a database and a subject prefix of
//! its own and a clock that the test may move.
//!
//! When a [`TestApp`] is dropped the test fails if an event was never relayed or a message became a
//! dead letter that the test did not expect.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::needless_pass_by_value,
    clippy::return_self_not_must_use,
    reason = "it fails tests, which is done by panicking, and is called by tests, which should read well"
)]

pub mod contract;
pub mod examined;
pub mod fuzz;
pub mod proxy;
pub mod request;
pub mod users;

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream;
use async_nats::jetstream::consumer::{self, DeliverPolicy};
use common::clock::{Clock, ShiftedClock};
use common::events::envelope::Envelope;
use common::events::{Change, Payload};
use futures::StreamExt;
use mongodb::bson::{Document, doc};
use mongodb::options::ReadConcern;
use platform::app::{App, Running};
use platform::config;
use platform::context::Context;
use platform::lifecycle::Tasks;
use platform::stream::names::Names;
use platform::stream::subscription::Subscription;
use serde_json::Value;

use self::request::Request;
use self::users::Signer;
use crate::fleet::options::UNLIMITED;

/// How long [`TestApp::settle`] and [`eventually`] wait before they fail the test.
const DEADLINE: Duration = Duration::from_secs(20);

/// A running service.
pub struct TestApp {
    /// The service's connections.
    pub context: Context,
    /// Its routes and subscriptions.
    pub running: Running,
    document: Arc<Value>,
    /// Its clock; instances share it.
    pub clock: ShiftedClock,
    /// Makes users and signs their tokens.
    pub signer: Signer,
    jetstream: jetstream::Context,
    names: Names,
    expected_dead_letters: AtomicU64,
    /// The settings that a second instance needs too.
    settings: Vec<(String, String)>,
    /// Held by every instance: the last one to go clears up.
    family: Arc<()>,
}

/// The variable's value, which `cargo xtask test` and `cargo xtask servers` provide.
fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run the tests by `cargo xtask test`"))
}

/// The address of the run's Redis.
pub fn redis_url() -> String {
    server("TEST_REDIS_URL")
}

impl TestApp {
    /// Starts a service by its `build`, with these settings (names of environment variables).
    pub async fn start<C: clap::Args>(
        service: &'static str,
        build: fn(C, &Context) -> anyhow::Result<App>,
        settings: &[(&str, &str)],
    ) -> Self {
        let app = Self::launch(service, build, settings).await;
        app.ready().await;
        app
    }

    /// Like [`TestApp::start`], without waiting until the service is ready.
    pub async fn launch<C: clap::Args>(
        service: &'static str,
        build: fn(C, &Context) -> anyhow::Result<App>,
        settings: &[(&str, &str)],
    ) -> Self {
        let id = uuid::Uuid::now_v7().simple().to_string();
        // The time's first digits are the same all day: the end tells tests apart.
        let name = format!("t{}", &id[12..]);
        let signer = Signer::new();
        let mut all = vec![
            ("MONGODB_URL".to_owned(), server("TEST_MONGODB_URL")),
            ("NATS_URL".to_owned(), server("TEST_NATS_URL")),
            ("MONGODB_DATABASE".to_owned(), format!("{name}_{service}")),
            ("NATS_PREFIX".to_owned(), name),
            ("PUBLIC_URL".to_owned(), users::PUBLIC_URL.to_owned()),
            ("STREAM_MAX_BYTES".to_owned(), (16 << 20).to_string()),
            ("OUTBOX_SWEEP_INTERVAL".to_owned(), "200ms".to_owned()),
            ("GAUGE_INTERVAL".to_owned(), "500ms".to_owned()),
            // Tests count events.
            ("ANNOUNCE_PER_SECOND".to_owned(), "0".to_owned()),
            ("LIMIT_SECRET".to_owned(), "the limits of a test, which nobody knows".to_owned()),
        ];
        all.extend(UNLIMITED.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        all.extend(match service {
            "auth" => Some(("JWT_PRIVATE_KEYS".to_owned(), signer.pem.clone())),
            // Nobody signs in to it.
            "expiration" => None,
            _ => Some(("JWKS".to_owned(), signer.jwks.clone())),
        });
        all.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Self::instance(service, build, all, ShiftedClock::default(), signer).await
    }

    /// A second instance of the same service: same database, same streams, same clock.
    pub async fn start_second_instance<C: clap::Args>(&self, build: fn(C, &Context) -> anyhow::Result<App>) -> Self {
        let settings = self.settings.clone();
        let mut app =
            Self::instance(self.context.service, build, settings, self.clock.clone(), self.signer.clone()).await;
        app.family = Arc::clone(&self.family);
        app.ready().await;
        app
    }

    /// Waits until the service is ready.
    pub async fn ready(&self) {
        eventually("the service to be ready", async || self.admin("GET", "/readyz").send().await.status == 200).await;
    }

    async fn instance<C: clap::Args>(
        service: &'static str,
        build: fn(C, &Context) -> anyhow::Result<App>,
        settings: Vec<(String, String)>,
        clock: ShiftedClock,
        signer: Signer,
    ) -> Self {
        let mut latest = std::collections::BTreeMap::new();
        latest.extend(settings.iter().cloned());
        let flags = latest
            .iter()
            .map(|(name, value)| OsString::from(format!("--{}={value}", name.to_lowercase().replace('_', "-"))));
        let arguments = std::iter::once(OsString::from(service)).chain(flags);
        let (platform, own) = config::parse::<C>(service, arguments).unwrap_or_else(|end| panic!("{}", end.text));
        let names = Names::new(&platform.nats_prefix);
        let (tasks, _deaths) = Tasks::new();
        let (context, queue) =
            Context::new(service, platform, Arc::new(clock.clone()), tasks).await.expect("a context");
        let running = build(own, &context).expect("a service").start(&context, queue);
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
            family: Arc::default(),
        }
    }

    /// A request to the public routes.
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.running.public.clone(), method, path).documented(Arc::clone(&self.document))
    }

    /// A request to the admin routes.
    pub fn admin(&self, method: &str, path: &str) -> Request {
        Request::new(self.running.admin.clone(), method, path)
    }

    /// The value of a metric with its labels in any order, such as `dead_letters{entity="order"}`, as
    /// /metrics shows it.
    pub async fn metric(&self, series: &str) -> Option<f64> {
        let sorted = |series: &str| {
            let mut parts: Vec<_> = series.split(['{', ',', '}']).map(ToOwned::to_owned).collect();
            parts.sort_unstable();
            parts
        };
        let text = self.admin("GET", "/metrics").send().await.expect(200).text();
        let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        lines.find(|(shown, _)| sorted(shown) == sorted(series)).and_then(|(_, value)| value.parse().ok())
    }

    /// Publishes an event of another service, as that service would.
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

    /// An event of another service that is not published, for a handler called by hand.
    pub fn event<S: Payload>(&self, change: S::Change, id: impl ToString, version: u64, state: S) -> Envelope<S> {
        Envelope::new(change, id.to_string(), version, self.clock.now(), state)
    }

    /// Publishes any bytes on another service's stream, which is created if need be.
    pub async fn publish_raw(&self, source: &str, entity: &str, kind: &str, payload: &[u8]) {
        let config = jetstream::stream::Config {
            name: self.names.stream(source),
            subjects: vec![self.names.subject(&format!("{entity}.>"))],
            ..Default::default()
        };
        let stream = self.jetstream.get_or_create_stream(config).await;
        stream.expect("the stream of another service");
        let published = self.jetstream.publish(self.names.subject(kind), payload.to_vec().into()).await;
        published.expect("publishing").await.expect("the stream's ack");
    }

    /// The line of the subscription table for this entity.
    pub fn subscription(&self, entity: &str) -> &Subscription {
        let mut lines = self.running.subscriptions.iter();
        lines.find(|line| line.entity == entity).unwrap_or_else(|| panic!("no subscription to {entity}"))
    }

    /// Hands an event to its handler, as the consumer would after a delivery.
    pub async fn handle<S: Payload>(
        &self,
        event: &Envelope<S>,
    ) -> Result<platform::stream::subscription::Applied, platform::stream::subscription::Failure> {
        self.subscription(S::Change::ENTITY).handle(&serde_json::to_vec(event).unwrap()).await
    }

    /// Waits until every outbox is empty and every consumer has handled all there is.
    pub async fn wait_until_idle(&self) {
        let mut quiet = 0;
        eventually("outboxes and consumers to be empty", async || {
            let idle = self.unrelayed().await == 0 && self.unhandled().await == 0;
            quiet = if idle { quiet + 1 } else { 0 };
            // Handling the last message may have written the next event: look twice.
            quiet > 1
        })
        .await;
    }

    /// How many documents hold unpublished events, as the primary has them: the relay waits for no majority when it
    /// takes an event out.
    pub async fn unrelayed(&self) -> u64 {
        let mut count = 0;
        for name in self.context.database.list_collection_names().await.unwrap_or_default() {
            let documents = self.context.database.collection::<Document>(&name);
            let waiting = documents.count_documents(doc! { "outbox.0": { "$exists": true } });
            count += waiting.read_concern(ReadConcern::local()).await.unwrap_or(0);
        }
        count
    }

    async fn unhandled(&self) -> u64 {
        let mut count = 0;
        for line in &self.running.subscriptions {
            let Ok(stream) = self.jetstream.get_stream(self.names.stream(line.source)).await else { continue };
            let name = format!("{}-{}", self.context.service, line.entity);
            match stream.get_consumer::<consumer::pull::Config>(&name).await {
                Ok(mut consumer) => {
                    let info = consumer.info().await.expect("consumer info");
                    count += info.num_pending + info.num_ack_pending as u64;
                }
                // The stream is there and the consumer not yet.
                Err(_) => count += 1,
            }
        }
        count
    }

    /// All events of a publishing service's stream, oldest first.
    pub async fn events(&self, source: &str) -> Vec<Envelope<serde_json::Value>> {
        let payloads = self.read_stream(&self.names.stream(source)).await;
        payloads.iter().map(|payload| serde_json::from_slice(payload).expect("an envelope")).collect()
    }

    /// The events of one entity, oldest first, as (type, version).
    pub async fn history(&self, source: &str, id: impl ToString) -> Vec<(String, u64)> {
        let id = id.to_string();
        let events = self.events(source).await;
        events.into_iter().filter(|e| e.subject == id).map(|e| (e.kind, e.entityversion)).collect()
    }

    async fn read_stream(&self, name: &str) -> Vec<Vec<u8>> {
        self.messages(name).await.into_iter().map(|message| message.payload.to_vec()).collect()
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

    /// Payloads of the dead letters so far.
    pub async fn dead_letters(&self) -> Vec<Vec<u8>> {
        self.read_stream(&self.names.dead_letter_stream()).await
    }

    /// The dead letters' headers of this name, without the `dead-letter-`: `reason`, `subject`.
    pub async fn dead_letter_headers(&self, name: &str) -> Vec<String> {
        let name = format!("dead-letter-{name}");
        let letters = self.messages(&self.names.dead_letter_stream()).await;
        let header = |letter: &jetstream::Message| {
            letter.headers.as_ref().and_then(|headers| headers.get(name.as_str())).map(ToString::to_string)
        };
        letters.iter().map(|letter| header(letter).unwrap_or_default()).collect()
    }

    /// The test expects this many dead letters in all.
    pub fn expect_dead_letters(&self, count: u64) {
        self.expected_dead_letters.store(count, Ordering::SeqCst);
    }

    /// Drops the database and the streams: the servers have a bound on open files, and a run has many
    /// tests. What a failed test leaves is kept, to be looked at.
    async fn clear_up(&self) {
        self.context.database.drop().await.ok();
        if self.context.nats.connection_state() == async_nats::connection::State::Connected {
            let sources = self.running.subscriptions.iter().map(|line| line.source);
            let streams = sources.chain([self.context.service]).map(|service| self.names.stream(service));
            for stream in streams.chain([self.names.dead_letter_stream()]) {
                self.jetstream.delete_stream(stream).await.ok();
            }
        }
    }

    /// Ends the instance as SIGTERM would; what it owes is left to another one.
    pub async fn stop(&self) {
        assert!(self.context.tasks.drain(Duration::from_secs(10)).await, "the service does not drain");
    }
}

/// Polls until the condition holds, or fails the test after a deadline.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < DEADLINE, "waited {DEADLINE:?} for {what}");
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
                if !self.context.tasks.stop().is_cancelled() {
                    eventually("the outbox to be relayed", async || self.unrelayed().await == 0).await;
                    self.stop().await;
                }
                let letters = self.dead_letters().await;
                let expected = self.expected_dead_letters.load(Ordering::SeqCst);
                let shown: Vec<_> = letters.iter().map(|letter| String::from_utf8_lossy(letter)).collect();
                assert_eq!(letters.len() as u64, expected, "unexpected dead letters: {shown:?}");
                if Arc::strong_count(&self.family) == 1 {
                    self.clear_up().await;
                }
            });
        });
    }
}
