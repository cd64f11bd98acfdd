//! A running process of the fleet: an instance of a service, or fakestripe.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::options::FleetOptions;
use crate::servers::numbered;
use crate::servers::ports::Port;
use crate::servers::process::{Process, ProcessSpec};

const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Longer than the 25 s that a service gives itself to drain.
const STOP_GRACE: Duration = Duration::from_secs(30);

/// The ports of a program, the same for all of its instances: the second instance listens on 127.0.0.2
/// and so on, as pods have different addresses and the same port.
#[derive(Debug)]
pub(super) struct Ports {
    pub(super) public: Port,
    /// `None` for fakestripe, which serves everything on one port.
    pub(super) internal: Option<InternalPorts>,
}

/// The ports of a service that the gateway does not forward to.
#[derive(Debug)]
pub(super) struct InternalPorts {
    pub(super) admin: Port,
    pub(super) metrics: Port,
}

/// A restartable process with stable addresses.
#[derive(Debug)]
pub struct Instance {
    name: String,
    host: Ipv4Addr,
    ports: Arc<Ports>,
    process: Process,
}

impl Instance {
    pub(super) fn start(
        options: &FleetOptions,
        (program, index): (&str, u8),
        ports: &Arc<Ports>,
        mut env: BTreeMap<String, String>,
    ) -> Result<Self> {
        let host = Ipv4Addr::new(127, 0, 0, index.saturating_add(1));
        let mut bind =
            |variable: &str, port: &Port| env.insert(variable.to_owned(), format!("{host}:{}", port.number()));
        if let Some(internal) = &ports.internal {
            bind("BIND", &ports.public);
            bind("ADMIN_BIND", &internal.admin);
            bind("METRICS_BIND", &internal.metrics);
        } else {
            bind("FAKESTRIPE_BIND", &ports.public);
        }
        let name = numbered(program, usize::from(index));
        let program = options.programs.join(program);
        ensure!(program.is_file(), "{} is not built", program.display());
        let log = options.logs.join(format!("{name}.log"));
        let process = Process::spawn(&ProcessSpec { name: name.clone(), program, args: Vec::new(), env, log })?;
        Ok(Self { name, host, ports: Arc::clone(ports), process })
    }

    /// `orders` for the first instance, `orders-2` for the second one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// `http://127.0.0.1:port` of the admin server.
    pub fn admin_url(&self) -> String {
        self.url_of(self.ports.internal.as_ref().map(|internal| &internal.admin))
    }

    /// `http://127.0.0.1:port` of the metrics server.
    pub fn metrics_url(&self) -> String {
        self.url_of(self.ports.internal.as_ref().map(|internal| &internal.metrics))
    }

    fn url_of(&self, port: Option<&Port>) -> String {
        format!("http://{}:{}", self.host, port.unwrap_or(&self.ports.public).number())
    }

    /// `127.0.0.1:port`; the second instance is on 127.0.0.2.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.ports.public.number())
    }

    /// The port of the metrics server.
    pub(super) fn metrics_port(&self) -> Option<u16> {
        self.ports.internal.as_ref().map(|internal| internal.metrics.number())
    }

    /// The process id, which a restart changes.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Sends a signal such as SIGSTOP or SIGCONT.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Sends SIGKILL.
    pub fn kill(&self) -> Result<()> {
        self.process.kill()
    }

    /// Sends SIGTERM and waits until the process has drained and exited. Returns its exit code.
    pub async fn stop(&self) -> Result<Option<i32>> {
        self.process.stop(STOP_GRACE).await
    }

    /// Kills the process if it still runs, starts it again and waits until it is ready.
    pub async fn restart(&self) -> Result<()> {
        self.restart_with_env(&[]).await
    }

    /// Like [`Instance::restart`], with these variables from now on.
    pub async fn restart_with_env(&self, env: &[(&str, &str)]) -> Result<()> {
        self.process.restart(env)?;
        self.ready().await
    }

    /// The folder of the program.
    pub fn programs(&self) -> PathBuf {
        self.process.folder()
    }

    /// Uses the program of the same name in this folder from the next start on: another build.
    pub fn set_programs(&self, folder: &Path) {
        self.process.set_folder(folder);
    }

    /// The error to report if the process has exited by itself.
    pub fn unexpected_exit(&self) -> Option<anyhow::Error> {
        self.process.unexpected_exit()
    }

    /// Waits until `/readyz` (fakestripe: `/healthz`) returns 200.
    pub async fn ready(&self) -> Result<()> {
        let (port, path) = match &self.ports.internal {
            Some(internal) => (&internal.metrics, "/readyz"),
            None => (&self.ports.public, "/healthz"),
        };
        let address = SocketAddrV4::new(self.host, port.number());
        let is_ready = async || get_status(address, path).await.is_ok_and(|status| status == 200);
        self.process.wait_until_ready(START_TIMEOUT, is_ready).await
    }

    pub(super) fn to_json(&self) -> Value {
        match self.ports.internal {
            Some(_) => json!({
                "url": self.url(),
                "adminUrl": self.admin_url(),
                "metricsUrl": self.metrics_url(),
                "pid": self.pid(),
            }),
            None => json!({ "url": self.url(), "pid": self.pid() }),
        }
    }
}

/// Sends a GET request and returns the status.
async fn get_status(address: SocketAddrV4, path: &str) -> Result<u16> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await?;
        let head = str::from_utf8(&head)?;
        Ok(head.split(' ').nth(1).unwrap_or_default().parse()?)
    };
    tokio::time::timeout(Duration::from_secs(2), exchange).await?
}
