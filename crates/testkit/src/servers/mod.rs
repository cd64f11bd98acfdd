//! mongod (a replica set of one or three members), nats-server with JetStream (one server or a cluster of
//! three) and redis-server on 127.0.0.1.

mod kind;
pub mod mongo_wire;
pub mod ports;
pub mod process;
mod replica_set;
pub mod scratch;

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use self::kind::{Member, ServerKind};
use self::mongo_wire::MemberStatus;
use self::ports::Port;
use self::process::{Process, ProcessSpec};
use crate::proxy::{Link, Proxy};
use crate::tools::Tools;

const START_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_GRACE: Duration = Duration::from_secs(10);

/// Options of the three kinds of servers.
#[derive(Debug, Clone)]
pub struct ServersOptions {
    /// Data folder, with one subfolder per server.
    pub data: PathBuf,
    /// Folder of `mongod.log`, `nats-server.log` and `redis-server.log`.
    pub logs: PathBuf,
    /// NATS users, such as the cluster's; no access control by default.
    pub nats_users: Option<NatsUsers>,
    /// Number of members of MongoDB's replica set and of the NATS cluster: one, or three as in production.
    pub members: u8,
    /// Further arguments of redis-server, such as the cluster's users; no access control by default.
    pub redis_args: Vec<String>,
    /// Whether clients reach each server, and the members of MongoDB's replica set each other, through a proxy.
    pub proxied: bool,
}

/// Users of NATS and their permissions.
#[derive(Debug, Clone)]
pub struct NatsUsers {
    /// Part of the configuration of nats-server, which reads the passwords from environment variables.
    pub file: PathBuf,
    /// Values of these variables.
    pub env: BTreeMap<String, String>,
}

impl ServersOptions {
    /// Data and logs in one folder.
    pub fn in_dir(folder: &Path) -> Self {
        Self {
            data: folder.join("data"),
            logs: folder.join("logs"),
            nats_users: None,
            members: 1,
            redis_args: Vec::new(),
            proxied: false,
        }
    }
}

/// The running servers. All are killed on drop.
#[derive(Debug)]
pub struct Servers {
    /// MongoDB: the first member of `rs0`, and its primary if it is the only one.
    pub mongodb: Server,
    /// NATS: the first member of the cluster, or the only server.
    pub nats: Server,
    /// Redis.
    pub redis: Server,
    other_mongodb_members: Vec<Server>,
    other_nats_members: Vec<Server>,
}

/// One server, which can be killed and restarted on its port with its data.
#[derive(Debug)]
pub struct Server {
    kind: ServerKind,
    port: Port,
    data: PathBuf,
    log: PathBuf,
    is_clustered: bool,
    process: Process,
    proxy: Option<Proxy>,
    /// Locks the port for the other members of its NATS cluster.
    _cluster_port: Option<Port>,
}

impl Servers {
    /// Starts all servers in parallel and waits until each is ready.
    pub async fn start(tools: &Tools, options: &ServersOptions) -> Result<Self> {
        raise_open_file_limit();
        let mut mongodb = Server::spawn_members(ServerKind::Mongodb, &tools.mongod, options)?;
        let mut nats = Server::spawn_members(ServerKind::Nats, &tools.nats_server, options)?;
        let redis = Server::spawn(ServerKind::Redis, &tools.redis_server, options, &Member::default())?;
        ensure!(options.members > 0, "ServersOptions::members is 0");
        let (mongodb, other_mongodb_members) = (mongodb.remove(0), mongodb);
        let (nats, other_nats_members) = (nats.remove(0), nats);
        let servers = Self { mongodb, nats, redis, other_mongodb_members, other_nats_members };
        if options.members > 1 {
            servers.form_replica_set().await?;
        }
        for (_, server) in servers.all() {
            server.ready().await?;
        }
        Ok(servers)
    }

    /// All servers with their names in fleet.json.
    pub fn all(&self) -> Vec<(String, &Server)> {
        let groups = [self.mongodb_members(), self.nats_members(), vec![&self.redis]];
        let servers = groups.into_iter().flat_map(|members| members.into_iter().enumerate());
        servers.map(|(index, server)| (server.kind.member_name(index), server)).collect()
    }

