//! The fleet that runs, as `target/dev/fleet.json` describes it.

use anyhow::{Context, Result};
use serde_json::Value;
use testkit::tools::workspace_root;

/// Reads the description of the running fleet.
pub(crate) fn fleet() -> Result<Value> {
    let file = workspace_root().join("target/dev/fleet.json");
    let text = std::fs::read_to_string(&file).context("nothing runs; start it with `cargo xtask up`")?;
    serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))
}
