//! Runs `infra/ci/purchase.py`, the last test of a deployment, against a fleet.

use std::process::{Command, Output};

use e2e::invariants;
use e2e::test_fleet::{PASSWORD, TestFleet};
use testkit::tools::workspace_root;

/// Runs the script. Returns its exit code and all its output.
async fn purchase(fleet: &TestFleet, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new("python3");
    command.arg("-B").arg(workspace_root().join("infra/ci/purchase.py")).arg(fleet.url()).args(arguments);
    command.env("SMOKE_TEST_PASSWORD", PASSWORD).env("SMOKE_TEST_EMAIL", "deploy@example.com").env("no_proxy", "*");
    let Output { status, stdout, stderr } =
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (status.code(), [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat())
}

async fn intents(fleet: &TestFleet) -> usize {
    fleet.fakestripe_state().await.unwrap()["paymentIntents"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn deployment_buys_with_test_keys_and_pays_nothing_with_live_keys() {
    let fleet = TestFleet::start(&[]).await.unwrap();
    let (code, said) = purchase(&fleet, &["sign-up"]).await;
    assert_eq!(code, Some(0), "{said}");
    let (setting, seller) = said.trim().split_once('=').unwrap();
    let (code, said) = purchase(&fleet, &[]).await;
    assert_eq!((code, intents(&fleet).await), (Some(1), 0), "{said}");
    assert!(said.contains(&format!("in tickets and web: set SMOKE_TEST_SELLER={seller} in")), "{said}");

    for service in ["tickets", "web"] {
        fleet.processes.service(service).unwrap().restart_with_env(&[(setting, seller)]).await.unwrap();
    }
    for sold in 1..=2 {
        let (code, said) = purchase(&fleet, &[]).await;
        assert_eq!((code, intents(&fleet).await), (Some(0), sold), "{said}");
        assert!(said.contains("bought a ticket with a test card"), "{said}");
    }

    let live = [("STRIPE_PUBLISHABLE_KEY", "pk_live_1")];
    fleet.processes.service("web").unwrap().restart_with_env(&live).await.unwrap();
    let (code, said) = purchase(&fleet, &[]).await;
    assert_eq!((code, intents(&fleet).await), (Some(0), 2), "{said}");
    assert!(said.contains("nothing was paid"), "{said}");
    invariants::assert_eventually(&fleet).await.unwrap();
}