    /// The members of MongoDB's replica set.
    pub fn mongodb_members(&self) -> Vec<&Server> {
        std::iter::once(&self.mongodb).chain(&self.other_mongodb_members).collect()
    }

    /// The members of the NATS cluster.
    pub fn nats_members(&self) -> Vec<&Server> {
        std::iter::once(&self.nats).chain(&self.other_nats_members).collect()
    }

    /// MongoDB's URL for clients, independent of the current primary.
    pub fn mongodb_url(&self) -> String {
        if self.other_mongodb_members.is_empty() {
            return self.mongodb.client_url();
        }
        let hosts: Vec<_> = self.mongodb_members().iter().map(|server| server.client_address()).collect();
        format!("mongodb://{}/?replicaSet=rs0", hosts.join(","))
    }

    /// The comma-separated URLs of all NATS members.
    pub fn nats_url(&self) -> String {
        let urls: Vec<_> = self.nats_members().iter().map(|server| server.client_url()).collect();
        urls.join(",")
    }

    /// The error to report if a server has exited by itself.
    pub fn unexpected_exit(&self) -> Option<anyhow::Error> {
        self.all().into_iter().find_map(|(_, server)| server.unexpected_exit())
    }

    /// Stops the servers in order, so that they flush their data.
    pub async fn stop(&self) -> Result<()> {
        for (_, server) in self.all() {
            server.stop().await?;
        }
        Ok(())
    }

    /// The variables that tests read: `TEST_MONGODB_URL`, `TEST_NATS_URL`, `TEST_REDIS_URL`.
    pub fn test_env(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("TEST_MONGODB_URL".to_owned(), self.mongodb_url()),
            ("TEST_NATS_URL".to_owned(), self.nats_url()),
            ("TEST_REDIS_URL".to_owned(), self.redis.url()),
        ])
    }
}

impl Server {
    fn spawn_members(kind: ServerKind, program: &Path, options: &ServersOptions) -> Result<Vec<Self>> {
        let clustered = if options.members > 1 { options.members } else { 0 };
        let ports: Vec<Port> = (0..clustered).map(|_| Port::free()).collect::<Result<_>>()?;
        let cluster_ports: Vec<u16> = ports.iter().map(Port::number).collect();
        let mut ports = ports.into_iter();
        let mut spawn = |index| {
            let member = Member { index, cluster_ports: &cluster_ports, proxy: None };
            let server = Self::spawn(kind, program, options, &member)?;
            Ok(Self { _cluster_port: ports.next(), ..server })
        };
        (0..usize::from(options.members)).map(&mut spawn).collect()
    }

    fn spawn(kind: ServerKind, program: &Path, options: &ServersOptions, member: &Member<'_>) -> Result<Self> {
        let port = Port::free()?;
        let data = options.data.join(kind.member_name(member.index));
        fs::create_dir_all(&data).with_context(|| format!("creating {}", data.display()))?;
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        let proxy = if options.proxied { Some(Proxy::to(target)?) } else { None };
        let member = &Member { proxy: proxy.as_ref().map(Proxy::address), ..*member };
        let name = numbered(kind.binary(), member.index);
        let log = options.logs.join(format!("{name}.log"));
        let users = options.nats_users.as_ref().filter(|_| kind == ServerKind::Nats);
        let mut args = kind.args(port.number(), &data, users, member)?;
        if kind == ServerKind::Redis {
            args.extend(options.redis_args.iter().map(Into::into));
        }
        let env = users.map(|users| users.env.clone()).unwrap_or_default();
        let spec = ProcessSpec { name, program: program.to_path_buf(), args, env, log: log.clone() };
        let process = Process::spawn(&spec)?;
        let is_clustered = !member.cluster_ports.is_empty();
        Ok(Self { kind, port, data, log, is_clustered, process, proxy, _cluster_port: None })
    }

    /// The URL of this server only: `mongodb://…`, `nats://…` or `redis://…`, past its proxy.
    pub fn url(&self) -> String {
        self.url_at(&self.address())
    }

    /// Like [`Server::url`], through the proxy if there is one.
    pub fn client_url(&self) -> String {
        self.url_at(&self.client_address())
    }

