//! What the service is told beside what every service is told.

use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;
use secrecy::SecretString;

/// The service's own configuration.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Verification of access tokens.
    #[command(flatten)]
    pub keys: platform::config::Keys,
    /// Stripe's secret key.
    #[arg(long, env = "STRIPE_KEY", hide_env_values = true, value_parser = secret)]
    pub stripe_key: SecretString,
    /// Where Stripe's API is, without /v1.
    #[arg(long, env = "STRIPE_URL", default_value = "https://api.stripe.com")]
    pub stripe_url: String,
    /// Secrets that webhooks are signed with, with commas between; several while one is rotated.
    #[arg(long, env = "STRIPE_WEBHOOK_SECRETS", hide_env_values = true, value_delimiter = ',', required = true, value_parser = secret)]
    pub stripe_webhook_secrets: Vec<SecretString>,
    /// How long one call to the provider may take.
    #[arg(long, env = "PROVIDER_TIMEOUT", default_value = "8s", value_parser = platform::parsers::duration)]
    pub provider_timeout: Duration,
    /// How long a payment that is not final may rest before it is looked up at the provider.
    #[arg(long, env = "RECONCILE_AFTER", default_value = "20s", value_parser = platform::parsers::duration)]
    pub reconcile_after: Duration,
    /// How long captures may fail, from the first that failed, before the authorisation is given up.
    #[arg(long, env = "CAPTURE_RETRY_WINDOW", default_value = "10m", value_parser = platform::parsers::duration)]
    pub capture_retry_window: Duration,
    /// How many payment methods may be tried for one order.
    #[arg(long, env = "PAYMENT_ATTEMPTS", default_value = "10")]
    pub payment_attempts: NonZeroU32,
    /// How often the provider's intents of the last two days are compared with the payments.
    #[arg(long, env = "PROVIDER_SWEEP_INTERVAL", default_value = "10m", value_parser = platform::parsers::duration)]
    pub provider_sweep_interval: Duration,
}

fn secret(text: &str) -> Result<SecretString, String> {
    if text.trim().is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.trim().into()) }
}
