//! Two instances of each service over one database, none of which does anything by itself.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use axum::Router;
use clap::Args;
use futures::future::try_join_all;
use mongodb::Database;
use mongodb::bson::{Document, doc};
use platform::app::{App, ManualApp};
use platform::config;
use platform::context::Context;
use platform::lifecycle::Tasks;
use platform::stream::subscription::Subscription;
use testkit::app::users::{PUBLIC_URL, Signer};

use crate::card_network::CardNetwork;
use crate::clock::HandClock;

/// How long an unpaid order holds its ticket: far longer than healing takes.
pub const HOLD: Duration = Duration::from_secs(100 * 3600);
/// How long captures may fail: far longer than any hold.
pub const CAPTURE_RETRY_WINDOW: Duration = Duration::from_secs(1000 * 3600);
/// How long the state of an entity that does not change rests before it is announced again, at most.
pub const LONGEST_SILENCE: Duration = Duration::from_secs(3600 * 6 / 5);
/// What webhooks are signed with.
pub const WEBHOOK_SECRET: &str = "whsec_schedules";

/// All services, with what is theirs alone.
pub struct Fleet {
    /// The time.
    pub clock: HandClock,
    /// In the order of [`SERVICES`].
    pub services: Vec<Service>,
    /// Where payments asks.
    pub card_network: Arc<CardNetwork>,
    /// For the reconciler of payments, one of each instance.
    pub payments: Vec<payments::state::AppState>,
    /// For the firing of timers, one of each instance.
    pub expiration: Vec<expiration::state::AppState>,
    tasks: Tasks,
}

/// A service.
pub struct Service {
    /// Its name.
    pub name: &'static str,
    /// Its own database.
    pub database: Database,
    /// Both of them.
    pub instances: Vec<ManualApp>,
}

/// The services, with the collection whose outboxes they publish.
pub const SERVICES: [(&str, Option<&str>); 6] = [
    (auth::NAME, Some("users")),
    (tickets::NAME, Some("tickets")),
    (orders::NAME, Some("orders")),
    (payments::NAME, Some("payments")),
    (expiration::NAME, Some("timers")),
    (web::NAME, None),
];

/// One instance that was put together, with its own configuration.
type Built<C> = (ManualApp, Context, C);

impl Fleet {
    /// Puts everything together, over databases of its own.
    pub async fn new() -> Result<Self> {
        let (clock, signer) = (HandClock::new(), Signer::new());
        let card_network = Arc::new(CardNetwork::start(&clock).await?);
        let (tasks, _) = Tasks::new();
        let id = uuid::Uuid::now_v7().simple().to_string();
        let maker = Maker { name: format!("s{}", &id[12..]), signer, stripe: card_network.url.clone(), clock, tasks };
        let mut services = Vec::new();
        services.push(service(maker.two(auth::NAME, auth::build).await?).0);
        services.push(service(maker.two(tickets::NAME, tickets::build).await?).0);
        services.push(service(maker.two(orders::NAME, orders::build).await?).0);
        let (of_payments, parts) = service(maker.two(payments::NAME, payments::build).await?);
        services.push(of_payments);
        let payments: Vec<_> = parts
            .into_iter()
            .map(|(context, config)| payments::state::AppState::new(config, &context))
            .collect::<Result<_>>()?;
        let (of_expiration, parts) = service(maker.two(expiration::NAME, expiration::build).await?);
        services.push(of_expiration);
        let expiration = parts.iter().map(|(context, _)| {
            // Nobody passes these on to Redis: the sweep is all there is.
            let (wake_ups, _) = expiration::timers::schedule::channel();
            expiration::state::AppState::new(context, wake_ups)
        });
        let expiration = expiration.collect();
        services.push(service(maker.two(web::NAME, web::build).await?).0);
        let Maker { clock, tasks, .. } = maker;
        Ok(Self { clock, services, card_network, payments, expiration, tasks })
    }

    /// What is needed for a piece of background work.
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// The routes of one instance of a service.
    pub fn routes(&self, service: &str, instance: usize) -> Router {
        self.service(service).instances[instance].running.public.clone()
    }

    /// The service of this name.
    pub fn service(&self, name: &str) -> &Service {
        self.services.iter().find(|service| service.name == name).unwrap()
    }

    /// Every line of every subscription table, with the place of the service among all.
    pub fn subscriptions(&self) -> Vec<(usize, Vec<Subscription>)> {
        let mut lines = Vec::new();
        for (place, service) in self.services.iter().enumerate() {
            for line in 0..service.instances[0].running.subscriptions.len() {
                let of = |instance: &ManualApp| instance.running.subscriptions[line].clone();
                lines.push((place, service.instances.iter().map(of).collect()));
            }
        }
        lines
    }

