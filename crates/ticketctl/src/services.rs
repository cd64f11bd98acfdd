//! What is asked of running services, on their admin ports.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use common::api::admin::{RESYNC, Resync, ResyncResult};
use reqwest::Client;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::fleet::SERVICES;

/// How long a service may take to answer: announcing everything takes a while.
const PATIENCE: Duration = Duration::from_secs(1800);

/// How long a service may take to be reached.
const UNTIL_THERE: Duration = Duration::from_secs(30);

/// The admin ports of the six services.
pub struct Services {
    client: Client,
    urls: BTreeMap<&'static str, String>,
}

impl Services {
    /// Those in the list, each as `service=url`, and the names that a cluster gives to all others.
    pub fn new(told: &[String]) -> Result<Self> {
        let mut urls: BTreeMap<_, _> =
            SERVICES.into_iter().map(|service| (service, format!("http://{service}:9090"))).collect();
        for entry in told {
            let (name, url) = entry.split_once('=').context("ADMIN_URLS is wrong: orders=http://127.0.0.1:9090")?;
            let known = urls.get_mut(name).with_context(|| format!("ADMIN_URLS: there is no service {name}"))?;
            url.trim_end_matches('/').clone_into(known);
        }
        let client = Client::builder().no_proxy().connect_timeout(Duration::from_secs(5)).timeout(PATIENCE).build()?;
        Ok(Self { client, urls })
    }

    /// Has an owner announce everything, so that whoever keeps a copy of something older takes it.
    pub(crate) async fn resync(&self, owner: &str) -> Result<()> {
        let ResyncResult { announced } = self.post(owner, RESYNC, &Resync::everything()).await?;
        for (what, count) in announced {
            println!("{owner} announced {count} {what}");
        }
        Ok(())
    }

    /// Posts to a service's admin port; what it answers.
    pub(crate) async fn post<A: DeserializeOwned>(
        &self,
        service: &str,
        path: &str,
        body: &impl Serialize,
    ) -> Result<A> {
        let url = self.urls.get(service).with_context(|| format!("there is no service {service}"))?;
        let began = Instant::now();
        let answer = loop {
            match self.client.post(format!("{url}{path}")).json(body).send().await {
                // A cluster leads to a pod some seconds after it is ready.
                Err(error) if error.is_connect() && began.elapsed() < UNTIL_THERE => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                answer => break answer.with_context(|| format!("{service} does not answer at {url}: does it run?"))?,
            }
        };
        let (status, body) = (answer.status(), answer.json::<Value>().await.unwrap_or_default());
        ensure!(status.is_success(), "{service} refused {path} with {status}: {body}");
        serde_json::from_value(body).with_context(|| format!("{service} answered {path} with an unexpected body"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_not_told_are_the_clusters() {
        let services = Services::new(&["orders=http://127.0.0.1:1/".to_owned()]).unwrap();
        assert_eq!(services.urls["orders"], "http://127.0.0.1:1");
        assert_eq!(services.urls["auth"], "http://auth:9090");
        assert!(Services::new(&["shop=http://127.0.0.1:1".to_owned()]).is_err());
    }
}
