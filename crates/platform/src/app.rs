//! The service builder: collects routes, stores, subscriptions and background tasks, and starts them.

use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::middleware::from_fn_with_state;
use common::aggregate::{Aggregate, ShardKey};
use common::clock::SharedClock;
use common::error::Error;
use common::events::{Change, Payload};
use common::identity::Verifier;
use futures::future::BoxFuture;
use mongodb::IndexModel;
use mongodb::bson::Document;
use utoipa::openapi::OpenApi;

use crate::context::{Context, RelayQueue};
use crate::gauges::{self, Gauge};
use crate::http::admin::{self, AdminState, ReconcileById};
use crate::http::metrics;
use crate::http::run_to_completion;
use crate::http::settings::{ErrorPage, HttpSettings};
use crate::http::shell;
use crate::lifecycle::Backoff;
use crate::limits::class::RateClasses;
use crate::limits::layer::Limiter;
use crate::outbox::event::OutboxEvent;
use crate::outbox::scan::SCANS;
use crate::outbox::turns::TURNS;
use crate::outbox::{self, OutboxStore, OutboxStores};
use crate::store::error::StoreError;
use crate::store::replica::Replica;
use crate::store::{Store, claims};
use crate::stream::consumer::Consumer;
use crate::stream::provision;
use crate::stream::subscription::Subscription;

/// What a service's `build` returns: everything that the platform runs.
#[derive(Default)]
pub struct App {
    routes: Router,
    openapi: OpenApi,
    error_page: Option<ErrorPage>,
    around: Option<Around>,
    webhooks: &'static [&'static str],
    rate_limits: Option<(Verifier, RateClasses)>,
    stores: Vec<Arc<dyn OutboxStore>>,
    entities: Vec<&'static str>,
    collections: Vec<Collection>,
    preparations: Vec<Preparation>,
    subscriptions: Vec<Subscription>,
    admin: Router,
    reconcile: Option<ReconcileById>,
    gauges: Vec<Gauge>,
    tasks: Vec<(&'static str, BoxFuture<'static, ()>)>,
}

/// A declared collection.
struct Collection {
    name: String,
    shard_key: ShardKey,
    indexes: Vec<IndexModel>,
}

/// Middleware around routes.
type Around = Box<dyn FnOnce(Router) -> Router + Send + Sync>;

type Preparation = Box<dyn Fn() -> BoxFuture<'static, Result<(), StoreError>> + Send + Sync>;

impl App {
    /// A service with these public routes and their `OpenAPI` document.
    pub fn new(routes: Router, openapi: OpenApi) -> Self {
        Self { routes, openapi, ..Self::default() }.collection(TURNS, ShardKey::ID).collection(SCANS, ShardKey::ID)
    }

    /// Sets the renderer of errors outside `/api/`.
    #[must_use]
    pub fn error_page(mut self, error_page: ErrorPage) -> Self {
        self.error_page = Some(error_page);
        self
    }

    /// Adds middleware around the routes and the rendering of their errors.
    #[must_use]
    pub fn around(mut self, around: impl FnOnce(Router) -> Router + Send + Sync + 'static) -> Self {
        self.around = Some(Box::new(around));
        self
    }