    /// Forgets everything but the people.
    pub async fn clear(&mut self) -> Result<()> {
        self.card_network.reset().await;
        let mut deletions = Vec::new();
        for service in &mut self.services {
            for instance in &mut service.instances {
                instance.drain_queue();
            }
            let lines = service.instances[0].running.subscriptions.iter();
            let replicas = lines.map(|line| format!("replica_{}", line.entity));
            let owned = SERVICES.iter().filter(|(name, _)| *name == service.name).filter_map(|(_, owned)| *owned);
            let all = replicas.chain(owned.map(ToOwned::to_owned));
            for name in all.filter(|name| !matches!(name.as_str(), "users" | "replica_user" | "replica_expiration")) {
                let documents = service.database.collection::<Document>(&name);
                // A majority's: until it has them, the next schedule would read what this one left.
                deletions.push(async move { documents.delete_many(doc! {}).await });
            }
        }
        try_join_all(deletions).await?;
        Ok(())
    }

    /// Drops the databases.
    pub async fn end(self) {
        for service in &self.services {
            service.database.drop().await.ok();
        }
    }
}

/// The instances, and what else was made with them.
fn service<C>(built: Vec<Built<C>>) -> (Service, Vec<(Context, C)>) {
    let (name, database) = (built[0].1.service, built[0].1.database.clone());
    let (instances, parts) =
        built.into_iter().map(|(start_manually, context, own)| (start_manually, (context, own))).unzip();
    (Service { name, database, instances }, parts)
}

/// What instances are made of.
struct Maker {
    name: String,
    signer: Signer,
    stripe: String,
    clock: HandClock,
    tasks: Tasks,
}

impl Maker {
    async fn two<C: Args + Clone>(
        &self,
        service: &'static str,
        build: fn(C, &Context) -> Result<App>,
    ) -> Result<Vec<Built<C>>> {
        Ok(vec![self.one(service, build).await?, self.one(service, build).await?])
    }

    async fn one<C: Args + Clone>(
        &self,
        service: &'static str,
        build: fn(C, &Context) -> Result<App>,
    ) -> Result<Built<C>> {
        let flags = self.settings(service)?;
        let flags = flags.iter().map(|(name, value)| OsString::from(format!("--{name}={value}")));
        let arguments = std::iter::once(OsString::from(service)).chain(flags);
        let (platform, own) = config::parse::<C>(service, arguments).map_err(|end| anyhow!(end.text))?;
        let (context, queue) =
            Context::new(service, platform, Arc::new(self.clock.clone()), self.tasks.clone()).await?;
        let start_manually = build(own.clone(), &context)?.start_manually(&context, queue).await;
        Ok((start_manually, context, own))
    }

    fn settings(&self, service: &str) -> Result<Vec<(&'static str, String)>> {
        let server = |variable: &str| {
            std::env::var(variable).map_err(|_| anyhow!("{variable} is not set: run the tests by `cargo xtask test`"))
        };
        let hours = |duration: Duration| format!("{}s", duration.as_secs());
        let mut settings = vec![
            ("mongodb-url", server("TEST_MONGODB_URL")?),
            ("nats-url", server("TEST_NATS_URL")?),
            ("mongodb-database", format!("{}_{service}", self.name)),
            ("nats-prefix", self.name.clone()),
            ("public-url", PUBLIC_URL.to_owned()),
        ];
        settings.extend(match service {
            auth::NAME => {
                vec![("jwt-private-keys", self.signer.pem.clone()), ("access-token-ttl", "1000000h".to_owned())]
            }
            orders::NAME => vec![
                ("jwks", self.signer.jwks.clone()),
                ("pass-private-keys", self.signer.pem.clone()),
                ("order-ttl", hours(HOLD)),
            ],
            payments::NAME => vec![
                ("jwks", self.signer.jwks.clone()),
                ("stripe-key", "sk_test_1".to_owned()),
                ("stripe-url", self.stripe.clone()),
                ("stripe-webhook-secrets", WEBHOOK_SECRET.to_owned()),
                ("reconcile-after", "5s".to_owned()),
                ("capture-retry-window", hours(CAPTURE_RETRY_WINDOW)),
            ],
            expiration::NAME => Vec::new(),
            web::NAME => {
                let away = || "http://127.0.0.1:1".to_owned();
                vec![
                    ("jwks", self.signer.jwks.clone()),
                    ("auth-url", away()),
                    ("tickets-url", away()),
                    ("orders-url", away()),
                    ("stripe-publishable-key", "pk_test_1".to_owned()),
                ]
            }
            _ => vec![("jwks", self.signer.jwks.clone())],
        });
        Ok(settings)
    }
}
