//! Runs the unmodified official Python library against the server.

use fakestripe::Config;
use tokio::process::Command;

use crate::client::Server;

#[tokio::test]
async fn the_official_python_library_works() {
    let Ok(python) = std::env::var("TEST_PYTHON") else {
        println!("skipped: TEST_PYTHON is not set");
        return;
    };
    let config = Config { webhook_secret: "whsec_python".to_owned(), ..Config::default() };
    let server = Server::with(config).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/stripe_sdk.py");
    let output = Command::new(python)
        .env("NO_PROXY", "127.0.0.1")
        .arg(script)
        .arg(&server.url)
        .arg("whsec_python")
        .output()
        .await
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
