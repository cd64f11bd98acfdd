//! The fleet that the attacks of `cargo xtask abuse` are directed at, and its test users.

use std::net::{IpAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use common::api::tickets::CreateListing;
use common::id::TicketId;
use reqwest::{Client, Url};
use serde_json::Value;
use testkit::fleet::{Fleet, SERVICES};
use testkit::servers::scratch::ScratchDir;

use super::AbuseArgs;
use crate::client::{Session, listing};
use crate::fleet;

/// A running fleet on this machine: one that was already running, or a temporary one.
pub(super) struct Target {
    /// The gateway's base URL: `http://127.0.0.1:<port>`.
    pub(super) url: String,
    /// The content of fleet.json.
    description: Value,
    temporary: Option<(Fleet, ScratchDir)>,
}

impl Target {
    /// Finds the running fleet or starts a temporary one.
    pub(super) async fn find_or_start(args: &AbuseArgs, file: Option<PathBuf>) -> Result<Self> {
        let is_named = file.is_some();
        let (description, temporary) = match fleet::read(&fleet::file(file)) {
            Ok(description) => (description, None),
            Err(error) if is_named => return Err(error),
            Err(_) => {
                let (fleet, scratch) = fleet::start_temporary("abuse", args.release, args.no_build).await?;
                (fleet.description(), Some((fleet, scratch)))
            }
        };
        let url = description.get("publicUrl").and_then(Value::as_str).context("no publicUrl")?;
        let url = url.replace("//localhost", "//127.0.0.1");
        // A fleet on another host may be in use by other people, so it is never attacked.
        let host = Url::parse(&url)?;
        let host = (host.host_str().context("no host")?.to_owned(), host.port_or_known_default().context("no port")?);
        let addresses: Vec<IpAddr> = host.to_socket_addrs()?.map(|address| address.ip()).collect();
        ensure!(addresses.iter().all(IpAddr::is_loopback), "{url} is not this machine; only a local fleet is attacked");
        Ok(Self { url, description, temporary })
    }

    pub(super) async fn sign_up(&self) -> Result<Session> {
        Session::sign_up(Client::builder(), &self.url, "Visitor").await
    }

    /// Creates `count` listings and returns their ids.
    pub(super) async fn list_tickets(&self, count: usize) -> Result<Vec<TicketId>> {
        let mut tickets = Vec::with_capacity(count);
        let mut seller = self.sign_up().await?;
        for number in 0..count {
            // A new seller after every 200 listings, because an account may send only 300 writes per minute.
            if number % 200 == 199 {
                seller = self.sign_up().await?;
            }
            let body = listing(&format!("Night {number}"), "Concert Hall", "2099-04-02T18:00:00Z", 4_500)?;
            tickets.push(seller.send(&CreateListing { body }).await?.id);
        }
        Ok(tickets)
    }

    /// The public, the admin and the metrics address of each service, as `127.0.0.1:port`.
    pub(super) fn addresses(&self) -> Vec<(&'static str, String)> {
        let urls = ["url", "adminUrl", "metricsUrl"];
        let ports = SERVICES.into_iter().flat_map(|service| urls.map(|url| (service, url)));
        let address = |url: &str| url.trim_start_matches("http://").to_owned();
        ports.filter_map(|(service, port)| Some((service, address(self.service_url(service, port)?)))).collect()
    }

    fn service_url(&self, service: &str, field: &str) -> Option<&str> {
        self.description.pointer(&format!("/services/{service}/{field}")).and_then(Value::as_str)
    }

    /// The concatenated Prometheus metrics of all services.
    pub(super) async fn metrics(&self) -> Result<String> {
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
        let mut all = String::new();
        for service in SERVICES {
            let url =
                self.service_url(service, "metricsUrl").with_context(|| format!("{service} has no metrics port"))?;
            all.push_str(&client.get(format!("{url}/metrics")).send().await?.text().await?);
        }
        Ok(all)
    }

    /// Waits until a process of a temporary fleet exits unexpectedly. Never returns for a fleet that was already
    /// running.
    pub(super) async fn unexpected_exit(&self) -> anyhow::Error {
        match &self.temporary {
            Some((fleet, _)) => fleet.unexpected_exit().await,
            None => std::future::pending().await,
        }
    }

    /// Stops the fleet if it is a temporary one.
    pub(super) async fn close(self) -> Result<()> {
        match self.temporary {
            Some((fleet, _scratch)) => fleet.stop().await,
            None => Ok(()),
        }
    }
}
