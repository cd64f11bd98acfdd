//! A client for the services' admin ports.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use common::api::admin::{RESYNC, Resync, ResyncResult};
use reqwest::Client;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::fleet::SERVICES;

/// Timeout of a request; announcing all entities takes long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1800);

/// Period in which failed connections are retried.
const CONNECT_RETRY_PERIOD: Duration = Duration::from_secs(30);

pub(crate) struct Services {
    client: Client,
    urls: BTreeMap<&'static str, String>,
}

impl Services {
    /// Overrides the URLs of the services in the list, whose entries are `service=url`. The default URLs are those in a
    /// cluster.
    pub(crate) fn new(overrides: &[String]) -> Result<Self> {
        let mut urls: BTreeMap<_, _> =
            SERVICES.into_iter().map(|service| (service, format!("http://{service}:9090"))).collect();
        for entry in overrides {
            let (name, url) = entry.split_once('=').context("ADMIN_URLS needs entries like orders=http://host:9090")?;
            let known = urls.get_mut(name).with_context(|| format!("ADMIN_URLS: there is no service {name}"))?;
            url.trim_end_matches('/').clone_into(known);
        }
        let client = Client::builder().no_proxy().connect_timeout(Duration::from_secs(5)).timeout(REQUEST_TIMEOUT);
        Ok(Self { client: client.build()?, urls })
    }

    /// Lets an owner announce all its entities, so that stale replicas catch up.
    pub(crate) async fn resync(&self, owner: &str) -> Result<()> {
        let ResyncResult { announced } = self.post(owner, RESYNC, &Resync::everything()).await?;
        for (collection, count) in announced {
            println!("{owner} announced {count} {collection}");
        }
        Ok(())
    }

    pub(crate) async fn post<A: DeserializeOwned>(
        &self,
        service: &str,
        path: &str,
        body: &impl Serialize,
    ) -> Result<A> {
        let url = self.urls.get(service).with_context(|| format!("there is no service {service}"))?;
        let started = Instant::now();
        let response = loop {
            match self.client.post(format!("{url}{path}")).json(body).send().await {
                // A Kubernetes Service routes to a pod only some seconds after it is ready.
                Err(error) if error.is_connect() && started.elapsed() < CONNECT_RETRY_PERIOD => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                response => {
                    break response.with_context(|| format!("{service} is not reachable at {url}: is it running?"))?;
                }
            }
        };
        let (status, body) = (response.status(), response.json::<Value>().await.unwrap_or_default());
        ensure!(status.is_success(), "{service} rejected {path} with {status}: {body}");
        serde_json::from_value(body).with_context(|| format!("{service} returned an unexpected body from {path}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_urls_are_those_in_a_cluster() {
        let services = Services::new(&["orders=http://127.0.0.1:1/".to_owned()]).unwrap();
        assert_eq!(services.urls["orders"], "http://127.0.0.1:1");
        assert_eq!(services.urls["auth"], "http://auth:9090");
        assert!(Services::new(&["shop=http://127.0.0.1:1".to_owned()]).is_err());
    }
}
