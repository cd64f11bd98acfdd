//! A service, put together: its routes, stores, subscriptions and tasks; and `run`, which is `main`.

use std::future::Future;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use clap::{Args, FromArgMatches};
use common::clock::{SharedClock, ShiftedClock};
use common::events::{Change, State};
use futures::future::BoxFuture;
use mongodb::IndexModel;
use mongodb::bson::Document;
use tokio::net::TcpListener;
use utoipa::openapi::OpenApi;

use crate::config;
use crate::context::{Context, Queue};
use crate::gauges::{self, Gauge, Line};
use crate::http::admin;
use crate::http::problems::Pages;
use crate::http::shell::{self, Rules};
use crate::lifecycle::{self, Tasks};
use crate::outbox::relay::Publisher;
use crate::outbox::{self, Source, Sources};
use crate::store::error::StoreError;
use crate::store::{Aggregate, OutboxEvent, Store};
use crate::stream::consumer::Consumer;
use crate::stream::own;
use crate::stream::subscription::Subscription;
use crate::telemetry;

/// What a service's `build` returns: everything that the platform then runs.
pub struct App {
    routes: Router,
    openapi: OpenApi,
    pages: Option<Pages>,
    webhooks: &'static [&'static str],
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
    pub fn pages(mut self, pages: Pages) -> Self {
        self.pages = Some(pages);
        self
    }

    /// Paths that other programs post to.
    #[must_use]
    pub fn webhooks(mut self, paths: &'static [&'static str]) -> Self {
        self.webhooks = paths;
        self
    }

    /// A store whose outbox is to be relayed, with the service's own indexes.
    #[must_use]
    pub fn store<A: Aggregate>(mut self, store: &Store<A>, indexes: Vec<IndexModel>) -> Self {
        self.sources.push(Arc::new(store.clone()));
        self.entities.push(<A::State as State>::Change::ENTITY);
        self.indexes.push((A::COLLECTION.to_owned(), Store::<A>::own_indexes()));
        self.indexes.push((A::COLLECTION.to_owned(), indexes));
        self
    }

    /// Indexes of a collection that is no store: a replica, sessions, a projection.
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

    /// Background work that ends by itself when [`Tasks::stop`] is cancelled; started once the
    /// indexes stand.
    #[must_use]
    pub fn task(mut self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) -> Self {
        self.work.push((name, Box::pin(work)));
        self
    }

    /// Starts everything but the listeners.
    pub fn start(mut self, context: &Context, queue: Queue) -> Running {
        let (running, sources) = self.callable(context);
        let publisher =
            Publisher { jetstream: context.jetstream.clone(), names: context.names.clone(), service: context.service };
        let tasks = &context.tasks;
        let mut streams = vec![own::dead_letters(&context.names, &context.config)];
        if !self.entities.is_empty() {
            streams.push(own::own(&context.names, context.service, &self.entities, &context.config));
        }
        tasks.spawn("streams", own::ensure(context.jetstream.clone(), streams, tasks.clone()));
        // Handlers that finish while the service drains still write events.
        let database = context.database.clone();
        tasks.spawn_last("relay", |stop| outbox::relay::run(queue.0, publisher, database, stop));
        let clock = Arc::clone(&context.clock);
        let (interval, after) = (context.config.sweep_interval, context.config.announce_after);
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
    /// done.
    pub async fn by_hand(mut self, context: &Context, queue: Queue) -> ByHand {
        prepare(context, &self.indexes, &self.preparations).await;
        let (running, sources) = self.callable(context);
        ByHand { running, sources, clock: Arc::clone(&context.clock), queue }
    }

    /// What can be called from outside, and the stores behind it.
    fn callable(&mut self, context: &Context) -> (Running, Sources) {
        let rules = Rules::new(&context.config, context.readiness.clone(), self.pages.take(), self.webhooks);
        let sources: Sources = Arc::new(std::mem::take(&mut self.sources));
        let running = Running {
            public: shell::wrap(std::mem::take(&mut self.routes), rules),
            admin: admin::router(context.readiness.clone(), Arc::clone(&sources))
                .merge(std::mem::take(&mut self.admin)),
            openapi: self.openapi.clone(),
            subscriptions: self.subscriptions.clone(),
        };
        (running, sources)
    }
}

