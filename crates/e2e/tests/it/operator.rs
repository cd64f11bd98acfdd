//! Somebody who looks after a fleet with `cargo xtask`: the very program, told of this test's fleet.

use std::path::PathBuf;

use e2e::test_fleet::TestFleet;
use testkit::fleet::options::sibling_binaries_dir;
use tokio::process::Command;

/// An operator of one fleet.
pub(crate) struct Operator {
    fleet: PathBuf,
}

impl Operator {
    /// Of this fleet.
    pub(crate) fn of(fleet: &TestFleet) -> Self {
        Self { fleet: fleet.logs.with_file_name("fleet.json") }
    }

    /// Of a fleet that this file describes.
    pub(crate) fn by(fleet: PathBuf) -> Self {
        Self { fleet }
    }

    /// Runs a command; whether it succeeded, and what it said.
    pub(crate) async fn tries(&self, arguments: &[&str]) -> (bool, String) {
        let program = sibling_binaries_dir().join("xtask");
        assert!(program.is_file(), "{} is not built", program.display());
        let mut command = Command::new(program);
        command.arg("--fleet").arg(&self.fleet).args(arguments).env_remove("NATS_PREFIX").kill_on_drop(true);
        let output = command.output().await.unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    }

    /// Runs a command that must succeed; what it said.
    pub(crate) async fn runs(&self, arguments: &[&str]) -> String {
        let (is_done, said) = self.run(arguments).await;
        assert!(is_done, "{arguments:?}: {said}");
        said
    }
}
