//! The task that periodically removes words from the vocabulary that no show has any more.

use std::time::Duration;

use platform::lifecycle::{self, Tasks};
use platform::telemetry;

use crate::store::model::ReadModel;

/// Examines all words once per `interval`, in batches, on every instance until the service stops; concurrent runs are
/// harmless.
pub(crate) async fn run(model: ReadModel, tasks: Tasks, interval: Duration) {
    while tasks.sleep_unless_stopping(lifecycle::jittered(interval)).await {
        let mut after = Some(String::new());
        while let Some(last) = after.take().filter(|_| !tasks.stop().is_cancelled()) {
            match model.prune_vocabulary(&last).await {
                Ok(next) => after = next,
                Err(error) => {
                    tracing::warn!(
                        error = telemetry::causes(&error),
                        "unused words could not be removed from the vocabulary"
                    );
                }
            }
        }
    }
}
