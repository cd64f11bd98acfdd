//! Start-up: invalid configuration is reported in one line; defaults; `--help`.

use std::process::Command;
use std::time::Duration;

use auth::config::Config;
use testkit::app::users::Signer;

/// Exit code and standard error of the service with these variables added to a valid environment.
fn start(variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_auth"))
        .env_clear()
        .envs([
            ("BIND", "127.0.0.1:0"),
            ("ADMIN_BIND", "127.0.0.1:0"),
            ("METRICS_BIND", "127.0.0.1:0"),
            ("PUBLIC_URL", "http://localhost:8080"),
            ("MONGODB_URL", "mongodb://127.0.0.1:1"),
            ("NATS_URL", "nats://127.0.0.1:1"),
        ])
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn each_invalid_variable_is_named_in_one_line() {
    let pem = Signer::new().pem;
    let begin = "-----BEGIN PRIVATE KEY-----\n";
    let truncated = format!("{begin}MC4CAQAwBQYDK2VwBCIEIJ1hsZ\n-----END PRIVATE KEY-----\n");
    let twice = format!("{pem}{pem}");
    let keys = "auth: JWT_PRIVATE_KEYS is wrong: ";
    let table: [(&[(&str, &str)], String); 11] = [
        (&[], "auth: JWT_PRIVATE_KEYS is not set: ".to_owned()),
        (&[("JWT_PRIVATE_KEYS", "")], keys.to_owned()),
        (&[("JWT_PRIVATE_KEYS", "hunter2")], format!("{keys}must begin with -----BEGIN PRIVATE KEY-----")),
        (&[("JWT_PRIVATE_KEYS", &truncated)], format!("{keys}key 1 is not an Ed25519 private key in PKCS#8")),
        (&[("JWT_PRIVATE_KEYS", &twice)], format!("{keys}key 2 occurs twice")),
        (&[("JWT_PRIVATE_KEYS", &pem), ("SIGNIN_FAILURES", "0")], "auth: SIGNIN_FAILURES is wrong: ".to_owned()),
        (
            &[("JWT_PRIVATE_KEYS", &pem), ("SIGNUPS_PER_MINUTE", "many")],
            "auth: SIGNUPS_PER_MINUTE is wrong: ".to_owned(),
        ),
        (
            &[("JWT_PRIVATE_KEYS", &pem), ("HASHING_CONCURRENCY", "0")],
            "auth: HASHING_CONCURRENCY is wrong: ".to_owned(),
        ),
        (
            &[("JWT_PRIVATE_KEYS", &pem), ("ACCESS_TOKEN_TTL", "soon")],
            "auth: ACCESS_TOKEN_TTL is wrong: 'soon' must be".to_owned(),
        ),
        (&[("JWT_PRIVATE_KEYS", &pem), ("SESSION_TTL", "0s")], "auth: SESSION_TTL is wrong: ".to_owned()),
        (&[("JWT_PRIVATE_KEYS", &pem), ("PUBLIC_URL", "localhost")], "auth: PUBLIC_URL is wrong: ".to_owned()),
    ];
    for (variables, line) in table {
        let (code, stderr) = start(variables);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.starts_with(&line), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(!stderr.contains("hunter2") && !stderr.contains("MC4CAQAw"), "a secret is shown: {stderr}");
    }
}

#[test]
fn default_settings_are_pinned() {
    let pem = Signer::new().pem;
    let arguments = [
        "auth",
        "--public-url=http://localhost:8080",
        "--mongodb-url=mongodb://127.0.0.1",
        "--nats-url=nats://127.0.0.1",
        &format!("--jwt-private-keys={pem}"),
    ];
    let (_, config) = platform::config::parse::<Config>(auth::NAME, arguments.map(std::ffi::OsString::from))
        .expect("valid arguments");
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    assert_eq!(config.access_token_ttl, minutes(15));
    assert_eq!(config.refresh_grace, Duration::from_secs(10));
    assert_eq!(config.session_ttl, minutes(30 * 24 * 60));
    assert_eq!((config.limits.signin_failures.get(), config.limits.signin_window), (10, minutes(15)));
    assert!(config.limits.signups_per_minute.get() >= 200, "clients are guaranteed 200 sign-ups per minute");
    let body = pem.lines().nth(1).unwrap();
    assert!(!format!("{config:?}").contains(body), "debug output must not show the key");
}

#[test]
fn help_lists_every_variable() {
    let output = Command::new(env!("CARGO_BIN_EXE_auth")).arg("--help").env_clear().output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    for variable in [
        "JWT_PRIVATE_KEYS",
        "ACCESS_TOKEN_TTL",
        "SESSION_TTL",
        "REFRESH_GRACE",
        "HASHING_CONCURRENCY",
        "SIGNIN_FAILURES",
        "SIGNIN_ADDRESS_FAILURES",
        "SIGNIN_WINDOW",
        "SIGNIN_BACKOFF",
        "SIGNINS_PER_MINUTE",
        "SESSIONS_PER_ACCOUNT",
        "SIGNUPS_PER_MINUTE",
        "PUBLIC_URL",
    ] {
        assert!(help.contains(&format!("[env: {variable}")), "{variable}");
    }
}
