//! Connects to the shop through a port forwarded to the Gateway, with the shop's host name and certificate.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Certificate, ClientBuilder};
use testkit::tools::workspace_root;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::Cluster;
use super::forward::Forward;
use super::kube::text;

/// How long the Gateway may take to become reachable.
const READY_TIMEOUT: Duration = Duration::from_secs(120);

/// The file of the certificate that clients trust.
const CERTIFICATE: &str = "ca.crt";

/// The label of the Gateway's pods and of its Service.
pub(super) const GATEWAY_SELECTOR: &str = "gateway.networking.k8s.io/gateway-name=ticketing";

/// One route per service.
pub(crate) const ROUTES: [&str; 5] = [
    "/",
    "/api/users/jwks.json",
    "/api/tickets/openapi.json",
    "/api/orders/openapi.json",
    "/api/payments/openapi.json",
];

/// Creates HTTP clients that reach the shop.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    address: SocketAddr,
    host: String,
    certificate: String,
    /// URL of the shop, with the forwarded port: clients use the port of a URL even if its host resolves to an address
    /// with another port.
    pub(super) shop: String,
    /// URL of the shop as browsers open it.
    pub(super) origin: String,
}

impl Connector {
    /// Returns an HTTP client that uses the forwarded port.
    pub(super) fn client(&self) -> Result<ClientBuilder> {
        let certificate = Certificate::from_pem(self.certificate.as_bytes())?;
        Ok(ClientBuilder::new().no_proxy().add_root_certificate(certificate).resolve(&self.host, self.address))
    }
}

/// A `kubectl port-forward` to the Gateway, which ends on drop.
pub(super) struct GatewayForward {
    pub(super) connector: Connector,
    /// Folder of the shop's certificate, and of a `.curlrc` that makes curl use the forwarded ports.
    pub(super) curl_home: PathBuf,
    _forward: Forward,
}

impl GatewayForward {
    /// Makes curl and Python, in this command, use the forwarded ports.
    pub(super) fn redirect(&self, command: &mut Command) {
        command.env("CURL_HOME", &self.curl_home);
        command.env("PYTHONPATH", workspace_root().join("infra/cluster-test"));
        command.env("GATEWAY_ADDRESS", self.connector.address.to_string());
        command.env("SSL_CERT_FILE", self.curl_home.join(CERTIFICATE)).env("no_proxy", "*");
    }

    /// Waits until the Gateway routes to all services. Each attempt starts a new port-forward, since the
    /// previous one may have led to a pod that was being replaced.
    pub(super) async fn open(cluster: &Cluster) -> Result<Self> {
        let started = Instant::now();
        loop {
            match Self::forward(cluster).await {
                Err(error) if started.elapsed() > READY_TIMEOUT => {
                    return Err(error.context("the Gateway can't be reached"));
                }
                Err(_) => sleep(Duration::from_secs(1)).await,
                gateway => return gateway,
            }
        }
    }

    async fn forward(cluster: &Cluster) -> Result<Self> {
        let kube = &cluster.kube;
        let services = kube.get("services", GATEWAY_SELECTOR).await?;
        let service =
            format!("service/{}", text(services.first().context("the Gateway has no Service")?, "/metadata/name")?);
        let secret = kube.run(&["get", "secret", "ticketing-tls", "--output", "jsonpath={.data.ca\\.crt}"]).await?;
        let certificate = String::from_utf8(STANDARD.decode(secret.trim())?)?;
        let forward = Forward::open(kube, &service, &[443, 80]).await?;
        let &[address, plain] = forward.addresses.as_slice() else {
            bail!("kubectl forwards other ports than 443 and 80")
        };
        let overlay = &cluster.overlay;
        let ca = overlay.home.join(CERTIFICATE);
        std::fs::write(&ca, &certificate)?;
        std::fs::write(
            overlay.home.join(".curlrc"),
            format!(
                "connect-to = \":{}:{address}\"\nconnect-to = \":80:{plain}\"\ncacert = \"{}\"\nnoproxy = \"*\"\n",
                overlay.port(),
                ca.display()
            ),
        )?;
        let (host, origin) = (overlay.host().to_owned(), overlay.shop.clone());
        let shop = format!("https://{host}:{}", address.port());
        let connector = Connector { address, host, certificate, shop, origin };
        // The Gateway discovers pods shortly after they become ready.
        let client = connector.client()?.timeout(Duration::from_secs(5)).build()?;
        for path in ROUTES {
            let status = client.get(format!("{}{path}", connector.shop)).send().await?.status();
            ensure!(status.is_success(), "{path} returned {status}");
        }
        Ok(Self { connector, curl_home: overlay.home.clone(), _forward: forward })
    }
}
