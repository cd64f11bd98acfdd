//! The invariants of a settled fleet, whatever happened to it. They are checked against the databases, the streams, the
//! card network, the logs and the responses that clients received, not by asking the services.
//!
//! [`names`] lists the invariants with their numbers. The checks of `ticketctl::audit` cover 0 to 6, 9, 12 and 19 in
//! the databases alone: unique indexes exist (0), a seat is in at most one open order (1), a completed order is paid
//! exactly once (3), no charge remains of a cancelled order (4), seats agree with orders (5) and listings with shows
//! (19). Here they read copies of all [`databases`] in memory. The audit's check of an entity's events (8, 11, 13, 16)
//! is used as well.

mod at_rest;
mod clients;
pub mod databases;
mod events;
pub mod fleet_data;
mod history;
mod money;
pub mod names;
mod secrets;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use self::fleet_data::FleetData;
use crate::test_fleet::TestFleet;

/// Maximum delay of a hold's expiry while all servers are up.
pub const EXPIRY_TOLERANCE: Duration = Duration::from_secs(10);
/// Maximum delay of a hold's expiry during random faults, which may follow each other at the same servers.
const EXPIRY_TOLERANCE_IN_CHAOS: Duration = Duration::from_secs(180);
/// How long the fleet may take to settle.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Polls until all invariants hold; an error lists the violations.
pub async fn assert_eventually(fleet: &TestFleet) -> Result<()> {
    poll_until_no_violations(fleet, |data| all_violations(fleet, data)).await
}

/// Polls until all invariants hold and nothing waits any more, for at most this time, and returns the violations that
/// remain. No hold may have expired early, or later than the faults explain.
pub async fn violations_at_rest(fleet: &TestFleet, timeout: Duration) -> Vec<String> {
    poll(fleet, timeout, |data| {
        let mut violations = all_violations(fleet, data);
        at_rest::check(&data.databases, &mut violations);
        history::check_expiry_delay(data, EXPIRY_TOLERANCE_IN_CHAOS, &mut violations);
        violations
    })
    .await
}

fn all_violations(fleet: &TestFleet, data: &FleetData) -> Vec<String> {
    let mut violations = violations(data);
    clients::check(data, &fleet.responses, &mut violations);
    secrets::check(data, &fleet.logs, &mut violations);
    violations
}

/// Like [`assert_eventually`], after a restore from a backup: without the event history and the responses to clients,
/// which describe the lost state, and without these intents, whose payments were lost.
pub async fn assert_eventually_after_restore(fleet: &TestFleet, orphaned_intents: &[String]) -> Result<()> {
    poll_until_no_violations(fleet, |data| {
        let mut violations = Vec::new();
        check_money_and_sales(data, &mut violations);
        events::check_current(data, &mut violations);
        secrets::check(data, &fleet.logs, &mut violations);
        violations.retain(|violation| !orphaned_intents.iter().any(|intent| violation.contains(intent)));
        violations
    })
    .await
}

/// Like [`assert_eventually`], after a repair of databases that were set back: without the responses to clients, some
/// of which describe what was lost.
pub async fn assert_eventually_after_repair(fleet: &TestFleet) -> Result<()> {
    poll_until_no_violations(fleet, |data| {
        let mut violations = violations(data);
        secrets::check(data, &fleet.logs, &mut violations);
        violations
    })
    .await
}

async fn poll_until_no_violations(fleet: &TestFleet, check: impl Fn(&FleetData) -> Vec<String>) -> Result<()> {
    let mut violations = poll(fleet, TIMEOUT, check).await;
    violations.truncate(20);
    ensure!(violations.is_empty(), "invariants are violated after {TIMEOUT:?}:\n{}", violations.join("\n"));
    Ok(())
}

/// Repeats the check until it finds nothing, for at most this time; returns what it found last. Data that can't be read
/// is a violation too.
async fn poll(fleet: &TestFleet, timeout: Duration, check: impl Fn(&FleetData) -> Vec<String>) -> Vec<String> {
    let began = Instant::now();
    loop {
        let violations = match tokio::time::timeout(timeout, FleetData::read(fleet)).await {
            Ok(Ok(data)) => check(&data),
            Ok(Err(error)) => vec![format!("the state can't be read: {error:#}")],
            Err(_) => vec![format!("the state can't be read within {timeout:?}")],
        };
        if violations.is_empty() || began.elapsed() > timeout {
            return violations;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Fails if an unpaid hold expired early, or later than `max_delay`. Call it after [`assert_eventually`].
pub async fn assert_holds_expired_on_time(fleet: &TestFleet, max_delay: Duration) -> Result<()> {
    let mut violations = Vec::new();
    history::check_expiry_delay(&FleetData::read(fleet).await?, max_delay, &mut violations);
    anyhow::ensure!(violations.is_empty(), "{}", violations.join("\n"));
    Ok(())
}

/// Fails if an event, a replica, a payment, a timer or an intent names one of these orders, which were rolled back.
pub async fn assert_never_published(fleet: &TestFleet, orders: &BTreeSet<String>) -> Result<()> {
    let data = FleetData::read(fleet).await?;
    let mut texts: Vec<String> = data.events.values().flatten().map(ToString::to_string).collect();
    let owned = data.databases.owned.values().flatten();
    let replicas = data.databases.replicas.iter().flat_map(|stored| &stored.replicas);
    texts.extend(owned.chain(replicas).map(|entity| format!("{} {}", entity.id, entity.state)));
    texts.push(data.fakestripe_state.to_string());
    for order in orders {
        ensure!(
            !texts.iter().any(|text| text.contains(order)),
            "the order {order} was rolled back, but is named elsewhere"
        );
    }
    Ok(())
}

/// The violations in the stored state and in the event history, without those that need clients' responses or logs.
pub fn violations(data: &FleetData) -> Vec<String> {
    let mut violations = Vec::new();
    check_money_and_sales(data, &mut violations);
    events::check(data, &mut violations);
    history::check(data, &mut violations);
    violations
}

fn check_money_and_sales(data: &FleetData, violations: &mut Vec<String>) {
    violations.extend(data.missing_indexes.iter().map(ToString::to_string));
    data.databases.check_money_and_sales(violations);
    money::check(data, violations);
}
