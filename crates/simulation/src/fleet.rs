//! The simulated fleet: two instances of each service, which share the service's database. They run no background
//! tasks; the schedule decides when each handler and each task of an instance runs.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use axum::Router;
use clap::Args;
use common::aggregate::ShardKey;
use common::clock::Clock as _;
use common::id::UserId;
use common::identity::{Claims, Role};
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
use crate::clock::ManualClock;

/// How long an unpaid order holds its ticket: far longer than recovery from faults takes.
pub(crate) const ORDER_TTL: Duration = Duration::from_secs(100 * 3600);
/// How long failed captures are retried: far longer than any hold.
pub(crate) const CAPTURE_RETRY_WINDOW: Duration = Duration::from_secs(1000 * 3600);
/// Upper bound of the interval at which snapshots of an unchanged entity are published: one hour, plus 20 % jitter.
pub(crate) const MAX_ANNOUNCE_INTERVAL: Duration = Duration::from_secs(3600 * 6 / 5);
pub(crate) const WEBHOOK_SECRET: &str = "whsec_simulation";

/// All services, with a simulated clock and a simulated card network.
pub struct SimulatedFleet {
    pub(crate) clock: ManualClock,
    /// The services in the order of [`SERVICES`].
    pub(crate) services: Vec<Service>,
    pub(crate) card_network: Arc<CardNetwork>,
    /// The state of each instance of `payments`, for the reconciler and the search for orphaned intents.
    pub(crate) payments: Vec<payments::state::AppState>,
    /// The state of each instance of `expiration`, for firing timers.
    pub(crate) expiration: Vec<expiration::state::AppState>,
    pub(crate) tasks: Tasks,
    /// The session cookie of a member of the staff.
    pub(crate) staff_cookie: String,
}

pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) database: Database,
    pub(crate) instances: Vec<ManualApp>,
}

/// The services, each with the collections that contain its outboxes. `web` has none, because it publishes no events.
pub const SERVICES: [(&str, &[&str]); 6] = [
    (auth::NAME, &["users"]),
    (tickets::NAME, &["tickets", "shows"]),
    (orders::NAME, &["orders"]),
    (payments::NAME, &["payments"]),
    (expiration::NAME, &["timers"]),
    (web::NAME, &[]),
];

impl SimulatedFleet {
    /// Starts all instances with empty databases.
    pub async fn new() -> Result<Self> {
        let (clock, signer) = (ManualClock::new(), Signer::new());
        let card_network = Arc::new(CardNetwork::start(&clock).await?);
        let (tasks, _) = Tasks::new();
        let id = uuid::Uuid::now_v7().simple().to_string();
        let stripe = card_network.url.clone();
        let builder = InstanceBuilder { name: format!("s{}", &id[12..]), signer, stripe, clock, tasks };
        let (auth, _) = builder.build_pair(auth::NAME, auth::build).await?;
        let (tickets, _) = builder.build_pair(tickets::NAME, tickets::build).await?;
        let (orders, _) = builder.build_pair(orders::NAME, orders::build).await?;
        let (payments, parts) = builder.build_pair(payments::NAME, payments::build).await?;
        let payment_states =
            parts.into_iter().map(|(context, config)| payments::state::AppState::new(config, &context));
        let payment_states = payment_states.collect::<Result<_>>()?;
        let (expiration, parts) = builder.build_pair(expiration::NAME, expiration::build).await?;
        let expiration_states = parts.iter().map(|(context, _)| {
            // The receiver is dropped, so no wake-up is scheduled in Redis. The schedule fires the timers itself.
            let (wake_ups, _) = expiration::timers::wake_ups::channel();
            expiration::state::AppState::new(context, wake_ups)
        });
        let expiration_states = expiration_states.collect();
        let (web, _) = builder.build_pair(web::NAME, web::build).await?;
        let InstanceBuilder { clock, tasks, signer, .. } = builder;
        let services = vec![auth, tickets, orders, payments, expiration, web];
        let staff_cookie = staff_cookie(&signer, &clock);
        let (payments, expiration) = (payment_states, expiration_states);
        Ok(Self { clock, services, card_network, payments, expiration, tasks, staff_cookie })
    }

    /// Returns the public routes of one instance.
    pub(crate) fn routes(&self, service: &str, instance: usize) -> Router {
        self.service(service).instances[instance].running.public.clone()
    }

    pub(crate) fn service(&self, name: &str) -> &Service {
        self.services.iter().find(|service| service.name == name).unwrap()
    }

    /// Every subscription of every service: the index of the service in [`SERVICES`], and the subscription in each of
    /// its instances.
    pub fn subscriptions(&self) -> Vec<(usize, Vec<Subscription>)> {
        let mut subscriptions = Vec::new();
        for (index, service) in self.services.iter().enumerate() {
            for n in 0..service.instances[0].running.subscriptions.len() {
                let nth = |instance: &ManualApp| instance.running.subscriptions[n].clone();
                subscriptions.push((index, service.instances.iter().map(nth).collect()));
            }
        }
        subscriptions
    }

