//! Ports of this machine that kubectl forwards into the cluster.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;
use tokio::time::timeout;

use super::kube::Kube;

/// A `kubectl port-forward`, which ends on drop.
pub(crate) struct Forward {
    /// The address of each forwarded port, in the order of the request.
    pub(crate) addresses: Vec<SocketAddr>,
    _kubectl: Child,
}

impl Forward {
    /// Forwards to these ports of a target such as `pod/nats-0`.
    pub(crate) async fn open(kube: &Kube, target: &str, ports: &[u16]) -> Result<Self> {
        let ports: Vec<_> = ports.iter().map(|port| format!(":{port}")).collect();
        let mut arguments = vec!["port-forward", "--address", "127.0.0.1", target];
        arguments.extend(ports.iter().map(String::as_str));
        let mut kubectl = kube.kubectl(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let output = kubectl.stdout.take().context("kubectl port-forward has no output")?;
        let mut lines = BufReader::new(output).lines();
        let mut addresses = Vec::new();
        while addresses.len() < ports.len() {
            let line =
                timeout(Duration::from_secs(10), lines.next_line()).await??.context("kubectl port-forward ended")?;
            let port = line.split("127.0.0.1:").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok());
            addresses.push(SocketAddr::from((Ipv4Addr::LOCALHOST, port.with_context(|| line.clone())?)));
        }
        // Read the remaining output, so that kubectl does not block on a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { addresses, _kubectl: kubectl })
    }
}
