//! Whether the books are right: what must hold of all six databases together, once the fleet has settled.
//!
//! In reading order: [`books`], [`sales`] (sold at most once, every hold ends), [`money`] (no charge without a
//! ticket, no ticket without a charge), [`copies`] (replicas equal their owners).
//!
//! # Why
//! The databases are read one after the other while the shop is open, so a fault counts only when it is still
//! there some seconds later.

pub mod books;
pub mod copies;
pub mod money;
pub mod sales;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail};
use mongodb::Client;
use tokio::time::{Instant, sleep};

use self::books::Books;

/// How long a fleet is given to settle.
const DEADLINE: Duration = Duration::from_secs(90);
/// How long a fault must last.
const AGAIN: Duration = Duration::from_secs(3);
/// How many faults are told.
const TOLD: usize = 20;

/// Everything that does not hold, each with the number that the invariant has in docs/reliability.md.
pub fn faults(books: &Books) -> Vec<String> {
    let mut faults = Vec::new();
    sales::check(books, &mut faults);
    money::check(books, &mut faults);
    copies::check(books, &mut faults);
    faults
}

/// Looks until everything holds, and says so; an error tells what still does not.
pub(crate) async fn run(client: &Client) -> Result<()> {
    let began = Instant::now();
    let mut before: Option<BTreeSet<String>> = None;
    loop {
        let books = Books::read(client).await?;
        let now: BTreeSet<String> = faults(&books).into_iter().collect();
        let lasting: Vec<_> = before.iter().flatten().filter(|fault| now.contains(*fault)).cloned().collect();
        if now.is_empty() || (before.is_some() && lasting.is_empty()) {
            println!("the books are right: {}", books.summary());
            return Ok(());
        }
        if began.elapsed() > DEADLINE {
            let told = lasting.iter().take(TOLD).cloned().collect::<Vec<_>>().join("\n");
            bail!("{} things are wrong, and were {AGAIN:?} before:\n{told}", lasting.len());
        }
        before = Some(now);
        sleep(AGAIN).await;
    }
}
