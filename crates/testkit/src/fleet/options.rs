//! What a fleet is to be like.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize as _;
use serde_json::Value;

use super::SERVICES;
use crate::servers::NatsUsers;
use crate::tools::workspace_root;

/// `new` gives what tests want: free ports, one instance of each.
#[derive(Debug, Clone)]
pub struct FleetOptions {
    /// The gateway's port; a free one unless given.
    pub port: Option<u16>,
    /// How many of each service.
    pub instances: u8,
    /// Where the services' programs are.
    pub programs: PathBuf,
    /// Data of the servers, keys.
    pub data: PathBuf,
    /// One file per process.
    pub logs: PathBuf,
    /// Set for every service, on top of our own environment and below the fleet's wiring.
    pub env: BTreeMap<String, String>,
    /// Where the description of the fleet is written.
    pub fleet_file: Option<PathBuf>,
    /// Whether each service is its own user at NATS and Redis, with the permissions that it has in a cluster. Nobody
    /// else gets in then, tests included.
    pub server_users: bool,
    /// How many members MongoDB and NATS have: one, or three as in production.
    pub members: u8,
}

/// Limits that no test and no load of ours reaches: one client there is as busy as a thousand people. Who tests
/// limits sets them again.
pub const UNLIMITED: [(&str, &str); 5] = [
    ("GUEST_REQUESTS_PER_MINUTE", "100000000"),
    ("READS_PER_MINUTE", "100000000"),
    ("WRITES_PER_MINUTE", "100000000"),
    ("ORDERS_PER_MINUTE", "100000000"),
    ("PAYMENTS_PER_MINUTE", "100000000"),
];

impl FleetOptions {
    /// Everything below one folder, with the programs that were built beside the running one.
    pub fn new(folder: &Path) -> Self {
        Self {
            port: None,
            instances: 1,
            programs: programs_beside_us(),
            data: folder.join("data"),
            logs: folder.join("logs"),
            env: BTreeMap::new(),
            fleet_file: None,
            members: 1,
            server_users: false,
        }
    }

    /// With [`UNLIMITED`].
    #[must_use]
    pub fn unlimited(self) -> Self {
        UNLIMITED.iter().fold(self, |options, (name, value)| options.env(name, value))
    }

    /// Adds a variable for every service.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// A password for each user that infra/k8s/nats/users.conf names; `operator` is the one for people.
pub(super) fn nats_users() -> NatsUsers {
    let names = SERVICES.into_iter().chain(["operator"]);
    let env = names.map(|name| (format!("NATS_PASSWORD_{}", name.to_uppercase()), server_password(name)));
    NatsUsers { file: workspace_root().join("infra/k8s/nats/users.conf"), env: env.collect() }
}

/// What infra/k8s/redis/deployment.yaml tells redis-server, with a password for each of its users.
pub(super) fn redis_users() -> Result<Vec<String>> {
    let file = workspace_root().join("infra/k8s/redis/deployment.yaml");
    let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let mut args = Vec::new();
    for document in serde_yaml_ng::Deserializer::from_str(&text) {
        let object = Value::deserialize(document)?;
        let told = object.pointer("/spec/template/spec/containers/0/args").and_then(Value::as_array);
        args.extend(told.into_iter().flatten().filter_map(Value::as_str).map(ToOwned::to_owned));
    }
    for arg in &mut args {
        *arg = arg.replace("$(REDIS_PASSWORD)", &server_password("operator"));
        for service in SERVICES {
            *arg = arg.replace(&format!("$(REDIS_PASSWORD_{})", service.to_uppercase()), &server_password(service));
        }
    }
    Ok(args)
}

/// The password of one of them; nothing that has to be kept from this machine.
pub fn server_password(user: &str) -> String {
    format!("password-of-{user}")
}

/// The folder of this profile's programs; tests live in `deps` below it.
pub fn programs_beside_us() -> PathBuf {
    let exe = std::env::current_exe().unwrap_or_default();
    let folder = exe.parent().unwrap_or(Path::new("."));
    if folder.ends_with("deps") { folder.parent().unwrap_or(folder).to_path_buf() } else { folder.to_path_buf() }
}
