//! What this run was made with: a figure without its machine says nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use common::clock::{Clock, SystemClock};
use testkit::tools::{Tools, workspace_root};

/// Lines for the heading.
#[derive(Debug)]
pub(crate) struct Facts(pub(crate) Vec<(&'static str, String)>);

impl Facts {
    /// Of this machine, these tools and this checkout; `data` is where the databases are.
    pub(crate) fn gather(data: &Path) -> Result<Self> {
        let tools = Tools::find_or_install()?;
        let of_tool = |tool: &Path| {
            let printed = printed_by(Command::new(tool).arg("--version"))?;
            Ok::<_, anyhow::Error>(version(&printed).context("a tool without a version")?.to_owned())
        };
        let cpus = std::thread::available_parallelism()?;
        let processor = field(&fs::read_to_string("/proc/cpuinfo")?, "model name").unwrap_or("unknown").to_owned();
        let memory = field(&fs::read_to_string("/proc/meminfo")?, "MemTotal").unwrap_or("unknown").to_owned();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned();
        let mounts = fs::read_to_string("/proc/mounts")?;
        let disk = file_system(&mounts, &data.canonicalize()?).unwrap_or("unknown");
        let load = fs::read_to_string("/proc/loadavg")?;
        let load = load.split(' ').next().unwrap_or("unknown");
        let rustc = printed_by(Command::new("rustc").arg("--version"))?;
        let versions = format!(
            "{}; mongod {}; nats-server {}; redis-server {}",
            rustc.trim(),
            of_tool(&tools.mongod)?,
            of_tool(&tools.nats_server)?,
            of_tool(&tools.redis_server)?,
        );
        Ok(Self(vec![
            ("machine", format!("{processor}, {cpus} CPUs, {}, Linux {kernel}, data on {disk}", gigabytes(&memory))),
            // Figures of a machine that was busy with something else are worth little.
            ("load average at the start", load.to_owned()),
            ("versions", versions),
            ("commit", commit()?),
            ("date", SystemClock.now().to_string().chars().take(10).collect()),
        ]))
    }
}

fn printed_by(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?} can't be started"))?;
    ensure!(output.status.success(), "{command:?} failed");
    Ok(String::from_utf8(output.stdout)?)
}

/// The commit, and whether anything is different from it.
fn commit() -> Result<String> {
    let git = |arguments: &[&str]| {
        printed_by(Command::new("git").arg("--no-optional-locks").args(arguments).current_dir(workspace_root()))
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = !git(&["status", "--porcelain"])?.trim().is_empty();
    Ok(format!("{}{}", commit.trim(), if changed { ", with changes that are not committed" } else { "" }))
}

/// The first `1.2` or `1.2.3` in a text such as `db version v6.0.5`.
fn version(printed: &str) -> Option<&str> {
    let words = printed.split(|c: char| !(c.is_ascii_digit() || c == '.'));
    words.into_iter().find(|word| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit()))
}

/// The value behind `name:` in a file of /proc.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// `24689200 kB` as people say it.
fn gigabytes(memory: &str) -> String {
    let kilobytes = memory.trim_end_matches(" kB").parse::<u64>();
    kilobytes.map_or_else(|_| memory.to_owned(), |kb| format!("{} GB", (kb * 1024).div_ceil(1_000_000_000)))
}

/// The type of the file system that a folder is on: that of the longest mount point above it.
fn file_system<'a>(mounts: &'a str, folder: &Path) -> Option<&'a str> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let above = mounts.filter(|(point, _)| folder.starts_with(point));
    above.max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_as_linux_and_the_tools_tell_them() {
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
