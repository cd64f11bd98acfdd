//! The three kinds of servers: their names, and the arguments that they start with.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, anyhow};

use super::{NatsUsers, numbered};

/// The thresholds from which `WiredTiger` writes modified pages: those of infra/k8s/mongodb/start.sh, which says why.
const WIRED_TIGER: &str =
    "eviction_dirty_target=30,eviction_dirty_trigger=50,eviction_updates_target=15,eviction_updates_trigger=25";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerKind {
    Mongodb,
    Nats,
    Redis,
}

/// The position of a server in its replica set or cluster.
#[derive(Default)]
pub(super) struct Member<'a> {
    pub(super) index: usize,
    /// Ports on which the members of a NATS cluster connect to each other; empty for a single server.
    pub(super) cluster_ports: &'a [u16],
    /// The address that clients connect to, if it is that of a proxy.
    pub(super) proxy: Option<SocketAddr>,
}

impl ServerKind {
    /// `mongodb`, `mongodb-2`, `mongodb-3`.
    pub(super) fn member_name(self, index: usize) -> String {
        let name = match self {
            Self::Mongodb => "mongodb",
            Self::Nats => "nats",
            Self::Redis => "redis",
        };
        numbered(name, index)
    }

    pub(super) fn binary(self) -> &'static str {
        match self {
            Self::Mongodb => "mongod",
            Self::Nats => "nats-server",
            Self::Redis => "redis-server",
        }
    }

    pub(super) fn args(
        self,
        port: u16,
        data: &Path,
        users: Option<&NatsUsers>,
        member: &Member<'_>,
    ) -> Result<Vec<OsString>> {
        let port = port.to_string();
        let mut args: Vec<OsString> = Vec::new();
        match self {
            Self::Mongodb => {
                args.extend(["--replSet", "rs0", "--bind_ip", "127.0.0.1", "--port", &port].map(Into::into));
                args.extend(["--nounixsocket", "--wiredTigerCacheSizeGB", "1", "--oplogSize", "512"].map(Into::into));
                args.extend(["--wiredTigerEngineConfigString", WIRED_TIGER].map(Into::into));
                args.extend(["--setParameter", "diagnosticDataCollectionEnabled=false"].map(Into::into));
                // For the `failCommand` fail point, by which tests inject errors.
                args.extend(["--setParameter", "enableTestCommands=1"].map(Into::into));
                args.extend(["--dbpath".into(), data.into()]);
            }
            Self::Nats => {
                // A relative path in the configuration would be relative to our working folder.
                let store = std::path::absolute(data.join("jetstream"))?;
                let config = data.join("nats-server.conf");
                let mut text = nats_config(&port, &store)?;
                if !member.cluster_ports.is_empty() {
                    text.push_str(&nats_cluster(member));
                }
                // Members tell clients each other's addresses.
                text.extend(member.proxy.map(|proxy| format!("client_advertise: \"{proxy}\"\n")));
                if let Some(users) = users {
                    // Include paths are relative to the configuration file.
                    fs::copy(&users.file, data.join("users.conf")).context("copying the NATS users")?;
                    text.push_str("include ./users.conf\n");
                }
                fs::write(&config, text)?;
                args.extend(["-c".into(), config.into()]);
            }
            Self::Redis => {
                args.extend(
                    ["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"].map(Into::into),
                );
                args.extend(["--dir".into(), data.into()]);
            }
        }
        Ok(args)
    }
}

/// Acknowledged messages are on disk (`sync_interval`). The limit is larger than any disk, since each
/// stream reserves its maximum size from it and tests create many streams.
fn nats_config(port: &str, store: &Path) -> Result<String> {
    let store = serde_json::to_string(store.to_str().ok_or_else(|| anyhow!("the data folder's path is not UTF-8"))?)?;
    Ok(format!(
        "listen: \"127.0.0.1:{port}\"\n\
         jetstream {{\n  store_dir: {store}\n  max_file_store: 100TB\n  sync_interval: always\n}}\n"
    ))
}

/// Configures one member of a cluster with the addresses of all members.
fn nats_cluster(member: &Member<'_>) -> String {
    let listen = member.cluster_ports.get(member.index).copied().unwrap_or_default();
    let routes: Vec<_> = member.cluster_ports.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
    format!(
        "server_name: \"{}\"\n\
         cluster {{\n  name: test\n  listen: \"127.0.0.1:{listen}\"\n  routes: [{}]\n}}\n",
        ServerKind::Nats.member_name(member.index),
        routes.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::workspace_root;

    #[test]
    fn the_clusters_mongodb_writes_pages_at_the_same_thresholds() {
        let script = fs::read_to_string(workspace_root().join("infra/k8s/mongodb/start.sh")).unwrap();
        assert!(script.contains(WIRED_TIGER));
    }
}
