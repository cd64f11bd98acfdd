//! A service, put together: its routes, stores, subscriptions and tasks.

use std::future::Future;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::middleware::from_fn_with_state;
use common::aggregate::Aggregate;
use common::clock::SharedClock;
use common::events::{Change, Payload};
use common::identity::Verifier;
use futures::future::BoxFuture;
use mongodb::IndexModel;
use mongodb::bson::Document;
use utoipa::openapi::OpenApi;

use crate::context::{Context, Queue};
use crate::gauges::{self, Gauge, Line};
use crate::http::settings::{ErrorPage, HttpSettings};
use crate::http::shell;
use crate::http::{admin, finish};
use crate::lifecycle::Backoff;
use crate::limits::class::RateClasses;
use crate::limits::layer::Limiter;
use crate::outbox::event::OutboxEvent;
use crate::outbox::relay::Publisher;
use crate::outbox::scan::ScanRate;
use crate::outbox::{self, Source, Sources};
use crate::retention;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::replica::Replica;
use crate::stream::consumer::Consumer;
use crate::stream::provision;
use crate::stream::subscription::Subscription;

/// What a service's `build` returns: everything that the platform then runs.
pub struct App {
    routes: Router,
    openapi: OpenApi,
    pages: Option<ErrorPage>,
    webhooks: &'static [&'static str],
    limits: Option<(Verifier, RateClasses)>,
    sources: Vec<Arc<dyn Source>>,
    entities: Vec<&'static str>,
    indexes: Vec<(String, Vec<IndexModel>)>,
    preparations: Vec<Preparation>,
    subscriptions: Vec<Subscription>,
    admin: Router,
    gauges: Vec<Gauge>,
    work: Vec<(&'static str, BoxFuture<'static, ()>)>,
}

/// What has to succeed before the service is ready.
type Preparation = Box<dyn Fn() -> BoxFuture<'static, Result<(), StoreError>> + Send + Sync>;

impl App {
    /// A service with these routes and the document that describes them.
    pub fn new(routes: Router, openapi: OpenApi) -> Self {
        Self {
            routes,
            openapi,
            pages: None,
            webhooks: &[],
            limits: None,
            sources: Vec::new(),
            entities: Vec::new(),
            indexes: Vec::new(),
            preparations: Vec::new(),
            subscriptions: Vec::new(),
            admin: Router::new(),
            gauges: Vec::new(),
            work: Vec::new(),
        }
    }

    /// Errors outside `/api/` are rendered by this.
    #[must_use]
    pub fn pages(mut self, pages: ErrorPage) -> Self {
        self.pages = Some(pages);
        self
    }

