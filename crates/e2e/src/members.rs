//! Waits for the NATS cluster: until all replicas of its streams are up to date, or until each stream has a leader.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::TryStreamExt;

use crate::test_fleet::TestFleet;

const TIMEOUT: Duration = Duration::from_secs(60);

/// Waits until all replicas of every stream are up to date, so that any member can be lost. Fails if that takes longer
/// than a minute.
pub async fn wait_until_caught_up(fleet: &TestFleet) -> Result<()> {
    let began = Instant::now();
    while !is_caught_up(fleet).await.unwrap_or(false) {
        ensure!(began.elapsed() < TIMEOUT, "the replicas of the streams did not catch up within {TIMEOUT:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// Waits until every stream has a leader. Fails if that takes longer than a minute.
pub async fn wait_until_led(fleet: &TestFleet) -> Result<()> {
    let began = Instant::now();
    while !is_led(fleet).await.unwrap_or(false) {
        ensure!(began.elapsed() < TIMEOUT, "not every stream had a leader within {TIMEOUT:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

async fn is_led(fleet: &TestFleet) -> Result<bool> {
    let jetstream = fleet.jetstream().await?;
    let names: Vec<_> = jetstream.stream_names().try_collect().await?;
    for name in &names {
        // Only a leader responds.
        jetstream.get_stream(name).await?;
    }
    Ok(!names.is_empty())
}

async fn is_caught_up(fleet: &TestFleet) -> Result<bool> {
    let jetstream = fleet.jetstream().await?;
    let names: Vec<_> = jetstream.stream_names().try_collect().await?;
    for name in &names {
        let info = jetstream.get_stream(name).await?.get_info().await?;
        let replicas = info.cluster.map(|cluster| cluster.replicas).unwrap_or_default();
        let is_complete = replicas.len() + 1 == info.config.num_replicas;
        if !is_complete || replicas.iter().any(|replica| !replica.current || replica.offline) {
            return Ok(false);
        }
    }
    Ok(!names.is_empty())
}