    fn url_at(&self, address: &str) -> String {
        match self.kind {
            ServerKind::Mongodb => format!("mongodb://{address}/?directConnection=true"),
            ServerKind::Nats => format!("nats://{address}"),
            ServerKind::Redis => format!("redis://{address}"),
        }
    }

    /// The address of the proxy, or of the server if there is none.
    fn client_address(&self) -> String {
        self.proxy.as_ref().map_or_else(|| self.address(), |proxy| proxy.address().to_string())
    }

    /// Changes the state of the network between the server and its clients. Fails if the server has no proxy.
    pub fn set_link(&self, link: Link) -> Result<()> {
        let proxy = self.proxy.as_ref().with_context(|| format!("{} has no proxy", self.address()))?;
        proxy.set(link);
        Ok(())
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The server's log file.
    pub fn log(&self) -> &Path {
        &self.log
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

    /// Sends SIGTERM and waits for the exit.
    pub async fn stop(&self) -> Result<()> {
        self.process.stop(STOP_GRACE).await.map(drop)
    }

    /// Restarts the server on the same port and data, and waits until it is ready.
    pub async fn restart(&self) -> Result<()> {
        self.process.restart(&[])?;
        self.ready().await
    }

    /// Restarts the server with an empty data folder, as after the loss of a disk: a member copies the data
    /// from the others.
    pub async fn restart_with_empty_data(&self) -> Result<()> {
        self.lose_data()?;
        self.restart().await
    }

    /// Sends SIGKILL and removes the data.
    pub fn lose_data(&self) -> Result<()> {
        self.kill()?;
        for entry in fs::read_dir(&self.data)? {
            let path = entry?.path();
            // The configuration is generated only at the first start.
            if path.extension().is_some_and(|extension| extension == "conf") {
                continue;
            }
            if path.is_dir() { fs::remove_dir_all(&path)? } else { fs::remove_file(&path)? }
        }
        Ok(())
    }

    /// What a member of MongoDB's replica set knows about it.
    pub async fn member_status(&self) -> Result<MemberStatus> {
        mongo_wire::status(self.port()).await
    }

    /// Makes a member of MongoDB's replica set write a checkpoint. A member that has copied the data of another one and
    /// crashes before its first checkpoint has to copy the data again.
    pub async fn checkpoint(&self) -> Result<()> {
        mongo_wire::checkpoint(self.port()).await
    }

    /// The error to report if the server has exited by itself.
    pub fn unexpected_exit(&self) -> Option<anyhow::Error> {
        self.process.unexpected_exit()
    }

    /// Waits until the server accepts requests.
    pub async fn ready(&self) -> Result<()> {
        self.process.wait_until_ready(START_TIMEOUT, async || self.is_ready().await.unwrap_or(false)).await
    }

    async fn is_ready(&self) -> Result<bool> {
        match self.kind {
            ServerKind::Mongodb if self.is_clustered => mongo_wire::is_member(self.port()).await,
            ServerKind::Mongodb => mongo_wire::become_primary(self.port()).await,
            ServerKind::Nats => Ok(first_response(self.port(), b"").await?.contains("\"jetstream\":true")),
            ServerKind::Redis => {
                let response = first_response(self.port(), b"PING\r\n").await?;
                // A server that requires a password is ready, too.
                Ok(response.starts_with("+PONG") || response.starts_with("-NOAUTH"))
            }
        }
    }
}

/// `name` for the first instance, `name-2` for the second one.
pub(crate) fn numbered(name: &str, index: usize) -> String {
    if index == 0 { name.to_owned() } else { format!("{name}-{}", index + 1) }
}

/// Sends one line, if it is not empty, and returns the first bytes that the server sends.
async fn first_response(port: u16, line: &[u8]) -> Result<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(line).await?;
        let mut response = vec![0; 4096];
        let read = stream.read(&mut response).await?;
        response.truncate(read);
        anyhow::Ok(String::from_utf8_lossy(&response).into_owned())
    };
    tokio::time::timeout(Duration::from_secs(2), exchange).await?
}

/// Raises the limit to what two hundred databases need: thousands of open files, more than many shells allow
/// by default.
fn raise_open_file_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(1 << 20), hard);
    }
}
