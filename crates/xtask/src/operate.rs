//! `cargo xtask ticketctl`, `dead-letters`, `resync` and `rebuild`: runs the operator's program on the running fleet.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;

use crate::{cargo, fleet};

/// The arguments of ticketctl after the command, such as `--help`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct OperateArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Replaces this process by ticketctl, so that its exit code and its questions reach the caller.
pub(crate) async fn run(command: Option<&str>, args: OperateArgs, file: Option<PathBuf>) -> Result<()> {
    let file = fleet::file(file);
    let settings = settings(&fleet::read(&file)?);
    let program = cargo::binaries(false).join("ticketctl");
    if !program.is_file() {
        cargo::run(cargo::cargo(&["build", "--package", "ticketctl"]), "cargo build").await?;
    }
    let mut ticketctl = Command::new(program);
    ticketctl.args(command).args(args.arguments).envs(settings);
    if std::env::var_os("BACKUP_DIR").is_none() {
        ticketctl.env("BACKUP_DIR", file.parent().unwrap_or(Path::new(".")).join("backups"));
    }
    Err(ticketctl.exec()).context("ticketctl can't be started")
}

/// The environment variables that describe this fleet; only those that its description has.
fn settings(fleet: &Value) -> Vec<(&'static str, String)> {
    let text = |pointer: &str| fleet.pointer(pointer).and_then(Value::as_str).map(ToOwned::to_owned);
    let admin_urls = fleet.get("services").and_then(Value::as_object).map(|services| {
        let urls = services.iter().filter_map(|(name, service)| Some(format!("{name}={}", admin_urls(service)?)));
        urls.collect::<Vec<_>>().join(",")
    });
    let settings = [
        ("MONGODB_URL", text("/servers/mongodb/url")),
        ("NATS_URL", text("/servers/nats/url")),
        ("PUBLIC_URL", text("/publicUrl")),
        ("ADMIN_URLS", admin_urls),
    ];
    settings.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// The admin URLs of all instances of a service, separated by `|`.
fn admin_urls(service: &Value) -> Option<String> {
    let instances = service.get("instances")?.as_array()?;
    let urls: Vec<_> = instances.iter().filter_map(|instance| instance.get("adminUrl")?.as_str()).collect();
    (!urls.is_empty()).then(|| urls.join("|"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::settings;

    #[test]
    fn settings_are_those_of_the_description() {
        let orders = json!({ "instances": [{ "adminUrl": "http://a:1" }, { "adminUrl": "http://a:2" }] });
        let fleet = json!({
            "publicUrl": "http://localhost:8080",
            "services": { "orders": orders, "web": { "instances": [{ "adminUrl": "http://a:3" }] } },
            "servers": { "nats": { "url": "nats://a:4" } },
        });
        let expected = [
            ("NATS_URL", "nats://a:4"),
            ("PUBLIC_URL", "http://localhost:8080"),
            ("ADMIN_URLS", "orders=http://a:1|http://a:2,web=http://a:3"),
        ];
        assert_eq!(settings(&fleet), expected.map(|(name, value)| (name, value.to_owned())));
    }
}
