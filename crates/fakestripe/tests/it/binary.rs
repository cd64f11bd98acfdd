//! The binary: startup line, shutdown, and invalid configuration.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fakestripe"));
    command.kill_on_drop(true).stdout(Stdio::piped());
    command
}

#[tokio::test]
async fn binary_prints_its_address_and_exits_on_sigterm() {
    let mut child = program().env("FAKESTRIPE_BIND", "127.0.0.1:0").spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let url = line.strip_prefix("fakestripe listens on ").unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let health = http.get(format!("{url}/healthz")).send().await.unwrap();
    assert_eq!(health.status(), 200);
    let id = child.id().unwrap().to_string();
    let since = Instant::now();
    Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
    assert!(child.wait().await.unwrap().success());
    assert!(since.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn invalid_setting_is_reported_in_one_line() {
    let output = program().env("FAKESTRIPE_BIND", "nonsense").output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("fakestripe: FAKESTRIPE_BIND: "), "{text}");
    assert_eq!(text.lines().count(), 1);
}
