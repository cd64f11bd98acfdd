//! Settings specific to this service; the common ones are in `platform::config`.

use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;
use secrecy::SecretString;

/// The service's own settings.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// The public keys that verify access tokens.
    #[command(flatten)]
    pub keys: platform::config::Keys,
    /// Stripe's secret key.
    #[arg(long, env = "STRIPE_KEY", hide_env_values = true, value_parser = secret)]
    pub stripe_key: SecretString,
    /// Base URL of Stripe's API, without /v1.
    #[arg(long, env = "STRIPE_URL", default_value = "https://api.stripe.com")]
    pub stripe_url: String,
    /// Comma-separated secrets that verify the signatures of webhooks. There are several while a secret is rotated.
    #[arg(long, env = "STRIPE_WEBHOOK_SECRETS", hide_env_values = true, value_delimiter = ',', required = true, value_parser = secret)]
    pub stripe_webhook_secrets: Vec<SecretString>,
    /// Timeout of a call to the payment provider.
    #[arg(long, env = "PROVIDER_TIMEOUT", default_value = "8s", value_parser = platform::parsers::duration)]
    pub provider_timeout: Duration,
    /// How long a payment that is not final may stay unchanged before it is synchronised with the provider.
    #[arg(long, env = "RECONCILE_AFTER", default_value = "20s", value_parser = platform::parsers::duration)]
    pub reconcile_after: Duration,
    /// How long a failing capture is retried, from the first failure, before the authorisation is cancelled.
    #[arg(long, env = "CAPTURE_RETRY_WINDOW", default_value = "10m", value_parser = platform::parsers::duration)]
    pub capture_retry_window: Duration,
    /// Maximum number of payments of one order. Each payment method that the buyer tries is a payment of its own.
    #[arg(long, env = "PAYMENT_ATTEMPTS", default_value = "10")]
    pub payment_attempts: NonZeroU32,
    /// Interval at which the provider's intents of the last two days are compared with the payments.
    #[arg(long, env = "PROVIDER_SWEEP_INTERVAL", default_value = "10m", value_parser = platform::parsers::duration)]
    pub provider_sweep_interval: Duration,
}

fn secret(text: &str) -> Result<SecretString, String> {
    if text.trim().is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.trim().into()) }
}
