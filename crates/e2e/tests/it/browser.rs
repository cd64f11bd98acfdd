//! The fleet in a real Chromium: the Playwright tests of `browser/`, against fleets of their own.

use std::path::PathBuf;

use e2e::invariants;
use e2e::test_fleet::TestFleet;
use testkit::tools::{progress, search_path, workspace_root};
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn people_buy_and_sell() {
    pass(&[], &["journey", "together", "price", "secure"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_left_out() {
    pass(&[], &["keyboard", "noscript", "phone", "offline"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_ends_while_its_page_is_open() {
    pass(&[("ORDER_TTL", "15s")], &["expiry"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_has_a_barrier() {
    pass(&[], &["pages"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_are_light_and_well_made() {
    pass(&[], &["quality"]).await;
}

/// Runs these files of tests against a fleet with these settings; and what must hold after all that
/// is done by API holds after what is done in browsers.
async fn pass(settings: &[(&str, &str)], files: &[&str]) {
    let project = workspace_root().join("crates/e2e/browser");
    let playwright = project.join("node_modules/@playwright/test/cli.js");
    assert!(playwright.is_file(), "run `npm ci` in {}, as `cargo xtask test` does", project.display());
    let fleet = TestFleet::start(settings).await.unwrap();
    let mut command = Command::new("node");
    command
        .arg(playwright)
        .arg("test")
        .args(files.iter().map(|name| format!("{name}.spec.mjs")))
        .current_dir(project)
        .env("BASE_URL", fleet.url())
        .env("CHROMIUM", chromium())
        // What is kept of a test that fails: pictures of each step, to be seen with `show-trace`.
        .env("OUTPUT", workspace_root().join("target/browser").join(files.join("-")))
        .env("NATS_PID", fleet.processes.servers().nats.pid().to_string())
        .env("FORCE_COLOR", "0")
        .kill_on_drop(true);
    let output = command.output().await.expect("node is not on PATH");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{said}");
    // What Lighthouse and the scales say is of interest also when it is good.
    progress("Playwright", &said);
    invariants::assert_eventually(&fleet).await.unwrap();
}

/// The one that `cargo xtask test` has found or installed, or whatever is on PATH.
fn chromium() -> PathBuf {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    named.or_else(|| search_path("chromium")).expect("chromium is not on PATH")
}
