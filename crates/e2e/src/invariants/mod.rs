//! What must hold once the fleet has settled, whatever happened to it: read from the databases, the
//! streams and the card network, not from the services.

mod events;
mod money;
mod read;
mod sales;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use self::read::World;
use crate::shop::Shop;

/// How long the fleet is given to settle.
const DEADLINE: Duration = Duration::from_secs(60);

/// Waits until everything holds; an error tells what does not.
pub async fn hold(shop: &Shop) -> Result<()> {
    let began = Instant::now();
    loop {
        let world = World::read(shop).await?;
        let mut faults = Vec::new();
        sales::check(&world, &mut faults);
        money::check(&world, &mut faults);
        events::check(&world, &mut faults);
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
