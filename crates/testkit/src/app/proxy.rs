//! A TCP proxy in front of a real server that simulates network failures.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::server;

/// The simulated state of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Network {
    /// Data is forwarded.
    Up,
    /// Connections are closed, new ones immediately.
    Down,
    /// Connections stay open, but nothing is forwarded.
    Stalled,
}

/// A proxy that runs until it is dropped.
pub struct Proxy {
    address: SocketAddr,
    scheme: &'static str,
    path_and_query: String,
    network: watch::Sender<Network>,
}

impl Proxy {
    /// Starts a proxy of the run's MongoDB.
    pub async fn of_mongodb() -> Self {
        Self::of("mongodb", &server("TEST_MONGODB_URL")).await
    }

    /// Starts a proxy of the run's NATS server.
    pub async fn of_nats() -> Self {
        Self::of("nats", &server("TEST_NATS_URL")).await
    }

    async fn of(scheme: &'static str, url: &str) -> Self {
        let rest = url.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://")).expect("the server's address");
        let (target, path_and_query) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let target: SocketAddr = target.parse().expect("host and port of one server");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (network, state) = watch::channel(Network::Up);
        tokio::spawn(async move {
            let mut dropped = state.clone();
            loop {
                tokio::select! {
                    // Ends only when the proxy, which owns the sender, is dropped.
                    _ = dropped.wait_for(|_| false) => return,
                    accepted = listener.accept() => {
                        let Ok((client, _)) = accepted else { continue };
                        tokio::spawn(relay(client, target, state.clone()));
                    }
                }
            }
        });
        Self { address, scheme, path_and_query: path_and_query.to_owned(), network }
    }

    /// The server's URL with the proxy's address.
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.address, self.path_and_query)
    }

    /// Closes all connections, new ones too.
    pub fn disconnect(&self) {
        self.network.send_replace(Network::Down);
    }

    /// Keeps connections open but forwards nothing.
    pub fn stall(&self) {
        self.network.send_replace(Network::Stalled);
    }

    /// Forwards data again.
    pub fn restore(&self) {
        self.network.send_replace(Network::Up);
    }
}

async fn relay(client: TcpStream, target: SocketAddr, mut network: watch::Receiver<Network>) {
    if *network.borrow() == Network::Down {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = copy(from_client, to_server, network.clone()) => {}
        () = copy(from_server, to_client, network.clone()) => {}
        // Also ends when the proxy, which owns the sender, is dropped.
        _ = network.wait_for(|network| *network == Network::Down) => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut network: watch::Receiver<Network>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count) = from.read(&mut buffer).await {
        if count == 0 || network.wait_for(|network| *network != Network::Stalled).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
