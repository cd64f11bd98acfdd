//! One running program of ours: an instance of a service, or fakestripe.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::servers::ports::Port;
use crate::servers::process::Spec;
use crate::servers::slot::ManagedProcess;

const START_DEADLINE: Duration = Duration::from_secs(60);
/// Beyond the 25 s that a service gives itself to drain.
const STOP_GRACE: Duration = Duration::from_secs(30);

/// The two ports of a service, the same for all of its instances: the second instance listens on
/// 127.0.0.2 and so on, as pods have addresses of their own and one port.
#[derive(Debug, Clone)]
pub struct Ports {
    public: Arc<Port>,
    admin: Arc<Port>,
}

impl Ports {
    /// Two free ones.
    pub(super) fn free() -> Result<Self> {
        Ok(Self { public: Arc::new(Port::free()?), admin: Arc::new(Port::free()?) })
    }
}

/// Can be killed, stopped and started again; its addresses stay the same.
#[derive(Debug)]
pub struct Instance {
    name: String,
    host: Ipv4Addr,
    port: Arc<Port>,
    admin: Option<Arc<Port>>,
    slot: ManagedProcess,
}

impl Instance {
    pub(super) fn service(
        (service, index, ports): (&str, u8, &Ports),
        program: &Path,
        logs: &Path,
        mut env: BTreeMap<String, String>,
    ) -> Result<Self> {
        let host = Ipv4Addr::new(127, 0, 0, index.saturating_add(1));
        let (port, admin) = (Arc::clone(&ports.public), Arc::clone(&ports.admin));
        env.insert("BIND".to_owned(), format!("{host}:{}", port.number()));
        env.insert("ADMIN_BIND".to_owned(), format!("{host}:{}", admin.number()));
        let name = if index == 0 { service.to_owned() } else { format!("{service}-{}", index + 1) };
        let slot = ManagedProcess::spawn(&spec(&name, program, logs, env)?)?;
        Ok(Self { name, host, port, admin: Some(admin), slot })
    }

    pub(super) fn fakestripe(
        port: Port,
        program: &Path,
        logs: &Path,
        mut env: BTreeMap<String, String>,
    ) -> Result<Self> {
        env.insert("FAKESTRIPE_BIND".to_owned(), format!("127.0.0.1:{}", port.number()));
        let name = "fakestripe".to_owned();
        let slot = ManagedProcess::spawn(&spec(&name, program, logs, env)?)?;
        Ok(Self { name, host: Ipv4Addr::LOCALHOST, port: Arc::new(port), admin: None, slot })
    }

    /// `orders`, and `orders-2` for a second one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// `http://127.0.0.1:port` of the admin server; fakestripe has none of its own.
    pub fn admin_url(&self) -> String {
        format!("http://{}:{}", self.host, self.admin.as_ref().unwrap_or(&self.port).number())
    }

    /// `127.0.0.1:port`; 127.0.0.2 for the second instance.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port.number())
    }

    /// The port of the admin server, which all instances of a service share.
    pub(super) fn admin_port(&self) -> Option<u16> {
        self.admin.as_ref().map(|port| port.number())
    }

    /// Of the process that runs now; another after a restart.
    pub fn pid(&self) -> u32 {
        self.slot.pid()
    }

    /// SIGSTOP, SIGCONT and the like.
    pub fn signal(&self, signal: Signal) {
        self.slot.signal(signal);
    }

    /// SIGKILL.
    pub fn kill(&self) -> Result<()> {
        self.slot.kill()
    }

    /// SIGTERM, and waits until it has drained and ended. Its exit code.
    pub async fn stop(&self) -> Result<Option<i32>> {
        self.slot.stop(STOP_GRACE).await
    }

    /// Starts it (killing what still runs) and waits until it is ready.
    pub async fn restart(&self) -> Result<()> {
        self.restart_with_env(&[]).await
    }

    /// Like [`Instance::restart`], with these variables from now on.
    pub async fn restart_with_env(&self, env: &[(&str, &str)]) -> Result<()> {
        self.slot.restart_with_env(env)?;
        self.ready().await
    }

    /// What to say when it ended by itself.
    pub fn unexpected_exit(&self) -> Option<anyhow::Error> {
        self.slot.unexpected_exit()
    }

    /// Waits for 200 from `/readyz` (fakestripe: `/healthz`).
    pub async fn ready(&self) -> Result<()> {
        let (port, path) = match &self.admin {
            Some(admin) => (admin.number(), "/readyz"),
            None => (self.port.number(), "/healthz"),
        };
        let address = SocketAddrV4::new(self.host, port);
        let deadline = Instant::now() + START_DEADLINE;
        while !get(address, path).await.is_ok_and(|status| status == 200) {
            if let Some(death) = self.unexpected_exit() {
                return Err(death);
            }
            if Instant::now() > deadline {
                return Err(self.slot.exit_report());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        Ok(())
    }

    pub(super) fn described(&self) -> Value {
        match self.admin {
            Some(_) => json!({ "url": self.url(), "adminUrl": self.admin_url(), "pid": self.pid() }),
            None => json!({ "url": self.url(), "pid": self.pid() }),
        }
    }
}

fn spec(name: &str, program: &Path, logs: &Path, env: BTreeMap<String, String>) -> Result<Spec> {
    if !program.is_file() {
        bail!("{} is not built", program.display());
    }
    let log: PathBuf = logs.join(format!("{name}.log"));
    Ok(Spec { name: name.to_owned(), program: program.to_path_buf(), args: Vec::new(), env, log })
}

/// The status of a GET.
async fn get(address: SocketAddrV4, path: &str) -> Result<u16> {
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
