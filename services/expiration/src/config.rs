//! The service's own setting, in addition to those that all services have.

use std::time::Duration;

use clap::Args;

/// The service's own configuration.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Interval of the sweep: a search in MongoDB for due timers whose wake-ups Redis lost or delayed.
    #[arg(long, env = "TIMER_SWEEP_INTERVAL", default_value = "1s", value_parser = platform::parsers::duration)]
    pub timer_sweep_interval: Duration,
}
