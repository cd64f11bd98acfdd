//! Runs the whole marketplace on this machine: MongoDB, NATS and Redis, fakestripe, the services and the gateway.
//!
//! The binaries must be built already. Dropping a [`Fleet`] kills all its processes.

pub mod instance;
pub mod keys;
pub mod options;
mod service_env;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde_json::{Map, Value, json};
use tokio::net::TcpStream;

use self::instance::{Instance, InternalPorts, Ports};
use self::keys::Keys;
use self::options::FleetOptions;
use self::service_env::ServiceEnv;
use crate::gateway::{self, GatewayOptions};
use crate::proxy::{Link, Proxy};
use crate::servers::ports::Port;
use crate::servers::process::Process;
use crate::servers::{Servers, ServersOptions};
use crate::tools::{Tools, progress};

/// The services, each with its own database.
pub const SERVICES: [&str; 6] = ["auth", "tickets", "orders", "payments", "expiration", "web"];

/// The services that `web` calls.
const CALLED_BY_WEB: [&str; 4] = ["auth", "tickets", "orders", "payments"];

const GATEWAY_START_TIMEOUT: Duration = Duration::from_secs(20);
const GATEWAY_STOP_GRACE: Duration = Duration::from_secs(7);

/// A running fleet.
#[derive(Debug)]
pub struct Fleet {
    // Fields are dropped in this order, so that clients are killed before the servers that they call.
    gateway: Process,
    services: BTreeMap<String, Vec<Instance>>,
    fakestripe: Instance,
    fakestripe_proxy: Option<Proxy>,
    servers: Servers,
    port: Port,
    /// Keeps the lock of each port on which the gateway accepts calls from `web`.
    _internal_ports: BTreeMap<String, Port>,
    description_file: Option<PathBuf>,
}

impl Fleet {
    /// Starts all processes and waits until they are ready. If one does not start, the error names it and shows the
    /// end of its log, and all processes are killed.
    pub async fn start(options: &FleetOptions) -> Result<Self> {
        let port = options.port.map_or_else(Port::free, Port::given)?;
        let tools = Tools::find_or_install()?;
        fs::create_dir_all(&options.logs).with_context(|| format!("creating {}", options.logs.display()))?;
        let keys = Keys::load_or_create(&options.data.join("keys"))?;

        progress("Starting", "mongod, nats-server, redis-server, fakestripe");
        let webhook_url = format!("http://127.0.0.1:{}/api/payments/webhooks/stripe", port.number());
        let fakestripe_env = BTreeMap::from([
            ("FAKESTRIPE_KEY".to_owned(), keys.stripe_key.clone()),
            ("FAKESTRIPE_WEBHOOK_SECRET".to_owned(), keys.webhook_secret.clone()),
            ("FAKESTRIPE_WEBHOOK_URL".to_owned(), webhook_url),
        ]);
        let ports = Arc::new(Ports { public: Port::free()?, internal: None });
        let fakestripe = Instance::start(options, ("fakestripe", 0), &ports, fakestripe_env)?;
        let fakestripe_proxy = if options.proxied { Some(Proxy::to(fakestripe.address().parse()?)?) } else { None };
        let proxy_url = |proxy: &Proxy| format!("http://{}", proxy.address());
        let servers_options = ServersOptions {
            data: options.data.clone(),
            logs: options.logs.clone(),
            members: options.members,
            nats_users: options.server_auth.then(options::nats_users),
            redis_args: if options.server_auth { options::redis_users()? } else { Vec::new() },
            proxied: options.proxied,
        };
        let servers = Servers::start(&tools, &servers_options).await?;
        fakestripe.ready().await?;

        progress("Starting", &SERVICES.join(", "));
        let internal_ports: BTreeMap<String, Port> =
            CALLED_BY_WEB.into_iter().map(|name| Ok((name.to_owned(), Port::free()?))).collect::<Result<_>>()?;
        let internal_url =
            |(name, port): (&String, &Port)| (name.clone(), format!("http://127.0.0.1:{}", port.number()));
        let env = ServiceEnv {
            public_url: format!("http://localhost:{}", port.number()),
            servers: &servers,
            keys: &keys,
            stripe_url: fakestripe_proxy.as_ref().map_or_else(|| fakestripe.url(), proxy_url),
            has_multiple_instances: options.instances > 1,
            server_auth: options.server_auth,
            extra: &options.env,
            internal_urls: internal_ports.iter().map(internal_url).collect(),
        };
        let services = start_services(options, &env)?;
        let gateway_options = GatewayOptions {
            port: port.number(),
            upstreams: services
                .iter()
                .map(|(name, all)| (name.clone(), all.iter().map(Instance::address).collect()))
                .collect(),
            internal_ports: internal_ports.iter().map(|(name, port)| (name.clone(), port.number())).collect(),
            metrics_ports: services
                .iter()
                .filter_map(|(name, all)| Some((name.clone(), all.first()?.metrics_port()?)))
                .collect(),
            data: options.data.join("gateway"),
            log: options.logs.join("gateway.log"),
        };
        let gateway = Process::spawn(&gateway::prepare(&tools.caddy, &gateway_options)?)?;
        let description_file = options.fleet_file.clone();
        let fleet = Self {
            gateway,
            services,
            fakestripe,
            fakestripe_proxy,
            servers,
            port,
            _internal_ports: internal_ports,
            description_file,
        };
        fleet.ready().await?;
        fleet.write_fleet_file()?;
        Ok(fleet)
    }

