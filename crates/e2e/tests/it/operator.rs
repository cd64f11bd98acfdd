//! Runs the operator's programs against this test's fleet.

use std::path::Path;
use std::process::Stdio;

use e2e::test_fleet::TestFleet;
use serde::de::DeserializeOwned;
use testkit::fleet::SERVICES;
use testkit::fleet::instance::Instance;
use testkit::fleet::options::current_binary_dir;
use tokio::process::{Child, Command};

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the `ticketctl` binary for one fleet, without a terminal.
pub(crate) struct Operator(Vec<(&'static str, String)>);

impl Operator {
    pub(crate) fn for_fleet(fleet: &TestFleet) -> Self {
        let admin = SERVICES.map(|service| {
            let urls: Vec<_> = fleet.processes.instances(service).iter().map(Instance::admin_url).collect();
            format!("{service}={}", urls.join("|"))
        });
        Self(vec![
            ("MONGODB_URL", fleet.processes.servers().mongodb_url()),
            ("NATS_URL", fleet.processes.servers().nats.url()),
            ("PUBLIC_URL", fleet.url()),
            ("ADMIN_URLS", admin.join(",")),
            ("BACKUP_DIR", fleet.logs.with_file_name("backups").display().to_string()),
        ])
    }

    /// An operator who has only the URL of the databases.
    pub(crate) fn for_databases(fleet: &TestFleet) -> Self {
        Self(vec![("MONGODB_URL", fleet.processes.servers().mongodb_url())])
    }

    /// Adds the URL and the key of fakestripe, the stand-in for the payment provider.
    pub(crate) fn with_fakestripe(mut self, fleet: &TestFleet) -> Self {
        self.0.extend(fleet.fakestripe.settings());
        self
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Finished {
        finish(self.command(arguments)).await
    }

    /// Starts a command whose output is read while it runs.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command("ticketctl");
        command.args(arguments).envs(self.0.iter().cloned());
        command
    }

    /// Runs a command that must succeed; returns its report as text.
    pub(crate) async fn run_ok(&self, arguments: &[&str]) -> String {
        let finished = self.run(arguments).await;
        assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:?}");
        finished.stdout
    }

    /// Runs a command that must succeed; returns the report that it prints as JSON.
    pub(crate) async fn report<R: DeserializeOwned>(&self, arguments: &[&str]) -> R {
        let finished = self.run(&[&["--output", "json"], arguments].concat()).await;
        assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:?}");
        serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {finished:?}"))
    }

    /// Runs a command that must be rejected for this reason, without any change.
    pub(crate) async fn run_rejected(&self, arguments: &[&str], reason: &str) {
        let finished = self.run(arguments).await;
        let Finished { code, stdout, stderr } = &finished;
        assert_eq!((*code, stdout.as_str()), (Some(4), ""), "{arguments:?}: {finished:?}");
        assert!(stderr.contains(reason) && stderr.contains("nothing was changed"), "{arguments:?}: {finished:?}");
    }

    /// Runs a command that asks, and must be rejected since there is no terminal. What it would do must contain `plan`.
    pub(crate) async fn run_unconfirmed(&self, arguments: &[&str], plan: &str) {
        self.run_rejected(arguments, "there is no terminal to confirm this at").await;
        self.run_rejected(arguments, plan).await;
    }
}

/// Runs the `xtask` binary with the description of a fleet. The command must succeed; returns its output.
pub(crate) async fn run_xtask(fleet_file: &Path, arguments: &[&str]) -> String {
    run_xtask_with_code(fleet_file, arguments, 0).await
}

/// Runs the `xtask` binary with the description of a fleet. The command must end with this code; returns its output.
pub(crate) async fn run_xtask_with_code(fleet_file: &Path, arguments: &[&str], code: i32) -> String {
    let mut command = command("xtask");
    command.arg("--fleet").arg(fleet_file).args(arguments);
    let finished = finish(command).await;
    assert_eq!(finished.code, Some(code), "{arguments:?}: {finished:?}");
    finished.stdout
}

fn command(program: &str) -> Command {
    let program = current_binary_dir().join(program);
    assert!(program.is_file(), "{} is not built", program.display());
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).kill_on_drop(true);
    for unset in ["NATS_PREFIX", "NATS_URL", "STRIPE_KEY", "STRIPE_URL"] {
        command.env_remove(unset);
    }
    command
}

async fn finish(mut command: Command) -> Finished {
    let output = command.output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Finished { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}
