//! How the shop is reached: by a port of this machine that is forwarded to the Gateway, under the shop's own name
//! and with its certificate.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Certificate, ClientBuilder};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};

use super::Cluster;
use super::kube::text;

/// How long the Gateway may take to be there.
const PATIENCE: Duration = Duration::from_secs(120);

/// One of each service's.
const ROUTES: [&str; 5] = [
    "/",
    "/api/users/jwks.json",
    "/api/tickets/openapi.json",
    "/api/orders/openapi.json",
    "/api/payments/openapi.json",
];

/// An open way to the shop; it ends when it is dropped.
pub(super) struct Way {
    address: SocketAddr,
    host: String,
    certificate: String,
    /// What curl is told as `CURL_HOME` to take this way.
    pub(super) curl_home: PathBuf,
    _forward: Child,
}

impl Way {
    /// Opens it, once the Gateway answers.
    pub(super) async fn open(cluster: &Cluster) -> Result<Self> {
        let kube = &cluster.kube;
        let began = Instant::now();
        loop {
            match Self::forwarded(cluster).await {
                Ok(way) => return Ok(way),
                Err(error) if began.elapsed() > PATIENCE => return Err(error.context("the Gateway can't be reached")),
                Err(_) => sleep(Duration::from_secs(1)).await,
            }
            // A pod that has just been replaced was forwarded to.
            let _ = kube.run(&["get", "gateways"]).await;
        }
    }

    async fn forwarded(cluster: &Cluster) -> Result<Self> {
        let kube = &cluster.kube;
        let services = kube.get("services", "gateway.networking.k8s.io/gateway-name=ticketing").await?;
        let service =
            format!("service/{}", text(services.first().context("the Gateway has no Service")?, "/metadata/name")?);
        let secret = kube.run(&["get", "secret", "ticketing-tls", "--output", "jsonpath={.data.ca\\.crt}"]).await?;
        let certificate = String::from_utf8(STANDARD.decode(secret.trim())?)?;
        let mut command = kube.kubectl(&["port-forward", "--address", "127.0.0.1", &service, ":443", ":80"]);
        let mut forward = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let output = forward.stdout.take().context("kubectl port-forward tells nothing")?;
        let mut lines = BufReader::new(output).lines();
        let mut forwarded = async || {
            let line = timeout(Duration::from_secs(10), lines.next_line()).await??.context("no port is forwarded")?;
            let port = line.split("127.0.0.1:").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok());
            anyhow::Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port.with_context(|| line.clone())?)))
        };
        let (address, plain) = (forwarded().await?, forwarded().await?);
        // Whoever does not read what it says would stop it.
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
        let way = Self { address, host, certificate, curl_home: overlay.home.clone(), _forward: forward };
        // It learns of each service's pods a moment after they are ready.
        let client = way.client()?.timeout(Duration::from_secs(5)).build()?;
        for path in ROUTES {
            let answer = client.get(format!("{}{path}", overlay.shop)).send().await?;
            if !answer.status().is_success() {
                bail!("{path} is answered with {}", answer.status());
            }
        }
        Ok(way)
    }

    /// A client that takes this way.
    pub(super) fn client(&self) -> Result<ClientBuilder> {
        let certificate = Certificate::from_pem(self.certificate.as_bytes())?;
        Ok(ClientBuilder::new().no_proxy().add_root_certificate(certificate).resolve(&self.host, self.address))
    }
}