    /// Sets the webhook paths, which are exempt from the cross-site check and from rate limits.
    #[must_use]
    pub fn webhooks(mut self, paths: &'static [&'static str]) -> Self {
        self.webhooks = paths;
        self
    }

    /// Enables rate limits. `verifier` identifies signed-in users.
    #[must_use]
    pub fn rate_limits(mut self, verifier: &Verifier, classes: RateClasses) -> Self {
        self.rate_limits = Some((verifier.clone(), classes));
        self
    }

    /// Adds a store. Its outbox is relayed, and its indexes are built: those of the platform and these.
    #[must_use]
    pub fn store<A: Aggregate>(mut self, store: &Store<A>, indexes: Vec<IndexModel>) -> Self {
        self.stores.push(Arc::new(store.clone()));
        self.entities.push(<A::Payload as Payload>::Change::ENTITY);
        self.indexes(A::COLLECTION, A::SHARD_KEY, [Store::<A>::platform_indexes(), indexes].concat())
    }

    /// Adds a replica and its indexes.
    #[must_use]
    pub fn replica<S: Payload>(self, replica: &Replica<S>, indexes: Vec<IndexModel>) -> Self {
        self.indexes(replica.name(), ShardKey::ID, indexes)
    }

    /// Adds the collection of claims, which are the stored records of idempotency keys.
    #[must_use]
    pub fn claims(self) -> Self {
        self.indexes(claims::COLLECTION, ShardKey::ID, claims::indexes())
    }

    /// Adds any other collection that has no indexes, or builds them itself.
    #[must_use]
    pub fn collection(self, name: impl Into<String>, shard_key: ShardKey) -> Self {
        self.indexes(name, shard_key, Vec::new())
    }

    /// Adds any other collection with its indexes, such as sessions or a projection. A unique index must begin with the
    /// shard key.
    #[must_use]
    pub fn indexes(mut self, name: impl Into<String>, shard_key: ShardKey, indexes: Vec<IndexModel>) -> Self {
        self.collections.push(Collection { name: name.into(), shard_key, indexes });
        self
    }

    /// Adds a preparation of the database that must succeed before the service is ready. It is retried until it does.
    #[must_use]
    pub fn prepare<R>(mut self, prepare: impl Fn() -> R + Send + Sync + 'static) -> Self
    where
        R: Future<Output = Result<(), StoreError>> + Send + 'static,
    {
        self.preparations.push(Box::new(move || Box::pin(prepare())));
        self
    }

    /// Adds routes to the admin server.
    #[must_use]
    pub fn admin(mut self, routes: Router) -> Self {
        self.admin = self.admin.merge(routes);
        self
    }

    /// Sets how the service reconciles an entity that it owns with its replicas after the platform has written the
    /// entity again, at the request of an operator ([`RAISE`](common::api::admin::RAISE)).
    #[must_use]
    pub fn reconcile<S, I, R>(mut self, state: &S, reconcile: fn(S, I) -> R) -> Self
    where
        S: Clone + Send + Sync + 'static,
        I: FromStr + 'static,
        R: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let state = state.clone();
        let by_id = move |id: String| -> BoxFuture<'static, Result<(), Error>> {
            match id.parse::<I>() {
                Ok(id) => Box::pin(reconcile(state.clone(), id)),
                Err(_) => Box::pin(std::future::ready(Err(Error::NotFound))),
            }
        };
        self.reconcile = Some(Arc::new(by_id));
        self
    }

    /// Adds subscriptions.
    #[must_use]
    pub fn subscribe(mut self, subscriptions: Vec<Subscription>) -> Self {
        self.subscriptions.extend(subscriptions);
        self
    }

    /// Adds a gauge that is read every few seconds. Every instance reads it, so its query must use an index.
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

    /// Adds a background task, started once the indexes exist. It ends once
    /// [`Tasks::stop_token`](crate::lifecycle::Tasks::stop_token) is cancelled.
    #[must_use]
    pub fn task(mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) -> Self {
        self.tasks.push((name, Box::pin(task)));
        self
    }

    /// Starts everything except the HTTP listeners.
    pub fn start(mut self, context: &Context, queue: RelayQueue) -> RunningApp {
        let tasks = &context.tasks;
        let limiter = self.rate_limits.take().map(|(verifier, classes)| {
            let counters = context.counters.clone();
            tasks.spawn("limits", counters.clone().run_sync(tasks.clone()));
            Arc::new(Limiter { counters, classes, verifier, webhooks: self.webhooks })
        });
        let (mut running, stores) = self.build_routers(context, limiter);
        running.public = running.public.layer(from_fn_with_state(tasks.clone(), run_to_completion::detach_unsafe));
        // Handlers that finish while the service drains still write events.
        tasks.spawn_until_drained("relay", |stop| outbox::relay::run(context.clone(), queue.0, stop));
        let (entities, is_consumer) = (std::mem::take(&mut self.entities), !self.subscriptions.is_empty());
        tasks.spawn("streams", provision::ensure_streams(context.clone(), entities, is_consumer));
        let gauges = std::mem::take(&mut self.gauges);
        tasks.spawn("gauges", gauges::run(context.clone(), gauges, self.subscriptions.clone()));
        tasks.detach(self.start_workers(context.clone(), stores));
        running
    }

    /// Starts the other background tasks once the indexes exist.
    async fn start_workers(self, context: Context, stores: OutboxStores) {
        if !prepare_database(&context, &self.collections, &self.preparations).await {
            return;
        }
        let tasks = &context.tasks;
        tasks.spawn("sweeper", outbox::sweeper::run(context.clone(), Arc::clone(&stores)));
        tasks.spawn("scan", outbox::scan::run(context.clone(), Arc::clone(&stores)));
        tasks.spawn("announcer", outbox::announcer::run(context.clone(), stores));
        for subscription in self.subscriptions {
            tasks.spawn("consumer", Consumer { context: context.clone(), subscription }.run());
        }
        for (name, task) in self.tasks {
            tasks.spawn(name, task);
        }
    }

    /// Builds the indexes but starts no background task: a simulation runs each step itself. There are no rate limits.
    pub async fn start_manually(mut self, context: &Context, queue: RelayQueue) -> ManualApp {
        prepare_database(context, &self.collections, &self.preparations).await;
        let (running, stores) = self.build_routers(context, None);
        ManualApp { running, stores, clock: Arc::clone(&context.clock), queue }
    }

    fn build_routers(&mut self, context: &Context, limiter: Option<Arc<Limiter>>) -> (RunningApp, OutboxStores) {
        let settings = HttpSettings {
            config: context.config.clone(),
            readiness: context.readiness.clone(),
            error_page: self.error_page,
            webhooks: self.webhooks,
        };
        let stores: OutboxStores = Arc::new(std::mem::take(&mut self.stores));
        let admin_state = AdminState { stores: Arc::clone(&stores), reconcile: self.reconcile.take() };
        let around = self.around.take().unwrap_or_else(|| Box::new(|routes| routes));
        let running = RunningApp {
            public: shell::wrap(std::mem::take(&mut self.routes), Arc::new(settings), limiter, around),
            admin: admin::router(admin_state)
                .merge(std::mem::take(&mut self.admin))
                .layer(from_fn_with_state(context.config.header_timeout, admin::read_body)),
            metrics: metrics::router(context.readiness.clone()),
            openapi: self.openapi.clone(),
            subscriptions: self.subscriptions.clone(),
            collections: self.collections.iter().map(|known| (known.name.clone(), known.shard_key)).collect(),
        };
        (running, stores)
    }
}

