//! The development gateway: Caddy with the routes of infra/k8s/httproute.yaml.

mod caddy;
mod route;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::servers::ports::has_ipv6;
use crate::servers::process::ProcessSpec;
use crate::tools::{progress, workspace_root};

/// The `HTTPRoute` that the gateway implements.
const ROUTES: &str = "infra/k8s/httproute.yaml";

/// Addresses and files of the gateway.
#[derive(Debug, Clone)]
pub struct GatewayOptions {
    /// Port on 127.0.0.1 and, if it exists, `::1`.
    pub port: u16,
    /// Addresses (`127.0.0.1:port`) of the instances of each service.
    pub upstreams: BTreeMap<String, Vec<String>>,
    /// For each service that other services call: the port on 127.0.0.1 that balances the load over its
    /// instances, like a Service in Kubernetes.
    pub internal_ports: BTreeMap<String, u16>,
    /// For each service: the port of `/readyz`, which is the same on the IP addresses of all its instances.
    pub metrics_ports: BTreeMap<String, u16>,
    /// Folder of the generated configuration and of Caddy's own data.
    pub data: PathBuf,
    /// Log file.
    pub log: PathBuf,
}

/// Writes the configuration and returns how to run the gateway.
pub fn prepare(caddy: &Path, options: &GatewayOptions) -> Result<ProcessSpec> {
    let rules = read_routes()?;
    if let Some(rule) = rules.iter().find(|rule| !options.upstreams.contains_key(&rule.service)) {
        bail!("{ROUTES}: there is no service called {}", rule.service);
    }
    let mut listen = vec![format!("127.0.0.1:{}", options.port)];
    if has_ipv6() {
        listen.push(format!("[::1]:{}", options.port));
    } else {
        progress("Note", "this machine has no ::1: the gateway listens on 127.0.0.1 only");
    }
    let config = caddy::config(&listen, &rules, options);
    fs::create_dir_all(&options.data)?;
    let file = options.data.join("caddy.json");
    fs::write(&file, serde_json::to_vec_pretty(&config)?)?;

    let home = options.data.display().to_string();
    let own_folders = ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"];
    let args: [OsString; 3] = ["run".into(), "--config".into(), file.into()];
    Ok(ProcessSpec {
        name: "gateway".to_owned(),
        program: caddy.to_path_buf(),
        args: args.into(),
        env: own_folders.into_iter().map(|name| (name.to_owned(), home.clone())).collect(),
        log: options.log.clone(),
    })
}

fn read_routes() -> Result<Vec<route::Rule>> {
    let text = fs::read_to_string(workspace_root().join(ROUTES)).with_context(|| format!("reading {ROUTES}"))?;
    route::parse(&text).with_context(|| format!("{ROUTES} has routes that the gateway does not support"))
}
