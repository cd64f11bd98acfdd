//! The settings, each an environment variable and a command-line option.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;

/// A development server that stands in for Stripe.
#[derive(Clone, Debug, Parser)]
#[command(name = "fakestripe", version, about)]
pub struct Config {
    /// Address to listen on
    #[arg(long, env = "FAKESTRIPE_BIND", default_value = "127.0.0.1:12111")]
    pub bind: SocketAddr,
    /// URL that events are delivered to (plain http); unset or empty: no deliveries
    #[arg(long, env = "FAKESTRIPE_WEBHOOK_URL")]
    pub webhook_url: Option<String>,
    /// Signing secrets of deliveries, separated by commas; each adds one signature
    #[arg(long, env = "FAKESTRIPE_WEBHOOK_SECRET", default_value = "whsec_dev")]
    pub webhook_secret: String,
    /// Maximum number of attempts per delivery
    #[arg(long, env = "FAKESTRIPE_WEBHOOK_ATTEMPTS", default_value_t = 12)]
    pub webhook_attempts: u32,
    /// Delay of the second delivery attempt, in milliseconds; it doubles with each further attempt, up to 30 seconds
    #[arg(long, env = "FAKESTRIPE_WEBHOOK_BACKOFF_MS", default_value_t = 500)]
    pub webhook_backoff_ms: u64,
    /// The only secret key accepted; unset or empty: any that starts with `sk_test_` or `rk_test_`
    #[arg(long, env = "FAKESTRIPE_KEY")]
    pub key: Option<String>,
    /// Base URL of this server for browsers, used in 3-D Secure links; unset: the Host header
    #[arg(long, env = "FAKESTRIPE_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// Time source of timestamps and key expiry; in-process tests may replace it. Payment methods do not use it: their
    /// creation time and the check of a card's expiry year always use the system clock.
    #[arg(skip)]
    pub clock: Clock,
}

/// A clock in seconds since 1970; the default is the system clock.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    /// A clock that calls this function.
    pub fn new(seconds: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(seconds))
    }

    pub(crate) fn now(&self) -> i64 {
        (self.0)()
    }
}

impl Default for Clock {
    fn default() -> Self {
        let seconds = |age: std::time::Duration| i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        Self::new(move || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, seconds))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 12111)),
            webhook_url: None,
            webhook_secret: "whsec_dev".to_owned(),
            webhook_attempts: 12,
            webhook_backoff_ms: 500,
            key: None,
            public_url: None,
            clock: Clock::default(),
        }
    }
}

/// Treats an empty variable like an unset one.
pub(crate) fn non_empty(value: Option<&String>) -> Option<&str> {
    value.map(|text| text.trim()).filter(|text| !text.is_empty())
}
