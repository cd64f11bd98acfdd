//! A client for the services' admin ports.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use common::api::admin::{RESYNC, Resync, ResyncResult};
use reqwest::{Client, Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::fleet::SERVICES;

/// Timeout of a request. A service that publishes snapshots of all its entities takes long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1800);

/// Period in which failed connections are retried.
pub(crate) const CONNECT_RETRY_PERIOD: Duration = Duration::from_secs(30);

/// The URLs of one service's admin ports: `orders=http://127.0.0.1:9090|http://127.0.0.1:9190`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AdminUrls {
    service: &'static str,
    /// At least one URL, without a slash at the end. They are tried in order.
    urls: Vec<String>,
}

impl AdminUrls {
    pub(crate) fn parse(entry: &str) -> Result<Self, String> {
        let (name, urls) = entry.split_once('=').ok_or("entries have the form orders=http://host:9090")?;
        let known = SERVICES.into_iter().find(|service| *service == name);
        let service = known.ok_or_else(|| format!("there is no service {name}"))?;
        Ok(Self { service, urls: urls.split('|').map(|url| url.trim_end_matches('/').to_owned()).collect() })
    }
}

/// The error response of a service.
#[derive(Debug)]
pub(crate) struct RequestRejected {
    service: String,
    path: String,
    status: StatusCode,
    /// The problem that the service described.
    body: Value,
}

impl RequestRejected {
    /// Whether the same request may succeed within seconds. That is so if a server that the service needs is
    /// unavailable, or if the event that the order was closed has not reached the service yet.
    pub(crate) fn is_temporary(&self) -> bool {
        let kind = self.body["type"].as_str().unwrap_or_default();
        self.status == StatusCode::SERVICE_UNAVAILABLE || kind.ends_with("order-open")
    }

    /// Whether the service has no such entity.
    pub(crate) fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }
}

impl Display for RequestRejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, path, status, body } = self;
        write!(f, "{service} rejected {path} with {status}: {body}")
    }
}

impl std::error::Error for RequestRejected {}

pub(crate) struct Services {
    client: Client,
    urls: BTreeMap<&'static str, Vec<String>>,
}

impl Services {
    /// Overrides the URLs of the services in the list. The default URLs are those in a cluster.
    pub(crate) fn new(overrides: Vec<AdminUrls>) -> Result<Self> {
        let mut urls: BTreeMap<_, _> =
            SERVICES.into_iter().map(|service| (service, vec![format!("http://{service}:9090")])).collect();
        urls.extend(overrides.into_iter().map(|admin| (admin.service, admin.urls)));
        let client = Client::builder().no_proxy().connect_timeout(Duration::from_secs(5)).timeout(REQUEST_TIMEOUT);
        Ok(Self { client: client.build()?, urls })
    }

    /// Lets an owner announce the selected entities. Returns their number by collection.
    pub(crate) async fn resync(&self, owner: &str, selection: &Resync) -> Result<BTreeMap<String, u64>> {
        let ResyncResult { announced } = self.post(owner, RESYNC, selection).await?;
        for (collection, count) in &announced {
            eprintln!("{owner} announced {count} {collection}");
        }
        Ok(announced)
    }

    pub(crate) async fn post<A: DeserializeOwned>(
        &self,
        service: &str,
        path: &str,
        body: &impl Serialize,
    ) -> Result<A> {
        self.call(Method::POST, service, path, Some(body)).await
    }

    /// Sends a request without a body.
    pub(crate) async fn send<A: DeserializeOwned>(&self, method: Method, service: &str, path: &str) -> Result<A> {
        self.call(method, service, path, None::<&()>).await
    }

    /// Calls the first reachable instance of the service and returns the body of its response.
    async fn call<A: DeserializeOwned>(
        &self,
        method: Method,
        service: &str,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<A> {
        let urls = self.urls.get(service).with_context(|| format!("there is no service {service}"))?;
        let started = Instant::now();
        loop {
            let mut unreachable = None;
            for url in urls {
                let request = self.client.request(method.clone(), format!("{url}{path}"));
                let request = if let Some(body) = body { request.json(body) } else { request };
                match request.send().await {
                    Err(error) if error.is_connect() => unreachable = Some(error),
                    response => {
                        let response = response.with_context(|| format!("{service} does not respond at {url}"))?;
                        let (status, body) = (response.status(), response.json::<Value>().await.unwrap_or_default());
                        if !status.is_success() {
                            bail!(RequestRejected { service: service.to_owned(), path: path.to_owned(), status, body });
                        }
                        return serde_json::from_value(body)
                            .with_context(|| format!("{service} returned an unexpected body from {path}"));
                    }
                }
            }
            // A Kubernetes Service routes to a pod only some seconds after it is ready.
            if started.elapsed() >= CONNECT_RETRY_PERIOD {
                let error = unreachable.map_or_else(|| anyhow!("no URL is set"), Into::into);
                return Err(
                    error.context(format!("{service} is not reachable at {}: is it running?", urls.join(" or ")))
                );
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_outages_and_late_events_are_temporary() {
        for (status, code, is_temporary) in [
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable", true),
            (StatusCode::CONFLICT, "order-open", true),
            (StatusCode::CONFLICT, "order-changed", false),
            (StatusCode::CONFLICT, "place-taken", false),
            (StatusCode::NOT_FOUND, "not-found", false),
            (StatusCode::INTERNAL_SERVER_ERROR, "internal", false),
        ] {
            let body = json!({ "type": format!("/problems/{code}") });
            let error = RequestRejected { service: "payments".to_owned(), path: "/void".to_owned(), status, body };
            assert_eq!(error.is_temporary(), is_temporary, "{error}");
        }
    }

    #[test]
    fn default_urls_are_those_in_a_cluster() {
        let orders = AdminUrls::parse("orders=http://127.0.0.1:1/|http://127.0.0.1:2").unwrap();
        let services = Services::new(vec![orders]).unwrap();
        assert_eq!(services.urls["orders"], ["http://127.0.0.1:1", "http://127.0.0.1:2"]);
        assert_eq!(services.urls["auth"], ["http://auth:9090"]);
        for invalid in ["shop=http://127.0.0.1:1", "http://127.0.0.1:1"] {
            AdminUrls::parse(invalid).unwrap_err();
        }
    }
}