    /// The database of each service, with the name and the shard key of every collection that the service declares.
    pub fn databases(&self) -> impl Iterator<Item = (&Database, &[(String, ShardKey)])> {
        self.services.iter().map(|service| (&service.database, &*service.instances[0].running.collections))
    }

    /// Deletes all data except users and their replicas, so that another schedule can run. `replica_expiration` is left
    /// out because it does not exist: `orders` receives the events of timers but stores no replicas of them.
    pub(crate) async fn clear(&mut self) -> Result<()> {
        self.card_network.reset().await;
        let mut deletions = Vec::new();
        for service in &mut self.services {
            for instance in &mut service.instances {
                instance.drain_queue();
            }
            let subscriptions = service.instances[0].running.subscriptions.iter();
            let replicas = subscriptions.map(|subscription| format!("replica_{}", subscription.entity));
            let owned = SERVICES.iter().filter(|(name, _)| *name == service.name).flat_map(|(_, owned)| *owned);
            let all =
                replicas.chain(owned.copied().chain(["claims", "show_names", "refunds_due"]).map(ToOwned::to_owned));
            for name in all.filter(|name| !matches!(name.as_str(), "users" | "replica_user" | "replica_expiration")) {
                let documents = service.database.collection::<Document>(&name);
                // The client's write concern is majority, so the next schedule can't read data of this one.
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

/// The session cookie of a member of the staff, which is valid for longer than any schedule.
fn staff_cookie(signer: &Signer, clock: &ManualClock) -> String {
    let (usual, now) = (Signer::claims(UserId::new()), clock.now().as_seconds());
    let (nbf, exp) = (now, now + 4_000_000_000);
    format!("access={}", signer.sign(&Claims { iat: now, nbf, exp, roles: vec![Role::Support], ..usual }))
}

struct InstanceBuilder {
    /// Prefix of the databases' names and of NATS subjects.
    name: String,
    signer: Signer,
    stripe: String,
    clock: ManualClock,
    tasks: Tasks,
}

impl InstanceBuilder {
    /// Builds the two instances of a service. Returns it, and the context and the configuration of each instance.
    async fn build_pair<C: Args + Clone>(
        &self,
        name: &'static str,
        build: fn(C, &Context) -> Result<App>,
    ) -> Result<(Service, Vec<(Context, C)>)> {
        let (mut instances, mut parts) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let settings = self.settings(name)?.into_iter();
            let flags = settings.map(|(name, value)| OsString::from(format!("--{name}={value}")));
            let arguments = std::iter::once(OsString::from(name)).chain(flags);
            let (platform, config) = config::parse::<C>(name, arguments).map_err(|end| anyhow!(end.text))?;
            let clock = Arc::new(self.clock.clone());
            let (context, queue) = Context::new(name, platform, clock, self.tasks.clone()).await?;
            instances.push(build(config.clone(), &context)?.start_manually(&context, queue).await);
            parts.push((context, config));
        }
        Ok((Service { name, database: parts[0].0.database.clone(), instances }, parts))
    }

    fn settings(&self, service: &str) -> Result<Vec<(&'static str, String)>> {
        let server = |variable: &str| {
            std::env::var(variable).map_err(|_| anyhow!("{variable} is not set: run the tests by `cargo xtask test`"))
        };
        let seconds = |duration: Duration| format!("{}s", duration.as_secs());
        let jwks = ("jwks", self.signer.jwks.clone());
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
            orders::NAME => {
                vec![jwks, ("pass-private-keys", self.signer.pem.clone()), ("order-ttl", seconds(ORDER_TTL))]
            }
            payments::NAME => vec![
                jwks,
                ("stripe-key", "sk_test_1".to_owned()),
                ("stripe-url", self.stripe.clone()),
                ("stripe-webhook-secrets", WEBHOOK_SECRET.to_owned()),
                ("reconcile-after", "5s".to_owned()),
                ("capture-retry-window", seconds(CAPTURE_RETRY_WINDOW)),
            ],
            expiration::NAME => Vec::new(),
            web::NAME => {
                // The simulation requests only its GET pages, which read replicas and call no other service.
                let unreachable = || "http://127.0.0.1:1".to_owned();
                vec![
                    jwks,
                    ("auth-url", unreachable()),
                    ("tickets-url", unreachable()),
                    ("orders-url", unreachable()),
                    ("stripe-publishable-key", "pk_test_1".to_owned()),
                ]
            }
            _ => vec![jwks],
        });
        Ok(settings)
    }
}
