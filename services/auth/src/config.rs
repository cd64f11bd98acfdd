//! What the service is told beside what every service is told.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use clap::Args;
use platform::parsers::{duration, secret};
use secrecy::SecretString;

/// The service's own configuration.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Ed25519 private keys, PKCS#8 in PEM, one behind the other: the first signs, all are in the JWK set.
    #[arg(long, env = "JWT_PRIVATE_KEYS", hide_env_values = true, value_parser = secret)]
    pub jwt_private_keys: SecretString,
    /// How long an access token is good for.
    #[arg(long, env = "ACCESS_TOKEN_TTL", default_value = "15m", value_parser = duration)]
    pub access_token_ttl: Duration,
    /// After how long without use a session ends.
    #[arg(long, env = "SESSION_TTL", default_value = "720h", value_parser = duration)]
    pub session_ttl: Duration,
    /// How long a refresh token that was replaced is still answered: for tabs that race.
    #[arg(long, env = "REFRESH_GRACE", default_value = "10s", value_parser = duration)]
    pub refresh_grace: Duration,
    /// How many passwords are hashed at once, at 19 MiB each; the number of CPUs unless told.
    #[arg(long, env = "HASHING_CONCURRENCY")]
    pub hashing_concurrency: Option<NonZeroUsize>,
    /// What bounds guessing.
    #[command(flatten)]
    pub limits: Limits,
}

/// How often somebody may try.
#[derive(Debug, Clone, Copy, Args)]
#[group(skip)]
pub struct Limits {
    /// From this wrong password on, at the sign-in or where it is changed, for one account and one address within the window, there is a wait.
    #[arg(long, env = "SIGNIN_FAILURES", default_value = "10")]
    pub signin_failures: NonZeroU32,
    /// The same for one address over all accounts.
    #[arg(long, env = "SIGNIN_ADDRESS_FAILURES", default_value = "200")]
    pub signin_address_failures: NonZeroU32,
    /// How long a wrong password counts.
    #[arg(long, env = "SIGNIN_WINDOW", default_value = "15m", value_parser = duration)]
    pub signin_window: Duration,
    /// The first wait; it doubles with each further failure, up to the window.
    #[arg(long, env = "SIGNIN_BACKOFF", default_value = "2s", value_parser = duration)]
    pub signin_backoff: Duration,
    /// How many sign-ups one address may try in a minute; a whole office may be behind one address.
    #[arg(long, env = "SIGNUPS_PER_MINUTE", default_value = "400")]
    pub signups_per_minute: NonZeroU32,
}
