//! What must hold once the fleet has settled, whatever happened to it: read from the databases, the
//! streams, the card network, the logs and what clients were told, not from the services.
//!
//! 1 and 2 (sold at most once), 5 and 6 (holds), 3, 4 and 12 (charges) are in `ticketctl::audit`, and what the
//! card network has to say to 12 in `money`; 8, 9 and 14 (events, replicas, consumers) in `events`; 2, 11 and 13 over the recorded history in
//! `history`; 7, 10 and 15 (what was acknowledged) in `clients`; 16 in `secrets`.

mod clients;
mod events;
mod history;
mod money;
pub mod read;
mod secrets;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use ticketctl::audit;

use self::read::World;
use crate::shop::Shop;

/// How long the fleet is given to settle.
const DEADLINE: Duration = Duration::from_secs(60);

/// Waits until everything holds; an error tells what does not.
pub async fn hold(shop: &Shop) -> Result<()> {
    until_none(shop, |world| {
        let mut faults = stored(world);
        clients::check(world, &shop.journal, &mut faults);
        secrets::check(world, &shop.logs, &mut faults);
        faults
    })
    .await
}

/// Waits until all holds that can hold in a shop which was brought back from a backup: its streams begin
/// anew, its clients were told of what is lost, and the card network knows these intents that it does not.
pub async fn hold_restored(shop: &Shop, orphans: &[String]) -> Result<()> {
    until_none(shop, |world| {
        let mut faults = Vec::new();
        audit::sales::check(&world.books, &mut faults);
        audit::money::check(&world.books, &mut faults);
        money::check(world, &mut faults);
        events::present(world, &mut faults);
        secrets::check(world, &shop.logs, &mut faults);
        faults.retain(|fault| !orphans.iter().any(|orphan| fault.contains(orphan)));
        faults
    })
    .await
}

async fn until_none(shop: &Shop, check: impl Fn(&World) -> Vec<String>) -> Result<()> {
    let began = Instant::now();
    loop {
        let mut faults = check(&World::read(shop).await?);
        if faults.is_empty() {
            return Ok(());
        }
        if began.elapsed() > DEADLINE {
            faults.truncate(20);
            bail!("after {DEADLINE:?} these do not hold:\n{}", faults.join("\n"));
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// How late a hold may end while nothing of all that ends it is away.
pub const PUNCTUAL: Duration = Duration::from_secs(10);

/// That no unpaid hold ended before its time, or this much after it; once [`hold`] was seen.
pub async fn holds_ended_in_time(shop: &Shop, late: Duration) -> Result<()> {
    let mut faults = Vec::new();
    history::punctual(&World::read(shop).await?, late, &mut faults);
    anyhow::ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

/// What does not hold of what is stored and was told: all but what clients and logs say.
pub fn stored(world: &World) -> Vec<String> {
    let mut faults = Vec::new();
    audit::sales::check(&world.books, &mut faults);
    audit::money::check(&world.books, &mut faults);
    money::check(world, &mut faults);
    events::check(world, &mut faults);
    history::check(world, &mut faults);
    faults
}
