//! A child process that does not outlive us, whatever way we end.
//!
//! # Why
//! Three nets, one below the other: `Drop` kills what it started (a return, a panic); our own
//! signal handling leads there (Ctrl-C, SIGTERM; children stand in a process group of their own,
//! so the terminal does not shoot them first); and the kernel kills them when we are killed
//! (`setpriv --pdeathsig`, part of util-linux). The kernel's rule is bound to the *thread* that
//! started the child, so one thread that never ends starts them all.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::{Context, Result, anyhow};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::tools::search_path;

/// What to run; can be run again after the process has ended.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Shown in messages.
    pub name: String,
    /// The program's path.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Set on top of our own environment.
    pub env: BTreeMap<String, String>,
    /// Both output streams are appended to this file.
    pub log: PathBuf,
}

/// A running (or ended) child. Killed on drop.
#[derive(Debug)]
pub struct Process {
    spec: Spec,
    pid: u32,
    child: Mutex<Child>,
}

impl Process {
    /// Starts it. The error names the program.
    pub fn spawn(spec: &Spec) -> Result<Self> {
        if let Some(folder) = spec.log.parent() {
            fs::create_dir_all(folder)?;
        }
        let log = File::options().create(true).append(true).open(&spec.log)?;
        let mut command = bound_to_us(&spec.program);
        command
            .args(&spec.args)
            .envs(&spec.env)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        let child = spawn_from_lasting_thread(command)
            .with_context(|| format!("{} can't be started ({})", spec.name, spec.program.display()))?;
        Ok(Self { spec: spec.clone(), pid: child.id(), child: Mutex::new(child) })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What was started.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// How it ended, if it did.
    pub fn exited(&self) -> Option<ExitStatus> {
        self.child().try_wait().ok().flatten()
    }

    /// Sends a signal, unless it has ended (its pid may be someone else's then).
    pub fn signal(&self, signal: Signal) {
        let mut child = self.child();
        if matches!(child.try_wait(), Ok(None))
            && let Ok(pid) = i32::try_from(self.pid)
        {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&self) -> Result<ExitStatus> {
        let mut child = self.child();
        if child.try_wait()?.is_none() {
            child.kill()?;
        }
        Ok(child.wait()?)
    }

    /// One line on a process that ended by itself, with the end of its log.
    pub fn exit_report(&self) -> anyhow::Error {
        let how = self.exited().map_or_else(|| "is not ready".to_owned(), |status| format!("ended ({status})"));
        anyhow!("{} {how}; {}", self.spec.name, log_tail(&self.spec.log))
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// The end of a log, indented, with its path.
pub fn log_tail(log: &Path) -> String {
    const LINES: usize = 12;
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let tail = lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default();
    if tail.is_empty() {
        return format!("its log is empty: {}", log.display());
    }
    let mut shown = format!("its log {} ends:", log.display());
    for line in tail {
        let short: String = line.chars().take(400).collect();
        shown.push_str("\n    ");
        shown.push_str(&short);
    }
    shown
}

/// A command that the kernel kills when the thread that starts it ends.
fn bound_to_us(program: &Path) -> Command {
    static SETPRIV: OnceLock<Option<PathBuf>> = OnceLock::new();
    let setpriv = SETPRIV.get_or_init(|| {
        let path = search_path("setpriv")?;
        let works = Command::new(&path)
            .args(["--pdeathsig", "KILL", "true"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        works.then_some(path)
    });
    match setpriv {
        // It replaces itself by the program, so the pid is the program's.
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

type SpawnRequest = (Command, Sender<std::io::Result<Child>>);

fn spawn_from_lasting_thread(command: Command) -> Result<Child> {
    static SPAWNER: OnceLock<Sender<SpawnRequest>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (requests, inbox) = channel::<SpawnRequest>();
        std::thread::spawn(move || {
            for (mut command, answer) in inbox {
                let _ = answer.send(command.spawn());
            }
        });
        requests
    });
    let (answer, result) = channel();
    spawner.send((command, answer)).map_err(|_| anyhow!("the thread that starts processes is gone"))?;
    Ok(result.recv()??)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(folder: &Path, script: &str) -> Spec {
        Spec {
            name: "sleeper".to_owned(),
            program: search_path("sh").unwrap(),
            args: vec!["-c".into(), script.into()],
            env: BTreeMap::new(),
            log: folder.join("sleeper.log"),
        }
    }

    fn alive(pid: u32) -> bool {
        fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let process = Process::spawn(&sleeper(folder.path(), "exec sleep 600")).unwrap();
        let pid = process.pid();
        assert!(alive(pid));
        drop(process);
        assert!(!alive(pid));
    }

    #[test]
    fn an_obituary_shows_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let process = Process::spawn(&sleeper(folder.path(), "echo MONGODB_URL is missing >&2; exit 2")).unwrap();
        let _ = process.child().wait();
        let line = process.exit_report().to_string();
        assert!(line.contains("sleeper ended (exit status: 2)"), "{line}");
        assert!(line.contains("MONGODB_URL is missing"), "{line}");
    }
}
