//! The three kinds of servers: what they are called, and with which arguments they start.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};

use super::NatsUsers;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Mongodb,
    Nats,
    Redis,
}

/// One of several servers that are one to their clients.
pub(super) struct Member<'a> {
    pub(super) index: usize,
    /// Where the members of a NATS cluster reach each other, this one among them.
    pub(super) routes: &'a [u16],
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mongodb => "mongodb",
            Self::Nats => "nats",
            Self::Redis => "redis",
        }
    }

    /// `mongodb`, `mongodb-2`, `mongodb-3`.
    pub(super) fn member_name(self, index: usize) -> String {
        if index == 0 { self.name().to_owned() } else { format!("{}-{}", self.name(), index + 1) }
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
        member: Option<&Member<'_>>,
    ) -> Result<Vec<OsString>> {
        let port = port.to_string();
        let mut args: Vec<OsString> = Vec::new();
        match self {
            Self::Mongodb => {
                args.extend(["--replSet", "rs0", "--bind_ip", "127.0.0.1", "--port", &port].map(Into::into));
                args.extend(["--nounixsocket", "--wiredTigerCacheSizeGB", "1", "--oplogSize", "512"].map(Into::into));
                args.extend(["--setParameter", "diagnosticDataCollectionEnabled=false"].map(Into::into));
                args.extend(["--dbpath".into(), data.into()]);
            }
            Self::Nats => {
                // A relative store inside the configuration would depend on our working folder.
                let store = std::path::absolute(data.join("jetstream"))?;
                let config = data.join("nats-server.conf");
                let mut text = nats_config(&port, &store)?;
                if let Some(member) = member {
                    text.push_str(&nats_cluster(member));
                }
                if let Some(users) = users {
                    // Included files are named from where the configuration lies.
                    fs::copy(&users.file, data.join("users.conf")).context("copying the users of NATS")?;
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

/// Acknowledged messages are on the disk (`sync_interval`). The limit is far beyond any disk since
/// each stream reserves its cap of it, and tests make many streams.
fn nats_config(port: &str, store: &Path) -> Result<String> {
    let store = serde_json::to_string(store.to_str().ok_or_else(|| anyhow!("a path that is not UTF-8"))?)?;
    Ok(format!(
        "listen: \"127.0.0.1:{port}\"\n\
         jetstream {{\n  store_dir: {store}\n  max_file_store: 100TB\n  sync_interval: always\n}}\n"
    ))
}

/// One member of a cluster, whose members know each other from the start.
fn nats_cluster(member: &Member<'_>) -> String {
    let listen = member.routes.get(member.index).copied().unwrap_or_default();
    let others: Vec<_> = member.routes.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
    format!(
        "server_name: \"{}\"\n\
         cluster {{\n  name: test\n  listen: \"127.0.0.1:{listen}\"\n  routes: [{}]\n}}\n",
        Kind::Nats.member_name(member.index),
        others.join(", ")
    )
}
