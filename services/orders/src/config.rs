//! What the service is told beside what every service is told.

use std::time::Duration;

use clap::Args;

/// The service's own configuration.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Verification of access tokens.
    #[command(flatten)]
    pub keys: platform::config::Keys,
    /// How long an unpaid order holds its ticket, such as 15m or 6s.
    #[arg(long, env = "ORDER_TTL", default_value = "15m", value_parser = platform::config::duration)]
    pub order_ttl: Duration,
}
