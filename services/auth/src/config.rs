//! The service's own settings, in addition to those that all services have.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use clap::Args;
use platform::parsers::{duration, secret};
use secrecy::SecretString;

/// The service's own configuration.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Ed25519 private keys, concatenated PKCS#8 PEM blocks: the first signs, all are published in the JWK set.
    #[arg(long, env = "JWT_PRIVATE_KEYS", hide_env_values = true, value_parser = secret)]
    pub jwt_private_keys: SecretString,
    /// Lifetime of an access token.
    #[arg(long, env = "ACCESS_TOKEN_TTL", default_value = "15m", value_parser = duration)]
    pub access_token_ttl: Duration,
    /// Idle time after which a session ends.
    #[arg(long, env = "SESSION_TTL", default_value = "720h", value_parser = duration)]
    pub session_ttl: Duration,
    /// Maximum number of sessions of one account; a further one ends the oldest.
    #[arg(long, env = "SESSIONS_PER_ACCOUNT", default_value = "100")]
    pub sessions_per_account: NonZeroU32,
    /// How long a replaced refresh token is still accepted, so that concurrent tabs stay signed in.
    #[arg(long, env = "REFRESH_GRACE", default_value = "10s", value_parser = duration)]
    pub refresh_grace: Duration,
    /// Maximum number of passwords hashed concurrently, 19 MiB each; the number of CPUs by default.
    #[arg(long, env = "HASHING_CONCURRENCY")]
    pub hashing_concurrency: Option<NonZeroUsize>,
    /// Rate limits of sign-in and sign-up.
    #[command(flatten)]
    pub limits: SignInLimits,
}

/// Rate limits of sign-in and sign-up.
#[derive(Debug, Clone, Copy, Args)]
#[group(skip)]
pub struct SignInLimits {
    /// Number of wrong passwords within the window, for one account from one client address, that starts back-off.
    #[arg(long, env = "SIGNIN_FAILURES", default_value = "10")]
    pub signin_failures: NonZeroU32,
    /// Number of wrong passwords within the window, from one client address across all accounts, that starts back-off.
    #[arg(long, env = "SIGNIN_ADDRESS_FAILURES", default_value = "200")]
    pub signin_address_failures: NonZeroU32,
    /// How long a wrong password counts.
    #[arg(long, env = "SIGNIN_WINDOW", default_value = "15m", value_parser = duration)]
    pub signin_window: Duration,
    /// First back-off delay; each further failure doubles it, up to the window.
    #[arg(long, env = "SIGNIN_BACKOFF", default_value = "2s", value_parser = duration)]
    pub signin_backoff: Duration,
    /// How often one account may be signed in to within a minute, with the correct password.
    #[arg(long, env = "SIGNINS_PER_MINUTE", default_value = "60")]
    pub signins_per_minute: NonZeroU32,
    /// Maximum number of sign-ups per minute from one client address, which a whole office may share.
    #[arg(long, env = "SIGNUPS_PER_MINUTE", default_value = "400")]
    pub signups_per_minute: NonZeroU32,
}
