//! The dependencies of a service instance: its configuration, clock and connections.

use std::collections::HashMap;
use std::fmt::Display;
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
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::config::{Config, Keys};
use crate::lifecycle::Tasks;
use crate::limits::counters::Counters;
use crate::mongo;
use crate::outbox::queue::{QueuedEvent, Relay};
use crate::outbox::turns::Turns;
use crate::store::Store;
use crate::store::batched::BatchedCollection;
use crate::store::claims::{self, Claims};
use crate::store::replica::Replica;
use crate::stream::names::Names;
use crate::tls;

/// The dependencies of one service instance; cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// The service's name, the `source` of its events.
    pub service: &'static str,
    /// The configuration.
    pub config: Config,
    /// The clock.
    pub clock: SharedClock,
    /// The service's own database.
    pub database: Database,
    /// The NATS client. It connects and reconnects automatically.
    pub nats: async_nats::Client,
    /// The background tasks and the shutdown signal.
    pub tasks: Tasks,
    /// The counters of the rate limits.
    pub counters: Counters,
    pub(crate) jetstream: jetstream::Context,
    pub(crate) names: Names,
    pub(crate) relay: Relay,
    pub(crate) readiness: Readiness,
    collections: Arc<Mutex<HashMap<String, BatchedCollection>>>,
}

/// The receiving end of the relay's queue, for [`App::start`](crate::app::App::start).
pub struct RelayQueue(pub(crate) mpsc::Receiver<QueuedEvent>);

impl Context {
    /// Creates the clients. No server needs to be reachable yet.
    pub async fn new(
        service: &'static str,
        mut config: Config,
        clock: SharedClock,
        tasks: Tasks,
    ) -> anyhow::Result<(Self, RelayQueue)> {
        if let Some(file) = &config.tls_ca_file {
            let wrong = || format!("{service}: TLS_CA_FILE is wrong");
            let authority = tls::read(file).with_context(wrong)?;
            let redis = config.redis.client.as_ref().map(|client| tls::secure_redis(client, authority));
            config.redis.client = redis.transpose().with_context(wrong)?;
        }
        let database = mongo::connect(service, &config).await?;
        let nats = connect_nats(service, &config).await?;
        let mut jetstream = jetstream::new(nats.clone());
        jetstream.set_timeout(Duration::from_secs(5));
        let (relay, queue) = Relay::new();
        let context = Self {
            counters: Counters::new(&config.limits, &config.redis)?,
            names: Names::new(&config.nats_prefix),
            readiness: Readiness {
                database: database.clone(),
                indexes_built: Arc::default(),
                draining: Arc::default(),
            },
            collections: Arc::default(),
            service,
            config,
            clock,
            database,
            nats,
            tasks,
            jetstream,
            relay,
        };
        Ok((context, RelayQueue(queue)))
    }

    /// The store of this type of aggregate.
    pub fn store<A: Aggregate>(&self) -> Store<A> {
        let (relay, clock) = (self.relay.clone(), Arc::clone(&self.clock));
        Store::new(self.batched(A::COLLECTION), relay, clock, self.config.announce_after)
    }

    /// The replica of another service's entities, in the collection `replica_<entity>`.
    pub fn replica<S: Payload>(&self) -> Replica<S> {
        self.replica_in(&format!("replica_{}", S::Change::ENTITY))
    }

    /// Like [`Context::replica`], in this collection.
    pub fn replica_in<S: Payload>(&self, collection: &str) -> Replica<S> {
        Replica::new(self.batched(collection))
    }

    /// The claims of the requests that create this service's entities: the stored records of their idempotency keys.
    pub fn claims<I, A>(&self) -> Claims<I, A>
    where
        I: Display + Serialize + DeserializeOwned + Send + Sync,
        A: Serialize + DeserializeOwned + Send + Sync,
    {
        Claims::new(self.batched(claims::COLLECTION), Arc::clone(&self.clock))
    }

    /// The turns by which this service's instances share periodic work: each batch is done by one of them.
    pub fn turns(&self) -> Turns {
        Turns::new(&self.database)
    }

    /// The collection of this name. All its users share its batches.
    fn batched(&self, collection: &str) -> BatchedCollection {
        let mut collections = self.collections.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || BatchedCollection::new(self.database.collection(collection));
        collections.entry(collection.to_owned()).or_insert_with(new).clone()
    }

    /// Subscribes to another service's events by core NATS (at most once): each instance receives all of them, and may
    /// miss some. For live display only, never for stored data.
    pub async fn subscribe_ephemeral<S: Payload>(
        &self,
    ) -> Result<impl Stream<Item = Envelope<S>> + use<S>, async_nats::SubscribeError> {
        let subject = self.names.subject(&format!("{}.*.v1", S::Change::ENTITY));
        let messages = self.nats.subscribe(subject).await?;
        Ok(messages.filter_map(async |message| {
            // The durable consumer gets the same message, and reports a malformed one.
            serde_json::from_slice::<Envelope<S>>(&message.payload).ok()
        }))
    }

    /// The verifier of access tokens, with these public keys.
    pub fn verifier(&self, keys: &Keys) -> anyhow::Result<Verifier> {
        Verifier::new(&keys.jwks, &self.config.public_url, Arc::clone(&self.clock))
            .with_context(|| format!("{}: JWKS is wrong", self.service))
    }
}

async fn connect_nats(service: &'static str, config: &Config) -> anyhow::Result<async_nats::Client> {
    let mut options = async_nats::ConnectOptions::new()
        .name(service)
        // The client chooses the subject of the replies to its requests. Each service has its own prefix for that, so
        // that its NATS user can be denied the replies to other services.
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
    if let Some(authority) = &config.tls_ca_file {
        options = tls::secure_nats(options, authority);
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
    // The client ignores credentials in the URL.
    if let Some((user, password)) = servers.iter().find_map(|server| server.username().zip(server.password())) {
        options = options.user_and_password(user.to_owned(), password.to_owned());
    }
    options.connect(servers).await.with_context(|| format!("{service}: NATS_URL is wrong"))
}

/// Whether the service accepts requests: all indexes have been built, and it is not draining.
///
/// # Why
/// A later database outage does not end readiness. All instances would become unready at once, and people would get
/// the gateway's bare 503 instead of the service's own error.
#[derive(Clone)]
pub struct Readiness {
    database: Database,
    indexes_built: Arc<AtomicBool>,
    draining: Arc<AtomicBool>,
}

impl Readiness {
    pub(crate) fn indexes_built(&self) -> bool {
        self.indexes_built.load(Ordering::Acquire)
    }

    pub(crate) fn mark_indexes_built(&self) {
        self.indexes_built.store(true, Ordering::Release);
    }

    pub(crate) fn set_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Returns why the service is not ready, if it is not.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.draining.load(Ordering::Acquire) {
            return Err("shutting down");
        }
        if !self.indexes_built() {
            return Err("indexes are being built");
        }
        Ok(())
    }

    pub(crate) async fn is_database_up(&self) -> bool {
        let ping = self.database.run_command(doc! { "ping": 1 });
        matches!(tokio::time::timeout(Duration::from_secs(2), ping).await, Ok(Ok(_)))
    }
}
