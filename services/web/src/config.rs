//! Configuration specific to this service.

use clap::Args;

/// The service's own configuration.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Verification of access tokens.
    #[command(flatten)]
    pub keys: platform::config::Keys,
    /// Internal URL of the auth service, such as `http://auth:3000`
    #[arg(long, env = "AUTH_URL", value_parser = internal_url)]
    pub auth_url: reqwest::Url,
    /// Internal URL of the tickets service
    #[arg(long, env = "TICKETS_URL", value_parser = internal_url)]
    pub tickets_url: reqwest::Url,
    /// Internal URL of the orders service
    #[arg(long, env = "ORDERS_URL", value_parser = internal_url)]
    pub orders_url: reqwest::Url,
    /// Stripe's publishable key, which is sent to browsers
    #[arg(long, env = "STRIPE_PUBLISHABLE_KEY", hide_env_values = true, value_parser = publishable_key)]
    pub stripe_publishable_key: String,
    /// Origin from which browsers load Stripe.js at `/v3/`: Stripe, or a fake of it
    #[arg(long, env = "STRIPE_JS_ORIGIN", default_value = STRIPE_JS, value_parser = origin)]
    pub stripe_js_origin: String,
    /// Who operates the shop.
    #[command(flatten)]
    pub operator: Operator,
    /// Allowed currencies of listings, comma-separated; must match the setting of the tickets service
    #[arg(long, env = "CURRENCIES", value_delimiter = ',', default_value = "USD,EUR,GBP", value_parser = common::money::chargeable::parse)]
    pub currencies: Vec<common::money::Currency>,
    /// Id of the user who sells what the smoke test of a deployment buys: this user's listings are in no list and no
    /// figure; none by default. Must match the setting of the tickets service.
    #[arg(long, env = "SMOKE_TEST_SELLER")]
    pub smoke_test_seller: Option<common::id::UserId>,
}

/// What the pages about the shop say about its operator. Where a value is not set, they show the name of its setting in
/// brackets.
#[derive(Debug, Clone, Args)]
pub struct Operator {
    /// Name of the person or company that operates the shop
    #[arg(long = "operator-name", env = "OPERATOR_NAME", default_value = "[OPERATOR_NAME]")]
    pub name: String,
    /// The operator's postal address, in one line
    #[arg(long = "operator-address", env = "OPERATOR_ADDRESS", default_value = "[OPERATOR_ADDRESS]")]
    pub address: String,
    /// Email address at which users reach the operator
    #[arg(long = "operator-email", env = "OPERATOR_EMAIL", default_value = "[OPERATOR_EMAIL]")]
    pub email: String,
}

/// Stripe's own origin for its script.
pub const STRIPE_JS: &str = "https://js.stripe.com";

/// Only plain HTTP: the gateway terminates TLS.
fn internal_url(text: &str) -> Result<reqwest::Url, String> {
    let url = text.parse::<reqwest::Url>().ok();
    let url = url.filter(|url| url.scheme() == "http" && url.has_host() && url.path() == "/");
    url.ok_or_else(|| "must be a URL such as http://auth:3000".to_owned())
}

/// Rejects a secret key, which would be exposed to browsers.
fn publishable_key(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.starts_with("pk_") { Ok(text.to_owned()) } else { Err("must be the key that starts with pk_".to_owned()) }
}

fn origin(text: &str) -> Result<String, String> {
    let url = text.parse::<reqwest::Url>().ok().filter(|url| url.has_host() && url.path() == "/");
    let origin = url.map(|url| url.origin().ascii_serialization());
    origin.ok_or_else(|| format!("must be an origin such as {STRIPE_JS}"))
}
