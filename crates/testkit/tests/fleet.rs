//! Tests of the fleet on real servers with stub services: its start, its description, its error
//! reports, and that it leaves no processes behind.
#![allow(clippy::disallowed_methods, reason = "a test of processes and sockets")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use testkit::fleet::options::FleetOptions;
use testkit::fleet::{Fleet, SERVICES};
use testkit::servers::scratch::ScratchDir;

/// Listens on the configured addresses, is always ready, and responds with its environment.
const STUB_SERVICE: &str = r#"
import http.server, json, os, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(dict(os.environ)).encode())
    def log_message(self, *args):
        pass
def serve(address):
    host, port = address.rsplit(":", 1)
    http.server.ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
for bind in ["ADMIN_BIND", "METRICS_BIND"]:
    if bind in os.environ:
        threading.Thread(target=serve, args=[os.environ[bind]], daemon=True).start()
serve(os.environ.get("BIND") or os.environ["FAKESTRIPE_BIND"])
"#;

fn program(folder: &Path, name: &str, script: &str) {
    fs::create_dir_all(folder).unwrap();
    let file = folder.join(name);
    fs::write(&file, script).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}

fn options(scratch: &ScratchDir) -> FleetOptions {
    let mut options =
        FleetOptions::new(scratch.path()).env("ORDER_TTL", "6s").env("MONGODB_URL", "mongodb://elsewhere");
    options.programs = scratch.path().join("programs");
    options.fleet_file = Some(scratch.path().join("fleet.json"));
    for name in SERVICES.into_iter().chain(["fakestripe"]) {
        program(&options.programs, name, &format!("#!/bin/sh\nexec python3 -c '{STUB_SERVICE}'\n"));
    }
    options
}

fn pids(fleet_file: &Path) -> Vec<u64> {
    fn collect(value: &Value, into: &mut Vec<u64>) {
        match value {
            Value::Object(fields) => {
                into.extend(fields.get("pid").and_then(Value::as_u64));
                fields.values().for_each(|value| collect(value, into));
            }
            Value::Array(items) => items.iter().for_each(|value| collect(value, into)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(&serde_json::from_slice(&fs::read(fleet_file).unwrap()).unwrap(), &mut found);
    found.sort_unstable();
    found.dedup();
    found
}

fn is_alive(pid: u64) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

async fn environment(url: &str) -> Value {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    serde_json::from_str(response.split("\r\n\r\n").nth(1).unwrap()).unwrap()
}

#[tokio::test]
async fn fleet_with_two_instances_starts_and_leaves_no_processes() {
    let scratch = ScratchDir::new("fleet-two").unwrap();
    let mut options = options(&scratch);
    options.instances = 2;
    let file = options.fleet_file.clone().unwrap();
    let fleet = Fleet::start(&options).await.unwrap();

    let description = fleet.description();
    assert_eq!(description["publicUrl"], fleet.public_url());
    for name in SERVICES {
        let service = &description["services"][name];
        assert_eq!(service["pid"], fleet.service(name).unwrap().pid());
        assert_eq!(service["instances"][0]["url"], service["url"]);
        assert_eq!(service["instances"].as_array().unwrap().len(), 2);
        let env = environment(service["url"].as_str().unwrap()).await;
        assert_eq!(env["PUBLIC_URL"], fleet.public_url());
        assert_eq!(env["ORDER_TTL"], "6s");
        assert_eq!(env["MONGODB_URL"], fleet.servers().mongodb.url(), "generated values override the options");
        assert_eq!(env["MONGODB_DATABASE"], name);
        assert_eq!(env.get("JWT_PRIVATE_KEYS").is_some(), name == "auth");
        assert_eq!(env.get("JWKS").is_some(), name != "auth");
        assert_eq!(env.get("PASS_PRIVATE_KEYS").is_some(), name == "orders");
        assert_eq!(env.get("STRIPE_WEBHOOK_SECRETS").is_some(), name == "payments");
        assert_eq!(env["REDIS_URL"], fleet.servers().redis.url());
        assert!(env["LIMIT_SECRET"].as_str().is_some_and(|secret| secret.len() >= 32));
        assert_eq!(env.get("ORDERS_URL").is_some(), name == "web");
    }
    let all = pids(&file);
    // The services, and mongod, nats-server, redis-server, fakestripe and the gateway.
    assert_eq!(all.len(), 2 * SERVICES.len() + 5);
    assert!(all.iter().all(|pid| is_alive(*pid)));

    // An intended kill is not reported. The process restarts on its port, with its data.
    let orders = &fleet.instances("orders")[1];
    assert_eq!(orders.name(), "orders-2");
    let (url, pid) = (orders.url(), orders.pid());
    orders.kill().unwrap();
    fleet.servers().mongodb.kill().unwrap();
    fleet.servers().nats.kill().unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(500), fleet.unexpected_exit()).await.is_err());
    fleet.servers().mongodb.restart().await.unwrap();
    fleet.servers().nats.restart().await.unwrap();
    orders.restart().await.unwrap();
    assert!(orders.url() == url && orders.pid() != pid);
    fleet.write_fleet_file().unwrap();

    let all = pids(&file);
    fleet.stop().await.unwrap();
    assert!(!file.exists());
    assert_eq!(all.into_iter().filter(|pid| is_alive(*pid)).count(), 0);
}

#[tokio::test]
async fn crash_is_reported_and_drop_kills_all_processes() {
    let scratch = ScratchDir::new("fleet-crash").unwrap();
    let options = options(&scratch);
    let fleet = Fleet::start(&options).await.unwrap();
    let all = pids(&options.fleet_file.clone().unwrap());
    fleet.service("tickets").unwrap().signal(nix::sys::signal::Signal::SIGKILL);
    let report = tokio::time::timeout(Duration::from_secs(10), fleet.unexpected_exit()).await.unwrap().to_string();
    assert!(report.starts_with("tickets ended (signal: 9 (SIGKILL))"), "{report}");
    drop(fleet);
    assert_eq!(all.into_iter().filter(|pid| is_alive(*pid)).count(), 0);

    // A fleet can start with the same data on other ports.
    let restarted = Fleet::start(&options).await.unwrap();
    restarted.stop().await.unwrap();
}

#[tokio::test]
async fn start_errors_are_concise() {
    let scratch = ScratchDir::new("fleet-errors").unwrap();
    let mut options = options(&scratch);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    options.port = Some(port);
    let error = Fleet::start(&options).await.unwrap_err().to_string();
    assert_eq!(error, format!("port {port} is in use"));

    options.port = None;
    program(&options.programs, "payments", "#!/bin/sh\necho 'payments: STRIPE_URL must be an address' >&2\nexit 2\n");
    let error = Fleet::start(&options).await.unwrap_err().to_string();
    assert!(error.starts_with("payments ended (exit status: 2); its log "), "{error}");
    assert!(error.ends_with("\n    payments: STRIPE_URL must be an address"), "{error}");

    fs::remove_file(options.programs.join("web")).unwrap();
    let error = Fleet::start(&options).await.unwrap_err().to_string();
    assert!(error.ends_with("programs/web is not built"), "{error}");
}