    /// Waits until every instance and the gateway are ready.
    pub async fn ready(&self) -> Result<()> {
        for instance in self.services.values().flatten() {
            // The instances start in parallel, so a crash of any of them is reported while waiting for this one.
            tokio::select! {
                ready = instance.ready() => ready?,
                exit = self.unexpected_exit() => return Err(exit),
            }
        }
        self.gateway_ready().await
    }

    /// Waits until the gateway accepts connections.
    pub async fn gateway_ready(&self) -> Result<()> {
        let is_ready = async || TcpStream::connect(("127.0.0.1", self.port.number())).await.is_ok();
        self.gateway.wait_until_ready(GATEWAY_START_TIMEOUT, is_ready).await
    }

    /// Returns the error to report if the gateway has exited although nothing stopped it.
    pub fn gateway_exit(&self) -> Option<anyhow::Error> {
        self.gateway.unexpected_exit()
    }

    /// Sends SIGKILL to the gateway.
    pub fn kill_gateway(&self) -> Result<()> {
        self.gateway.kill()
    }

    /// Sends SIGTERM to the gateway and waits for its exit.
    pub async fn stop_gateway(&self) -> Result<()> {
        self.gateway.stop(GATEWAY_STOP_GRACE).await.map(drop)
    }

    /// Sends a signal such as SIGSTOP or SIGCONT to the gateway.
    pub fn signal_gateway(&self, signal: Signal) {
        self.gateway.signal(signal);
    }

    /// Kills the gateway if it still runs, starts it again and waits until it is ready.
    pub async fn restart_gateway(&self) -> Result<()> {
        self.gateway.restart(&[])?;
        self.gateway_ready().await
    }

    /// Waits until a process exits unexpectedly and returns the error to report.
    pub async fn unexpected_exit(&self) -> anyhow::Error {
        loop {
            let mut instances = self.services.values().flatten().chain([&self.fakestripe]);
            let exit = instances
                .find_map(Instance::unexpected_exit)
                .or_else(|| self.servers.unexpected_exit())
                .or_else(|| self.gateway_exit());
            if let Some(exit) = exit {
                return exit;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The URL for browsers: `http://localhost:port`.
    pub fn public_url(&self) -> String {
        format!("http://localhost:{}", self.port.number())
    }

    /// The gateway's URL for programs on this machine: `http://127.0.0.1:port`.
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

    /// The development server that replaces Stripe.
    pub fn fakestripe(&self) -> &Instance {
        &self.fakestripe
    }

    /// Changes the state of the network between the services and fakestripe. Fails if the fleet has no proxies.
    pub fn set_fakestripe_link(&self, link: Link) -> Result<()> {
        self.fakestripe_proxy.as_ref().context("fakestripe has no proxy")?.set(link);
        Ok(())
    }

    /// MongoDB, NATS and Redis.
    pub fn servers(&self) -> &Servers {
        &self.servers
    }

    /// The content of fleet.json.
    pub fn description(&self) -> Value {
        let mut services = Map::new();
        for (name, instances) in &self.services {
            let all: Vec<Value> = instances.iter().map(Instance::to_json).collect();
            let mut service = all.first().and_then(Value::as_object).cloned().unwrap_or_default();
            service.insert("instances".to_owned(), Value::Array(all));
            services.insert(name.clone(), Value::Object(service));
        }
        let mut servers = Map::new();
        for (name, server) in self.servers.all() {
            servers.insert(name, json!({ "url": server.url(), "pid": server.pid() }));
        }
        servers.insert("fakestripe".to_owned(), self.fakestripe.to_json());
        servers.insert("gateway".to_owned(), json!({ "url": self.public_url(), "pid": self.gateway.pid() }));
        json!({ "publicUrl": self.public_url(), "services": services, "servers": servers })
    }

    /// Writes [`Fleet::description`] to the file that the options name, if any. It has to be called again after a
    /// restart of a process, because the pids in it have changed.
    pub fn write_fleet_file(&self) -> Result<()> {
        let Some(file) = &self.description_file else { return Ok(()) };
        let unfinished = file.with_extension("unfinished");
        fs::write(&unfinished, serde_json::to_vec_pretty(&self.description())?)
            .and_then(|()| fs::rename(&unfinished, file))
            .with_context(|| format!("writing {}", file.display()))
    }

    /// Stops all processes gracefully, clients before servers: the gateway finishes its requests, then the services
    /// drain, then the servers flush their data.
    pub async fn stop(self) -> Result<()> {
        self.stop_gateway().await?;
        // All instances drain in parallel.
        for instance in self.services.values().flatten() {
            instance.signal(Signal::SIGTERM);
        }
        for instance in self.services.values().flatten() {
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

fn start_services(options: &FleetOptions, env: &ServiceEnv<'_>) -> Result<BTreeMap<String, Vec<Instance>>> {
    let start = |service: &str| {
        let internal = InternalPorts { admin: Port::free()?, metrics: Port::free()? };
        let ports = Arc::new(Ports { public: Port::free()?, internal: Some(internal) });
        let instance = |index| Instance::start(options, (service, index), &ports, env.variables(service));
        Ok((service.to_owned(), (0..options.instances.max(1)).map(instance).collect::<Result<_>>()?))
    };
    SERVICES.into_iter().map(start).collect()
}
