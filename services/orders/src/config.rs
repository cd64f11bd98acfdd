//! What the service is told beside what every service is told.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args;
use platform::parsers::{duration, secret};
use secrecy::SecretString;

/// The service's own configuration.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Verification of access tokens.
    #[command(flatten)]
    pub keys: platform::config::Keys,
    /// Ed25519 private keys, PKCS#8 in PEM, one behind the other: the first signs passes, all are in the JWK set.
    #[arg(long, env = "PASS_PRIVATE_KEYS", hide_env_values = true, value_parser = secret)]
    pub pass_private_keys: SecretString,
    /// How long an unpaid order holds its ticket, such as 15m or 6s.
    #[arg(long, env = "ORDER_TTL", default_value = "15m", value_parser = duration)]
    pub order_ttl: Duration,
    /// How many tickets one buyer may hold at once without having paid.
    #[arg(long, env = "HOLDS_PER_BUYER", default_value = "5")]
    pub holds_per_buyer: NonZeroUsize,
    /// How many holds of one listing may end within an hour, let go or run out, before their buyer has to wait.
    #[arg(long, env = "HOLDS_PER_LISTING", default_value = "3")]
    pub holds_per_listing: NonZeroUsize,
}
