//! Runs the Playwright tests of `browser/` in Chromium, each against its own fleet.

use std::path::PathBuf;

use e2e::invariants;
use e2e::test_fleet::TestFleet;
use testkit::tools::{progress, search_path, workspace_root};
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn users_buy_and_sell() {
    run_specs(&[], &["journey", "together", "price", "secure"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_work_by_keyboard_without_scripts_on_phones_and_offline() {
    run_specs(&[], &["keyboard", "noscript", "phone", "offline", "habits"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hold_expires_while_its_page_is_open() {
    run_specs(&[("ORDER_TTL", "15s")], &["expiry"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_passes_accessibility_checks() {
    run_specs(&[], &["pages"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_meet_size_and_lighthouse_budgets() {
    run_specs(&[], &["quality"]).await;
}

/// Runs these spec files against a fleet with these settings, then checks the invariants.
async fn run_specs(settings: &[(&str, &str)], files: &[&str]) {
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
        // Receives the trace of a failed test, for `show-trace`.
        .env("OUTPUT", workspace_root().join("target/browser").join(files.join("-")))
        // Some specs suspend NATS, so that a change does not reach the other services.
        .env("NATS_PID", fleet.processes.servers().nats.pid().to_string())
        .env("FORCE_COLOR", "0")
        .kill_on_drop(true);
    let output = command.output().await.expect("node is not on PATH");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success(), "{text}");
    // Lighthouse scores and page weights are of interest after a success too.
    progress("Playwright", &text);
    invariants::assert_eventually(&fleet).await.unwrap();
}

/// The Chromium that `cargo xtask test` found or installed, or else the one on PATH.
fn chromium() -> PathBuf {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    named.or_else(|| search_path("chromium")).expect("chromium is not on PATH")
}
