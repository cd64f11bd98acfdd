//! Runs the tour of the README unchanged.

use std::process::Command;

use e2e::invariants;
use e2e::test_fleet::TestFleet;
use testkit::tools::workspace_root;

#[tokio::test(flavor = "multi_thread")]
async fn readme_tour_buys_a_ticket() {
    let fleet = TestFleet::start(&[]).await.unwrap();
    let readme = std::fs::read_to_string(workspace_root().join("README.md")).unwrap();
    let tour = readme.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block of sh");
    let mut command = Command::new("timeout");
    command.args(["60", "bash", "-c", tour]).env("SHOP", fleet.url());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    for expected in [
        "\"displayName\":\"Ada\"",
        "Your bank declined the card",
        "\"status\":\"authorized\"",
        "\"status\":\"sold\"",
        "\"slot\":1",
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    invariants::assert_eventually(&fleet).await.unwrap();
}
