//! What a service needs before anybody asks it for anything: time, memory, disk.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::fleet::SERVICES;
use testkit::fleet::instance::Instance;
use tokio::time::Instant;

use super::scale::Scale;
use crate::cpu::resident;
use crate::figures::{Figures, Footprint};
use crate::http1::{Connection, get};
use crate::latency::Latencies;
use crate::shop::Shop;

/// How often /readyz is asked; fine enough for a figure in milliseconds.
const POLL: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts each service again a few times, then lets all of them rest.
pub(super) async fn before_load(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    let mut starts = Vec::new();
    for service in SERVICES {
        let instance = shop.fleet.service(service)?;
        let mut times = Latencies::default();
        for _ in 0..scale.starts {
            instance.stop().await?;
            times.record(start(instance).await.context(service)?);
        }
        starts.push(times.percentile(50).context("it was started")?);
    }
    shop.processes()?.wait_until_idle().await?;
    tokio::time::sleep(scale.idle).await;
    for (service, ready_ms) in SERVICES.into_iter().zip(starts) {
        let program = fs::metadata(shop.programs.join(service)).context(service)?.len();
        let idle = resident(shop.fleet.service(service)?.pid())?;
        figures.footprints.push(Footprint { service, program, ready_ms, idle, loaded: None });
    }
    Ok(())
}

/// From before the process exists until /readyz is 200. Databases and streams are there already.
async fn start(instance: &Instance) -> Result<Duration> {
    let began = Instant::now();
    let address = instance.admin_url().trim_start_matches("http://").to_owned();
    let ready = async {
        while !is_ready(&address).await {
            ensure!(began.elapsed() < PATIENCE, "not ready");
            tokio::time::sleep(POLL).await;
        }
        Ok(began.elapsed())
    };
    let (started, ready) = tokio::join!(instance.restart(), ready);
    started?;
    ready
}

async fn is_ready(address: &str) -> bool {
    let Ok(mut connection) = Connection::open(address).await else { return false };
    let Ok(request) = get("/readyz") else { return false };
    connection.fetch(request).await.is_ok()
}

/// Memory once more, after everything that this run asked for.
pub(crate) async fn after_load(shop: &Shop, figures: &mut Figures) -> Result<()> {
    shop.processes()?.wait_until_idle().await?;
    for footprint in &mut figures.footprints {
        footprint.loaded = Some(resident(shop.fleet.service(footprint.service)?.pid())?);
    }
    Ok(())
}
