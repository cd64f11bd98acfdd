//! Options of a fleet.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

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

/// The configuration in infra/k8s/redis/start.sh as arguments of redis-server, with a password for each user.
pub(super) fn redis_users() -> Result<Vec<String>> {
    let file = workspace_root().join("infra/k8s/redis/start.sh");
    let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let configuration = text.split_once("<< END\n").and_then(|(_, after)| after.split_once("\nEND"));
    let (mut configuration, _) = configuration.with_context(|| format!("no configuration in {}", file.display()))?;
    // The first line sets the port, which is another one here.
    configuration = configuration.split_once('\n').map_or("", |(_, after)| after);
    let mut args = Vec::new();
    for line in configuration.lines() {
        let mut words = line.split(' ');
        args.extend(words.next().map(|name| format!("--{name}")));
        args.extend(words.map(|word| word.trim_matches('"').to_owned()));
    }
    for arg in &mut args {
        for service in SERVICES {
            *arg = arg.replace(&format!("$REDIS_PASSWORD_{}", service.to_uppercase()), &server_password(service));
        }
        *arg = arg.replace("$REDIS_PASSWORD", &server_password("operator"));
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
