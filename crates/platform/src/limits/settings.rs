//! What the environment says of limits.

use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;
use secrecy::SecretString;

use super::class::RateClass;
use crate::parsers::duration;

/// The least length of [`Settings::limit_secret`]: half of what `openssl rand -hex 32` prints.
const SECRET_LENGTH: usize = 32;

/// How many requests of each class a minute.
#[derive(Debug, Clone, Args)]
#[group(skip)]
pub struct Settings {
    /// Hides accounts and addresses in Redis' keys, the same for all services: at least 32 characters.
    #[arg(long, env = "LIMIT_SECRET", hide_env_values = true, value_parser = limit_secret)]
    pub limit_secret: Option<SecretString>,
    /// How long Redis may keep a request waiting; after a failure it is not asked for a second.
    #[arg(long, env = "LIMIT_REDIS_TIMEOUT", default_value = "20ms", value_parser = duration)]
    pub limit_redis_timeout: Duration,
    /// How many requests a minute guests may send from one address (IPv6: from one /64).
    #[arg(long, env = "GUEST_REQUESTS_PER_MINUTE", default_value = "3000")]
    pub guest_requests_per_minute: NonZeroU32,
    /// How many requests a minute one account may send that only read.
    #[arg(long, env = "READS_PER_MINUTE", default_value = "1200")]
    pub reads_per_minute: NonZeroU32,
    /// How many requests a minute one account may send that change something.
    #[arg(long, env = "WRITES_PER_MINUTE", default_value = "300")]
    pub writes_per_minute: NonZeroU32,
    /// How many orders a minute one account may place.
    #[arg(long, env = "ORDERS_PER_MINUTE", default_value = "60")]
    pub orders_per_minute: NonZeroU32,
    /// How many requests a minute one account may send that call the payment provider.
    #[arg(long, env = "PAYMENTS_PER_MINUTE", default_value = "30")]
    pub payments_per_minute: NonZeroU32,
}

impl Settings {
    /// How many requests of this class a minute.
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
    if text.len() < SECRET_LENGTH {
        return Err(format!("must have at least {SECRET_LENGTH} characters"));
    }
    Ok(SecretString::from(text))
}
