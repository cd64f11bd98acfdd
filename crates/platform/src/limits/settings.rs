//! Command-line options and environment variables of the rate limits.

use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;
use secrecy::SecretString;

use super::class::RateClass;
use crate::parsers::duration;

/// The quota of each rate class, and how instances share the counts.
#[derive(Debug, Clone, Args)]
#[group(skip)]
pub struct Settings {
    /// Secret key that pseudonymises account ids and addresses in Redis keys; at least 32 characters, the same for all
    /// services.
    #[arg(long, env = "LIMIT_SECRET", hide_env_values = true, value_parser = limit_secret)]
    pub limit_secret: Option<SecretString>,
    /// How long a request may wait for Redis. After a failure, Redis is bypassed for one second.
    #[arg(long, env = "LIMIT_REDIS_TIMEOUT", default_value = "20ms", value_parser = duration)]
    pub limit_redis_timeout: Duration,
    /// Requests per minute of guests from one address (IPv6: one /64).
    #[arg(long, env = "GUEST_REQUESTS_PER_MINUTE", default_value = "3000")]
    pub guest_requests_per_minute: NonZeroU32,
    /// Read requests per minute of one account.
    #[arg(long, env = "READS_PER_MINUTE", default_value = "1200")]
    pub reads_per_minute: NonZeroU32,
    /// Write requests per minute of one account.
    #[arg(long, env = "WRITES_PER_MINUTE", default_value = "300")]
    pub writes_per_minute: NonZeroU32,
    /// Orders per minute of one account.
    #[arg(long, env = "ORDERS_PER_MINUTE", default_value = "60")]
    pub orders_per_minute: NonZeroU32,
    /// Requests per minute of one account that call the payment provider.
    #[arg(long, env = "PAYMENTS_PER_MINUTE", default_value = "30")]
    pub payments_per_minute: NonZeroU32,
}

impl Settings {
    /// Requests per minute of this class.
    pub fn quota(&self, class: RateClass) -> u32 {
        let quota = match class {
            RateClass::Guest => self.guest_requests_per_minute,
            RateClass::Reads => self.reads_per_minute,
            RateClass::Writes => self.writes_per_minute,
            RateClass::Orders => self.orders_per_minute,
            RateClass::Payments => self.payments_per_minute,
        };
        quota.get()
    }
}

fn limit_secret(text: &str) -> Result<SecretString, String> {
    // A key of `openssl rand -hex 32` has twice as many characters.
    if text.len() < 32 { Err("must have at least 32 characters".to_owned()) } else { Ok(SecretString::from(text)) }
}
