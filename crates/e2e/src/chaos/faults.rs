//! Injects a fault into a fleet and repairs its damage. Also reports processes that exit although no fault ends them.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use fakestripe::faults::Faults;
use fakestripe::faults::Trigger::Probability;
use futures::future::try_join_all;
use nix::sys::signal::Signal;
use testkit::fleet::instance::Instance;
use testkit::fleet::options::current_binary_dir;
use testkit::proxy::Link;
use testkit::servers::Server;
use tokio::time::sleep;

use super::plan::{Fault, Planned, ProviderFault, Shape, Target, targets};
use super::timeline::Timeline;
use crate::members;
use crate::test_fleet::TestFleet;

/// Maximum time until a service is ready. It includes restarts: like Kubernetes, `start` restarts a service that exits
/// because servers that it needs are unreachable.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// Injects the fault, waits until it ends and repairs its damage. Fails if something does not recover.
///
/// Rolling restarts switch a service between the builds in `next_release` and in this program's folder. Without
/// `next_release` they restart the same build.
pub(super) async fn inject(
    fleet: &TestFleet,
    timeline: &Timeline,
    next_release: Option<&Path>,
    planned: &Planned,
) -> Result<()> {
    let Planned { fault, lasts, .. } = *planned;
    match fault {
        Fault::Kill(target) => {
            report_exit(fleet, timeline, target);
            kill(fleet, target)?;
            sleep(lasts).await;
            restart(fleet, timeline, target).await
        }
        Fault::Stop(target) => {
            report_exit(fleet, timeline, target);
            stop(fleet, target).await?;
            sleep(lasts).await;
            restart(fleet, timeline, target).await
        }
        Fault::Hang(target) => {
            signal(fleet, target, Signal::SIGSTOP);
            sleep(lasts).await;
            signal(fleet, target, Signal::SIGCONT);
            wait_for_majority(fleet, target).await
        }
        Fault::Link(target, link) => {
            set_link(fleet, target, link)?;
            sleep(lasts).await;
            set_link(fleet, target, Link::Up)?;
            wait_for_majority(fleet, target).await
        }
        Fault::LoseDisk(target) => {
            report_exit(fleet, timeline, target);
            let Some(server) = server(fleet, target) else { bail!("{target} has no disk to lose") };
            server.lose_data()?;
            wait_for_leaders(fleet, target).await?;
            server.restart().await?;
            wait_for_majority(fleet, target).await?;
            // A member that crashes before its first checkpoint has to copy the data again. That would fail if the next
            // fault crashed another member as well.
            if matches!(target, Target::Mongodb(_)) { checkpoint(server).await } else { Ok(()) }
        }
        Fault::Flush => flush(fleet).await,
        Fault::Provider(fault) => {
            fleet.fakestripe.set_faults(&provider_faults(fault)).await?;
            sleep(lasts).await;
            fleet.fakestripe.set_faults(&Faults::default()).await
        }
        Fault::WrongClock(service, index, offset) => {
            let instance = &fleet.processes.instances(service)[index];
            for (offset, lasts) in [(offset, lasts), ("0s", Duration::ZERO)] {
                report_exit(fleet, timeline, Target::Service(service, index));
                start_with_clock(timeline, instance, offset).await?;
                sleep(lasts).await;
            }
            Ok(())
        }
        Fault::RollingRestart(service) => {
            let instances = fleet.processes.instances(service);
            let programs = next_release.filter(|next| instances.iter().any(|instance| instance.programs() != *next));
            let programs = programs.map_or_else(current_binary_dir, Path::to_path_buf);
            for (index, instance) in instances.iter().enumerate() {
                report_exit(fleet, timeline, Target::Service(service, index));
                instance.stop().await?;
                instance.set_programs(&programs);
                start(timeline, instance).await?;
            }
            Ok(())
        }
        Fault::IsolatePrimary => isolate_primary(fleet, timeline, lasts).await,
    }
}

