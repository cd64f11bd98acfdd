//! Installs Debian packages of tools that no other installer provides.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};
use nix::unistd::Uid;
use testkit::tools::{search_path, tools_dir};
use tokio::process::Command;

use crate::cargo::run;

/// Whether we may install packages on this system.
pub(crate) fn can_install() -> bool {
    Uid::effective().is_root() && search_path("apt-get").is_some()
}

/// Installs a package on this system. Requires root.
pub(crate) async fn install(package: &str) -> Result<()> {
    // An old package list may name a removed version; without a list, the package is unknown.
    apt(&["update"], Path::new("/")).await.ok();
    apt(&["install", "-y", "--no-install-recommends", package], Path::new("/")).await
}

/// Unpacks a package into its own folder in `.tools/` and returns the folder. Since nothing is installed
/// on the system, no service of the package starts, and root is needed at most to update the package list.
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
    // The rename also fails if a concurrent process has created the same folder.
    if fs::rename(&unpacked, home).is_err() && !home.is_dir() {
        anyhow::bail!("{} can't be moved into place", home.display());
    }
    Ok(())
}

async fn apt(arguments: &[&str], folder: &Path) -> Result<()> {
    let mut apt = Command::new("apt-get");
    // Wait for another apt-get, such as the one at system start. Download as root, since the folder is
    // closed to apt's own user.
    apt.args(["-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "APT::Sandbox::User=root"])
        .args(arguments)
        .current_dir(folder)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    run(apt, "apt-get").await
}
