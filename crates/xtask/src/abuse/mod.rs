//! `cargo xtask abuse`: what one visitor may try on the whole shop, each thing beside an innocent buyer.
//!
//! In reading order: [`shop`], [`innocent`], [`attacks`], [`raw`].

mod attacks;
mod innocent;
mod raw;
mod shop;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use testkit::tools::progress;

use self::shop::Shop;
use crate::signals::StopSignals;

/// How much longer than in a quiet shop a purchase may take beside the flood; and beside an attack that takes all of
/// the CPU that it can get, on the machine that the shop runs on.
const TWICE: f64 = 2.0;
const FIVEFOLD: f64 = 5.0;
/// How many purchases are made beside the flood, and in the quiet; and beside anything else.
const PURCHASES: usize = 50;
const FEW: usize = 12;

/// What to attack: the fleet that `up` has started, or that `--fleet` names; where none runs, one is started for
/// this and thrown away.
#[derive(Debug, Args)]
pub(crate) struct AbuseArgs {
    /// Start the fleet from release builds.
    #[arg(long)]
    release: bool,
    /// Start the fleet from the programs that are there, built by whatever means.
    #[arg(long)]
    no_build: bool,
}

/// What became of an attack.
#[derive(Debug)]
struct Outcome {
    name: &'static str,
    /// What was sent, and what was answered.
    seen: String,
    /// The median purchase beside it.
    purchase: Duration,
    /// What does not hold.
    faults: Vec<String>,
}

/// Attacks, prints a table, and fails when something does not hold.
pub(crate) async fn run(args: AbuseArgs, fleet: Option<PathBuf>) -> Result<()> {
    let mut stop = StopSignals::install()?;
    let outcomes = tokio::select! {
        outcomes = attack(&args, fleet) => outcomes?,
        () = stop.wait() => bail!("interrupted"),
    };
    print(&outcomes);
    let faults = outcomes.iter().map(|outcome| outcome.faults.len()).sum::<usize>();
    if faults > 0 {
        bail!("{faults} of what is promised did not hold");
    }
    Ok(())
}

async fn attack(args: &AbuseArgs, fleet: Option<PathBuf>) -> Result<Vec<Outcome>> {
    let shop = Shop::find_or_start(args, fleet).await?;
    let outcomes = tokio::select! {
        outcomes = each(&shop) => outcomes,
        death = shop.unexpected_exit() => Err(death),
    };
    shop.close().await?;
    outcomes
}

async fn each(shop: &Shop) -> Result<Vec<Outcome>> {
    progress("Buying", &format!("{PURCHASES} tickets in a quiet shop"));
    let quiet = innocent::buys(shop, PURCHASES).await?;
    let mut outcomes =
        vec![Outcome { name: "quiet", seen: "nobody else".to_owned(), purchase: quiet, faults: Vec::new() }];
    for (name, attack) in attacks::all() {
        progress("Trying", name);
        let (purchases, limit) = if name == attacks::FLOOD { (PURCHASES, TWICE) } else { (FEW, FIVEFOLD) };
        // Told once the innocent have what they came for.
        let (done, stop) = tokio::sync::watch::channel(false);
        let attacking = attack(shop, stop);
        let buying = async {
            let purchase = innocent::buys(shop, purchases).await;
            done.send(true).ok();
            purchase
        };
        let (attacked, purchase) = tokio::join!(attacking, buying);
        let (attacked, purchase) = (attacked?, purchase?);
        let mut faults = attacked.faults;
        if purchase > quiet.mul_f64(limit) {
            let ratio = purchase.as_secs_f64() / quiet.as_secs_f64();
            faults.push(format!("a purchase took {ratio:.1} times as long as in the quiet"));
        }
        outcomes.push(Outcome { name, seen: attacked.seen, purchase, faults });
    }
    Ok(outcomes)
}

fn print(outcomes: &[Outcome]) {
    println!("\n{:<34} {:>10}  what was seen", "attack", "purchase");
    for Outcome { name, seen, purchase, faults } in outcomes {
        println!("{name:<34} {:>7} ms  {seen}", purchase.as_millis());
        for fault in faults {
            println!("{:<34} {:>10}  DOES NOT HOLD: {fault}", "", "");
        }
    }
    println!();
}
