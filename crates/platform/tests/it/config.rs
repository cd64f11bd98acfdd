//! Configuration: errors are one line that names the variable, with exit code 2; the help lists all variables.

use std::ffi::OsString;
use std::time::Duration;

use platform::config::{self, EarlyExit, parse};

use crate::demo::Config;

const VALID: [&str; 4] =
    ["--public-url=https://ticketing.dev", "--mongodb-url=mongodb://db", "--nats-url=nats://n:4222", "--jwks={}"];

fn read(arguments: &[&str]) -> Result<(config::Config, Config), EarlyExit> {
    parse("demo", std::iter::once("demo").chain(arguments.iter().copied()).map(OsString::from))
}

/// The valid arguments with one replaced or added.
fn with(argument: &str) -> Result<(config::Config, Config), EarlyExit> {
    let name = argument.split('=').next().unwrap();
    let mut arguments: Vec<_> = VALID.into_iter().filter(|valid| !valid.starts_with(&format!("{name}="))).collect();
    arguments.push(argument);
    read(&arguments)
}

fn line(result: Result<(config::Config, Config), EarlyExit>) -> String {
    let exit = result.expect_err("must be rejected");
    assert_eq!(exit.code, 2);
    let text = exit.text.trim_end().to_owned();
    assert_eq!(text.lines().count(), 1, "one line: {text}");
    assert!(text.starts_with("demo: "), "{text}");
    text
}

#[test]
fn valid_settings_are_parsed() {
    let (platform, config) = read(&VALID).unwrap();
    assert_eq!(platform.public_url, "https://ticketing.dev");
    assert_eq!(platform.nats_prefix, "ticketing");
    assert_eq!(platform.request_timeout, Duration::from_secs(30));
    assert_eq!(platform.shutdown_grace, Duration::from_secs(25));
    let limits = &platform.limits;
    let per_minute = [
        limits.guest_requests_per_minute,
        limits.reads_per_minute,
        limits.writes_per_minute,
        limits.orders_per_minute,
        limits.payments_per_minute,
    ];
    assert_eq!(per_minute.map(std::num::NonZeroU32::get), [3000, 1200, 300, 60, 30]);
    assert_eq!(limits.limit_redis_timeout, Duration::from_millis(20));
    assert_eq!(config.keys.jwks, "{}");
    let (platform, _) = with("--announce-after=250ms").unwrap();
    assert_eq!(platform.announce_after, Duration::from_millis(250));
    let (platform, _) = with("--trusted-proxies=10.0.0.0/8, ::1").unwrap();
    assert_eq!(platform.trusted_proxies.len(), 2);
    let (platform, _) = with("--public-url=http://localhost:8080/").unwrap();
    assert_eq!(platform.public_url, "http://localhost:8080", "without a trailing slash");
}

#[test]
fn missing_setting_is_named() {
    for (index, name) in ["PUBLIC_URL", "MONGODB_URL", "NATS_URL", "JWKS"].into_iter().enumerate() {
        let mut arguments = VALID.to_vec();
        arguments.remove(index);
        let line = line(read(&arguments));
        assert!(line.starts_with(&format!("demo: {name} is not set: ")), "{line}");
        assert!(line.ends_with("See --help."), "{line}");
    }
    let all = line(read(&[]));
    for name in ["PUBLIC_URL", "MONGODB_URL", "NATS_URL", "JWKS"] {
        assert!(all.contains(name), "{all}");
    }
}

#[test]
fn invalid_setting_is_named_with_the_expected_format() {
    for (argument, name, hint) in [
        ("--bind=3000", "BIND", "'3000'"),
        ("--admin-bind=localhost", "ADMIN_BIND", "'localhost'"),
        ("--public-url=ticketing.dev", "PUBLIC_URL", "must be an address such as"),
        ("--public-url=ftp://ticketing.dev", "PUBLIC_URL", "must be an address such as"),
        ("--public-url=https://ticketing.dev/shop", "PUBLIC_URL", "without a path"),
        ("--trusted-proxies=everyone", "TRUSTED_PROXIES", "must be addresses or networks"),
        ("--trusted-proxies=10.0.0.0/8,0.0.0.0/0", "TRUSTED_PROXIES", "'0.0.0.0/0' would let everyone"),
        ("--trusted-proxies=192.0.2.0/24", "TRUSTED_PROXIES", "'192.0.2.0/24' is an example"),
        ("--trusted-proxies=2001:db8:7::/48", "TRUSTED_PROXIES", "is an example"),
        ("--request-timeout=0s", "REQUEST_TIMEOUT", "must be a duration such as"),
        ("--request-timeout=-3s", "REQUEST_TIMEOUT", "must be a duration such as"),
        ("--outbox-sweep-interval=soon", "OUTBOX_SWEEP_INTERVAL", "'soon' must be a duration"),
        ("--announce-after=10", "ANNOUNCE_AFTER", "must be a duration"),
        ("--log-format=xml", "LOG_FORMAT", "'xml'"),
        ("--nats-replicas=three", "NATS_REPLICAS", "'three'"),
        ("--stream-max-bytes=4GB", "STREAM_MAX_BYTES", "'4GB'"),
        ("--nats-prefix=", "NATS_PREFIX", "must be valid"),
        ("--mongodb-url=", "MONGODB_URL", "must be valid"),
        ("--demo-secret=x", "", "unexpected argument"),
    ] {
        let line = line(with(argument));
        assert!(line.contains(hint), "{line}");
        if !name.is_empty() {
            assert!(line.starts_with(&format!("demo: {name} is wrong: ")), "{line}");
        }
    }
}

#[test]
fn secret_is_not_shown() {
    let line = line(with("--secret=hunter2"));
    assert!(line.starts_with("demo: DEMO_SECRET is wrong: must begin with secret-"), "{line}");
    assert!(!line.contains("hunter2"), "{line}");
}

#[test]
fn help_describes_every_variable() {
    let help = read(&["--help"]).expect_err("help ends the process");
    assert_eq!(help.code, 0);
    let command =
        <Config as clap::Args>::augment_args(<config::Config as clap::Args>::augment_args(clap::Command::new("demo")));
    let mut count = 0;
    for argument in command.get_arguments() {
        let variable = argument.get_env().expect("every setting is a variable").to_string_lossy().into_owned();
        assert!(help.text.contains(&format!("[env: {variable}")), "{variable}");
        let text = argument.get_help().expect("every setting has a doc line").to_string();
        assert!(text.len() > 10 && help.text.contains(text.split_whitespace().next().unwrap()), "{variable}");
        let flag = argument.get_long().expect("a flag").replace('-', "_").to_uppercase();
        assert!(variable.ends_with(&flag), "{variable} and its flag have the same name");
        count += 1;
    }
    assert!(count >= 19, "{count}");
}
