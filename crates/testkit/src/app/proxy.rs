//! Proxies of the run's servers, by which a test simulates network failures.

use crate::proxy::{self, Link};

use super::server;

/// A proxy that runs until it is dropped.
pub struct Proxy {
    inner: proxy::Proxy,
    scheme: &'static str,
    path_and_query: String,
}

impl Proxy {
    /// Starts a proxy of the run's MongoDB.
    pub fn of_mongodb() -> Self {
        Self::of("mongodb", &server("TEST_MONGODB_URL"))
    }

    /// Starts a proxy of the run's NATS server.
    pub fn of_nats() -> Self {
        Self::of("nats", &server("TEST_NATS_URL"))
    }

    fn of(scheme: &'static str, url: &str) -> Self {
        let rest = url.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://")).expect("the server's address");
        let (target, path_and_query) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let proxy = proxy::Proxy::to(target.parse().expect("host and port of one server")).expect("a free port");
        Self { inner: proxy, scheme, path_and_query: path_and_query.to_owned() }
    }

    /// The server's URL with the proxy's address.
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.inner.address(), self.path_and_query)
    }

    /// Closes all connections, new ones too.
    pub fn disconnect(&self) {
        self.inner.set(Link::Down);
    }

    /// Keeps connections open but forwards nothing.
    pub fn stall(&self) {
        self.inner.set(Link::Stalled);
    }

    /// Forwards data again.
    pub fn restore(&self) {
        self.inner.set(Link::Up);
    }
}