/// Repairs the whole fleet after the last fault: restores links, resumes suspended processes and restarts those that
/// are not ready. Each fault has restarted the processes that it ended, so a process that has exited is a finding.
pub(super) async fn heal(fleet: &TestFleet, timeline: &Timeline, shape: Shape) -> Result<()> {
    fleet.processes.set_fakestripe_link(Link::Up)?;
    for (_, server) in fleet.processes.servers().all() {
        server.set_link(Link::Up)?;
    }
    for target in targets(shape) {
        signal(fleet, target, Signal::SIGCONT);
    }
    for target in targets(shape) {
        if report_exit(fleet, timeline, target) || ready(fleet, target).await.is_err() {
            restart(fleet, timeline, target).await?;
        }
    }
    for target in [Target::Mongodb(0), Target::Nats(0)] {
        wait_for_majority(fleet, target).await?;
    }
    fleet.fakestripe.set_faults(&Faults::default()).await
}

/// The instance, if the target is one.
fn instance(fleet: &TestFleet, target: Target) -> Option<&Instance> {
    match target {
        Target::Service(name, index) => fleet.processes.instances(name).get(index),
        Target::CardNetwork => Some(fleet.processes.fakestripe()),
        Target::Mongodb(_) | Target::Nats(_) | Target::Redis | Target::Gateway => None,
    }
}

/// The server, if the target is one.
fn server(fleet: &TestFleet, target: Target) -> Option<&Server> {
    let servers = fleet.processes.servers();
    match target {
        Target::Mongodb(index) => servers.mongodb_members().get(index).copied(),
        Target::Nats(index) => servers.nats_members().get(index).copied(),
        Target::Redis => Some(&servers.redis),
        Target::Service(..) | Target::CardNetwork | Target::Gateway => None,
    }
}

/// Records a finding if a process has exited by itself; returns whether it has. Call it before ending or restarting the
/// process, which would hide the exit.
pub(super) fn report_exit(fleet: &TestFleet, timeline: &Timeline, target: Target) -> bool {
    let exit = match (instance(fleet, target), server(fleet, target)) {
        (Some(instance), _) => instance.unexpected_exit(),
        (_, Some(server)) => server.unexpected_exit(),
        _ => fleet.processes.gateway_exit(),
    };
    if let Some(exit) = &exit {
        timeline.record_finding(format!("{target} has exited by itself: {exit:#}"));
    }
    exit.is_some()
}

async fn ready(fleet: &TestFleet, target: Target) -> Result<()> {
    match (instance(fleet, target), server(fleet, target)) {
        (Some(instance), _) => instance.ready().await,
        (_, Some(server)) => server.ready().await,
        _ => fleet.processes.gateway_ready().await,
    }
}

fn kill(fleet: &TestFleet, target: Target) -> Result<()> {
    match (instance(fleet, target), server(fleet, target)) {
        (Some(instance), _) => instance.kill(),
        (_, Some(server)) => server.kill(),
        _ => fleet.processes.kill_gateway(),
    }
}

async fn stop(fleet: &TestFleet, target: Target) -> Result<()> {
    match (instance(fleet, target), server(fleet, target)) {
        (Some(instance), _) => instance.stop().await.map(drop),
        (_, Some(server)) => server.stop().await,
        _ => fleet.processes.stop_gateway().await,
    }
}

fn signal(fleet: &TestFleet, target: Target, signal: Signal) {
    match (instance(fleet, target), server(fleet, target)) {
        (Some(instance), _) => instance.signal(signal),
        (_, Some(server)) => server.signal(signal),
        _ => fleet.processes.signal_gateway(signal),
    }
}

/// Kills the process if it still runs, starts it again and waits until it is ready.
pub(super) async fn restart(fleet: &TestFleet, timeline: &Timeline, target: Target) -> Result<()> {
    match (instance(fleet, target), server(fleet, target)) {
        (Some(instance), _) => start(timeline, instance).await,
        (_, Some(server)) => {
            server.restart().await?;
            wait_for_majority(fleet, target).await
        }
        _ => fleet.processes.restart_gateway().await,
    }
}

