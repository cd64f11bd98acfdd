//! What a service is built from: its connections, its clock, its stores.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream;
use common::aggregate::Aggregate;
use common::clock::SharedClock;
use common::events::envelope::Envelope;
use common::events::{Change, Payload};
use common::identity::Verifier;
use futures::{Stream, StreamExt};
use mongodb::Database;
use mongodb::bson::doc;
use tokio::sync::mpsc;

use crate::config::{Config, Keys};
use crate::lifecycle::Tasks;
use crate::limits::counters::Counters;
use crate::mongo;
use crate::outbox::relay::{QueuedEvent, Relay};
use crate::store::Store;
use crate::store::batched::BatchedCollection;
use crate::store::replica::Replica;
use crate::stream::names::Names;

/// The connections and shared parts of one service instance.
#[derive(Clone)]
pub struct Context {
    /// The service's name, the `source` of its events.
    pub service: &'static str,
    /// What the service was told.
    pub config: Config,
    /// The clock.
    pub clock: SharedClock,
    /// The service's own database.
    pub database: Database,
    /// NATS; connects by itself, and again whenever it must.
    pub nats: async_nats::Client,
    /// Background tasks and the signal to end.
    pub tasks: Tasks,
    /// Counts requests.
    pub counters: Counters,
    pub(crate) jetstream: jetstream::Context,
    pub(crate) names: Names,
    pub(crate) relay: Relay,
    pub(crate) readiness: Readiness,
    grouped: Arc<Mutex<HashMap<String, BatchedCollection>>>,
}

/// What is handed to [`crate::app::App`] beside the context: the relay's queue.
pub struct Queue(pub(crate) mpsc::Receiver<QueuedEvent>);

impl Context {
    /// Sets the connections up; none of them has to be there yet.
    pub async fn new(
        service: &'static str,
        config: Config,
        clock: SharedClock,
        tasks: Tasks,
    ) -> anyhow::Result<(Self, Queue)> {
        let database = mongo::connect(service, &config).await?;
        let nats = connect_nats(service, &config).await?;
        let mut jetstream = jetstream::new(nats.clone());
        jetstream.set_timeout(Duration::from_secs(5));
        let names = Names::new(&config.nats_prefix);
        let (relay, queue) = Relay::new();
        let counters = Counters::new(&config.limits, &config.redis)?;
        let readiness = Readiness::new(database.clone());
        let context = Self {
            service,
            config,
            clock,
            database,
            nats,
            tasks,
            counters,
            jetstream,
            names,
            relay,
            readiness,
            grouped: Arc::default(),
        };
        Ok((context, Queue(queue)))
    }

    /// The store of a kind of aggregate.
    pub fn store<A: Aggregate>(&self) -> Store<A> {
        Store::new(
            self.documents(A::COLLECTION),
            self.relay.clone(),
            Arc::clone(&self.clock),
            self.config.announce_after,
        )
    }

    /// The replica of another service's entities: the collection `replica_<entity>`.
    pub fn replica<S: Payload>(&self) -> Replica<S> {
        self.replica_in(&format!("replica_{}", S::Change::ENTITY))
    }

    /// Like [`Context::replica`], in a collection of this name.
    pub fn replica_in<S: Payload>(&self, collection: &str) -> Replica<S> {
        Replica::new(self.documents(collection))
    }

    /// A collection: the same groups of calls for all who use it.
    fn documents(&self, collection: &str) -> BatchedCollection {
        let mut grouped = self.grouped.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(grouped) = grouped.get(collection) {
            return grouped.clone();
        }
        let new = BatchedCollection::new(self.database.collection(collection));
        grouped.insert(collection.to_owned(), new.clone());
        new
    }

    /// Hears of another service's entities as it happens: each instance hears all, nothing is kept for
    /// it, and it may miss some. For what is shown, never for what is stored.
    pub async fn listen<S: Payload>(
        &self,
    ) -> Result<impl Stream<Item = Envelope<S>> + use<S>, async_nats::SubscribeError> {
        let subject = self.names.subject(&format!("{}.*.v1", S::Change::ENTITY));
        let messages = self.nats.subscribe(subject).await?;
        Ok(messages.filter_map(async |message| {
            let event = serde_json::from_slice::<Envelope<S>>(&message.payload);
            // Its consumer, which gets the same message, says what is wrong with it.
            event.ok()
        }))
    }

    /// Verifies access tokens by the configured public keys.
    pub fn verifier(&self, keys: &Keys) -> anyhow::Result<Verifier> {
        Verifier::new(&keys.jwks, &self.config.public_url, Arc::clone(&self.clock))
            .with_context(|| format!("{}: JWKS is wrong", self.service))
    }
}

async fn connect_nats(service: &'static str, config: &Config) -> anyhow::Result<async_nats::Client> {
    let mut options = async_nats::ConnectOptions::new()
        .name(service)
        // A user may be kept from the answers to another: each listens below a name of its own.
        .custom_inbox_prefix(format!("_INBOX_{service}"))
        .retry_on_initial_connect()
        .connection_timeout(Duration::from_secs(2))
        .ping_interval(Duration::from_secs(5))
        .event_callback(|event| async move {
            tracing::info!(event = %event, "NATS connection changed");
        });
    if let Some(path) = &config.nats_credentials {
        options = options
            .credentials_file(path)
            .await
            .with_context(|| format!("{service}: NATS_CREDENTIALS is wrong: {} can't be read", path.display()))?;
    }
    let servers: Vec<async_nats::ServerAddr> = config
        .nats_url
        .split(',')
        .map(|url| url.trim().parse())
        .collect::<Result<_, _>>()
        .with_context(|| format!("{service}: NATS_URL is wrong: must be like nats://host:4222"))?;
    anyhow::ensure!(
        servers.iter().all(|server| !server.host().is_empty()),
        "{service}: NATS_URL is wrong: must be like nats://host:4222"
    );
    // The client takes from its options who it is, and nothing of that from the address.
    if let Some((user, password)) = servers.iter().find_map(|server| server.username().zip(server.password())) {
        options = options.user_and_password(user.to_owned(), password.to_owned());
    }
    options.connect(servers).await.with_context(|| format!("{service}: NATS_URL is wrong"))
}

/// Whether the service can take requests: it has found its database once, with every index, and is not ending.
///
/// A database that is away later is no reason to take the instance out: all of them would go at once, and people
/// would get the gateway's bare 503 in place of the shop's own words.
#[derive(Clone)]
pub struct Readiness {
    database: Database,
    indexes: Arc<AtomicBool>,
    draining: Arc<AtomicBool>,
}

impl Readiness {
    fn new(database: Database) -> Self {
        Self { database, indexes: Arc::default(), draining: Arc::default() }
    }

    pub(crate) fn indexes_stand(&self) -> bool {
        self.indexes.load(Ordering::Acquire)
    }

    pub(crate) fn set_indexes_stand(&self) {
        self.indexes.store(true, Ordering::Release);
    }

    pub(crate) fn set_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Why the service is not ready, if it is not.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.draining.load(Ordering::Acquire) {
            return Err("shutting down");
        }
        if !self.indexes_stand() {
            return Err("indexes are being built");
        }
        Ok(())
    }

    pub(crate) async fn database_answers(&self) -> bool {
        let ping = self.database.run_command(doc! { "ping": 1 });
        matches!(tokio::time::timeout(Duration::from_secs(2), ping).await, Ok(Ok(_)))
    }
}
