//! Loopback ports that stay locked while the process that listens on one is restarted.
//!
//! # Why
//! The kernel can give a port that it chose for `:0` to another process as soon as the port is
//! closed. So ports come from below the kernel's ephemeral range, and a lock file per port keeps
//! parallel test processes apart.

use std::fs::{self, File};
use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

use anyhow::{Context, Result, bail};

const FIRST: u16 = 20_000;
const LAST: u16 = 31_999;

/// A port that no other process of this workspace uses while this value lives.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lock: Option<File>,
}

impl Port {
    /// Locks a free port.
    pub fn free() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("ticketing-ports-{}", nix::unistd::getuid()));
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let span = u64::from(LAST - FIRST) + 1;
        let start = RandomState::new().hash_one(std::process::id()) % span;
        for step in 0..span {
            let Ok(offset) = u16::try_from((start + step) % span) else { continue };
            let number = FIRST + offset;
            let Ok(lock) = File::create(folder.join(number.to_string())) else { continue };
            if lock.try_lock().is_ok() && is_free(number) {
                return Ok(Self { number, _lock: Some(lock) });
            }
        }
        bail!("no port between {FIRST} and {LAST} is free on 127.0.0.1")
    }

    /// Takes this port; fails if something listens on it.
    pub fn given(number: u16) -> Result<Self> {
        if is_free(number) { Ok(Self { number, _lock: None }) } else { bail!("port {number} is in use") }
    }

    /// The port number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// Whether nothing listens on this port of 127.0.0.1 or, if it exists, `::1`.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        && (!has_ipv6() || TcpListener::bind((Ipv6Addr::LOCALHOST, port)).is_ok())
}

/// Whether this machine has `::1`.
pub fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_differ_and_a_port_in_use_is_rejected() {
        let (one, two) = (Port::free().unwrap(), Port::free().unwrap());
        assert_ne!(one.number(), two.number());
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, one.number())).unwrap();
        let error = Port::given(one.number()).unwrap_err().to_string();
        assert_eq!(error, format!("port {} is in use", one.number()));
    }
}
