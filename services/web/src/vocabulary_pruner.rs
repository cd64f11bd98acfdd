//! The task that periodically removes words from the vocabulary that no listing has any more.

use std::time::Duration;

use platform::lifecycle::{self, Tasks};
use platform::telemetry;

use crate::store::model::ReadModel;

/// Examines one batch of words once per `interval`, on every instance until the service stops; concurrent runs are
/// harmless.
pub(crate) async fn run(model: ReadModel, tasks: Tasks, interval: Duration) {
    let mut after = String::new();
    while tasks.sleep_unless_stopping(lifecycle::jittered(interval)).await {
        match model.prune_vocabulary(&after).await {
            Ok(last) => after = last.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(
                    error = telemetry::causes(&error),
                    "unused words could not be removed from the vocabulary"
                );
            }
        }
    }
}
