//! Options of a fleet.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize as _;
use serde_json::Value;

use super::SERVICES;
use crate::servers::NatsUsers;
use crate::tools::workspace_root;

/// Options of a fleet. [`FleetOptions::new`] suits tests: free ports and one instance of each service.
#[derive(Debug, Clone)]
pub struct FleetOptions {
    /// The gateway's port; a free one by default.
    pub port: Option<u16>,
    /// Number of instances of each service.
    pub instances: u8,
    /// Folder of the services' binaries.
    pub programs: PathBuf,
    /// Folder of the servers' data and of the keys.
    pub data: PathBuf,
    /// Log folder, with one file per process.
    pub logs: PathBuf,
    /// Further variables of every service. They override the inherited environment; the variables that the fleet
    /// generates override them.
    pub env: BTreeMap<String, String>,
    /// File that [`super::Fleet::description`] is written to.
    pub fleet_file: Option<PathBuf>,
    /// Whether each service connects to NATS and Redis as its own user, with the permissions that it has in a
    /// cluster. Other clients, tests included, are then rejected.
    pub server_auth: bool,
    /// Number of members of MongoDB and NATS: one, or three as in production.
    pub members: u8,
    /// Whether services reach MongoDB, NATS, Redis and fakestripe through proxies, which simulate network failures.
    pub proxied: bool,
}

/// Rate limits that no test or benchmark reaches, even though a single client may send as many requests as a thousand
/// users would. Tests of the limits override them.
pub const NO_RATE_LIMITS: [(&str, &str); 5] = [
    ("GUEST_REQUESTS_PER_MINUTE", "100000000"),
    ("READS_PER_MINUTE", "100000000"),
    ("WRITES_PER_MINUTE", "100000000"),
    ("ORDERS_PER_MINUTE", "100000000"),
    ("PAYMENTS_PER_MINUTE", "100000000"),
];

impl FleetOptions {
    /// Data and logs in one folder, with the binaries alongside the running one.
    pub fn new(folder: &Path) -> Self {
        Self {
            port: None,
            instances: 1,
            programs: current_binary_dir(),
            data: folder.join("data"),
            logs: folder.join("logs"),
            env: BTreeMap::new(),
            fleet_file: None,
            members: 1,
            server_auth: false,
            proxied: false,
        }
    }

    /// Sets [`NO_RATE_LIMITS`].
    #[must_use]
    pub fn without_rate_limits(self) -> Self {
        NO_RATE_LIMITS.iter().fold(self, |options, (name, value)| options.env(name, value))
    }

    /// Adds a variable for every service.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// The users of infra/k8s/nats/users.conf with a password each; people use `operator`, and the audit `audit`.
pub(super) fn nats_users() -> NatsUsers {
    let names = SERVICES.into_iter().chain(["audit", "operator"]);
    let env = names.map(|name| (format!("NATS_PASSWORD_{}", name.to_uppercase()), server_password(name)));
    NatsUsers { file: workspace_root().join("infra/k8s/nats/users.conf"), env: env.collect() }
}

/// The arguments of redis-server in infra/k8s/redis/deployment.yaml, with a password for each user.
pub(super) fn redis_users() -> Result<Vec<String>> {
    let file = workspace_root().join("infra/k8s/redis/deployment.yaml");
    let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let mut args = Vec::new();
    for document in serde_yaml_ng::Deserializer::from_str(&text) {
        let object = Value::deserialize(document)?;
        let list = object.pointer("/spec/template/spec/containers/0/args").and_then(Value::as_array);
        args.extend(list.into_iter().flatten().filter_map(Value::as_str).map(ToOwned::to_owned));
    }
    for arg in &mut args {
        *arg = arg.replace("$(REDIS_PASSWORD)", &server_password("operator"));
        for service in SERVICES {
            *arg = arg.replace(&format!("$(REDIS_PASSWORD_{})", service.to_uppercase()), &server_password(service));
        }
    }
    Ok(args)
}

/// A user's password at NATS and Redis, which need not be secret on this machine.
pub fn server_password(user: &str) -> String {
    format!("password-of-{user}")
}

/// The folder of the workspace's programs, such as `target/debug`. The running binary is in this folder, or in its
/// subfolder `deps` if it is a test binary.
pub fn current_binary_dir() -> PathBuf {
    let mut folder = std::env::current_exe().unwrap_or_default();
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    folder
}
