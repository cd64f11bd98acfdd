//! Generates a Python client from the OpenAPI documents, and uses it to list, find, order and pay for a ticket.

use std::ffi::OsStr;
use std::path::Path;

use e2e::test_fleet::TestFleet;
use testkit::tools::workspace_root;
use tokio::process::Command;

/// The services with a public API, and the paths of their documents.
const DOCUMENTS: [(&str, &str); 4] = [
    ("auth", "/api/users/openapi.json"),
    ("tickets", "/api/tickets/openapi.json"),
    ("orders", "/api/orders/openapi.json"),
    ("payments", "/api/payments/openapi.json"),
];

#[tokio::test(flavor = "multi_thread")]
async fn generated_client_lists_finds_orders_and_pays() {
    let fleet = TestFleet::start(&[]).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yaml");
    // Skips formatting.
    std::fs::write(&config, "post_hooks: []\n").unwrap();
    for (service, path) in DOCUMENTS {
        let document = folder.path().join(format!("{service}.json"));
        let body = reqwest::get(format!("{}{path}", fleet.url())).await.unwrap().bytes().await.unwrap();
        std::fs::write(&document, body).unwrap();
        let client = folder.path().join(format!("{service}_client"));
        let mut generate: Vec<&OsStr> =
            ["-m", "openapi_python_client", "generate", "--fail-on-warning", "--meta=none"].map(OsStr::new).to_vec();
        generate.extend([OsStr::new("--path"), document.as_os_str()]);
        generate.extend([OsStr::new("--config"), config.as_os_str()]);
        generate.extend([OsStr::new("--output-path"), client.as_os_str()]);
        let output = python(folder.path(), &generate);
        assert!(!output.await.contains("WARNING"), "{service}");
    }
    let script = workspace_root().join("crates/e2e/client/buy.py");
    python(folder.path(), &[script.as_os_str(), fleet.url().as_ref()]).await;
}

/// Runs Python with the generated packages; returns its output.
async fn python(packages: &Path, arguments: &[&OsStr]) -> String {
    let python = std::env::var("TEST_PYTHON").expect("run the tests by `cargo xtask test`");
    let mut command = Command::new(python);
    command.args(arguments).env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1").kill_on_drop(true);
    let output = command.output().await.unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text}");
    text
}
