//! Debian's packages, for what no other installer brings.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};
use nix::unistd::Uid;
use testkit::tools::{search_path, tools_dir};
use tokio::process::Command;

use crate::cargo::run;

/// Whether a package can be installed on this system by us.
pub(crate) fn can_install() -> bool {
    Uid::effective().is_root() && search_path("apt-get").is_some()
}

/// Installs it on this system, which takes root.
pub(crate) async fn install(package: &str) -> Result<()> {
    // An old list may name a version that is gone; without any list, the package is not known at all.
    apt(&["update"], Path::new("/")).await.ok();
    apt(&["install", "-y", "--no-install-recommends", package], Path::new("/")).await
}

/// Unpacks it into a folder of its own in `.tools/` and returns that: nothing is installed on the
/// system, so no service of the package is started, and root is needed at most for a fresh list.
pub(crate) async fn unpack(package: &str) -> Result<PathBuf> {
    let home = tools_dir().join(format!("debian-{package}"));
    let scratch = tools_dir().join(format!("debian-{package}-{}", std::process::id()));
    let result = unpack_into(package, &scratch, &home).await;
    let _ = fs::remove_dir_all(&scratch);
    result.map(|()| home)
}

async fn unpack_into(package: &str, scratch: &Path, home: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(scratch);
    fs::create_dir_all(scratch)?;
    if apt(&["download", package], scratch).await.is_err() {
        apt(&["update"], scratch).await.ok();
        apt(&["download", package], scratch).await?;
    }
    let archive = fs::read_dir(scratch)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|ext| ext == "deb"))
        .context("apt-get downloaded no package")?;
    let unpacked = scratch.join("unpacked");
    let mut dpkg = Command::new("dpkg-deb");
    dpkg.arg("--extract").arg(&archive).arg(&unpacked).stdin(Stdio::null()).kill_on_drop(true);
    run(dpkg, "dpkg-deb").await?;
    let _ = fs::remove_dir_all(home);
    // Another process that was as far as we are has made the same.
    if fs::rename(&unpacked, home).is_err() && !home.is_dir() {
        anyhow::bail!("{} can't be moved into place", home.display());
    }
    Ok(())
}

async fn apt(arguments: &[&str], folder: &Path) -> Result<()> {
    let mut apt = Command::new("apt-get");
    // Another apt-get, such as the system's own at its start, is waited for. A download as root goes
    // into a folder that is closed to apt's own user, which it would complain about.
    apt.args(["-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "APT::Sandbox::User=root"])
        .args(arguments)
        .current_dir(folder)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    run(apt, "apt-get").await
}
