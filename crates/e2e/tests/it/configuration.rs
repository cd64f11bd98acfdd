//! Invalid or missing configuration: one line that names the variable, and exit code 2.

use std::process::{Command, Output};

use testkit::fleet::SERVICES;
use testkit::fleet::options::current_binary_dir;

/// Settings that every service parses; each test changes one of them. The servers do not exist, and the key for passes
/// is a placeholder, since it is read only after all settings are parsed.
const VALID: [(&str, &str); 17] = [
    ("BIND", "127.0.0.1:0"),
    ("ADMIN_BIND", "127.0.0.1:0"),
    ("METRICS_BIND", "127.0.0.1:0"),
    ("PUBLIC_URL", "http://localhost:8080"),
    ("MONGODB_URL", "mongodb://127.0.0.1:1/"),
    ("NATS_URL", "nats://127.0.0.1:1"),
    ("JWKS", r#"{"keys":[]}"#),
    ("PASS_PRIVATE_KEYS", "not read yet"),
    ("STRIPE_KEY", "sk_test_1"),
    ("STRIPE_WEBHOOK_SECRETS", "whsec_1"),
    ("REDIS_URL", "redis://127.0.0.1:1"),
    ("LIMIT_SECRET", "0123456789abcdef0123456789abcdef"),
    ("STRIPE_PUBLISHABLE_KEY", "pk_test_1"),
    ("AUTH_URL", "http://127.0.0.1:1"),
    ("TICKETS_URL", "http://127.0.0.1:1"),
    ("ORDERS_URL", "http://127.0.0.1:1"),
    ("PAYMENTS_URL", "http://127.0.0.1:1"),
];

fn run_with(service: &str, arguments: &[&str], overrides: &[(&str, Option<&str>)]) -> Output {
    let mut command = Command::new(current_binary_dir().join(service));
    command.args(arguments).env_clear().envs(VALID);
    for (name, value) in overrides {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.output().unwrap()
}

fn assert_names(output: &Output, service: &str, variable: &str) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{service}: {text}");
    assert_eq!(text.lines().count(), 1, "{service}: {text}");
    assert!(text.starts_with(&format!("{service}: ")) && text.contains(variable), "{variable}: {text}");
}

#[test]
fn missing_variable_is_named() {
    for service in SERVICES {
        for variable in ["PUBLIC_URL", "MONGODB_URL", "NATS_URL"] {
            assert_names(&run_with(service, &[], &[(variable, None)]), service, variable);
        }
    }
    for (service, variable) in [
        ("auth", "JWT_PRIVATE_KEYS"),
        ("tickets", "JWKS"),
        ("orders", "JWKS"),
        ("orders", "PASS_PRIVATE_KEYS"),
        ("payments", "STRIPE_KEY"),
        ("payments", "STRIPE_WEBHOOK_SECRETS"),
        ("expiration", "LIMIT_SECRET"),
        ("web", "LIMIT_SECRET"),
        ("web", "AUTH_URL"),
        ("web", "ORDERS_URL"),
        ("web", "STRIPE_PUBLISHABLE_KEY"),
    ] {
        assert_names(&run_with(service, &[], &[(variable, None)]), service, variable);
    }
}

#[test]
fn invalid_variable_is_named() {
    for (service, variable, value) in [
        ("auth", "JWT_PRIVATE_KEYS", "not a key"),
        ("tickets", "BIND", "nowhere"),
        ("tickets", "PUBLIC_URL", "ticketing.dev"),
        ("tickets", "MONGODB_URL", "postgres://localhost"),
        ("tickets", "JWKS", "{}"),
        ("tickets", "CURRENCIES", "USD,dollars"),
        ("tickets", "CURRENCIES", "USD,IQD"),
        ("web", "CURRENCIES", "USD,IQD"),
        ("tickets", "TRUSTED_PROXIES", "10.0.0.0/99"),
        ("orders", "PASS_PRIVATE_KEYS", "not a key"),
        ("orders", "LIMIT_SECRET", "short"),
        ("orders", "ORDERS_PER_MINUTE", "0"),
        ("orders", "REDIS_URL", "http://redis"),
        ("orders", "ORDER_TTL", "soon"),
        ("orders", "ORDER_TTL", "0s"),
        ("orders", "LOG_FORMAT", "xml"),
        ("payments", "STRIPE_KEY", " "),
    ] {
        assert_names(&run_with(service, &[], &[(variable, Some(value))]), service, variable);
    }
}

#[test]
fn secrets_are_not_echoed_in_errors_or_help() {
    let output = run_with("tickets", &[], &[("MONGODB_URL", Some("postgres://user:hunter2@localhost"))]);
    assert_names(&output, "tickets", "MONGODB_URL");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("hunter2"));
    let help = run_with("tickets", &["--help"], &[("MONGODB_URL", Some("mongodb://user:hunter2@localhost"))]);
    assert!(!String::from_utf8_lossy(&help.stdout).contains("hunter2"));
}

#[test]
fn help_lists_the_variables() {
    for service in SERVICES {
        let output = run_with(service, &["--help"], &[]);
        let help = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{service}");
        for variable in ["BIND", "ADMIN_BIND", "METRICS_BIND", "MONGODB_URL", "NATS_URL", "LOG", "SHUTDOWN_GRACE"] {
            assert!(help.contains(&format!("[env: {variable}")), "{service}: {variable} in {help}");
        }
    }
    let help = run_with("orders", &["--help"], &[]);
    assert!(String::from_utf8_lossy(&help.stdout).contains("[env: ORDER_TTL"));
}