/// Has a member of MongoDB write a checkpoint. It can't do so until a majority has what was written while it copied the
/// data.
async fn checkpoint(server: &Server) -> Result<()> {
    let began = Instant::now();
    while let Err(error) = server.checkpoint().await {
        if began.elapsed() > START_TIMEOUT {
            return Err(error);
        }
        sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

async fn start(timeline: &Timeline, instance: &Instance) -> Result<()> {
    let began = Instant::now();
    while let Err(error) = instance.restart().await {
        if began.elapsed() > START_TIMEOUT {
            return Err(error);
        }
        record_failed_start(timeline, &error);
        sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// Records a failed start, which will be repeated. It is no finding by itself; a panic is found in the service's log.
fn record_failed_start(timeline: &Timeline, error: &anyhow::Error) {
    let error = error.to_string();
    timeline.record(format!("a start failed and will be repeated: {}", error.lines().next().unwrap_or_default()));
}

/// Restarts an instance with its clock offset by this duration.
async fn start_with_clock(timeline: &Timeline, instance: &Instance, offset: &str) -> Result<()> {
    // The variable stays set, so `start` uses it too.
    match instance.restart_with_env(&[("CLOCK_OFFSET", offset)]).await {
        Ok(()) => Ok(()),
        Err(error) => {
            record_failed_start(timeline, &error);
            start(timeline, instance).await
        }
    }
}

/// Waits until the remaining members have elected leaders. If the emptied member took part, it could vote for one that
/// lacks writes which the lost disk had.
async fn wait_for_leaders(fleet: &TestFleet, target: Target) -> Result<()> {
    match target {
        Target::Mongodb(_) => fleet.processes.servers().mongodb_primary().await.map(drop),
        _ => members::wait_until_led(fleet).await,
    }
}

/// Waits until the replica set or the cluster tolerates the loss of any one member. Does nothing for other targets.
async fn wait_for_majority(fleet: &TestFleet, target: Target) -> Result<()> {
    match target {
        Target::Mongodb(_) => fleet.processes.servers().mongodb_caught_up().await,
        Target::Nats(_) => members::wait_until_caught_up(fleet).await,
        _ => Ok(()),
    }
}

fn set_link(fleet: &TestFleet, target: Target, link: Link) -> Result<()> {
    match server(fleet, target) {
        Some(server) => server.set_link(link),
        None => fleet.processes.set_fakestripe_link(link),
    }
}

async fn flush(fleet: &TestFleet) -> Result<()> {
    let client = redis::Client::open(fleet.processes.servers().redis.url())?;
    let mut redis = client.get_multiplexed_async_connection().await?;
    Ok(redis::cmd("FLUSHALL").query_async::<()>(&mut redis).await?)
}

fn provider_faults(fault: ProviderFault) -> Faults {
    let none = Faults::default();
    match fault {
        ProviderFault::Slow => Faults { latency_ms: 1_500, latency_after_ms: 500, ..none },
        ProviderFault::SlowCaptures => Faults { latency_after_ms: 9_000, paths: vec!["/capture".to_owned()], ..none },
        ProviderFault::FailsAfterwards => Faults { error500_after_processing: Probability(0.5), ..none },
        ProviderFault::Unreliable => Faults {
            error500_before_processing: Probability(0.3),
            error500_after_processing: Probability(0.3),
            error429: Probability(0.2),
            ..none
        },
        ProviderFault::ReordersWebhooks => {
            Faults { webhook_duplicates: 3, webhook_delay_ms: 1_000, webhook_jitter_ms: 3_000, ..none }
        }
        ProviderFault::DropsWebhooks => Faults { drop_webhooks: true, ..none },
    }
}

/// Suspends the other members, so that MongoDB's primary takes writes that none of them receives. Then the primary is
/// killed, and the other members are restarted and elect a new one.
async fn isolate_primary(fleet: &TestFleet, timeline: &Timeline, lasts: Duration) -> Result<()> {
    let servers = fleet.processes.servers();
    for index in 0..servers.mongodb_members().len() {
        report_exit(fleet, timeline, Target::Mongodb(index));
    }
    let primary = servers.mongodb_primary().await?;
    let others: Vec<_> = servers.mongodb_members().into_iter().filter(|it| it.port() != primary.port()).collect();
    for other in &others {
        other.signal(Signal::SIGSTOP);
    }
    sleep(lasts).await;
    primary.kill()?;
    // Their sockets hold unread data of the primary, which they would read if they resumed.
    for other in &others {
        other.kill()?;
    }
    // Restart them at the same time, since each may need the other to become ready.
    try_join_all(others.iter().map(|other| other.restart())).await?;
    servers.mongodb_primary().await?;
    primary.restart().await?;
    servers.mongodb_caught_up().await
}
