//! TLS to MongoDB, NATS and Redis. Only certificates that the configured authority has signed for the server's name are
//! accepted. A server without TLS is refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use async_nats::connection::State;
use common::clock::ShiftedClock;
use futures::future::join;
use mongodb::bson::doc;
use platform::config::parse;
use platform::context::Context;
use platform::lifecycle::Tasks;
use testkit::app::{eventually, redis_url};
use testkit::certificates::{Authority, Certificate};
use testkit::servers::ports::Port;
use testkit::servers::process::{Process, ProcessSpec};
use testkit::servers::scratch::ScratchDir;
use testkit::tools::Tools;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::demo;

/// The addresses of MongoDB, NATS and Redis, and further options in MongoDB's URL.
#[derive(Clone)]
struct Servers {
    mongodb: String,
    mongodb_options: String,
    nats: String,
    redis: String,
}

impl Servers {
    /// The same servers under another name.
    fn renamed(&self, host: &str) -> Self {
        let rename = |address: &str| format!("{host}:{}", address.rsplit_once(':').unwrap().1);
        let (mongodb, nats, redis) = (rename(&self.mongodb), rename(&self.nats), rename(&self.redis));
        Self { mongodb, nats, redis, ..self.clone() }
    }

    /// Creates the clients of a service that trusts this authority.
    async fn connect(&self, authority: &Path) -> anyhow::Result<Context> {
        let options = format!("directConnection=true&serverSelectionTimeoutMS=1500{}", self.mongodb_options);
        let arguments = [
            "demo".to_owned(),
            "--public-url=https://ticketing.dev".to_owned(),
            "--jwks={}".to_owned(),
            "--limit-secret=an HMAC key for tests that is long enough".to_owned(),
            format!("--mongodb-url=mongodb://{}/?{options}", self.mongodb),
            format!("--nats-url=nats://{}", self.nats),
            format!("--redis-url=redis://{}", self.redis),
            format!("--tls-ca-file={}", authority.display()),
        ];
        let (config, _) = parse::<demo::Config>("demo", arguments.map(Into::into)).unwrap();
        let (tasks, _failures) = Tasks::new();
        Ok(Context::new("demo", config, Arc::new(ShiftedClock::default()), tasks).await?.0)
    }
}

async fn ping_mongodb(context: &Context) -> mongodb::error::Result<()> {
    context.database.run_command(doc! { "ping": 1 }).await.map(drop)
}

async fn ping_redis(context: &Context) -> redis::RedisResult<()> {
    let client = context.config.redis.client.as_ref().unwrap();
    let mut connection = client.get_multiplexed_async_connection().await?;
    redis::cmd("PING").query_async(&mut connection).await
}

/// The `host:port` in a URL.
fn address(url: &str) -> String {
    url.split("://").nth(1).unwrap().split('/').next().unwrap().to_owned()
}

