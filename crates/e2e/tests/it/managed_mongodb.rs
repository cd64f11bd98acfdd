//! A managed MongoDB: a service looks up its members by a `mongodb+srv` URL, and verifies their certificates by the
//! provider's authority.

use std::process::Command;

use testkit::certificates::Authority;
use testkit::fleet::options::current_binary_dir;
use testkit::servers::scratch::ScratchDir;
use testkit::tools::{Tools, workspace_root};

#[test]
fn members_are_looked_up_and_verified() {
    let isolated = || {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "--net", "--pid", "--fork", "--kill-child"]);
        command
    };
    // The driver asks the name servers in /etc/resolv.conf. The test replaces that file in its own namespaces.
    if !isolated().arg("true").output().is_ok_and(|output| output.status.success()) {
        assert!(
            std::env::var_os("GITHUB_ACTIONS").is_none(),
            "namespaces are not allowed, although the workflows allow them"
        );
        eprintln!("not tested: namespaces are not allowed here");
        return;
    }
    let scratch = ScratchDir::new("managed-mongodb").unwrap();
    let authority = Authority::load_or_create(scratch.path()).unwrap();
    authority.issue("member", &["DNS:member-0.provider.test".to_owned()]).unwrap();
    let output = isolated()
        .arg("python3")
        .arg(workspace_root().join("crates/e2e/tests/managed_mongodb.py"))
        .arg(current_binary_dir().join("expiration"))
        .arg(Tools::find_or_install().unwrap().mongod)
        .arg(scratch.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
