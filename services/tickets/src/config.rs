//! The service's own settings, in addition to those that all services have.

use clap::Args;
use common::id::UserId;
use common::money::{Currency, chargeable};

use crate::domain::price::PriceCap;

/// The service's own configuration.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Public keys for verifying access tokens.
    #[command(flatten)]
    pub keys: platform::config::Keys,
    /// Comma-separated currencies that a price may be in; the card network must be able to charge each of them.
    #[arg(long, env = "CURRENCIES", value_delimiter = ',', default_value = "USD,EUR,GBP", value_parser = chargeable::parse)]
    pub currencies: Vec<Currency>,
    /// Comma-separated price caps by the country of the show, in percent over face value, such as FR=0,GB=10; none by
    /// default.
    #[arg(long, env = "PRICE_CAPS", value_delimiter = ',')]
    pub price_caps: Vec<PriceCap>,
    /// Id of the user whose listings the smoke test of a deployment buys; none by default. No list contains these
    /// listings, and no number of seats or lowest price includes them. Must match the setting of the web service.
    #[arg(long, env = "SMOKE_TEST_SELLER")]
    pub smoke_test_seller: Option<UserId>,
}
