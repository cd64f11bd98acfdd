//! The running fleet as its fleet.json describes it, its admin API, and temporary fleets.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use reqwest::{Client, Method};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use testkit::fleet::Fleet;
use testkit::fleet::options::FleetOptions;
use testkit::servers::scratch::ScratchDir;
use testkit::tools::workspace_root;

use crate::{cargo, npm};

/// Timeout of an admin request: announcing everything takes a while.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(600);

/// Reads the description of the running fleet from `file`, by default the file that `cargo xtask up` writes.
pub(crate) fn read(file: Option<PathBuf>) -> Result<Value> {
    let file = file.unwrap_or_else(|| workspace_root().join("target/dev/fleet.json"));
    let text = std::fs::read_to_string(&file).context("no fleet is running; start it with `cargo xtask up`")?;
    serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))
}

/// Calls the admin API of the first reachable instance of a service and returns the response's body.
pub(crate) async fn call_admin<R: DeserializeOwned>(
    fleet: &Value,
    service: &str,
    method: Method,
    path: &str,
    body: Option<&impl Serialize>,
) -> Result<R> {
    let instances = fleet.pointer(&format!("/services/{service}/instances")).and_then(Value::as_array);
    let instances = instances.with_context(|| format!("there is no service called {service}"))?;
    let client = Client::builder().no_proxy().timeout(ADMIN_TIMEOUT).build()?;
    let mut unreachable = None;
    for admin in instances.iter().filter_map(|instance| instance.get("adminUrl")?.as_str()) {
        let request = client.request(method.clone(), format!("{admin}{path}"));
        let request = if let Some(body) = body { request.json(body) } else { request };
        match request.send().await {
            Err(error) if error.is_connect() => unreachable = Some(error),
            response => {
                let response = response.with_context(|| format!("{service} does not respond"))?;
                let (status, body) = (response.status(), response.json::<Value>().await.unwrap_or_default());
                ensure!(status.is_success(), "{service} responded with {status}: {body}");
                return serde_json::from_value(body)
                    .with_context(|| format!("{service} responded to {path} with an unexpected body"));
            }
        }
    }
    let error = unreachable.map_or_else(|| anyhow!("it has no admin port"), Into::into);
    Err(error.context(format!("{service} can't be reached")))
}

/// Starts a fleet on free ports with a temporary data folder, by default after building it.
pub(crate) async fn start_temporary(name: &str, release: bool, no_build: bool) -> Result<(Fleet, ScratchDir)> {
    if !no_build {
        npm::install(npm::WEB).await?;
        cargo::build_fleet(release).await?;
    }
    let scratch = ScratchDir::new(name)?;
    let options = FleetOptions { programs: cargo::binaries(release), ..FleetOptions::new(scratch.path()) };
    Ok((Fleet::start(&options).await?, scratch))
}
