//! `cargo xtask test`: formatting, lints and all tests, on real servers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use testkit::servers::scratch::ScratchDir;
use testkit::servers::{Servers, ServersOptions};
use testkit::tools::pinned::Tool;
use testkit::tools::python::test_python;
use testkit::tools::{Tools, find_or_install, progress, workspace_root};

use crate::cargo::{cargo, run as run_cargo};
use crate::servers::test_env;
use crate::signals::StopSignals;
use crate::{chromium, dependencies, lint_infra, npm};

/// Selects the tests.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Skip the tests that need the whole fleet.
    #[arg(long)]
    fast: bool,
    /// Arguments of nextest: names of tests, `-p orders`, `-E 'test(expiry)'`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    filters: Vec<String>,
}

impl TestArgs {
    fn names_packages(&self) -> bool {
        self.filters.iter().any(|word| word.starts_with("-p") || word.starts_with("--package"))
    }

    /// Whether the tests of the whole fleet run, some of which need a browser.
    fn needs_browser(&self) -> bool {
        let is_named = self.filters.iter().any(|word| word.contains("e2e"));
        is_named || !(self.fast || self.names_packages())
    }
}

pub(crate) async fn run(args: TestArgs) -> Result<()> {
    let started = Instant::now();
    StopSignals::install()?.unless_interrupted(steps(&args)).await?;
    progress("Passed", &format!("everything, after {:.0} s", started.elapsed().as_secs_f32()));
    Ok(())
}

async fn steps(args: &TestArgs) -> Result<()> {
    step("cargo fmt --check", &["fmt", "--all", "--check"]).await?;
    // web is compiled with its npm packages.
    npm::install(npm::WEB).await?;
    step("cargo clippy", &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]).await?;
    dependencies::check().await?;
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--quiet"]);
    doc.env("RUSTDOCFLAGS", "--deny warnings");
    progress("Running", "cargo doc");
    run_cargo(doc, "cargo doc").await?;
    // Builds `common` from its packaged files alone, as a consumer outside of this workspace does.
    step("cargo package -p common", &["package", "--package", "common", "--allow-dirty", "--quiet"]).await?;
    // Build binaries and tests in one command, so that nothing is built twice with different features.
    step("cargo build", &["build", "--workspace", "--bins", "--tests"]).await?;
    step("cargo test --doc", &["test", "--workspace", "--doc", "--quiet"]).await?;
    lint_infra::check().await?;

    let chromium = if args.needs_browser() { Some(chromium::prepare().await?) } else { None };
    let (tools, nextest, python) =
        tokio::task::spawn_blocking(|| anyhow::Ok((Tools::find_or_install()?, nextest_program()?, test_python()?)))
            .await??;

    progress("Starting", "mongod, nats-server, redis-server for this run");
    let scratch = ScratchDir::new("test")?;
    let logs = workspace_root().join("target/test-logs");
    let _ = fs::remove_dir_all(&logs);
    let servers = Servers::start(&tools, &ServersOptions { logs, ..ServersOptions::in_dir(scratch.path()) }).await?;
    let mut env = test_env(&servers, &python);
    env.extend(chromium.map(|path| ("CHROMIUM".to_owned(), path.display().to_string())));
    let outcome = run_nextest(args, &nextest, &env).await;
    if let Some(exit) = servers.unexpected_exit() {
        return Err(exit.context("a server of this run"));
    }
    servers.stop().await?;
    outcome
}

async fn step(what: &str, arguments: &[&str]) -> Result<()> {
    progress("Running", what);
    run_cargo(cargo(arguments), what).await
}

/// Returns the path of cargo-nextest: on PATH, installed in `.tools/`, or built there as a last resort.
fn nextest_program() -> Result<PathBuf> {
    const VERSION: &str = "0.9.143";
    let missing = match find_or_install(&Tool::NEXTEST) {
        Ok(program) => return Ok(program),
        Err(error) => error,
    };
    let root = workspace_root().join(".tools").join(format!("cargo-nextest-{VERSION}"));
    let program = root.join("bin/cargo-nextest");
    if program.is_file() {
        return Ok(program);
    }
    progress("Building", "cargo-nextest, since no prebuilt one could be installed; this takes minutes");
    let status = std::process::Command::new("cargo")
        .args(["install", "cargo-nextest", "--locked", "--version", VERSION, "--root"])
        .arg(&root)
        .status()
        .context("cargo can't be started")?;
    if status.success() { Ok(program) } else { Err(missing) }
}

async fn run_nextest(args: &TestArgs, program: &Path, env: &BTreeMap<String, String>) -> Result<()> {
    progress("Running", "cargo nextest");
    let mut command = cargo(&["nextest", "run"]);
    if !args.names_packages() {
        command.arg("--workspace");
        if args.fast {
            command.args(["--exclude", "e2e"]);
        }
    }
    // cargo finds its subcommand on PATH.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = program.parent().map(Path::to_path_buf).into_iter().chain(std::env::split_paths(&path));
    // A backtrace through async code would bury the assertion message and add nothing.
    command.args(&args.filters).envs(env).env("RUST_BACKTRACE", "0").env("PATH", std::env::join_paths(folders)?);
    run_cargo(command, "the tests").await
}
