//! The whole marketplace on this machine: servers, fakestripe, the services, the gateway.
//!
//! Builds nothing itself. Everything that it starts is killed when it is dropped.

pub mod instance;
pub mod keys;
pub mod options;
mod wiring;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use tokio::net::TcpStream;

use self::instance::{Instance, Ports};
use self::keys::Keys;
use self::options::FleetOptions;
use self::wiring::Wiring;
use crate::gateway::{self, GatewayOptions};
use crate::servers::ports::Port;
use crate::servers::slot::ManagedProcess;
use crate::servers::{Servers, ServersOptions};
use crate::tools::{Tools, progress};

/// The services, each with its own database.
pub const SERVICES: [&str; 6] = ["auth", "tickets", "orders", "payments", "expiration", "web"];

const GATEWAY_GRACE: Duration = Duration::from_secs(7);

/// A running fleet.
#[derive(Debug)]
pub struct Fleet {
    // Dropped in this order: who asks before who answers.
    gateway: ManagedProcess,
    services: BTreeMap<String, Vec<Instance>>,
    fakestripe: Instance,
    servers: Servers,
    port: Port,
    _inner: InnerPorts,
    description_file: Option<PathBuf>,
}

impl Fleet {
    /// Starts everything and waits until all of it is ready. An error says what did not work, with
    /// the end of its log; nothing is left running then.
    pub async fn start(options: &FleetOptions) -> Result<Self> {
        let port = Port::given_or_free(options.port)?;
        let tools = Tools::find_or_install()?;
        fs::create_dir_all(&options.logs).with_context(|| format!("creating {}", options.logs.display()))?;
        let keys = Keys::of(&options.data.join("keys"))?;
        let fakestripe_port = Port::free()?;

        progress("Starting", "mongod, nats-server, redis-server, fakestripe");
        let fakestripe_env = BTreeMap::from([
            ("FAKESTRIPE_KEY".to_owned(), keys.stripe_key.clone()),
            ("FAKESTRIPE_WEBHOOK_SECRET".to_owned(), keys.webhook_secret.clone()),
            (
                "FAKESTRIPE_WEBHOOK_URL".to_owned(),
                format!("http://127.0.0.1:{}/api/payments/webhooks/stripe", port.number()),
            ),
        ]);
        let program = |name: &str| options.programs.join(name);
        let fakestripe = Instance::fakestripe(fakestripe_port, &program("fakestripe"), &options.logs, fakestripe_env)?;
        let servers_options = ServersOptions {
            data: options.data.clone(),
            logs: options.logs.clone(),
            members: options.members,
            nats_users: options.server_users.then(options::nats_users),
            redis_args: if options.server_users { options::redis_users()? } else { Vec::new() },
            ..ServersOptions::below(&options.data)
        };
        let servers = Servers::start(&tools, &servers_options).await?;
        fakestripe.ready().await?;

        progress("Starting", &SERVICES.join(", "));
        let wiring = Wiring {
            public_url: format!("http://localhost:{}", port.number()),
            servers: &servers,
            keys: &keys,
            stripe_url: fakestripe.url(),
            several: options.instances > 1,
            server_users: options.server_users,
            extra: &options.env,
        };
        let inner = InnerPorts::reserve()?;
        let services = start_services(options, &wiring, &inner.urls())?;
        let gateway_options = GatewayOptions {
            port: port.number(),
            upstreams: services
                .iter()
                .map(|(name, all)| (name.clone(), all.iter().map(Instance::address).collect()))
                .collect(),
            internal: inner.numbers(),
            admin_ports: services
                .iter()
                .filter_map(|(name, all)| Some((name.clone(), all.first()?.admin_port()?)))
                .collect(),
            routes: gateway::routes_file(),
            data: options.data.join("gateway"),
            log: options.logs.join("gateway.log"),
        };
        let gateway = ManagedProcess::spawn(&gateway::prepare(&tools.caddy, &gateway_options)?)?;
        let description_file = options.fleet_file.clone();
        let fleet = Self { gateway, services, fakestripe, servers, port, _inner: inner, description_file };
        fleet.ready().await?;
        fleet.write_fleet_file()?;
        Ok(fleet)
    }

