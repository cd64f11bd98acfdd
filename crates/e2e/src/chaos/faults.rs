//! Injects a fault into a fleet, and restores what it harmed.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use fakestripe::faults::Faults;
use fakestripe::faults::Trigger::Probability;
use nix::sys::signal::Signal;
use testkit::fleet::SERVICES;
use testkit::fleet::instance::Instance;
use testkit::proxy::Link;
use testkit::servers::Server;
use tokio::time::sleep;

use super::plan::{Fault, Planned, ProviderFault, Target};
use crate::members;
use crate::test_fleet::TestFleet;

/// How long a service may take until it is ready. It may end and be started again meanwhile, as Kubernetes does, since
/// the servers that it needs may be unreachable.
const START_TIMEOUT: Duration = Duration::from_secs(120);
/// How long reads may be older than acknowledged writes after an election.
const STALE_AFTER_ELECTION: Duration = Duration::from_secs(5);

/// Injects the fault, waits for its end and restores what it harmed. Returns the number of stale reads that an election
/// excuses. Fails if something does not recover.
pub(super) async fn inject(fleet: &TestFleet, planned: &Planned) -> Result<usize> {
    let Planned { fault, lasts, .. } = *planned;
    if !affects_mongodb(fault) {
        inject_and_restore(fleet, fault, lasts).await?;
        return Ok(0);
    }
    let servers = fleet.processes.servers();
    let (began, primary) = (Instant::now(), servers.mongodb_primary().await?.port());
    inject_and_restore(fleet, fault, lasts).await?;
    let is_primary =
        |target: Target| matches!(target, Target::Mongodb(index) if servers.mongodb_members()[index].port() == primary);
    let hit_primary = match fault {
        Fault::Kill(target)
        | Fault::Stop(target)
        | Fault::Hang(target)
        | Fault::Link(target, _)
        | Fault::LoseDisk(target) => is_primary(target),
        _ => true,
    };
    if !hit_primary && servers.mongodb_primary().await?.port() == primary {
        return Ok(0);
    }
    sleep(STALE_AFTER_ELECTION).await;
    Ok(fleet.responses.ignore_stale_reads(&(began..Instant::now())))
}

fn affects_mongodb(fault: Fault) -> bool {
    match fault {
        Fault::Kill(target)
        | Fault::Stop(target)
        | Fault::Hang(target)
        | Fault::Link(target, _)
        | Fault::LoseDisk(target) => matches!(target, Target::Mongodb(_)),
        Fault::IsolatePrimary => true,
        _ => false,
    }
}

async fn inject_and_restore(fleet: &TestFleet, fault: Fault, lasts: Duration) -> Result<()> {
    match fault {
        Fault::Kill(target) => {
            kill(fleet, target)?;
            sleep(lasts).await;
            restart(fleet, target).await
        }
        Fault::Stop(target) => {
            stop(fleet, target).await?;
            sleep(lasts).await;
            restart(fleet, target).await
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
            match server(fleet, target) {
                Some(server) => server.restart_with_empty_data().await?,
                None => bail!("{target} has no disk to lose"),
            }
            wait_for_majority(fleet, target).await
        }
        Fault::Flush => flush(fleet).await,
        Fault::Provider(fault) => {
            fleet.dashboard.set_faults(&provider_faults(fault)).await?;
            sleep(lasts).await;
            fleet.dashboard.set_faults(&Faults::default()).await
        }
        Fault::WrongClock(service, index, offset) => {
            let instance = &fleet.processes.instances(service)[index];
            start_with_clock(instance, offset).await?;
            sleep(lasts).await;
            start_with_clock(instance, "0s").await
        }
        Fault::RollingRestart(service) => {
            for instance in fleet.processes.instances(service) {
                instance.stop().await?;
                start(instance).await?;
            }
            Ok(())
        }
        Fault::IsolatePrimary => isolate_primary(fleet, lasts).await,
    }
}

/// Ends all faults: links are up, suspended processes continue, those that ended are started again.
pub(super) async fn heal(fleet: &TestFleet) -> Result<()> {
    fleet.dashboard.set_faults(&Faults::default()).await?;
    fleet.processes.set_fakestripe_link(Link::Up)?;
    for (_, server) in fleet.processes.servers().all() {
        server.set_link(Link::Up)?;
        server.signal(Signal::SIGCONT);
    }
    for instance in SERVICES.iter().flat_map(|service| fleet.processes.instances(service)) {
        instance.signal(Signal::SIGCONT);
        if instance.ready().await.is_err() {
            start(instance).await?;
        }
    }
    Ok(())
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

/// The error of a service that has exited by itself.
pub(super) fn unexpected_exit(fleet: &TestFleet, target: Target) -> Option<anyhow::Error> {
    instance(fleet, target)?.unexpected_exit()
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

/// Kills the process if it still runs, starts it and waits until it is ready.
pub(super) async fn restart(fleet: &TestFleet, target: Target) -> Result<()> {
    match (instance(fleet, target), server(fleet, target)) {
        (Some(instance), _) => start(instance).await,
        (_, Some(server)) => {
            server.restart().await?;
            wait_for_majority(fleet, target).await
        }
        _ => fleet.processes.restart_gateway().await,
    }
}

async fn start(instance: &Instance) -> Result<()> {
    let began = Instant::now();
    while let Err(error) = instance.restart().await {
        if began.elapsed() > START_TIMEOUT {
            return Err(error);
        }
        sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// Restarts an instance with its clock wrong by this time.
async fn start_with_clock(instance: &Instance, offset: &str) -> Result<()> {
    // If it is not ready, the variable is set nevertheless.
    match instance.restart_with_env(&[("CLOCK_OFFSET", offset)]).await {
        Ok(()) => Ok(()),
        Err(_) => start(instance).await,
    }
}

/// Waits until the loss of any other member would do no harm.
async fn wait_for_majority(fleet: &TestFleet, target: Target) -> Result<()> {
    match target {
        Target::Mongodb(_) => fleet.processes.servers().mongodb_primary().await.map(drop),
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

/// The primary takes writes that no other member receives, and crashes; the others elect one of them.
async fn isolate_primary(fleet: &TestFleet, lasts: Duration) -> Result<()> {
    let servers = fleet.processes.servers();
    let primary = servers.mongodb_primary().await?;
    let others: Vec<_> = servers.mongodb_members().into_iter().filter(|it| it.port() != primary.port()).collect();
    for other in &others {
        other.signal(Signal::SIGSTOP);
    }
    sleep(lasts).await;
    primary.kill()?;
    // Their sockets hold what the primary had already sent, so they must not continue.
    for other in &others {
        other.kill()?;
    }
    for other in &others {
        other.restart().await?;
    }
    servers.mongodb_primary().await?;
    primary.restart().await
}