/// Starts a server that accepts TLS and forwards to a server without it. Returns its address.
async fn terminate_tls(certificate: &Certificate, target: String) -> String {
    let chain = CertificateDer::pem_file_iter(&certificate.certificate).unwrap().collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(&certificate.key).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (acceptor, target) = (acceptor.clone(), target.clone());
            tokio::spawn(async move {
                if let Ok(mut client) = acceptor.accept(client).await {
                    let mut server = TcpStream::connect(target).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
    format!("localhost:{port}")
}

/// Starts a NATS server that requires TLS. In the NATS protocol, TLS begins only after the server's first message, so
/// [`terminate_tls`] can't accept it for the server.
fn start_nats(folder: &Path, certificate: &Certificate) -> (Process, Port) {
    fs::create_dir_all(folder).unwrap();
    let (port, config) = (Port::free().unwrap(), folder.join("nats.conf"));
    let text = format!(
        "listen: \"127.0.0.1:{}\"\ntls {{\n  cert_file: \"{}\"\n  key_file: \"{}\"\n}}\n",
        port.number(),
        certificate.certificate.display(),
        certificate.key.display()
    );
    fs::write(&config, text).unwrap();
    let process = Process::spawn(&ProcessSpec {
        name: "nats-server".to_owned(),
        program: Tools::find_or_install().unwrap().nats_server,
        args: vec!["-c".into(), config.into()],
        env: BTreeMap::new(),
        log: folder.join("nats.log"),
    });
    (process.unwrap(), port)
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_are_verified() {
    let scratch = ScratchDir::new("tls").unwrap();
    let ours = Authority::load_or_create(&scratch.path().join("ours")).unwrap();
    let others = Authority::load_or_create(&scratch.path().join("others")).unwrap();
    let certificate = ours.issue("server", &["DNS:localhost".to_owned()]).unwrap();
    let plain = [address(&std::env::var("TEST_MONGODB_URL").unwrap()), address(&redis_url())];
    let (_nats, port) = start_nats(&scratch.path().join("nats"), &certificate);
    let servers = Servers {
        mongodb: terminate_tls(&certificate, plain[0].clone()).await,
        mongodb_options: String::new(),
        nats: format!("localhost:{}", port.number()),
        redis: terminate_tls(&certificate, plain[1].clone()).await,
    };

    let trusting = servers.connect(&ours.certificate()).await.unwrap();
    ping_mongodb(&trusting).await.unwrap();
    ping_redis(&trusting).await.unwrap();
    let is_connected = |context: &Context| context.nats.connection_state() == State::Connected;
    eventually("NATS to be connected", async || is_connected(&trusting)).await;

    for (what, host, authority) in [("another authority", "localhost", &others), ("another name", "127.0.0.1", &ours)] {
        let folder = scratch.path().join(what);
        let (_nats, port) = start_nats(&folder, &certificate);
        let servers = Servers { nats: format!("{host}:{}", port.number()), ..servers.renamed(host) };
        let context = servers.connect(&authority.certificate()).await.unwrap();
        let (at_mongodb, at_redis) = join(ping_mongodb(&context), ping_redis(&context)).await;
        assert!(at_mongodb.is_err() && at_redis.is_err(), "{what}: {at_mongodb:?}, {at_redis:?}");
        let log = || fs::read_to_string(folder.join("nats.log")).unwrap_or_default();
        eventually("the client to end the handshake", async || log().contains("TLS handshake error")).await;
        assert!(!is_connected(&context), "{what}");
    }

    // A managed MongoDB has its own authority, which the URL names.
    let mongodb_options = format!("&tls=true&tlsCAFile={}", ours.certificate().display());
    let managed = Servers { mongodb_options, ..servers.clone() };
    ping_mongodb(&managed.connect(&others.certificate()).await.unwrap()).await.unwrap();

    let [mongodb, redis] = plain;
    let unprotected = Servers { mongodb, nats: "127.0.0.1:1".to_owned(), redis, ..servers };
    let context = unprotected.connect(&ours.certificate()).await.unwrap();
    let (at_mongodb, at_redis) = join(ping_mongodb(&context), ping_redis(&context)).await;
    assert!(at_mongodb.is_err() && at_redis.is_err(), "without TLS: {at_mongodb:?}, {at_redis:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn file_without_an_authority_is_named() {
    let scratch = ScratchDir::new("no-authority").unwrap();
    let nowhere = || "localhost:1".to_owned();
    let servers = Servers { mongodb: nowhere(), mongodb_options: String::new(), nats: nowhere(), redis: nowhere() };
    let file = scratch.path().join("ca.crt");
    for what in ["can't be read", "contains no certificate"] {
        let error = servers.connect(&file).await.err().unwrap();
        let expected = format!("demo: TLS_CA_FILE is wrong: {} {what}", file.display());
        assert!(format!("{error:#}").starts_with(&expected), "{error:#}");
        fs::write(&file, "").unwrap();
    }
}
