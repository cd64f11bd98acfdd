//! The fleet that runs, as its `fleet.json` describes it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use reqwest::{Client, Method};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use testkit::tools::workspace_root;

/// How long a service may take to answer: announcing everything takes a while.
const PATIENCE: Duration = Duration::from_secs(600);

/// Reads the description of the running fleet: in this file, or where `cargo xtask up` writes it.
pub(crate) fn fleet(file: Option<PathBuf>) -> Result<Value> {
    let file = file.unwrap_or_else(|| workspace_root().join("target/dev/fleet.json"));
    let text = std::fs::read_to_string(&file).context("nothing runs; start it with `cargo xtask up`")?;
    serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))
}

/// Asks a service on the admin port of the first of its instances that can be reached; its answer.
pub(crate) async fn ask<A: DeserializeOwned>(
    fleet: &Value,
    service: &str,
    method: Method,
    path: &str,
    body: Option<&impl Serialize>,
) -> Result<A> {
    let instances = fleet.pointer(&format!("/services/{service}/instances")).and_then(Value::as_array);
    let instances = instances.with_context(|| format!("there is no service called {service}"))?;
    let client = Client::builder().no_proxy().timeout(PATIENCE).build()?;
    let mut unreachable = None;
    for admin in instances.iter().filter_map(|instance| instance.get("adminUrl")?.as_str()) {
        let request = client.request(method.clone(), format!("{admin}{path}"));
        let request = if let Some(body) = body { request.json(body) } else { request };
        match request.send().await {
            Err(error) if error.is_connect() => unreachable = Some(error),
            answer => {
                let answer = answer.with_context(|| format!("{service} does not answer"))?;
                let (status, body) = (answer.status(), answer.json::<Value>().await.unwrap_or_default());
                ensure!(status.is_success(), "{service} refused with {status}: {body}");
                return serde_json::from_value(body)
                    .with_context(|| format!("{service} answered {path} with an unexpected body"));
            }
        }
    }
    let error = unreachable.map_or_else(|| anyhow!("it has no admin port"), Into::into);
    Err(error.context(format!("{service} can't be reached")))
}
