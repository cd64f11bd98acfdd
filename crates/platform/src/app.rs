//! A service, put together: its routes, stores, subscriptions and tasks; and `run`, which is `main`.

use std::future::Future;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use clap::{Args, FromArgMatches};
use common::clock::SystemClock;
use common::events::{Change, State};
use futures::future::BoxFuture;
use mongodb::IndexModel;
use mongodb::bson::Document;
use tokio::net::TcpListener;
use utoipa::openapi::OpenApi;

use crate::config;
use crate::context::{Context, Queue};
use crate::http::admin;
use crate::http::problems::Pages;
use crate::http::shell::{self, Rules};
use crate::lifecycle::{self, Tasks};
use crate::outbox::relay::Publisher;
use crate::outbox::{self, Source, Sources};
use crate::store::{Aggregate, Store};
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
    subscriptions: Vec<Subscription>,
    work: Vec<(&'static str, BoxFuture<'static, ()>)>,
}

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
            subscriptions: Vec::new(),
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

    /// The service's subscription table.
    #[must_use]
    pub fn subscribe(mut self, subscriptions: Vec<Subscription>) -> Self {
        self.subscriptions.extend(subscriptions);
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
    pub fn start(self, context: &Context, queue: Queue) -> Running {
        let rules = Rules::new(&context.config, context.readiness.clone(), self.pages, self.webhooks);
        let sources: Sources = Arc::new(self.sources);
        let running = Running {
            public: shell::wrap(self.routes, rules),
            admin: admin::router(context.readiness.clone(), Arc::clone(&sources)),
            openapi: self.openapi,
            subscriptions: self.subscriptions.clone(),
        };
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
        let consumer = |subscription| Consumer {
            jetstream: context.jetstream.clone(),
            names: context.names.clone(),
            service: context.service,
            subscription,
        };
        let consumers: Vec<_> = self.subscriptions.into_iter().map(consumer).collect();
        let later = {
            let (context, sources) = (context.clone(), Arc::clone(&sources));
            let (indexes, work) = (self.indexes, self.work);
            async move {
                if !build_indexes(&context, &indexes).await {
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
}

/// Builds the indexes, waiting for the database as long as it takes. False when the service ends.
async fn build_indexes(context: &Context, wanted: &[(String, Vec<IndexModel>)]) -> bool {
    let mut attempt = 0_u32;
    loop {
        let mut failure = None;
        for (collection, indexes) in wanted.iter().filter(|(_, indexes)| !indexes.is_empty()) {
            let documents = context.database.collection::<Document>(collection);
            if let Err(error) = documents.create_indexes(indexes.clone()).await {
                failure = Some((collection, error));
                break;
            }
        }
        let Some((collection, error)) = failure else {
            context.readiness.set_indexes_stand();
            return true;
        };
        attempt = attempt.saturating_add(1);
        tracing::error!(collection, attempt, error = %error, "indexes can't be built yet; not ready without them");
        if !context.tasks.pause(lifecycle::backoff(attempt)).await {
            return false;
        }
    }
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
    let (context, queue) = Context::new(service, config, Arc::new(SystemClock), tasks.clone()).await?;
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
    closing.cancel();
    // Requests first: what they write can still be relayed. Then everything else, in what is left.
    let began = tokio::time::Instant::now();
    if died.is_none() && tokio::time::timeout(grace, ended).await.is_err() {
        tracing::warn!("requests were still open at the end of the grace period");
    }
    if !tasks.drain(grace.saturating_sub(began.elapsed()).max(Duration::from_secs(1))).await {
        tracing::warn!("background work was still busy at the end of the grace period");
    }
    tracing::info!(service, "ended");
    Ok(if died.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn listen(service: &str, variable: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("{service}: {variable} is wrong: can't listen on {address}"))
}
