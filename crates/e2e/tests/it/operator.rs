//! Runs the `xtask` binary against this test's fleet, as an operator does.

use std::path::PathBuf;

use e2e::test_fleet::TestFleet;
use testkit::fleet::options::sibling_binaries_dir;
use tokio::process::Command;

/// An operator of one fleet.
pub(crate) struct Operator {
    fleet_file: PathBuf,
}

impl Operator {
    pub(crate) fn for_fleet(fleet: &TestFleet) -> Self {
        Self { fleet_file: fleet.logs.with_file_name("fleet.json") }
    }

    pub(crate) fn from_fleet_file(fleet_file: PathBuf) -> Self {
        Self { fleet_file }
    }

    /// Runs a command; returns whether it succeeded, and its output.
    pub(crate) async fn run(&self, arguments: &[&str]) -> (bool, String) {
        let program = sibling_binaries_dir().join("xtask");
        assert!(program.is_file(), "{} is not built", program.display());
        let mut command = Command::new(program);
        command.arg("--fleet").arg(&self.fleet_file).args(arguments).env_remove("NATS_PREFIX").kill_on_drop(true);
        let output = command.output().await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    }

    /// Runs a command that must succeed; returns its output.
    pub(crate) async fn run_ok(&self, arguments: &[&str]) -> String {
        let (succeeded, output) = self.run(arguments).await;
        assert!(succeeded, "{arguments:?}: {output}");
        output
    }
}
