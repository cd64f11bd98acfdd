//! A network that a test can cut: a TCP proxy in front of a real server.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::server;

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Network {
    /// Bytes pass.
    Up,
    /// Connections are closed, new ones at once.
    Down,
    /// Connections stay and nothing passes.
    Silent,
}

/// The proxy; it ends when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    scheme: &'static str,
    tail: String,
    network: watch::Sender<Network>,
}

impl Proxy {
    /// In front of the run's MongoDB.
    pub async fn of_mongodb() -> Self {
        Self::of("mongodb", &server("TEST_MONGODB_URL")).await
    }

    /// In front of the run's NATS server.
    pub async fn of_nats() -> Self {
        Self::of("nats", &server("TEST_NATS_URL")).await
    }

    async fn of(scheme: &'static str, url: &str) -> Self {
        let rest = url.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://")).expect("the server's address");
        let (target, tail) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let target: SocketAddr = target.parse().expect("host and port of one server");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (network, seen) = watch::channel(Network::Up);
        tokio::spawn(async move {
            let mut dropped = seen.clone();
            loop {
                tokio::select! {
                    _ = dropped.wait_for(|_| false) => return,
                    accepted = listener.accept() => {
                        let Ok((client, _)) = accepted else { continue };
                        tokio::spawn(join(client, target, seen.clone()));
                    }
                }
            }
        });
        Self { address, scheme, tail: tail.to_owned(), network }
    }

    /// The server's address by way of the proxy.
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.address, self.tail)
    }

    /// The server is gone: connections break, new ones too.
    pub fn disconnect(&self) {
        self.network.send_replace(Network::Down);
    }

    /// The server does not answer: connections stand and nothing passes.
    pub fn stall(&self) {
        self.network.send_replace(Network::Silent);
    }

    /// The server is back.
    pub fn restore(&self) {
        self.network.send_replace(Network::Up);
    }
}

async fn join(client: TcpStream, target: SocketAddr, mut network: watch::Receiver<Network>) {
    if *network.borrow() == Network::Down {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = copy(from_client, to_server, network.clone()) => {}
        () = copy(from_server, to_client, network.clone()) => {}
        // Also when the proxy is dropped: then nobody will ever say so.
        _ = network.wait_for(|network| *network == Network::Down) => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut network: watch::Receiver<Network>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count) = from.read(&mut buffer).await {
        if count == 0 || network.wait_for(|network| *network != Network::Silent).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
