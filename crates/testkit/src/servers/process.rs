//! Child processes that never outlive this process, however it ends.
//!
//! # Why
//! Three safety nets: `Drop` kills the child (a return, a panic); our own signal handling leads to
//! `Drop` (Ctrl-C, SIGTERM; each child has a process group of its own, so the terminal does not
//! signal it directly); and the kernel kills the child when we are killed (`setpriv --pdeathsig`,
//! part of util-linux). The kernel ties that to the *thread* that started the child, so one thread
//! that never ends starts them all.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::tools::search_path;

/// The program to run at the start and after each restart.
#[derive(Debug, Clone)]
pub struct ProcessSpec {
    /// Shown in messages.
    pub name: String,
    /// Path of the program.
    pub program: PathBuf,
    /// Command-line arguments.
    pub args: Vec<OsString>,
    /// Added to our own environment.
    pub env: BTreeMap<String, String>,
    /// Both output streams are appended to this file.
    pub log: PathBuf,
}

/// A child process that can be killed, stopped and restarted. Killed on drop.
#[derive(Debug)]
pub struct Process {
    state: Mutex<Running>,
    /// Tells an intended stop from a crash.
    stopped_intentionally: AtomicBool,
}

#[derive(Debug)]
struct Running {
    spec: ProcessSpec,
    child: Child,
}

impl Running {
    fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    fn kill(&mut self) -> Result<ExitStatus> {
        if self.child.try_wait()?.is_none() {
            self.child.kill()?;
        }
        Ok(self.child.wait()?)
    }

    fn exit_error(&mut self) -> anyhow::Error {
        let outcome =
            self.exit_status().map_or_else(|| "is not ready".to_owned(), |status| format!("ended ({status})"));
        anyhow!("{} {outcome}; {}", self.spec.name, log_tail(&self.spec.log))
    }
}

impl Process {
    /// Starts the process. The error names the program.
    pub fn spawn(spec: &ProcessSpec) -> Result<Self> {
        let state = Running { spec: spec.clone(), child: spawn_child(spec)? };
        Ok(Self { state: Mutex::new(state), stopped_intentionally: AtomicBool::new(false) })
    }

    /// The process id, which a restart changes.
    pub fn pid(&self) -> u32 {
        self.state().child.id()
    }

    /// The error to report if the process has exited without being stopped or killed through this handle.
    pub fn unexpected_exit(&self) -> Option<anyhow::Error> {
        let mut state = self.state();
        if self.stopped_intentionally.load(Ordering::SeqCst) || state.exit_status().is_none() {
            return None;
        }
        Some(state.exit_error())
    }

