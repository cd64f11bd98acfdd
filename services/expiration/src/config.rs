//! What the service is told beside what every service is told.

use std::time::Duration;

use clap::Args;

/// The service's own configuration.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// How often MongoDB is searched for due timers, which Redis lost or delayed.
    #[arg(long, env = "TIMER_SWEEP_INTERVAL", default_value = "1s", value_parser = platform::parsers::duration)]
    pub timer_sweep_interval: Duration,
}
