//! `cargo xtask demo`: loads the demo data into the shop of infra/k8s-dev, in any cluster.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use reqwest::{Certificate, Client, ClientBuilder};
use tokio::time::{Instant, sleep};

use crate::client::Session;
use crate::cluster_test::forward::Forward;
use crate::cluster_test::gateway::ROUTES;
use crate::cluster_test::kube::Kube;
use crate::secrets;

/// The shop as browsers open it.
const SHOP: &str = "https://ticketing.localhost:8443";
const HOST: &str = "ticketing.localhost";
/// The Service to which skaffold forwards the shop's port as well.
const GATEWAY: &str = "service/ticketing-nginx";
/// How long the Gateway may take to route to all services.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Selects the cluster.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Configuration of the cluster; kubectl's by default.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

/// Loads the demo data unless there are listings already, and prints the accounts.
pub(crate) async fn run(args: DemoArgs) -> Result<()> {
    let file = secrets::ensure_development()?.join("tls/authority.crt");
    let authority = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
    let authority = Certificate::from_pem(&authority)?;
    let kube = Kube::new(args.kubeconfig);
    let started = Instant::now();
    let (_forward, address) = loop {
        match connect(&kube, &authority).await {
            Ok(connected) => break connected,
            Err(error) if started.elapsed() > TIMEOUT => {
                return Err(error.context("the shop can't be reached; see kubectl --namespace ticketing get pods"));
            }
            Err(_) => sleep(Duration::from_secs(1)).await,
        }
    };
    super::load_if_empty(&base(address), || client(&authority, address), None).await?;
    println!("\n  The shop: {SHOP}\n");
    super::print_accounts();
    super::print_cards();
    println!();
    Ok(())
}

/// Forwards a port to the Gateway and checks that it routes to all services.
async fn connect(kube: &Kube, authority: &Certificate) -> Result<(Forward, SocketAddr)> {
    let forward = Forward::open(kube, GATEWAY, &[443]).await?;
    let address = *forward.addresses.first().context("kubectl forwards no port")?;
    let visitor = Session::with_client(client(authority, address), &base(address))?;
    for path in ROUTES {
        let (status, _) = visitor.page(path).await?;
        ensure!(status == 200, "{path} returned {status}");
    }
    Ok((forward, address))
}

/// The shop's URL with the forwarded port.
fn base(address: SocketAddr) -> String {
    format!("https://{HOST}:{}", address.port())
}

/// Creates a client that trusts the authority. Unlike browsers, it would not resolve the host name by itself.
fn client(authority: &Certificate, address: SocketAddr) -> ClientBuilder {
    Client::builder().add_root_certificate(authority.clone()).resolve(HOST, address)
}
