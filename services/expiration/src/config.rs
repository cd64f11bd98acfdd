//! What the service is told beside what every service is told.

use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

/// The service's own configuration.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Redis server that wakes timers in time, such as `redis://host:6379`; timers survive its loss.
    #[arg(long = "redis-url", env = "REDIS_URL", hide_env_values = true, value_parser = redis_client)]
    pub redis: redis::Client,
    /// First part of every key in Redis.
    #[arg(long, env = "REDIS_PREFIX", default_value = "ticketing", value_parser = NonEmptyStringValueParser::new())]
    pub redis_prefix: String,
    /// How often MongoDB is searched for due timers, which Redis lost or delayed.
    #[arg(long, env = "TIMER_SWEEP", default_value = "1s", value_parser = platform::config::duration)]
    pub timer_sweep: Duration,
}

/// Connects only when it is first used.
fn redis_client(text: &str) -> Result<redis::Client, String> {
    redis::Client::open(text).map_err(|_| "must be an address such as redis://host:6379".to_owned())
}
