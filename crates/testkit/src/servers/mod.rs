//! mongod (a replica set of one), nats-server with JetStream, and redis-server on 127.0.0.1.

mod mongo_wire;
pub mod ports;
pub mod process;
pub mod scratch;
pub(crate) mod slot;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use self::ports::Port;
use self::process::Spec;
use self::slot::Slot;
use crate::tools::Tools;

const START_DEADLINE: Duration = Duration::from_secs(60);
const STOP_GRACE: Duration = Duration::from_secs(10);

/// Where the servers keep what they keep.
#[derive(Debug, Clone)]
pub struct ServersOptions {
    /// One folder per server is made in it.
    pub data: PathBuf,
    /// `mongod.log`, `nats-server.log`, `redis-server.log`.
    pub logs: PathBuf,
    /// A free one unless given.
    pub mongodb_port: Option<u16>,
    /// A free one unless given.
    pub nats_port: Option<u16>,
    /// A free one unless given.
    pub redis_port: Option<u16>,
    /// A configuration of users for NATS, such as the cluster's; anybody may do anything without.
    pub nats_users: Option<NatsUsers>,
}

/// Who may do what at NATS.
#[derive(Debug, Clone)]
pub struct NatsUsers {
    /// A file of its configuration that asks for passwords by variables.
    pub file: PathBuf,
    /// The variables.
    pub env: BTreeMap<String, String>,
}

impl ServersOptions {
    /// Data and logs below one folder, free ports.
    pub fn below(folder: &Path) -> Self {
        Self {
            data: folder.join("data"),
            logs: folder.join("logs"),
            mongodb_port: None,
            nats_port: None,
            redis_port: None,
            nats_users: None,
        }
    }
}

/// The three servers, running. All are killed on drop.
#[derive(Debug)]
pub struct Servers {
    /// The database, primary of `rs0`.
    pub mongodb: Server,
    /// The streams.
    pub nats: Server,
    /// The queue.
    pub redis: Server,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Mongodb,
    Nats,
    Redis,
}

/// One server, which can be killed and started again on its port with its data.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    port: Port,
    slot: Slot,
}

impl Servers {
    /// Starts all three side by side and waits until each answers.
    pub async fn start(tools: &Tools, options: &ServersOptions) -> Result<Self> {
        raise_open_file_limit();
        let mongodb = Server::spawn(Kind::Mongodb, &tools.mongod, options, options.mongodb_port)?;
        let nats = Server::spawn(Kind::Nats, &tools.nats_server, options, options.nats_port)?;
        let redis = Server::spawn(Kind::Redis, &tools.redis_server, options, options.redis_port)?;
        tokio::try_join!(mongodb.ready(), nats.ready(), redis.ready())?;
        Ok(Self { mongodb, nats, redis })
    }

    /// All three, with their names in fleet.json.
    pub fn each(&self) -> [(&'static str, &Server); 3] {
        [("mongodb", &self.mongodb), ("nats", &self.nats), ("redis", &self.redis)]
    }

    /// Orderly; data are flushed.
    pub async fn stop(&self) -> Result<()> {
        tokio::try_join!(self.mongodb.stop(), self.nats.stop(), self.redis.stop())?;
        Ok(())
    }

    /// What tests read: `TEST_MONGODB_URL`, `TEST_NATS_URL`, `TEST_REDIS_URL`.
    pub fn test_env(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("TEST_MONGODB_URL".to_owned(), self.mongodb.url()),
            ("TEST_NATS_URL".to_owned(), self.nats.url()),
            ("TEST_REDIS_URL".to_owned(), self.redis.url()),
        ])
    }
}

impl Server {
    fn spawn(kind: Kind, program: &Path, options: &ServersOptions, port: Option<u16>) -> Result<Self> {
        let port = Port::given_or_free(port).with_context(|| format!("{} can't start", kind.binary()))?;
        let data = options.data.join(kind.name());
        fs::create_dir_all(&data).with_context(|| format!("creating {}", data.display()))?;
        let log = options.logs.join(format!("{}.log", kind.binary()));
        let users = options.nats_users.as_ref().filter(|_| kind == Kind::Nats);
        let spec = Spec {
            name: kind.binary().to_owned(),
            program: program.to_path_buf(),
            args: kind.args(port.number(), &data, users)?,
            env: users.map(|users| users.env.clone()).unwrap_or_default(),
            log,
        };
        let slot = Slot::spawn(&spec)?;
        Ok(Self { kind, port, slot })
    }