    /// Paths that other programs post to.
    #[must_use]
    pub fn webhooks(mut self, paths: &'static [&'static str]) -> Self {
        self.webhooks = paths;
        self
    }

    /// Bounds how often one visitor asks for these routes, who is known by this verifier.
    #[must_use]
    pub fn limits(mut self, verifier: &Verifier, classes: RateClasses) -> Self {
        self.limits = Some((verifier.clone(), classes));
        self
    }

    /// A store whose outbox is to be relayed, with the service's own indexes.
    #[must_use]
    pub fn store<A: Aggregate>(mut self, store: &Store<A>, indexes: Vec<IndexModel>) -> Self {
        self.sources.push(Arc::new(store.clone()));
        self.entities.push(<A::Payload as Payload>::Change::ENTITY);
        self.indexes.push((A::COLLECTION.to_owned(), Store::<A>::own_indexes()));
        self.indexes.push((A::COLLECTION.to_owned(), indexes));
        self
    }

    /// Indexes of a replica.
    #[must_use]
    pub fn replica<S: Payload>(self, replica: &Replica<S>, indexes: Vec<IndexModel>) -> Self {
        self.indexes(replica.name(), indexes)
    }

    /// Indexes of a collection that is neither a store nor a replica: sessions, a projection.
    #[must_use]
    pub fn indexes(mut self, collection: impl Into<String>, indexes: Vec<IndexModel>) -> Self {
        self.indexes.push((collection.into(), indexes));
        self
    }

    /// What else must have been done to the database before the service is ready; tried until it succeeds.
    #[must_use]
    pub fn prepare<R>(mut self, prepare: impl Fn() -> R + Send + Sync + 'static) -> Self
    where
        R: Future<Output = Result<(), StoreError>> + Send + 'static,
    {
        self.preparations.push(Box::new(move || Box::pin(prepare())));
        self
    }

    /// Routes of the admin server beside those that every service has.
    #[must_use]
    pub fn admin(mut self, routes: Router) -> Self {
        self.admin = self.admin.merge(routes);
        self
    }

    /// The service's subscription table.
    #[must_use]
    pub fn subscribe(mut self, subscriptions: Vec<Subscription>) -> Self {
        self.subscriptions.extend(subscriptions);
        self
    }

    /// A number that /metrics tells under this name, read every few seconds. Every instance reads it, so
    /// it must be found by an index.
    #[must_use]
    pub fn gauge<S, R>(mut self, name: &'static str, state: &S, read: fn(S) -> R) -> Self
    where
        S: Clone + Send + Sync + 'static,
        R: Future<Output = Result<f64, StoreError>> + Send + 'static,
    {
        let state = state.clone();
        self.gauges.push(Gauge { name, read: Box::new(move || Box::pin(read(state.clone()))) });
        self
    }

    /// Background work that ends by itself when [`Tasks::stop`](lifecycle::Tasks::stop) is cancelled;
    /// started once the indexes stand.
    #[must_use]
    pub fn task(mut self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) -> Self {
        self.work.push((name, Box::pin(work)));
        self
    }

    /// Starts everything but the listeners.
    pub fn start(mut self, context: &Context, queue: Queue) -> Running {
        let limits = self.limits.take().map(|(verifier, classes)| {
            let counters = context.counters.clone();
            context.tasks.spawn("limits", counters.clone().settle(context.tasks.clone()));
            Arc::new(Limiter { counters, classes, verifier, webhooks: self.webhooks })
        });
        let (mut running, sources) = self.callable(context, limits);
        running.public = running.public.layer(from_fn_with_state(context.tasks.clone(), finish::detach_unsafe));
        let publisher =
            Publisher { jetstream: context.jetstream.clone(), names: context.names.clone(), service: context.service };
        let tasks = &context.tasks;
        let mut streams = vec![provision::dead_letter_stream(&context.names, &context.config)];
        if !self.entities.is_empty() {
            streams.push(provision::service_stream(&context.names, context.service, &self.entities, &context.config));
        }
        tasks.spawn("streams", provision::ensure_streams(context.jetstream.clone(), streams, tasks.clone()));
        // Handlers that finish while the service drains still write events.
        let database = context.database.clone();
        tasks.spawn_until_drained("relay", |stop| outbox::relay::run(queue.0, publisher, database, stop));
        let clock = Arc::clone(&context.clock);
        let (interval, after) = (context.config.outbox_sweep_interval, context.config.announce_after);
        let pace =
            ScanRate { per_second: context.config.announce_per_second, stream_bytes: context.config.stream_max_bytes };
        let retain = context.config.cleanup_interval;
        let line = |subscription: &Subscription| Line { source: subscription.source, entity: subscription.entity };
        let lines = self.subscriptions.iter().map(line).collect();
        tasks.spawn("gauges", gauges::run(context.clone(), self.gauges, lines));
        let consumer = |subscription| Consumer {
            jetstream: context.jetstream.clone(),
            names: context.names.clone(),
            service: context.service,
            subscription,
        };
        let consumers: Vec<_> = self.subscriptions.into_iter().map(consumer).collect();
        let later = {
            let (context, sources) = (context.clone(), Arc::clone(&sources));
            let (indexes, preparations, work) = (self.indexes, self.preparations, self.work);
            async move {
                if !prepare(&context, &indexes, &preparations).await {
                    return;
                }
                let tasks = &context.tasks;
                tasks.spawn(
                    "sweeper",
                    outbox::sweeper::run(Arc::clone(&sources), Arc::clone(&clock), tasks.clone(), interval),
                );
                tasks.spawn(
                    "rotation",
                    outbox::scan::run(Arc::clone(&sources), Arc::clone(&clock), tasks.clone(), pace),
                );
                tasks.spawn(
                    "retention",
                    retention::run(Arc::clone(&sources), Arc::clone(&clock), tasks.clone(), retain),
                );
                tasks.spawn("announcer", outbox::announcer::run(sources, clock, tasks.clone(), after));
                for consumer in consumers {
                    tasks.spawn("consumer", consumer.run(tasks.clone()));
                }
                for (name, work) in work {
                    tasks.spawn(name, work);
                }
            }
        };
        tasks.detach(later);
        running
    }

    /// Starts nothing, once the indexes stand: for a test that plays the network and says when what is
    /// done. Nobody is refused for asking often.
    pub async fn start_manually(mut self, context: &Context, queue: Queue) -> ManualApp {
        prepare(context, &self.indexes, &self.preparations).await;
        let (running, sources) = self.callable(context, None);
        ManualApp { running, sources, clock: Arc::clone(&context.clock), queue }
    }

    /// What can be called from outside, and the stores behind it.
    fn callable(&mut self, context: &Context, limits: Option<Arc<Limiter>>) -> (Running, Sources) {
        let rules = HttpSettings::new(&context.config, context.readiness.clone(), self.pages.take(), self.webhooks);
        let sources: Sources = Arc::new(std::mem::take(&mut self.sources));
        let running = Running {
            public: shell::wrap(std::mem::take(&mut self.routes), rules, limits),
            admin: admin::router(context.readiness.clone(), Arc::clone(&sources))
                .merge(std::mem::take(&mut self.admin))
                .layer(from_fn_with_state(context.config.header_timeout, admin::read_body)),
            openapi: self.openapi.clone(),
            subscriptions: self.subscriptions.clone(),
        };
        (running, sources)
    }
}

/// Makes the database ready, waiting for it as long as it takes. False when the service ends.
async fn prepare(context: &Context, indexes: &[(String, Vec<IndexModel>)], preparations: &[Preparation]) -> bool {
    let mut backoff = Backoff::default();
    loop {
        let Err(error) = prepare_once(context, indexes, preparations).await else {
            context.readiness.set_indexes_stand();
            return true;
        };
        let pause = backoff.next_delay();
        tracing::error!(
            attempt = backoff.failures(),
            error = format!("{error:#}"),
            "indexes can't be built yet; not ready without them"
        );
        if !context.tasks.sleep_unless_stopping(pause).await {
            return false;
        }
    }
}

async fn prepare_once(
    context: &Context,
    indexes: &[(String, Vec<IndexModel>)],
    preparations: &[Preparation],
) -> anyhow::Result<()> {
    for (collection, indexes) in indexes.iter().filter(|(_, indexes)| !indexes.is_empty()) {
        let documents = context.database.collection::<Document>(collection);
        documents.create_indexes(indexes.clone()).await.with_context(|| collection.clone())?;
    }
    for prepare in preparations {
        prepare().await?;
    }
    Ok(())
}

/// A service whose background work runs, and whose routes can be called.
pub struct Running {
    /// The public routes within their shell.
    pub public: Router,
    /// The admin routes.
    pub admin: Router,
    /// The document that describes the public routes.
    pub openapi: OpenApi,
    /// The subscription table, for tests that call handlers by hand.
    pub subscriptions: Vec<Subscription>,
}

/// A service whose background work nobody does: neither relay nor consumers, neither sweeper nor
/// announcer runs.
pub struct ManualApp {
    /// Its routes and its subscription table.
    pub running: Running,
    sources: Sources,
    clock: SharedClock,
    queue: Queue,
}

impl ManualApp {
    /// One round of the announcer; how many states were announced.
    pub fn announce_due(&self) -> BoxFuture<'static, Result<usize, StoreError>> {
        let (sources, clock) = (Arc::clone(&self.sources), Arc::clone(&self.clock));
        Box::pin(async move {
            let mut count = 0;
            for source in sources.iter() {
                count += source.announce_due(clock.now()).await?;
            }
            Ok(count)
        })
    }

    /// What was announced since this was last asked; and whether anything was written, whose events
    /// are in the outboxes.
    pub fn drain_queue(&mut self) -> (Vec<OutboxEvent>, bool) {
        outbox::relay::drain_queue(&mut self.queue.0)
    }
}
