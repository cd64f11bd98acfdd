//! What the service is told beside what every service is told.

use clap::Args;
use common::money::{Currency, chargeable};

/// The service's own configuration.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Verification of access tokens.
    #[command(flatten)]
    pub keys: platform::config::Keys,
    /// Currencies that a price may be in, with commas between; each has to be one that the card network charges.
    #[arg(long, env = "CURRENCIES", value_delimiter = ',', default_value = "USD,EUR,GBP", value_parser = chargeable::parse)]
    pub currencies: Vec<Currency>,
}
