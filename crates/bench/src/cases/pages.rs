//! Benchmark cases of the service `web`: pages, with compressed responses as browsers get them, and searches.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use http::header::{ACCEPT_ENCODING, HeaderValue};
use testkit::tools::workspace_root;
use tokio::process::Command;
use tokio::time::Instant;

use super::workload::Workload;
use crate::catalogue::SEARCHES;
use crate::http1::{HttpRequest, get};
use crate::latency::Latencies;
use crate::results::{Case, Page, Results, Search};
use crate::testbed::{CONNECTIONS, TestBed};

/// Minimum number of listings with which every search must have the expected result: some listings, or none. With
/// fewer, a search for several words may find none.
const ENOUGH_LISTINGS: usize = 100_000;

/// Builds a GET request that accepts a compressed response, as a browser's does.
fn page(path: &str) -> Result<HttpRequest> {
    let mut request = get(path)?;
    request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate, br, zstd"));
    Ok(request)
}

/// Measures the time to first byte (one request at a time) and the throughput of each page, and then the Lighthouse
/// scores.
pub(super) async fn pages(bed: &TestBed, workload: &Workload, results: &mut Results) -> Result<()> {
    bed.stock_tickets(workload.listings).await?;
    let ticket = bed.tickets.borrow().first().map(|id| format!("/tickets/{id}")).context("no tickets")?;
    let pages = [("home", "/"), ("browse", "/browse"), ("ticket", ticket.as_str())];
    for (index, (name, path)) in pages.into_iter().enumerate() {
        let mut connections = bed.connections("web", CONNECTIONS).await?;
        let connection = connections.first_mut().context("no connections")?;
        let (mut first_byte, mut bytes) = (Latencies::default(), 0);
        for request in 0..workload.repetitions + workload.repetitions / 10 {
            let (latency, body) = connection.fetch_timed(page(path)?).await?;
            // The first requests warm up the service and are not recorded.
            if request >= workload.repetitions / 10 {
                first_byte.record(latency);
            }
            bytes = body.len();
        }
        results.pages.push(Page { name, bytes, first_byte, performance: None });
        let work = format!("page: {name}");
        let measured = workload.measure(bed, &work, Some("web"), &mut connections, async |connection| {
            connection.fetch(page(path)?).await?;
            Ok(true)
        });
        results.throughputs.insert((Case::Pages, index), measured.await?);
    }
    let paths = pages.map(|(_, path)| path);
    let scores = lighthouse(bed, &paths).await?;
    for (page, score) in results.pages.iter_mut().zip(scores) {
        page.performance = Some(score);
    }
    Ok(())
}

/// Runs Lighthouse on these pages. Returns their performance scores, out of 100.
async fn lighthouse(bed: &TestBed, paths: &[&str]) -> Result<Vec<u32>> {
    let script = workspace_root().join("crates/e2e/browser/lighthouse.mjs");
    let chromium: PathBuf = std::env::var_os("CHROMIUM").context("CHROMIUM is not set")?.into();
    let mut node = Command::new("node");
    node.arg(script).args(paths).env("BASE_URL", bed.fleet.public_url()).env("CHROMIUM", chromium).kill_on_drop(true);
    let output = node.output().await.context("node can't be started")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "Lighthouse failed: {}", String::from_utf8_lossy(&output.stderr));
    paths.iter().map(|path| performance(&printed, path).with_context(|| format!("no score for {path}"))).collect()
}

/// Parses the performance score of a page from the script's output, which has lines such as
/// `/browse  accessibility 100, performance 99`.
fn performance(printed: &str, path: &str) -> Option<u32> {
    let line = printed.lines().find(|line| line.split_whitespace().next() == Some(path))?;
    line.split("performance ").nth(1)?.split([',', ' ']).next()?.parse().ok()
}

/// Measures each search many times, one request at a time. Each request returns a complete page with the rendered and
/// sorted results.
pub(super) async fn search(bed: &TestBed, workload: &Workload, listings: usize, results: &mut Results) -> Result<()> {
    bed.list_up_to(listings).await?;
    let mut connection = bed.connect("web").await?;
    let mut search = Search { listings: bed.listed.get(), latencies: Vec::new() };
    for (path, expected) in SEARCHES {
        let body = connection.fetch(get(path)?).await?;
        // A page without results has an element of the class `empty`, and shows other listings instead.
        let found = !String::from_utf8_lossy(&body).contains("class=\"empty\"");
        let is_expected = found == expected || (expected && listings < ENOUGH_LISTINGS);
        ensure!(is_expected, "{path} among {listings} listings: results expected: {expected}, found: {found}");
        for _ in 0..workload.repetitions / 10 {
            connection.fetch(get(path)?).await?;
        }
        let mut latencies = Latencies::default();
        for _ in 0..workload.repetitions {
            let sent = Instant::now();
            connection.fetch(get(path)?).await?;
            latencies.record(sent.elapsed());
        }
        search.latencies.push((path, latencies));
    }
    results.searches.push(search);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::performance;

    #[test]
    fn scores_are_parsed() {
        let printed = "/  accessibility 100, performance 98\n/browse  performance 7, seo 100\n";
        assert_eq!(["/", "/browse", "/b"].map(|path| performance(printed, path)), [Some(98), Some(7), None]);
    }
}
