//! What the service is told beside what every service is told.

use clap::Args;
use common::money::Currency;

/// The service's own configuration.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Verification of access tokens.
    #[command(flatten)]
    pub keys: platform::config::Keys,
    /// Currencies that a price may be in, with commas between.
    #[arg(long, env = "CURRENCIES", value_delimiter = ',', default_value = "USD,EUR,GBP")]
    pub currencies: Vec<Currency>,
}
