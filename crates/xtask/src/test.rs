//! `cargo xtask test`: everything that must hold, on real servers.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use testkit::servers::scratch::ScratchDir;
use testkit::servers::{Servers, ServersOptions};
use testkit::tools::pinned::Tool;
use testkit::tools::python::test_python;
use testkit::tools::{Tools, find_or_install, progress, workspace_root};

use crate::cargo::{cargo, run as run_cargo};
use crate::signals::StopSignals;
use crate::{chromium, lint_infra, npm};

/// What to test.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Leave out the tests that need the whole fleet.
    #[arg(long)]
    fast: bool,
    /// Passed on to nextest: names of tests, `-p orders`, `-E 'test(expiry)'`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    filters: Vec<String>,
}

impl TestArgs {
    fn names_packages(&self) -> bool {
        self.filters.iter().any(|word| word.starts_with("-p") || word.starts_with("--package"))
    }

    /// Whether tests of the whole fleet run, of which some are in a browser.
    fn needs_browser(&self) -> bool {
        let is_named = self.filters.iter().any(|word| word.contains("e2e"));
        is_named || !(self.fast || self.names_packages())
    }
}

/// Runs every step in turn and stops at the first that fails.
pub(crate) async fn run(args: TestArgs) -> Result<()> {
    let mut stop = StopSignals::install()?;
    let begun = Instant::now();
    tokio::select! {
        outcome = steps(&args) => outcome?,
        () = stop.wait() => bail!("interrupted"),
    }
    progress("Passed", &format!("everything, after {:.0} s", begun.elapsed().as_secs_f32()));
    Ok(())
}

async fn steps(args: &TestArgs) -> Result<()> {
    step("cargo fmt --check", &["fmt", "--all", "--check"]).await?;
    // web is compiled with what npm installs for it.
    npm::install(npm::WEB).await?;
    step("cargo clippy", &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]).await?;
    step("cargo package -p common", &["package", "--package", "common", "--allow-dirty", "--quiet"]).await?;
    // One command builds programs and tests alike, so that nothing is built twice with other features.
    step("cargo build", &["build", "--workspace", "--bins", "--tests"]).await?;
    lint_infra::check().await?;

    let chromium = if args.needs_browser() {
        npm::check_node()?;
        npm::install(npm::BROWSER).await?;
        Some(chromium::find_or_install().await?)
    } else {
        None
    };
    let (tools, nextest, python) =
        tokio::task::spawn_blocking(|| anyhow::Ok((Tools::find_or_install()?, nextest_program()?, test_python()?)))
            .await??;

    progress("Starting", "mongod, nats-server, redis-server for this run");
    let scratch = ScratchDir::new("test")?;
    let logs = workspace_root().join("target/test-logs");
    let _ = fs::remove_dir_all(&logs);
    let servers = Servers::start(&tools, &ServersOptions { logs, ..ServersOptions::below(scratch.path()) }).await?;
    let mut env = servers.test_env();
    if let Some(python) = python {
        env.insert("TEST_PYTHON".to_owned(), python.display().to_string());
    }
    if let Some(chromium) = chromium {
        env.insert("CHROMIUM".to_owned(), chromium.display().to_string());
    }
    let outcome = run_nextest(args, &nextest, &env).await;
    if let Some((_, death)) =
        servers.each().into_iter().find_map(|(name, server)| Some((name, server.unexpected_exit()?)))
    {
        return Err(death.context("a server of this run"));
    }
    servers.stop().await?;
    outcome
}

async fn step(what: &str, arguments: &[&str]) -> Result<()> {
    progress("Running", what);
    run_cargo(cargo(arguments), what).await
}

/// The folder that has cargo-nextest: on PATH, pinned in `.tools/`, or built there as a last resort.
fn nextest_program() -> Result<std::path::PathBuf> {
    const VERSION: &str = "0.9.143";
    let missing = match find_or_install(Tool::Nextest) {
        Ok(program) => return Ok(program),
        Err(error) => error,
    };
    let root = workspace_root().join(".tools").join(format!("cargo-nextest-{VERSION}"));
    let program = root.join("bin/cargo-nextest");
    if program.is_file() {
        return Ok(program);
    }
    progress("Building", "cargo-nextest, since no built one could be installed; this takes minutes");
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
    // What did not hold comes first; a backtrace through async code buries it and adds nothing.
    command.args(&args.filters).envs(env).env("RUST_BACKTRACE", "0").env("PATH", path_with(program)?);
    run_cargo(command, "the tests").await
}

/// PATH with the program's folder in front, where cargo finds it as a subcommand.
fn path_with(program: &Path) -> Result<OsString> {
    let folder = program.parent().context("a program without a folder")?.to_path_buf();
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&path)))?)
}
