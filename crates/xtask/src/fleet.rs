//! Reads the description of a running fleet (fleet.json), and starts temporary fleets.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;
use testkit::fleet::Fleet;
use testkit::fleet::options::FleetOptions;
use testkit::servers::scratch::ScratchDir;
use testkit::tools::workspace_root;

use crate::{cargo, npm};

/// Returns the path of the running fleet's description: `file` if given, otherwise the path that `cargo xtask up` uses.
pub(crate) fn file(file: Option<PathBuf>) -> PathBuf {
    file.unwrap_or_else(|| workspace_root().join("target/dev/fleet.json"))
}

/// Reads the description of the running fleet from fleet.json.
pub(crate) fn read(file: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(file).context("no fleet is running; start it with `cargo xtask up`")?;
    serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))
}

/// Starts a fleet on free ports, with its data in a temporary folder. Builds the binaries first, unless `no_build`.
pub(crate) async fn start_temporary(name: &str, release: bool, no_build: bool) -> Result<(Fleet, ScratchDir)> {
    if !no_build {
        npm::install(npm::WEB).await?;
        cargo::build_fleet(release).await?;
    }
    let scratch = ScratchDir::new(name)?;
    let options = FleetOptions { programs: cargo::binaries(release), ..FleetOptions::new(scratch.path()) };
    Ok((Fleet::start(&options).await?, scratch))
}
