//! How much the services have yet to handle.

use anyhow::Result;
use futures::TryStreamExt;

use crate::test_fleet::TestFleet;

/// Number of messages that the services have not handled yet.
pub async fn backlog(fleet: &TestFleet) -> Result<u64> {
    let jetstream = fleet.jetstream().await?;
    let mut streams = jetstream.streams();
    let mut count = 0;
    while let Some(stream) = streams.try_next().await? {
        let stream = jetstream.get_stream(stream.config.name).await?;
        let mut consumers = stream.consumers();
        while let Some(consumer) = consumers.try_next().await? {
            // Ephemeral consumers have no durable name.
            if consumer.config.durable_name.is_some() {
                count += consumer.num_pending + consumer.num_ack_pending as u64;
            }
        }
    }
    Ok(count)
}
