//! Reads the CPU time, the memory and the connections of a running process from `/proc/<pid>`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result};
use nix::unistd::{SysconfVar, sysconf};

/// The CPU time, user and system, that a process has used since its start, in seconds.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let ticks_per_second = i32::try_from(sysconf(SysconfVar::CLK_TCK)?.context("no clock ticks")?)?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks = ticks(&stat).with_context(|| format!("/proc/{pid}/stat has no times"))?;
    Ok(f64::from(ticks) / f64::from(ticks_per_second))
}

/// The sum of utime and stime. The second field, the program's name in parentheses, may contain spaces and parentheses.
fn ticks(stat: &str) -> Option<u32> {
    let (_, after_name) = stat.rsplit_once(')')?;
    // The state is field 3; utime and stime are fields 14 and 15.
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    Some(fields.next()?.parse::<u32>().ok()? + fields.next()?.parse::<u32>().ok()?)
}

/// The resident memory of a process in bytes.
pub fn resident_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    resident_in(&status).with_context(|| format!("/proc/{pid}/status has no VmRSS"))
}

fn resident_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// The number of established TCP connections of a process, by remote port.
pub fn connections(pid: u32) -> Result<BTreeMap<u16, u64>> {
    let sockets = sockets(pid)?;
    // The kernel may list a connection twice while others come and go, so each is counted by its inode.
    let mut by_port: BTreeMap<u16, BTreeSet<String>> = BTreeMap::new();
    for file in ["tcp", "tcp6"] {
        // A kernel without IPv6 has no tcp6.
        let table = fs::read_to_string(format!("/proc/{pid}/net/{file}")).unwrap_or_default();
        let entries = table.lines().filter_map(established).filter(|(_, inode)| sockets.contains(*inode));
        for (port, inode) in entries {
            by_port.entry(port).or_default().insert(inode.to_owned());
        }
    }
    Ok(by_port.into_iter().map(|(port, inodes)| (port, inodes.len() as u64)).collect())
}

/// The inodes of the sockets that a process has open.
fn sockets(pid: u32) -> Result<BTreeSet<String>> {
    let folder = format!("/proc/{pid}/fd");
    let files = fs::read_dir(&folder).with_context(|| format!("reading {folder}"))?;
    // A descriptor that is closed meanwhile can't be read.
    let targets = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
    let inode = |target: &str| Some(target.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned());
    Ok(targets.filter_map(|target| inode(target.to_str()?)).collect())
}

/// The remote port and the inode of an established connection in a line of `/proc/net/tcp`.
fn established(line: &str) -> Option<(u16, &str)> {
    let mut fields = line.split_ascii_whitespace().skip(2);
    let (remote, state) = (fields.next()?, fields.next()?);
    let port = u16::from_str_radix(remote.rsplit(':').next()?, 16).ok()?;
    // Queues, timer, retransmissions, user and time-out precede the inode.
    Some((port, fields.nth(5)?)).filter(|_| state == "01")
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn ticks_are_parsed_whatever_the_program_name() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 250 50 13 14 20 0 1 0 100";
        assert_eq!(ticks(&format!("42 (mongod) {rest}")), Some(300));
        assert_eq!(ticks(&format!("42 (a) 1 2 (b c) {rest}")), Some(300));
        assert_eq!(ticks("42 (short) S 1 2"), None);
    }

    #[test]
    fn own_cpu_time_is_measured() {
        let (before, started) = (cpu_seconds(std::process::id()).unwrap(), std::time::Instant::now());
        while started.elapsed() < std::time::Duration::from_millis(200) {
            std::hint::black_box(ticks("1 (spin) S"));
        }
        assert!(cpu_seconds(std::process::id()).unwrap() > before);
    }

    #[test]
    fn resident_memory_is_parsed_to_bytes() {
        assert_eq!(resident_in("Name:\tweb\nVmRSS:\t    8124 kB\nThreads:\t3\n"), Some(8124 * 1024));
        assert_eq!(resident_in("Name:\tweb\n"), None);
        assert!(resident_bytes(std::process::id()).unwrap() > 1 << 20);
    }

    #[test]
    fn only_established_connections_are_read() {
        let line = |state: &str| {
            format!(
                "   4: 0100007F:9C40 0100007F:6989 {state} 00000000:00000000 00:00000000 00000000  1000 0 31337 1 0"
            )
        };
        assert_eq!(established(&line("01")), Some((27_017, "31337")));
        assert_eq!(established(&line("0A")), None, "a listener");
        assert_eq!(established("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt"), None);
    }

    #[test]
    fn own_connections_are_counted_by_port() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let count = || connections(std::process::id()).unwrap().get(&address.port()).copied().unwrap_or(0);
        assert_eq!(count(), 0);
        let clients = [TcpStream::connect(address).unwrap(), TcpStream::connect(address).unwrap()];
        assert_eq!(count(), 2);
        drop(clients);
        assert_eq!(count(), 0);
    }
}
