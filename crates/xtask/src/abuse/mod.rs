//! `cargo xtask abuse`: attacks by one client on a fleet, each alongside a control buyer.
//!
//! In reading order: [`target`], [`control_buyer`], [`attacks`], [`raw`].

mod attacks;
mod control_buyer;
mod raw;
mod target;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use testkit::tools::progress;

use self::target::Target;
use crate::signals::StopSignals;

/// The factor by which the flood may slow a purchase down.
const FLOOD_SLOWDOWN_LIMIT: f64 = 2.0;
/// The factor for any other attack. It is higher, since the attacker competes with the fleet for this machine's CPU.
const CPU_SLOWDOWN_LIMIT: f64 = 5.0;
/// Number of purchases without an attack and during the flood.
const PURCHASES: usize = 50;
/// Number of purchases during any other attack.
const PURCHASES_PER_ATTACK: usize = 12;

/// Attacks the fleet that `up` has started or that `--fleet` names. If none is running, starts a temporary one.
#[derive(Debug, Args)]
pub(crate) struct AbuseArgs {
    /// Start the temporary fleet from release builds.
    #[arg(long)]
    release: bool,
    /// Start the temporary fleet from existing binaries.
    #[arg(long)]
    no_build: bool,
}

/// A row of the table of results.
#[derive(Debug)]
struct AttackResult {
    name: &'static str,
    /// Requests sent and responses received.
    summary: String,
    /// Median duration of the control buyer's purchases.
    purchase: Duration,
    /// The guarantees that did not hold.
    violations: Vec<String>,
}

/// Runs all attacks and prints a table. Fails if a guarantee is violated.
pub(crate) async fn run(args: AbuseArgs, fleet: Option<PathBuf>) -> Result<()> {
    let results = StopSignals::install()?.unless_interrupted(attack(&args, fleet)).await?;
    print(&results);
    let violations = results.iter().map(|result| result.violations.len()).sum::<usize>();
    ensure!(violations == 0, "{violations} guarantees were violated");
    Ok(())
}

async fn attack(args: &AbuseArgs, fleet: Option<PathBuf>) -> Result<Vec<AttackResult>> {
    let target = Target::find_or_start(args, fleet).await?;
    let results = tokio::select! {
        results = run_attacks(&target) => results,
        exit = target.unexpected_exit() => Err(exit),
    };
    target.close().await?;
    results
}

async fn run_attacks(target: &Target) -> Result<Vec<AttackResult>> {
    progress("Buying", &format!("{PURCHASES} tickets without an attack"));
    let quiet = control_buyer::buy(target, PURCHASES).await?;
    let summary = "no attack".to_owned();
    let mut results = vec![AttackResult { name: "none", summary, purchase: quiet, violations: Vec::new() }];
    for (name, attack) in attacks::all() {
        progress("Trying", name);
        let is_flood = name == attacks::FLOOD;
        let purchases = if is_flood { PURCHASES } else { PURCHASES_PER_ATTACK };
        let slowdown_limit = if is_flood { FLOOD_SLOWDOWN_LIMIT } else { CPU_SLOWDOWN_LIMIT };
        // The attack stops when the control buyer has finished.
        let (done, stop) = tokio::sync::watch::channel(false);
        let buying = async {
            let purchase = control_buyer::buy(target, purchases).await;
            done.send(true).ok();
            purchase
        };
        let (report, purchase) = tokio::join!(attack(target, stop), buying);
        let (mut report, purchase) = (report?, purchase?);
        if purchase > quiet.mul_f64(slowdown_limit) {
            let ratio = purchase.as_secs_f64() / quiet.as_secs_f64();
            report.violations.push(format!("a purchase took {ratio:.1} times as long as without an attack"));
        }
        results.push(AttackResult { name, summary: report.summary, purchase, violations: report.violations });
    }
    Ok(results)
}

fn print(results: &[AttackResult]) {
    println!("\n{:<34} {:>10}  summary", "attack", "purchase");
    for AttackResult { name, summary, purchase, violations } in results {
        println!("{name:<34} {:>7} ms  {summary}", purchase.as_millis());
        for violation in violations {
            println!("{:<34} {:>10}  VIOLATED: {violation}", "", "");
        }
    }
    println!();
}
