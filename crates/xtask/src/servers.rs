//! `cargo xtask servers`: the three servers for tests that are run by hand.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use anyhow::{Result, bail};
use testkit::servers::{Servers, ServersOptions};
use testkit::tools::python::test_python;
use testkit::tools::{Tools, workspace_root};

use crate::signals::StopSignals;

/// Starts them below target/test-servers, prints their addresses, and stays until told to stop.
pub(crate) async fn run() -> Result<()> {
    let mut stop = StopSignals::install()?;
    let home = workspace_root().join("target/test-servers");
    fs::create_dir_all(&home)?;
    let lock = fs::File::create(home.join("lock"))?;
    if lock.try_lock().is_err() {
        bail!("the test servers run already; their addresses are in {}", home.join("env").display());
    }
    let tools = Tools::find_or_install()?;
    let options = ServersOptions::below(&home);
    let servers = tokio::select! {
        servers = Servers::start(&tools, &options) => servers?,
        () = stop.wait() => return Ok(()),
    };

    let mut env = servers.test_env();
    if let Some(python) = test_python()? {
        env.insert("TEST_PYTHON".to_owned(), python.display().to_string());
    }
    let mut lines = String::new();
    for (name, value) in &env {
        writeln!(lines, "export {name}='{value}'")?;
    }
    fs::write(home.join("env"), &lines)?;
    print!("{lines}");
    println!("# Also in target/test-servers/env. Ctrl-C stops them.");

    loop {
        tokio::select! {
            () = stop.wait() => break,
            () = tokio::time::sleep(Duration::from_millis(500)) => {
                if let Some(death) = servers.each().into_iter().find_map(|(_, server)| server.unexpected_exit()) {
                    return Err(death);
                }
            }
        }
    }
    fs::remove_file(home.join("env"))?;
    servers.stop().await
}
