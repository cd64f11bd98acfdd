//! The development gateway: routes as infra/k8s/httproute.yaml says, by Caddy.

mod caddy;
mod route;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::servers::ports::has_ipv6;
use crate::servers::process::Spec;
use crate::tools::{progress, workspace_root};

/// What the gateway listens on and forwards to.
#[derive(Debug, Clone)]
pub struct GatewayOptions {
    /// On 127.0.0.1, and on `::1` where that exists.
    pub port: u16,
    /// `127.0.0.1:port` of each instance, by the name of the service.
    pub upstreams: BTreeMap<String, Vec<String>>,
    /// Ports on 127.0.0.1 behind which all instances of one service answer, by its name: what a
    /// cluster's Service address is to a service that calls another.
    pub internal: BTreeMap<String, u16>,
    /// The port of `/readyz` on the address of each instance, by the name of the service.
    pub admin_ports: BTreeMap<String, u16>,
    /// The `HTTPRoute` to follow.
    pub routes: PathBuf,
    /// Its configuration is written here, and Caddy keeps its own things here.
    pub data: PathBuf,
    /// The log's path.
    pub log: PathBuf,
}

/// The checked-in routes.
pub fn routes_file() -> PathBuf {
    workspace_root().join("infra/k8s/httproute.yaml")
}

/// The services that a route file sends traffic to; an error names what it does not understand.
pub fn services_of(routes: &Path) -> Result<BTreeSet<String>> {
    Ok(read(routes)?.into_iter().map(|rule| rule.service).collect())
}

/// Writes the configuration and says how to run the gateway.
pub fn prepare(caddy: &Path, options: &GatewayOptions) -> Result<Spec> {
    let rules = read(&options.routes)?;
    let missing = rules.iter().find(|rule| !options.upstreams.contains_key(&rule.service));
    if let Some(rule) = missing {
        bail!("{}: no service is called {}", options.routes.display(), rule.service);
    }
    let mut listen = vec![format!("127.0.0.1:{}", options.port)];
    if has_ipv6() {
        listen.push(format!("[::1]:{}", options.port));
    } else {
        progress("Note", "this machine has no ::1: the gateway listens on 127.0.0.1 alone");
    }
    let config = caddy::config(&listen, &rules, options);
    fs::create_dir_all(&options.data)?;
    let file = options.data.join("caddy.json");
    fs::write(&file, serde_json::to_vec_pretty(&config)?)?;

    let home = options.data.display().to_string();
    let own_folders = ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"];
    let args: [OsString; 3] = ["run".into(), "--config".into(), file.into()];
    Ok(Spec {
        name: "gateway".to_owned(),
        program: caddy.to_path_buf(),
        args: args.into(),
        env: own_folders.into_iter().map(|name| (name.to_owned(), home.clone())).collect(),
        log: options.log.clone(),
    })
}

fn read(path: &Path) -> Result<Vec<route::Rule>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    route::parse(&text).with_context(|| format!("{} is not a route file that the gateway understands", path.display()))
}
