//! Start-up time, memory and executable size of each service.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::fleet::SERVICES;
use testkit::fleet::instance::Instance;
use testkit::proc::resident_bytes;
use tokio::time::Instant;

use super::workload::Workload;
use crate::http1::{Connection, get};
use crate::latency::Latencies;
use crate::results::{Footprint, Results};
use crate::testbed::TestBed;

/// Interval between requests for `/readyz`; precise enough for a result in milliseconds.
const POLL: Duration = Duration::from_millis(1);
const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// Restarts each service a few times, then measures the idle services.
pub(super) async fn before_load(bed: &TestBed, workload: &Workload, results: &mut Results) -> Result<()> {
    let mut starts = Vec::new();
    for service in SERVICES {
        let instance = bed.fleet.service(service)?;
        let mut times = Latencies::default();
        for _ in 0..workload.starts {
            instance.stop().await?;
            times.record(start(instance).await.context(service)?);
        }
        starts.push(times.percentile(50).context("no starts")?);
    }
    bed.processes()?.wait_until_idle().await?;
    tokio::time::sleep(workload.idle).await;
    for (service, ready_ms) in SERVICES.into_iter().zip(starts) {
        let program = fs::metadata(bed.programs.join(service)).context(service)?.len();
        let idle = resident_bytes(bed.fleet.service(service)?.pid())?;
        results.footprints.push(Footprint { service, program, ready_ms, idle, loaded: None });
    }
    Ok(())
}

/// The time from the creation of the process until `/readyz` returns 200. Databases and streams exist already.
async fn start(instance: &Instance) -> Result<Duration> {
    let started_at = Instant::now();
    let address = instance.metrics_url().trim_start_matches("http://").to_owned();
    let ready = async {
        while !is_ready(&address).await {
            ensure!(started_at.elapsed() < READY_TIMEOUT, "not ready after {READY_TIMEOUT:?}");
            tokio::time::sleep(POLL).await;
        }
        Ok(started_at.elapsed())
    };
    let (started, ready) = tokio::join!(instance.restart(), ready);
    started?;
    ready
}

async fn is_ready(address: &str) -> bool {
    let fetch = async { Connection::open(address).await?.fetch(get("/readyz")?).await };
    fetch.await.is_ok()
}

/// Measures the memory again, after all cases.
pub(crate) async fn after_load(bed: &TestBed, results: &mut Results) -> Result<()> {
    bed.processes()?.wait_until_idle().await?;
    for footprint in &mut results.footprints {
        footprint.loaded = Some(resident_bytes(bed.fleet.service(footprint.service)?.pid())?);
    }
    Ok(())
}
