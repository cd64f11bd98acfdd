//! Durations on the command line.

use std::time::Duration;

/// Parses a duration of at least one second.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    let parsed = parsed.filter(|interval| *interval >= Duration::from_secs(1));
    parsed.ok_or_else(|| "must be a duration of at least a second, such as 15m".to_owned())
}
