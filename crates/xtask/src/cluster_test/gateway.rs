//! Connects to the shop through a port forwarded to the Gateway, with the shop's host name and certificate.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Certificate, ClientBuilder};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};

use super::Cluster;
use super::kube::text;

/// How long the Gateway may take to become reachable.
const READY_TIMEOUT: Duration = Duration::from_secs(120);

/// One route per service.
const ROUTES: [&str; 5] = [
    "/",
    "/api/users/jwks.json",
    "/api/tickets/openapi.json",
    "/api/orders/openapi.json",
    "/api/payments/openapi.json",
];

/// A `kubectl port-forward` to the Gateway, which ends on drop.
pub(super) struct GatewayForward {
    address: SocketAddr,
    host: String,
    certificate: String,
    /// Folder of a `.curlrc` that makes curl use the forwarded ports.
    pub(super) curl_home: PathBuf,
    _forward: Child,
}

impl GatewayForward {
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
        let services = kube.get("services", "gateway.networking.k8s.io/gateway-name=ticketing").await?;
        let service =
            format!("service/{}", text(services.first().context("the Gateway has no Service")?, "/metadata/name")?);
        let secret = kube.run(&["get", "secret", "ticketing-tls", "--output", "jsonpath={.data.ca\\.crt}"]).await?;
        let certificate = String::from_utf8(STANDARD.decode(secret.trim())?)?;
        let mut command = kube.kubectl(&["port-forward", "--address", "127.0.0.1", &service, ":443", ":80"]);
        let mut forward = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let output = forward.stdout.take().context("kubectl port-forward has no output")?;
        let mut lines = BufReader::new(output).lines();
        let mut next_address = async || {
            let line =
                timeout(Duration::from_secs(10), lines.next_line()).await??.context("kubectl port-forward ended")?;
            let port = line.split("127.0.0.1:").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok());
            anyhow::Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port.with_context(|| line.clone())?)))
        };
        let (address, plain) = (next_address().await?, next_address().await?);
        // Read the remaining output, so that kubectl does not block on a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let overlay = &cluster.overlay;
        let ca = overlay.home.join("ca.crt");
        std::fs::write(&ca, &certificate)?;
        std::fs::write(
            overlay.home.join(".curlrc"),
            format!(
                "connect-to = \":443:{address}\"\nconnect-to = \":80:{plain}\"\ncacert = \"{}\"\nnoproxy = \"*\"\n",
                ca.display()
            ),
        )?;
        let host = overlay.host().to_owned();
        let gateway = Self { address, host, certificate, curl_home: overlay.home.clone(), _forward: forward };
        // The Gateway discovers pods shortly after they become ready.
        let client = gateway.client()?.timeout(Duration::from_secs(5)).build()?;
        for path in ROUTES {
            let status = client.get(format!("{}{path}", overlay.shop)).send().await?.status();
            ensure!(status.is_success(), "{path} returned {status}");
        }
        Ok(gateway)
    }

    /// Returns an HTTP client that uses the forwarded port.
    pub(super) fn client(&self) -> Result<ClientBuilder> {
        let certificate = Certificate::from_pem(self.certificate.as_bytes())?;
        Ok(ClientBuilder::new().no_proxy().add_root_certificate(certificate).resolve(&self.host, self.address))
    }
}