/// Makes the database ready, waiting for it as long as it takes. False when the service ends.
async fn prepare(context: &Context, indexes: &[(String, Vec<IndexModel>)], preparations: &[Preparation]) -> bool {
    let mut attempt = 0_u32;
    loop {
        let Err(error) = prepare_once(context, indexes, preparations).await else {
            context.readiness.set_indexes_stand();
            return true;
        };
        attempt = attempt.saturating_add(1);
        tracing::error!(attempt, error = format!("{error:#}"), "indexes can't be built yet; not ready without them");
        if !context.tasks.pause(lifecycle::backoff(attempt)).await {
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
pub struct ByHand {
    /// Its routes and its subscription table.
    pub running: Running,
    sources: Sources,
    clock: SharedClock,
    queue: Queue,
}

impl ByHand {
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
    pub fn take_queued(&mut self) -> (Vec<OutboxEvent>, bool) {
        outbox::relay::take_queued(&mut self.queue.0)
    }
}

/// `main` of a service: reads the configuration, runs until SIGTERM, drains.
pub fn run<C, B>(service: &'static str, build: B) -> ExitCode
where
    C: Args + FromArgMatches,
    B: FnOnce(C, &Context) -> anyhow::Result<App>,
{
    let (platform, own) = match config::parse::<C>(service, std::env::args_os()) {
        Ok(parsed) => parsed,
        Err(ended) => {
            tell(&ended.text, ended.code == 0);
            return ExitCode::from(ended.code);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tell(&format!("{service}: no async runtime: {error}"), false);
            return ExitCode::FAILURE;
        }
    };
    let end = runtime.block_on(async {
        let telemetry = telemetry::start(service, &platform)?;
        let end = serve(service, platform, own, build).await;
        drop(telemetry);
        end
    });
    runtime.shutdown_timeout(Duration::from_millis(100));
    match end {
        Ok(code) => code,
        Err(error) => {
            tell(&format!("{error:#}"), false);
            ExitCode::from(2)
        }
    }
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "before logging, and for --help")]
fn tell(text: &str, good: bool) {
    if good {
        println!("{}", text.trim_end());
    } else {
        eprintln!("{}", text.trim_end());
    }
}

async fn serve<C, B>(service: &'static str, config: config::Config, own: C, build: B) -> anyhow::Result<ExitCode>
where
    B: FnOnce(C, &Context) -> anyhow::Result<App>,
{
    let (tasks, mut deaths) = Tasks::new();
    let grace = config.shutdown_grace;
    let public = listen(service, "BIND", config.bind).await?;
    let administration = listen(service, "ADMIN_BIND", config.admin_bind).await?;
    let delay = config.drain_delay;
    let clock = ShiftedClock::by_millis(i64::try_from(config.clock_offset.as_millis()).unwrap_or(0));
    let (context, queue) = Context::new(service, config, Arc::new(clock), tasks.clone()).await?;
    let running = build(own, &context)?.start(&context, queue);
    let closing = tokio_util::sync::CancellationToken::new();
    let stop_requests = closing.clone();
    let server = axum::serve(public, running.public.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(stop_requests.cancelled_owned());
    let (served, mut ended) = tokio::sync::oneshot::channel();
    tasks.detach(async move {
        served.send(server.await).ok();
    });
    let admin_stop = tasks.stop().clone();
    let server = axum::serve(administration, running.admin).with_graceful_shutdown(admin_stop.cancelled_owned());
    tasks.detach(async move {
        server.await.ok();
    });
    tracing::info!(service, "started");
    let died = tokio::select! {
        () = lifecycle::asked_to_end() => None,
        death = deaths.recv() => death,
        _ = &mut ended => Some("public server"),
    };
    if let Some(task) = died {
        tracing::error!(task, "a part of the service died; ending, so that a whole one is started");
    }
    tracing::info!(service, "draining");
    context.readiness.set_draining();
    // Who balances the load must see that, and send no more, before the door is closed.
    if died.is_none() {
        tokio::time::sleep(delay).await;
    }
    closing.cancel();
    // Requests first: what they write can still be relayed. Then everything else, in what is left.
    let began = tokio::time::Instant::now();
    if died.is_none() && tokio::time::timeout(grace, ended).await.is_err() {
        tracing::warn!("requests were still open at the end of the grace period");
    }
    if !tasks.drain(grace.saturating_sub(began.elapsed()).max(Duration::from_secs(1))).await {
        tracing::warn!("background work was still busy at the end of the grace period");
    }
    // The last acknowledgements are not waited for where they are sent.
    tokio::time::timeout(Duration::from_secs(1), context.nats.flush()).await.ok();
    tracing::info!(service, "ended");
    Ok(if died.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn listen(service: &str, variable: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("{service}: {variable} is wrong: can't listen on {address}"))
}
