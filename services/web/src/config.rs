//! What the service is told beside what every service is told.

use clap::Args;

/// The service's own configuration.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Verification of access tokens.
    #[command(flatten)]
    pub keys: platform::config::Keys,
    /// Where auth is, within the fleet, such as `http://auth:3000`
    #[arg(long, env = "AUTH_URL", value_parser = internal_url)]
    pub auth_url: reqwest::Url,
}

/// The fleet's own network is plain HTTP: encryption ends at the gateway.
fn internal_url(text: &str) -> Result<reqwest::Url, String> {
    let url = text.parse::<reqwest::Url>().ok();
    let url = url.filter(|url| url.scheme() == "http" && url.has_host() && url.path() == "/");
    url.ok_or_else(|| "must be an address such as http://auth:3000".to_owned())
}
