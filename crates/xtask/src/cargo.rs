//! Runs cargo and its subcommands, as one would by hand.

use std::ffi::OsString;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use testkit::tools::{progress, workspace_root};
use tokio::process::Command;

/// A cargo command in the workspace's root, freed of what `cargo run` put into our environment:
/// build scripts that look at those variables would run again each time.
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

/// Runs it to its end, its output visible; an error if it fails.
pub(crate) async fn run(mut command: Command, what: &str) -> Result<()> {
    let status = command.status().await.with_context(|| format!("{what} can't be started"))?;
    if !status.success() {
        bail!("{what} failed ({status})");
    }
    Ok(())
}

/// Builds the services and fakestripe.
pub(crate) async fn build_fleet(release: bool) -> Result<()> {
    let profile = if release { "release" } else { "debug" };
    progress("Building", &format!("the services and fakestripe ({profile}); the first time takes minutes"));
    let mut arguments = vec!["build", "--bins", "--package", "fakestripe"];
    for service in testkit::fleet::SERVICES {
        arguments.extend(["--package", service]);
    }
    if release {
        arguments.push("--release");
    }
    run(cargo(&arguments), "building the services").await
}