    /// `mongodb://…`, `nats://…` or `redis://…`.
    pub fn url(&self) -> String {
        let port = self.port.number();
        match self.kind {
            Kind::Mongodb => format!("mongodb://127.0.0.1:{port}/?directConnection=true"),
            Kind::Nats => format!("nats://127.0.0.1:{port}"),
            Kind::Redis => format!("redis://127.0.0.1:{port}"),
        }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Of the process that runs now; another after a restart.
    pub fn pid(&self) -> u32 {
        self.slot.pid()
    }

    /// What to say when it ended by itself.
    pub fn death(&self) -> Option<anyhow::Error> {
        self.slot.death()
    }

    /// SIGSTOP, SIGCONT and the like.
    pub fn signal(&self, signal: Signal) {
        self.slot.signal(signal);
    }

    /// SIGKILL.
    pub fn kill(&self) -> Result<()> {
        self.slot.kill()
    }

    /// SIGTERM, and waits until it has ended.
    pub async fn stop(&self) -> Result<()> {
        self.slot.stop(STOP_GRACE).await.map(drop)
    }

    /// Starts it again, on the same port and data, and waits until it answers.
    pub async fn start_again(&self) -> Result<()> {
        self.slot.start_again()?;
        self.ready().await
    }

    async fn ready(&self) -> Result<()> {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            if self.answers().await.unwrap_or(false) {
                return Ok(());
            }
            if let Some(death) = self.death() {
                return Err(death);
            }
            if Instant::now() > deadline {
                return Err(self.slot.obituary());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn answers(&self) -> Result<bool> {
        match self.kind {
            Kind::Mongodb => mongo_wire::become_primary(self.port()).await,
            Kind::Nats => Ok(first_answer(self.port(), b"").await?.contains("\"jetstream\":true")),
            Kind::Redis => Ok(first_answer(self.port(), b"PING\r\n").await?.starts_with("+PONG")),
        }
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Mongodb => "mongodb",
            Self::Nats => "nats",
            Self::Redis => "redis",
        }
    }

    fn binary(self) -> &'static str {
        match self {
            Self::Mongodb => "mongod",
            Self::Nats => "nats-server",
            Self::Redis => "redis-server",
        }
    }

    fn args(self, port: u16, data: &Path, users: Option<&NatsUsers>) -> Result<Vec<OsString>> {
        let port = port.to_string();
        let mut args: Vec<OsString> = Vec::new();
        match self {
            Self::Mongodb => {
                args.extend(["--replSet", "rs0", "--bind_ip", "127.0.0.1", "--port", &port].map(Into::into));
                args.extend(["--nounixsocket", "--wiredTigerCacheSizeGB", "1", "--oplogSize", "512"].map(Into::into));
                args.extend(["--setParameter", "diagnosticDataCollectionEnabled=false"].map(Into::into));
                args.extend(["--dbpath".into(), data.into()]);
            }
            Self::Nats => {
                // A relative store inside the configuration would depend on our working folder.
                let store = std::path::absolute(data.join("jetstream"))?;
                let config = data.join("nats-server.conf");
                let mut text = nats_config(&port, &store)?;
                if let Some(users) = users {
                    // Included files are named from where the configuration lies.
                    fs::copy(&users.file, data.join("users.conf")).context("copying the users of NATS")?;
                    text.push_str("include ./users.conf\n");
                }
                fs::write(&config, text)?;
                args.extend(["-c".into(), config.into()]);
            }
            Self::Redis => {
                args.extend(
                    ["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"].map(Into::into),
                );
                args.extend(["--dir".into(), data.into()]);
            }
        }
        Ok(args)
    }
}

/// Acknowledged messages are on the disk (`sync_interval`). The limit is far beyond any disk since
/// each stream reserves its cap of it, and tests make many streams.
fn nats_config(port: &str, store: &Path) -> Result<String> {
    let store = serde_json::to_string(store.to_str().ok_or_else(|| anyhow!("a path that is not UTF-8"))?)?;
    Ok(format!(
        "listen: \"127.0.0.1:{port}\"\n\
         jetstream {{\n  store_dir: {store}\n  max_file_store: 100TB\n  sync_interval: always\n}}\n"
    ))
}

/// What a server says first, or answers to one line.
async fn first_answer(port: u16, line: &[u8]) -> Result<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(line).await?;
        let mut answer = vec![0; 4096];
        let read = stream.read(&mut answer).await?;
        answer.truncate(read);
        anyhow::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    tokio::time::timeout(Duration::from_secs(2), exchange).await?
}

/// Two hundred databases are some thousand open files: more than many shells allow by default.
fn raise_open_file_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(1 << 20), hard);
    }
}