    /// Waits until every instance and the gateway are ready.
    pub async fn ready(&self) -> Result<()> {
        for instance in self.services.values().flatten() {
            // They start side by side; whoever dies first is told even while another is awaited.
            tokio::select! {
                ready = instance.ready() => ready?,
                death = self.unexpected_exit() => return Err(death),
            }
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port.number())).await.is_err() {
            if let Some(death) = self.gateway.unexpected_exit() {
                return Err(death);
            }
            if Instant::now() > deadline {
                return Err(self.gateway.exit_report());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        Ok(())
    }

    /// Resolves when something ends that nobody told to.
    pub async fn unexpected_exit(&self) -> anyhow::Error {
        loop {
            let services = self.services.values().flatten().chain([&self.fakestripe]);
            let death = services
                .filter_map(Instance::unexpected_exit)
                .chain(self.servers.each().into_iter().filter_map(|(_, server)| server.unexpected_exit()))
                .chain(self.gateway.unexpected_exit())
                .next();
            if let Some(death) = death {
                return death;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// `http://localhost:port`, as browsers are told.
    pub fn public_url(&self) -> String {
        format!("http://localhost:{}", self.port.number())
    }

    /// The gateway as programs on this machine reach it: `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.number())
    }

    /// The first instance of a service.
    pub fn service(&self, name: &str) -> Result<&Instance> {
        self.instances(name).first().with_context(|| format!("there is no service called {name}"))
    }

    /// All instances of a service.
    pub fn instances(&self, name: &str) -> &[Instance] {
        self.services.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The card network's stand-in.
    pub fn fakestripe(&self) -> &Instance {
        &self.fakestripe
    }

    /// MongoDB, NATS and Redis.
    pub fn servers(&self) -> &Servers {
        &self.servers
    }

    /// The gateway's process.
    pub fn gateway_pid(&self) -> u32 {
        self.gateway.pid()
    }

    /// What fleet.json says.
    pub fn description(&self) -> Value {
        let mut services = Map::new();
        for (name, instances) in &self.services {
            let all: Vec<Value> = instances.iter().map(Instance::described).collect();
            let mut service = all.first().cloned().unwrap_or_else(|| json!({}));
            if let Some(fields) = service.as_object_mut() {
                fields.insert("instances".to_owned(), Value::Array(all));
            }
            services.insert(name.clone(), service);
        }
        let mut servers = Map::new();
        for (name, server) in self.servers.each() {
            servers.insert(name, json!({ "url": server.url(), "pid": server.pid() }));
        }
        servers.insert("fakestripe".to_owned(), self.fakestripe.described());
        servers.insert("gateway".to_owned(), json!({ "url": self.public_url(), "pid": self.gateway.pid() }));
        json!({ "publicUrl": self.public_url(), "services": services, "servers": servers })
    }

    /// Writes the description anew; pids change when something is started again.
    pub fn write_fleet_file(&self) -> Result<()> {
        let Some(file) = &self.description_file else { return Ok(()) };
        let unfinished = file.with_extension("unfinished");
        fs::write(&unfinished, serde_json::to_vec_pretty(&self.description())?)
            .and_then(|()| fs::rename(&unfinished, file))
            .with_context(|| format!("writing {}", file.display()))
    }

    /// Orderly: requests end, services drain, servers flush.
    pub async fn stop(self) -> Result<()> {
        self.gateway.stop(GATEWAY_GRACE).await?;
        let draining: Vec<_> = self.services.values().flatten().collect();
        for instance in &draining {
            instance.signal(nix::sys::signal::Signal::SIGTERM);
        }
        for instance in draining {
            instance.stop().await?;
        }
        self.fakestripe.stop().await?;
        self.servers.stop().await
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if let Some(file) = &self.description_file {
            let _ = fs::remove_file(file);
        }
    }
}

/// Addresses behind which all instances of one service answer; for web, which calls the others.
#[derive(Debug)]
struct InnerPorts(BTreeMap<String, Port>);

impl InnerPorts {
    fn reserve() -> Result<Self> {
        let callees = SERVICES.into_iter().filter(|service| !matches!(*service, "expiration" | "web"));
        Ok(Self(callees.map(|service| Ok((service.to_owned(), Port::free()?))).collect::<Result<_>>()?))
    }

    fn numbers(&self) -> BTreeMap<String, u16> {
        self.0.iter().map(|(name, port)| (name.clone(), port.number())).collect()
    }

    fn urls(&self) -> BTreeMap<String, String> {
        self.0.iter().map(|(name, port)| (name.clone(), format!("http://127.0.0.1:{}", port.number()))).collect()
    }
}

fn start_services(
    options: &FleetOptions,
    wiring: &Wiring<'_>,
    inner: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Vec<Instance>>> {
    let mut services = BTreeMap::new();
    for service in SERVICES {
        let env = wiring.of(service, inner);
        let program: &Path = &options.programs.join(service);
        let ports = Ports::free()?;
        let instances: Vec<Instance> = (0..options.instances.max(1))
            .map(|index| Instance::service((service, index, &ports), program, &options.logs, env.clone()))
            .collect::<Result<_>>()?;
        services.insert(service.to_owned(), instances);
    }
    Ok(services)
}
