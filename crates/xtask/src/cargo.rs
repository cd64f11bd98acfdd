//! Runs cargo and its subcommands.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use testkit::fleet::SERVICES;
use testkit::fleet::options::current_binary_dir;
use testkit::tools::{progress, workspace_root};
use tokio::process::Command;

/// Returns a cargo command in the workspace's root, without the variables that `cargo run` adds to our
/// environment: build scripts that depend on them would run again each time.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.args(arguments).current_dir(workspace_root()).stdin(Stdio::null()).kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        let set_by_cargo_run = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_")
                || matches!(name, "CARGO" | "CARGO_MANIFEST_DIR" | "CARGO_MANIFEST_PATH" | "CARGO_PRIMARY_PACKAGE")
        });
        if set_by_cargo_run {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command with its output visible. Fails if the command fails.
pub(crate) async fn run(mut command: Command, what: &str) -> Result<()> {
    let status = command.status().await.with_context(|| format!("{what} can't be started"))?;
    ensure!(status.success(), "{what} failed ({status})");
    Ok(())
}

/// Builds the services, fakestripe and ticketctl.
pub(crate) async fn build_fleet(release: bool) -> Result<()> {
    build(&["fakestripe", "ticketctl"], release).await
}

/// Builds the services and these packages.
pub(crate) async fn build(packages: &[&str], release: bool) -> Result<()> {
    let what = format!("the services, {} ({})", packages.join(", "), profile(release));
    progress("Building", &format!("{what}; the first time takes minutes"));
    run(cargo(&build_arguments(packages, release)), "cargo build").await
}

/// The arguments with which cargo builds the services and these packages.
pub(crate) fn build_arguments<'a>(packages: &[&'a str], release: bool) -> Vec<&'a str> {
    let mut arguments = vec!["build", "--bins"];
    arguments.extend(packages.iter().copied().chain(SERVICES).flat_map(|package| ["--package", package]));
    arguments.extend(release.then_some("--release"));
    arguments
}

/// Returns the folder of the binaries of one profile.
pub(crate) fn binaries(release: bool) -> PathBuf {
    current_binary_dir().with_file_name(profile(release))
}

fn profile(release: bool) -> &'static str {
    if release { "release" } else { "debug" }
}