/// Prepares the database, retrying until it succeeds. Returns false at shutdown.
async fn prepare_database(context: &Context, collections: &[Collection], preparations: &[Preparation]) -> bool {
    let prepare_once = async || -> anyhow::Result<()> {
        for Collection { name, indexes, .. } in collections.iter().filter(|known| !known.indexes.is_empty()) {
            let documents = context.database.collection::<Document>(name);
            documents.create_indexes(indexes.clone()).await.with_context(|| name.clone())?;
        }
        for prepare in preparations {
            prepare().await?;
        }
        Ok(())
    };
    let mut backoff = Backoff::default();
    while let Err(error) = prepare_once().await {
        let pause = backoff.next_delay();
        tracing::error!(
            attempt = backoff.failures(),
            error = format!("{error:#}"),
            "the database can't be prepared yet; the service is not ready until it is"
        );
        if !context.tasks.sleep_unless_stopping(pause).await {
            return false;
        }
    }
    context.readiness.mark_indexes_built();
    true
}

/// A service whose background tasks run.
pub struct RunningApp {
    /// The public routes with the middleware.
    pub public: Router,
    /// The admin routes.
    pub admin: Router,
    /// Liveness, readiness and metrics.
    pub metrics: Router,
    /// The `OpenAPI` document of the public routes.
    pub openapi: OpenApi,
    /// The subscriptions, for tests that call handlers directly.
    pub subscriptions: Vec<Subscription>,
    /// The name and the shard key of every collection.
    pub collections: Vec<(String, ShardKey)>,
}

/// A service without background tasks, for simulations.
pub struct ManualApp {
    /// The routes and subscriptions.
    pub running: RunningApp,
    stores: OutboxStores,
    clock: SharedClock,
    queue: RelayQueue,
}

impl ManualApp {
    /// Runs the announcer once, which publishes snapshots of states that are due. Returns their number.
    pub fn announce_due(&self) -> BoxFuture<'static, Result<usize, StoreError>> {
        let (stores, clock) = (Arc::clone(&self.stores), Arc::clone(&self.clock));
        Box::pin(async move {
            let mut count = 0;
            for store in stores.iter() {
                count += store.announce_due(clock.now()).await?;
            }
            Ok(count)
        })
    }

    /// Drains the relay's queue. Returns the snapshots, and whether there were other events, which are in the outboxes.
    pub fn drain_queue(&mut self) -> (Vec<OutboxEvent>, bool) {
        outbox::queue::drain_queue(&mut self.queue.0)
    }
}
