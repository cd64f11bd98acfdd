//! A place for one process that may be killed, stopped and started again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::sys::signal::Signal;

use super::process::{Process, Spec};

/// Remembers whether its process was ended on purpose.
#[derive(Debug)]
pub(crate) struct ManagedProcess {
    process: Mutex<Process>,
    /// Ended by us: not a death to report.
    halted: AtomicBool,
}

impl ManagedProcess {
    pub(crate) fn spawn(spec: &Spec) -> Result<Self> {
        Ok(Self { process: Mutex::new(Process::spawn(spec)?), halted: AtomicBool::new(false) })
    }

    /// Of the process that runs now; another one after a restart.
    pub(crate) fn pid(&self) -> u32 {
        self.process().pid()
    }

    /// What to say when it ended by itself.
    pub(crate) fn unexpected_exit(&self) -> Option<anyhow::Error> {
        let process = self.process();
        if self.halted.load(Ordering::SeqCst) || process.exited().is_none() {
            return None;
        }
        Some(process.exit_report())
    }

    /// What to say when it does not become ready.
    pub(crate) fn exit_report(&self) -> anyhow::Error {
        self.process().exit_report()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process().signal(signal);
    }

    /// SIGKILL.
    pub(crate) fn kill(&self) -> Result<()> {
        self.halted.store(true, Ordering::SeqCst);
        self.process().kill().map(drop)
    }

    /// SIGTERM; SIGKILL when it has not ended within `grace`. Its exit code, if it had one.
    pub(crate) async fn stop(&self, grace: Duration) -> Result<Option<i32>> {
        self.halted.store(true, Ordering::SeqCst);
        self.signal(Signal::SIGTERM);
        // A process that was stopped (SIGSTOP) would not hear it.
        self.signal(Signal::SIGCONT);
        let deadline = Instant::now() + grace;
        while Instant::now() < deadline {
            if let Some(status) = self.process().exited() {
                return Ok(status.code());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(self.process().kill()?.code())
    }

    /// Starts the same thing again, killing what still runs.
    pub(crate) fn restart(&self) -> Result<()> {
        self.restart_with_env(&[])
    }

    /// Like [`ManagedProcess::restart`], with these variables from now on.
    pub(crate) fn restart_with_env(&self, env: &[(&str, &str)]) -> Result<()> {
        let mut process = self.process();
        process.kill()?;
        let mut spec = process.spec().clone();
        spec.env.extend(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        *process = Process::spawn(&spec)?;
        self.halted.store(false, Ordering::SeqCst);
        Ok(())
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::tools::search_path;

    fn slot(folder: &Path, script: &str) -> ManagedProcess {
        let spec = Spec {
            name: "script".to_owned(),
            program: search_path("sh").unwrap(),
            args: vec!["-c".into(), script.into()],
            env: BTreeMap::new(),
            log: folder.join("script.log"),
        };
        ManagedProcess::spawn(&spec).unwrap()
    }

    #[tokio::test]
    async fn stops_by_sigterm_even_while_suspended_and_by_sigkill_when_that_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let polite = slot(folder.path(), "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done");
        wait_for_log(folder.path()).await;
        polite.signal(Signal::SIGSTOP);
        assert_eq!(polite.stop(Duration::from_secs(10)).await.unwrap(), Some(7));
        assert!(polite.unexpected_exit().is_none(), "it was ended on purpose");

        let deaf = slot(folder.path(), "trap '' TERM; while :; do sleep 0.05; done");
        deaf.stop(Duration::from_millis(100)).await.unwrap();
        deaf.restart().unwrap();
        assert!(deaf.unexpected_exit().is_none());
    }

    #[tokio::test]
    async fn a_death_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let slot = slot(folder.path(), "exit 3");
        let deadline = Instant::now() + Duration::from_secs(10);
        while slot.unexpected_exit().is_none() {
            assert!(Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn wait_for_log(folder: &Path) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::fs::read_to_string(folder.join("script.log")).unwrap_or_default().is_empty() {
            assert!(Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
