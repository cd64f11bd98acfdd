//! The rules that a shell applies, for the layers that each apply one of them.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use common::problem::Problem;
use ipnet::IpNet;

use crate::config::Config;
use crate::context::Readiness;

/// Renders an error for a browser.
pub type ErrorPage = fn(&Problem) -> Response;

/// The rules of a shell.
pub(crate) struct HttpSettings {
    pub(crate) public_origin: String,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) pages: Option<ErrorPage>,
    pub(crate) readiness: Readiness,
    pub(crate) timeout: Duration,
    /// Paths that other programs post to, which browsers' rules do not bind.
    pub(crate) webhooks: &'static [&'static str],
}

impl HttpSettings {
    pub(crate) fn new(
        config: &Config,
        readiness: Readiness,
        pages: Option<ErrorPage>,
        webhooks: &'static [&'static str],
    ) -> Arc<Self> {
        Arc::new(Self {
            public_origin: config.public_url.clone(),
            trusted_proxies: config.trusted_proxies.clone(),
            pages,
            readiness,
            timeout: config.request_timeout,
            webhooks,
        })
    }
}
