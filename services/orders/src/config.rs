//! Settings specific to this service; the common ones are in `platform::config`.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args;
use platform::parsers::{duration, secret};
use secrecy::SecretString;

/// The service's own settings.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Verification of access tokens.
    #[command(flatten)]
    pub keys: platform::config::Keys,
    /// Concatenated Ed25519 private keys, PKCS#8 in PEM: the first signs passes, all are published in the JWK set.
    #[arg(long, env = "PASS_PRIVATE_KEYS", hide_env_values = true, value_parser = secret)]
    pub pass_private_keys: SecretString,
    /// How long an unpaid order holds its seats, such as 15m or 6s.
    #[arg(long, env = "ORDER_TTL", default_value = "15m", value_parser = duration)]
    pub order_ttl: Duration,
    /// Maximum number of unpaid orders that one buyer has at once, whatever their number of seats.
    #[arg(long, env = "HOLDS_PER_BUYER", default_value = "5")]
    pub holds_per_buyer: NonZeroUsize,
    /// Maximum number of holds of one listing that one buyer cancels or lets expire within an hour.
    #[arg(long, env = "HOLDS_PER_LISTING", default_value = "3")]
    pub holds_per_listing: NonZeroUsize,
}
