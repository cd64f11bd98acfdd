//! Pages, as a browser asks for them.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use http::header::{ACCEPT_ENCODING, HeaderValue};
use testkit::tools::workspace_root;
use tokio::process::Command;

use super::scale::Scale;
use crate::figures::{Figures, Page, Row};
use crate::http1::{Call, get};
use crate::latency::Latencies;
use crate::load::closed;
use crate::shop::{CONNECTIONS, Shop};

/// A page as browsers want it: compressed.
pub(super) fn page(path: &str) -> Result<Call> {
    let mut call = get(path)?;
    call.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate, br, zstd"));
    Ok(call)
}

/// One after the other for the first byte, then all connections at once for the rate, then Lighthouse.
pub(super) async fn pages(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    shop.stock_tickets(scale.listings).await?;
    let ticket = shop.tickets.borrow().first().map(|id| format!("/tickets/{id}")).context("there are tickets")?;
    let pages = [("home", "/"), ("browse", "/browse"), ("ticket", ticket.as_str())];
    for (place, (name, path)) in pages.into_iter().enumerate() {
        let mut connections = shop.connections("web", CONNECTIONS).await?;
        let connection = connections.first_mut().context("there are connections")?;
        let (mut first_byte, mut bytes) = (Latencies::default(), 0);
        for turn in 0..scale.searches + scale.searches / 10 {
            let (head, body) = connection.timed(page(path)?).await?;
            // The first few warm up.
            if turn >= scale.searches / 10 {
                first_byte.record(head);
            }
            bytes = body.len();
        }
        figures.pages.push(Page { name, bytes, first_byte, performance: None });
        let work = format!("page: {name}");
        let row = scale.rate(shop, &work, Some("web"), async |duration| {
            closed(&mut connections, duration, async |connection| {
                connection.fetch(page(path)?).await?;
                Ok(true)
            })
            .await
        });
        figures.rates.insert((Row::Pages, place), row.await?);
    }
    let paths = pages.map(|(_, path)| path);
    let scores = lighthouse(shop, &paths).await?;
    for (page, score) in figures.pages.iter_mut().zip(scores) {
        page.performance = Some(score);
    }
    Ok(())
}

/// What Lighthouse thinks of these pages' performance, out of 100.
async fn lighthouse(shop: &Shop, paths: &[&str]) -> Result<Vec<u32>> {
    let script = workspace_root().join("crates/e2e/browser/lighthouse.mjs");
    let chromium: PathBuf = std::env::var_os("CHROMIUM").context("CHROMIUM names no browser")?.into();
    let mut node = Command::new("node");
    node.arg(script).args(paths).env("BASE_URL", shop.fleet.public_url()).env("CHROMIUM", chromium).kill_on_drop(true);
    let output = node.output().await.context("node can't be started")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "Lighthouse failed: {}", String::from_utf8_lossy(&output.stderr));
    paths.iter().map(|path| performance(&printed, path).with_context(|| format!("no score of {path}"))).collect()
}

/// The number in a line such as `/browse  accessibility 100, performance 99`.
fn performance(printed: &str, path: &str) -> Option<u32> {
    let line = printed.lines().find(|line| line.split_whitespace().next() == Some(path))?;
    line.split("performance ").nth(1)?.split([',', ' ']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::performance;

    #[test]
    fn scores_are_read_as_they_are_printed() {
        let printed = "/  accessibility 100, performance 98\n/browse  performance 7, seo 100\n";
        assert_eq!(["/", "/browse", "/b"].map(|path| performance(printed, path)), [Some(98), Some(7), None]);
    }
}
