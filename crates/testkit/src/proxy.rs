//! A TCP proxy in front of a real server that simulates network failures.

use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The simulated state of the network between the clients and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Data is forwarded.
    Up,
    /// Open connections are closed, and new ones are closed as soon as they are accepted.
    Down,
    /// Connections stay open, but nothing is forwarded.
    Stalled,
    /// Each chunk of data is forwarded after this delay, in both directions.
    Delayed(Duration),
    /// Connections stay open, but data in this direction is lost. After the link has changed again, a connection that
    /// has lost data forwards nothing in this direction for [`SILENCE`], and is then closed.
    HalfOpen(Direction),
}

/// How long a connection that has lost data stays open after its link has ceased to be half-open.
pub const SILENCE: Duration = Duration::from_secs(5);

/// A direction of a connection through the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From a client to the server.
    ToServer,
    /// From the server to a client.
    ToClient,
}

impl Link {
    fn forwards(self, direction: Direction) -> bool {
        match self {
            Self::Up | Self::Down | Self::Delayed(_) => true,
            Self::Stalled => false,
            Self::HalfOpen(withheld) => withheld != direction,
        }
    }

    fn delay(self) -> Duration {
        if let Self::Delayed(delay) = self { delay } else { Duration::ZERO }
    }
}

/// A proxy that runs until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    link: watch::Sender<Link>,
}

impl Proxy {
    /// Starts a proxy of the server at `target` on a free port of 127.0.0.1. Call it within a tokio runtime.
    pub fn to(target: SocketAddr) -> Result<Self> {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).context("binding the port of a proxy")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = TcpListener::from_std(listener)?;
        let (link, state) = watch::channel(Link::Up);
        tokio::spawn(async move {
            let mut dropped = state.clone();
            loop {
                tokio::select! {
                    _ = dropped.wait_for(|_| false) => return,
                    accepted = listener.accept() => {
                        let Ok((client, _)) = accepted else { continue };
                        tokio::spawn(forward(client, target, state.clone()));
                    }
                }
            }
        });
        Ok(Self { address, link })
    }

    /// The address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the state of all connections, and of new ones.
    pub fn set(&self, link: Link) {
        self.link.send_replace(link);
    }
}

async fn forward(client: TcpStream, target: SocketAddr, mut link: watch::Receiver<Link>) {
    if *link.borrow() == Link::Down {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else { return };
    // Clients and servers also set it: a small message must not wait for the next one.
    if client.set_nodelay(true).is_err() || server.set_nodelay(true).is_err() {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = copy(from_client, to_server, Direction::ToServer, link.clone()) => {}
        () = copy(from_server, to_client, Direction::ToClient, link.clone()) => {}
        // Also ends when the proxy, which owns the sender, is dropped.
        _ = link.wait_for(|link| *link == Link::Down) => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, direction: Direction, mut link: watch::Receiver<Link>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count) = from.read(&mut buffer).await {
        let Some(data) = buffer.get(..count).filter(|data| !data.is_empty()) else { return };
        let is_lost = *link.borrow() == Link::HalfOpen(direction);
        if is_lost {
            return discard(from, link).await;
        }
        let Ok(delay) = link.wait_for(|link| link.forwards(direction)).await.map(|link| link.delay()) else { return };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if to.write_all(data).await.is_err() {
            return;
        }
    }
}

/// Discards what arrives until the link has ceased to be half-open and [`SILENCE`] has passed, or until the sender
/// closes the connection.
async fn discard(mut from: OwnedReadHalf, mut link: watch::Receiver<Link>) {
    let mut buffer = vec![0; 1 << 16];
    let is_silent = async {
        let _ = link.wait_for(|link| !matches!(link, Link::HalfOpen(_))).await;
        tokio::time::sleep(SILENCE).await;
    };
    let discard_all = async { while from.read(&mut buffer).await.is_ok_and(|count| count > 0) {} };
    tokio::select! {
        () = is_silent => {}
        () = discard_all => {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const BRIEF: Duration = Duration::from_millis(200);

    /// A server that echoes the data of all connections, and a proxy of it.
    async fn proxied_echo() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut reader, mut writer) = client.split();
                    let _ = tokio::io::copy(&mut reader, &mut writer).await;
                });
            }
        });
        Proxy::to(target).unwrap()
    }

    /// Sends a byte and waits for its echo, for at most [`BRIEF`].
    async fn echo(stream: &mut TcpStream, byte: u8) -> Option<u8> {
        stream.write_all(&[byte]).await.unwrap();
        received(stream).await
    }

    async fn received(stream: &mut TcpStream) -> Option<u8> {
        tokio::time::timeout(BRIEF, stream.read_u8()).await.ok().and_then(Result::ok)
    }

    #[tokio::test]
    async fn withheld_data_arrives_once_the_link_is_up_again() {
        let proxy = proxied_echo().await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(echo(&mut stream, 1).await, Some(1));
        proxy.set(Link::Stalled);
        assert_eq!(echo(&mut stream, 2).await, None);
        proxy.set(Link::Up);
        assert_eq!(received(&mut stream).await, Some(2));
    }

    #[tokio::test]
    async fn connection_that_has_lost_data_is_closed_some_time_after_the_link_is_up_again() {
        for direction in [Direction::ToServer, Direction::ToClient] {
            let proxy = proxied_echo().await;
            let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
            assert_eq!(echo(&mut stream, 1).await, Some(1));
            proxy.set(Link::HalfOpen(direction));
            assert_eq!(echo(&mut stream, 2).await, None, "{direction:?}");
            proxy.set(Link::Up);
            let mut other = TcpStream::connect(proxy.address()).await.unwrap();
            assert_eq!(echo(&mut other, 3).await, Some(3), "{direction:?}");
            assert_eq!(echo(&mut stream, 4).await, None, "{direction:?}");
            let closed = tokio::time::timeout(2 * SILENCE, stream.read_u8()).await;
            assert!(closed.unwrap().is_err(), "{direction:?}");
        }
    }

    #[tokio::test]
    async fn a_delay_applies_in_both_directions() {
        let proxy = proxied_echo().await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        proxy.set(Link::Delayed(BRIEF / 4));
        let began = Instant::now();
        assert_eq!(echo(&mut stream, 3).await, Some(3));
        assert!(began.elapsed() >= BRIEF / 2, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn a_link_that_is_down_closes_open_and_new_connections() {
        let proxy = proxied_echo().await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(echo(&mut stream, 4).await, Some(4));
        proxy.set(Link::Down);
        let closed = tokio::time::timeout(Duration::from_secs(5), stream.read_u8()).await;
        assert!(closed.unwrap().is_err());
        let mut new = TcpStream::connect(proxy.address()).await.unwrap();
        let closed = tokio::time::timeout(Duration::from_secs(5), new.read_u8()).await;
        assert!(closed.unwrap().is_err());
        proxy.set(Link::Up);
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(echo(&mut stream, 5).await, Some(5));
    }
}
