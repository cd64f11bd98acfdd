//! The shop that is attacked, and people in it.

use std::net::{IpAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use common::api::tickets::CreateListing;
use common::id::TicketId;
use reqwest::{Client, Url};
use serde_json::Value;
use testkit::fleet::options::{FleetOptions, programs_beside_us};
use testkit::fleet::{Fleet, SERVICES};
use testkit::servers::scratch::ScratchDir;

use super::AbuseArgs;
use crate::client::{Session, listing, sign_up};
use crate::{cargo, npm, running};

/// A running fleet on this machine.
pub(super) struct Shop {
    /// The gateway's base URL: `http://127.0.0.1:<port>`.
    pub(super) url: String,
    /// fleet.json.
    description: Value,
    own: Option<(Fleet, ScratchDir)>,
    people: AtomicUsize,
}

impl Shop {
    /// The one that runs, or one that is started for this.
    pub(super) async fn find_or_start(args: &AbuseArgs, file: Option<PathBuf>) -> Result<Self> {
        let is_named = file.is_some();
        let (description, own) = match running::fleet(file) {
            Ok(description) => (description, None),
            Err(error) if is_named => return Err(error),
            Err(_) => {
                let (fleet, scratch) = start(args).await?;
                (fleet.description(), Some((fleet, scratch)))
            }
        };
        let url = description.get("publicUrl").and_then(Value::as_str).context("no publicUrl")?;
        let url = url.replace("//localhost", "//127.0.0.1");
        // Never a shop that somebody else uses.
        let host = Url::parse(&url)?;
        let host = (host.host_str().context("no host")?.to_owned(), host.port_or_known_default().context("no port")?);
        let addresses: Vec<IpAddr> = host.to_socket_addrs()?.map(|address| address.ip()).collect();
        ensure!(addresses.iter().all(IpAddr::is_loopback), "{url} is not this machine; only a local shop is attacked");
        Ok(Self { url, description, own, people: AtomicUsize::default() })
    }

    /// Somebody who has just signed up.
    pub(super) async fn person(&self) -> Result<Session> {
        let number = self.people.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let session = Session::new(&self.url)?;
        let email = format!("abuse-{now}-{number}@example.com");
        session.send(&sign_up(&email, "a long enough secret", "Somebody")).await?;
        Ok(session)
    }

    /// Lists tickets that orders knows of; their ids.
    pub(super) async fn tickets(&self, count: usize) -> Result<Vec<TicketId>> {
        let mut tickets = Vec::with_capacity(count);
        let mut seller = self.person().await?;
        for number in 0..count {
            // Nobody lists more than 300 a minute.
            if number % 200 == 199 {
                seller = self.person().await?;
            }
            let body = listing(&format!("Night {number}"), "Concert Hall", "2099-04-02T18:00:00Z", 4_500)?;
            tickets.push(seller.send(&CreateListing { body }).await?.id);
        }
        Ok(tickets)
    }

    /// The public and admin address of each service, as `127.0.0.1:port`.
    pub(super) fn addresses(&self) -> Vec<(&'static str, String)> {
        let mut addresses = Vec::new();
        for service in SERVICES {
            for field in ["url", "adminUrl"] {
                let url = self.description.pointer(&format!("/services/{service}/{field}")).and_then(Value::as_str);
                addresses.extend(url.map(|url| (service, url.trim_start_matches("http://").to_owned())));
            }
        }
        addresses
    }

    /// What each service tells Prometheus.
    pub(super) async fn metrics(&self) -> Result<String> {
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
        let mut all = String::new();
        for service in SERVICES {
            let url = self.description.pointer(&format!("/services/{service}/adminUrl")).and_then(Value::as_str);
            let url = url.with_context(|| format!("{service} has no admin port"))?;
            all.push_str(&client.get(format!("{url}/metrics")).send().await?.text().await?);
        }
        Ok(all)
    }

    /// Ends with what has died, of a fleet of our own.
    pub(super) async fn unexpected_exit(&self) -> anyhow::Error {
        match &self.own {
            Some((fleet, _)) => fleet.unexpected_exit().await,
            None => std::future::pending().await,
        }
    }

    /// Stops a fleet of our own.
    pub(super) async fn close(self) -> Result<()> {
        match self.own {
            Some((fleet, _scratch)) => fleet.stop().await,
            None => Ok(()),
        }
    }
}

async fn start(args: &AbuseArgs) -> Result<(Fleet, ScratchDir)> {
    if !args.no_build {
        npm::install(npm::WEB).await?;
        cargo::build_fleet(args.release).await?;
    }
    let scratch = ScratchDir::new("abuse")?;
    let mut options = FleetOptions::new(scratch.path());
    options.programs = programs_beside_us().with_file_name(if args.release { "release" } else { "debug" });
    Ok((Fleet::start(&options).await?, scratch))
}
