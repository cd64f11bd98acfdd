//! `cargo xtask servers`: runs MongoDB, NATS and Redis for tests that are started manually.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use testkit::servers::{Servers, ServersOptions};
use testkit::tools::python::test_python;
use testkit::tools::{Tools, workspace_root};

use crate::signals::StopSignals;

/// Starts MongoDB, NATS and Redis in target/test-servers, prints their addresses, and runs until a stop signal.
pub(crate) async fn run() -> Result<()> {
    let mut stop = StopSignals::install()?;
    let home = workspace_root().join("target/test-servers");
    fs::create_dir_all(&home)?;
    let lock = fs::File::create(home.join("lock"))?;
    if lock.try_lock().is_err() {
        bail!("the test servers are already running; their addresses are in {}", home.join("env").display());
    }
    let tools = Tools::find_or_install()?;
    let options = ServersOptions::in_dir(&home);
    let servers = tokio::select! {
        servers = Servers::start(&tools, &options) => servers?,
        () = stop.wait() => return Ok(()),
    };

    let mut lines = String::new();
    for (name, value) in test_env(&servers, &test_python()?) {
        writeln!(lines, "export {name}='{value}'")?;
    }
    fs::write(home.join("env"), &lines)?;
    print!("{lines}");
    println!("# Also in target/test-servers/env. Ctrl-C stops them.");

    loop {
        tokio::select! {
            () = stop.wait() => break,
            () = tokio::time::sleep(Duration::from_millis(500)) => {
                if let Some(exit) = servers.unexpected_exit() {
                    return Err(exit);
                }
            }
        }
    }
    fs::remove_file(home.join("env"))?;
    servers.stop().await
}

/// Returns the variables that tests read: the servers' URLs and `TEST_PYTHON`.
pub(crate) fn test_env(servers: &Servers, python: &Path) -> BTreeMap<String, String> {
    let mut env = servers.test_env();
    env.insert("TEST_PYTHON".to_owned(), python.display().to_string());
    env
}
