//! The environment of the run (hardware, versions, commit), without which its results mean nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use common::clock::{Clock, SystemClock};
use testkit::tools::{Tools, workspace_root};

/// Name and value of each property of the machine, the tools and the checkout. `data` is the directory of the
/// databases.
pub(crate) fn detect(data: &Path) -> Result<Vec<(&'static str, String)>> {
    let tools = Tools::find_or_install()?;
    let tool_version = |tool: &Path| {
        let printed = stdout_of(Command::new(tool).arg("--version"))?;
        version(&printed).map(ToOwned::to_owned).context("a tool prints no version")
    };
    let cpus = std::thread::available_parallelism()?;
    let processor = field(&fs::read_to_string("/proc/cpuinfo")?, "model name").unwrap_or("unknown").to_owned();
    let memory = field(&fs::read_to_string("/proc/meminfo")?, "MemTotal").unwrap_or("unknown").to_owned();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned();
    let mounts = fs::read_to_string("/proc/mounts")?;
    let disk = file_system(&mounts, &data.canonicalize()?).unwrap_or("unknown");
    let load = fs::read_to_string("/proc/loadavg")?.split(' ').next().unwrap_or("unknown").to_owned();
    let rustc = stdout_of(Command::new("rustc").arg("--version"))?;
    let versions = format!(
        "{}; mongod {}; nats-server {}; redis-server {}",
        rustc.trim(),
        tool_version(&tools.mongod)?,
        tool_version(&tools.nats_server)?,
        tool_version(&tools.redis_server)?,
    );
    Ok(vec![
        ("machine", format!("{processor}, {cpus} CPUs, {}, Linux {kernel}, data on {disk}", gigabytes(&memory))),
        // Results of a machine that was busy otherwise are worth little.
        ("load average at the start", load),
        ("versions", versions),
        ("commit", commit()?),
        ("date", SystemClock.now().to_string().chars().take(10).collect()),
    ])
}

fn stdout_of(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?} can't be started"))?;
    ensure!(output.status.success(), "{command:?} failed");
    Ok(String::from_utf8(output.stdout)?)
}

/// The commit, and whether there are uncommitted changes.
fn commit() -> Result<String> {
    let git = |arguments: &[&str]| {
        stdout_of(Command::new("git").arg("--no-optional-locks").args(arguments).current_dir(workspace_root()))
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = !git(&["status", "--porcelain"])?.trim().is_empty();
    Ok(format!("{}{}", commit.trim(), if changed { ", with uncommitted changes" } else { "" }))
}

/// The first version such as `1.2` or `1.2.3` in a text such as `db version v6.0.5`.
fn version(printed: &str) -> Option<&str> {
    let words = printed.split(|c: char| !(c.is_ascii_digit() || c == '.'));
    words.into_iter().find(|word| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit()))
}

/// The value of the line `name: value` in a file of /proc.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// `24689200 kB` in whole gigabytes.
fn gigabytes(memory: &str) -> String {
    let kilobytes = memory.trim_end_matches(" kB").parse::<u64>();
    kilobytes.map_or_else(|_| memory.to_owned(), |kb| format!("{} GB", (kb * 1024).div_ceil(1_000_000_000)))
}

/// The type of the file system of a directory, which has the longest mount point above it.
fn file_system<'a>(mounts: &'a str, directory: &Path) -> Option<&'a str> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let above = mounts.filter(|(point, _)| directory.starts_with(point));
    above.max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_and_version_output_are_parsed() {
        assert_eq!(
            field("processor\t: 0\nmodel name\t: Some CPU @ 2.80GHz\n", "model name"),
            Some("Some CPU @ 2.80GHz")
        );
        assert_eq!(gigabytes("24689200 kB"), "26 GB");
        let mounts = "/dev/vda / ext4 rw 0 0\ntmpfs /dev/shm tmpfs rw 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/dev/shm/data")), Some("tmpfs"));
        assert_eq!(file_system(mounts, Path::new("/home/me")), Some("ext4"));
        let printed = ["db version v6.0.5\nBuild", "nats-server: v2.15.1", "Redis server v=6.2.14 sha=00000000:0"];
        assert_eq!(printed.map(version), [Some("6.0.5"), Some("2.15.1"), Some("6.2.14")]);
    }
}
