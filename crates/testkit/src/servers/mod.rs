//! mongod (a replica set of one, or of three), nats-server with JetStream (one, or a cluster of three), and
//! redis-server on 127.0.0.1.

mod kind;
mod mongo_wire;
pub mod ports;
pub mod process;
pub mod scratch;
pub(crate) mod slot;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use self::kind::{Kind, Member};
use self::ports::Port;
use self::process::Spec;
use self::slot::ManagedProcess;
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
    /// How many members MongoDB's replica set and NATS' cluster have: one, or three as in production.
    pub members: u8,
    /// Further arguments of redis-server, such as the cluster's users; anybody may do anything without.
    pub redis_args: Vec<String>,
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
            members: 1,
            redis_args: Vec::new(),
        }
    }
}

/// The servers, running. All are killed on drop.
#[derive(Debug)]
pub struct Servers {
    /// The database: the first member of `rs0`, and its primary when it is the only one.
    pub mongodb: Server,
    /// The streams: the first member of the cluster, or the only server.
    pub nats: Server,
    /// The queue.
    pub redis: Server,
    /// The other members of `rs0`.
    more_mongodb: Vec<Server>,
    /// The other members of NATS' cluster.
    more_nats: Vec<Server>,
}

/// One server, which can be killed and started again on its port with its data.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    port: Port,
    /// Where it keeps what it keeps.
    data: PathBuf,
    log: PathBuf,
    /// Whether it is one member of several.
    clustered: bool,
    slot: ManagedProcess,
    /// Where the other members of a NATS cluster reach it.
    _route: Option<Port>,
}

impl Servers {
    /// Starts all of them side by side and waits until each answers.
    pub async fn start(tools: &Tools, options: &ServersOptions) -> Result<Self> {
        raise_open_file_limit();
        let mut mongodb = Server::spawn_members(Kind::Mongodb, &tools.mongod, options, options.mongodb_port)?;
        let mut nats = Server::spawn_members(Kind::Nats, &tools.nats_server, options, options.nats_port)?;
        let redis = Server::spawn(Kind::Redis, &tools.redis_server, options, options.redis_port, None)?;
        let (more_mongodb, more_nats) = (mongodb.split_off(1), nats.split_off(1));
        let (Some(mongodb), Some(nats)) = (mongodb.pop(), nats.pop()) else { bail!("ServersOptions::members is 0") };
        let servers = Self { mongodb, nats, redis, more_mongodb, more_nats };
        if options.members > 1 {
            servers.form_replica_set().await?;
        }
        for (_, server) in servers.each() {
            server.ready().await?;
        }
        Ok(servers)
    }

    /// All of them, with their names in fleet.json.
    pub fn each(&self) -> Vec<(String, &Server)> {
        let of = [self.mongodb_members(), self.nats_members(), vec![&self.redis]];
        let of = of.into_iter().flat_map(|members| members.into_iter().enumerate());
        of.map(|(index, server)| (server.kind.member_name(index), server)).collect()
    }

    /// The members of MongoDB's replica set.
    pub fn mongodb_members(&self) -> Vec<&Server> {
        std::iter::once(&self.mongodb).chain(&self.more_mongodb).collect()
    }

    /// The members of NATS' cluster.
    pub fn nats_members(&self) -> Vec<&Server> {
        std::iter::once(&self.nats).chain(&self.more_nats).collect()
    }

    /// Where clients reach MongoDB, whoever is primary.
    pub fn mongodb_url(&self) -> String {
        if self.more_mongodb.is_empty() {
            return self.mongodb.url();
        }
        let hosts: Vec<_> = self.mongodb_members().iter().map(|server| server.address()).collect();
        format!("mongodb://{}/?replicaSet=rs0", hosts.join(","))
    }

    /// Where clients reach NATS: every member, with commas between.
    pub fn nats_url(&self) -> String {
        let urls: Vec<_> = self.nats_members().iter().map(|server| server.url()).collect();
        urls.join(",")
    }