    /// Polls until `is_ready` returns true. Fails when the process exits or the timeout passes.
    pub async fn wait_until_ready(&self, timeout: Duration, mut is_ready: impl AsyncFnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + timeout;
        while !is_ready().await {
            if let Some(exit) = self.unexpected_exit() {
                return Err(exit);
            }
            if Instant::now() > deadline {
                return Err(self.exit_error());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        Ok(())
    }

    /// One line on a process that has exited or is not ready, followed by the end of its log.
    pub(crate) fn exit_error(&self) -> anyhow::Error {
        self.state().exit_error()
    }

    /// Sends a signal, unless the process has exited.
    pub(crate) fn signal(&self, signal: Signal) {
        let child = &mut self.state().child;
        // The pid of a process that has exited may belong to another one.
        if matches!(child.try_wait(), Ok(None))
            && let Ok(pid) = i32::try_from(child.id())
        {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Sends SIGKILL and waits for the exit.
    pub(crate) fn kill(&self) -> Result<()> {
        self.stopped_intentionally.store(true, Ordering::SeqCst);
        self.state().kill().map(drop)
    }

    /// Sends SIGTERM, and SIGKILL after `grace`. Returns the exit code, if there is one.
    pub(crate) async fn stop(&self, grace: Duration) -> Result<Option<i32>> {
        self.stopped_intentionally.store(true, Ordering::SeqCst);
        self.signal(Signal::SIGTERM);
        // A process suspended by SIGSTOP handles SIGTERM only once it continues.
        self.signal(Signal::SIGCONT);
        let deadline = Instant::now() + grace;
        while Instant::now() < deadline {
            if let Some(status) = self.state().exit_status() {
                return Ok(status.code());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(self.state().kill()?.code())
    }

    /// The folder of the program.
    pub(crate) fn folder(&self) -> PathBuf {
        self.state().spec.program.parent().map(Path::to_path_buf).unwrap_or_default()
    }

    /// Uses the program of the same name in this folder from the next start on.
    pub(crate) fn set_folder(&self, folder: &Path) {
        let program = &mut self.state().spec.program;
        if let Some(name) = program.file_name() {
            *program = folder.join(name);
        }
    }

    /// Kills the process if it still runs and starts it again, with these variables from now on.
    pub(crate) fn restart(&self, env: &[(&str, &str)]) -> Result<()> {
        let mut state = self.state();
        state.kill()?;
        state.spec.env.extend(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        state.child = spawn_child(&state.spec)?;
        self.stopped_intentionally.store(false, Ordering::SeqCst);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, Running> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn spawn_child(spec: &ProcessSpec) -> Result<Child> {
    if let Some(folder) = spec.log.parent() {
        fs::create_dir_all(folder)?;
    }
    let log = File::options().create(true).append(true).open(&spec.log)?;
    let mut command = with_parent_death_signal(&spec.program);
    command.args(&spec.args).envs(&spec.env).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
    spawn_from_persistent_thread(command)
        .with_context(|| format!("{} can't be started ({})", spec.name, spec.program.display()))
}

/// The last lines of a log, indented, with its path.
fn log_tail(log: &Path) -> String {
    const LINES: usize = 12;
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let tail = lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default();
    if tail.is_empty() {
        return format!("its log is empty: {}", log.display());
    }
    let lines = tail.iter().map(|line| format!("\n    {}", line.chars().take(400).collect::<String>()));
    format!("its log {} ends:{}", log.display(), lines.collect::<String>())
}

/// A command that the kernel kills when the thread that starts it ends.
fn with_parent_death_signal(program: &Path) -> Command {
    static SETPRIV: OnceLock<Option<PathBuf>> = OnceLock::new();
    let setpriv = SETPRIV.get_or_init(|| {
        let path = search_path("setpriv")?;
        let trial = Command::new(&path).args(["--pdeathsig", "KILL", "true"]).output();
        trial.is_ok_and(|output| output.status.success()).then_some(path)
    });
    let Some(setpriv) = setpriv else { return Command::new(program) };
    // setpriv replaces itself with the program, so the pid is the program's.
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

type SpawnRequest = (Command, Sender<std::io::Result<Child>>);

fn spawn_from_persistent_thread(command: Command) -> Result<Child> {
    static SPAWNER: OnceLock<Sender<SpawnRequest>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (requests, inbox) = channel::<SpawnRequest>();
        std::thread::spawn(move || {
            for (mut command, reply) in inbox {
                let _ = reply.send(command.spawn());
            }
        });
        requests
    });
    let (reply, result) = channel();
    spawner.send((command, reply)).map_err(|_| anyhow!("the thread that starts processes has ended"))?;
    Ok(result.recv()??)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(folder: &Path, script: &str) -> Process {
        let spec = ProcessSpec {
            name: "script".to_owned(),
            program: search_path("sh").unwrap(),
            args: vec!["-c".into(), script.into()],
            env: BTreeMap::new(),
            log: folder.join("script.log"),
        };
        Process::spawn(&spec).unwrap()
    }

    fn is_alive(pid: u32) -> bool {
        fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }

    async fn wait_until(condition: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !condition() {
            assert!(Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[test]
    fn drop_kills_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let process = shell(folder.path(), "exec sleep 600");
        let pid = process.pid();
        assert!(is_alive(pid));
        drop(process);
        assert!(!is_alive(pid));
    }

    #[tokio::test]
    async fn restart_uses_the_program_of_another_folder() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let process = shell(folder.path(), "while :; do sleep 0.05; done");
        let program = other.path().join("sh");
        std::os::unix::fs::symlink(search_path("sh").unwrap(), &program).unwrap();
        process.set_folder(other.path());
        assert_eq!(process.folder(), other.path());
        process.restart(&[]).unwrap();
        let is_other = |command: &[u8]| String::from_utf8_lossy(command).contains(program.to_str().unwrap());
        let command = format!("/proc/{}/cmdline", process.pid());
        wait_until(|| fs::read(&command).is_ok_and(|command| is_other(&command))).await;
    }

    #[test]
    fn exit_error_shows_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let process = shell(folder.path(), "echo MONGODB_URL is missing >&2; exit 2");
        let _ = process.state().child.wait();
        let line = process.exit_error().to_string();
        assert!(line.contains("script ended (exit status: 2)"), "{line}");
        assert!(line.contains("MONGODB_URL is missing"), "{line}");
    }

    #[tokio::test]
    async fn stop_continues_a_suspended_process_and_falls_back_to_sigkill() {
        let folder = tempfile::tempdir().unwrap();
        let well_behaved = shell(folder.path(), "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done");
        wait_until(|| !fs::read_to_string(folder.path().join("script.log")).unwrap_or_default().is_empty()).await;
        well_behaved.signal(Signal::SIGSTOP);
        assert_eq!(well_behaved.stop(Duration::from_secs(10)).await.unwrap(), Some(7));
        assert!(well_behaved.unexpected_exit().is_none(), "the stop was intended");

        let ignores_sigterm = shell(folder.path(), "trap '' TERM; while :; do sleep 0.05; done");
        ignores_sigterm.stop(Duration::from_millis(100)).await.unwrap();
        ignores_sigterm.restart(&[]).unwrap();
        assert!(ignores_sigterm.unexpected_exit().is_none());
    }

    #[tokio::test]
    async fn unexpected_exit_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let process = shell(folder.path(), "exit 3");
        wait_until(|| process.unexpected_exit().is_some()).await;
    }
}