    /// The member of MongoDB's replica set that takes writes now; waits until there is one.
    pub async fn mongodb_primary(&self) -> Result<&Server> {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            for server in self.mongodb_members() {
                if mongo_wire::is_primary(server.port()).await.unwrap_or(false) {
                    return Ok(server);
                }
            }
            anyhow::ensure!(
                Instant::now() < deadline,
                "no member of rs0 is primary; {}",
                self.mongodb.slot.exit_report()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn form_replica_set(&self) -> Result<()> {
        let members: Vec<_> = self.mongodb_members().iter().map(|server| server.address()).collect();
        let deadline = Instant::now() + START_DEADLINE;
        // It refuses until it reaches all of them; the caller asks again.
        while let Err(error) = mongo_wire::initiate(self.mongodb.port(), &members).await {
            if let Some(death) = self.each().into_iter().find_map(|(_, server)| server.unexpected_exit()) {
                return Err(death);
            }
            if Instant::now() > deadline {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.mongodb_primary().await.map(drop)
    }

    /// Orderly; data are flushed.
    pub async fn stop(&self) -> Result<()> {
        for (_, server) in self.each() {
            server.stop().await?;
        }
        Ok(())
    }

    /// What tests read: `TEST_MONGODB_URL`, `TEST_NATS_URL`, `TEST_REDIS_URL`.
    pub fn test_env(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("TEST_MONGODB_URL".to_owned(), self.mongodb_url()),
            ("TEST_NATS_URL".to_owned(), self.nats_url()),
            ("TEST_REDIS_URL".to_owned(), self.redis.url()),
        ])
    }
}

impl Server {
    /// As many as are wanted.
    fn spawn_members(kind: Kind, program: &Path, options: &ServersOptions, port: Option<u16>) -> Result<Vec<Self>> {
        if options.members == 1 {
            return Ok(vec![Self::spawn(kind, program, options, port, None)?]);
        }
        let routes: Vec<Port> = (0..options.members).map(|_| Port::free()).collect::<Result<_>>()?;
        let numbers: Vec<u16> = routes.iter().map(Port::number).collect();
        let spawn = |(index, route): (usize, Port)| {
            let port = port.filter(|_| index == 0);
            let member = Member { index, routes: &numbers };
            let server = Self::spawn(kind, program, options, port, Some(&member))?;
            Ok(Self { _route: Some(route), ..server })
        };
        routes.into_iter().enumerate().map(spawn).collect()
    }

    fn spawn(
        kind: Kind,
        program: &Path,
        options: &ServersOptions,
        port: Option<u16>,
        member: Option<&Member<'_>>,
    ) -> Result<Self> {
        let port = Port::given_or_free(port).with_context(|| format!("{} can't start", kind.binary()))?;
        let index = member.map_or(0, |member| member.index);
        let data = options.data.join(kind.member_name(index));
        fs::create_dir_all(&data).with_context(|| format!("creating {}", data.display()))?;
        let name = if index == 0 { kind.binary().to_owned() } else { format!("{}-{}", kind.binary(), index + 1) };
        let log = options.logs.join(format!("{name}.log"));
        let users = options.nats_users.as_ref().filter(|_| kind == Kind::Nats);
        let mut args = kind.args(port.number(), &data, users, member)?;
        if kind == Kind::Redis {
            args.extend(options.redis_args.iter().map(Into::into));
        }
        let spec = Spec {
            name,
            program: program.to_path_buf(),
            args,
            env: users.map(|users| users.env.clone()).unwrap_or_default(),
            log: log.clone(),
        };
        let slot = ManagedProcess::spawn(&spec)?;
        Ok(Self { kind, port, data, log, clustered: member.is_some(), slot, _route: None })
    }

    /// `mongodb://…`, `nats://…` or `redis://…`: this server alone.
    pub fn url(&self) -> String {
        match self.kind {
            Kind::Mongodb => format!("mongodb://{}/?directConnection=true", self.address()),
            Kind::Nats => format!("nats://{}", self.address()),
            Kind::Redis => format!("redis://{}", self.address()),
        }
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// What it says of itself is in this file.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Of the process that runs now; another after a restart.
    pub fn pid(&self) -> u32 {
        self.slot.pid()
    }

    /// What to say when it ended by itself.
    pub fn unexpected_exit(&self) -> Option<anyhow::Error> {
        self.slot.unexpected_exit()
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
    pub async fn restart(&self) -> Result<()> {
        self.slot.restart()?;
        self.ready().await
    }

    /// Like [`Server::restart`], without what it kept: a member whose disk was lost copies all of it from the
    /// others.
    pub async fn restart_with_empty_data(&self) -> Result<()> {
        self.kill()?;
        for entry in fs::read_dir(&self.data)? {
            let path = entry?.path();
            // The configuration was not lost.
            if path.extension().is_some_and(|extension| extension == "conf") {
                continue;
            }
            if path.is_dir() { fs::remove_dir_all(&path)? } else { fs::remove_file(&path)? }
        }
        self.restart().await
    }

    async fn ready(&self) -> Result<()> {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            if self.answers().await.unwrap_or(false) {
                return Ok(());
            }
            if let Some(death) = self.unexpected_exit() {
                return Err(death);
            }
            if Instant::now() > deadline {
                return Err(self.slot.exit_report());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn answers(&self) -> Result<bool> {
        match self.kind {
            Kind::Mongodb if self.clustered => mongo_wire::is_member(self.port()).await,
            Kind::Mongodb => mongo_wire::become_primary(self.port()).await,
            Kind::Nats => Ok(first_answer(self.port(), b"").await?.contains("\"jetstream\":true")),
            Kind::Redis => {
                let answer = first_answer(self.port(), b"PING\r\n").await?;
                // Where it asks for a password, it is there.
                Ok(answer.starts_with("+PONG") || answer.starts_with("-NOAUTH"))
            }
        }
    }
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
