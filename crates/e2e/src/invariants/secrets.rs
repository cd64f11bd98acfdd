//! Secrets must not appear in logs or events.

use std::path::Path;

use super::fleet_data::FleetData;
use super::names::NO_SECRETS;
use crate::test_fleet::PASSWORD;

/// Passwords, client secrets, the provider's keys, private keys and tokens. `.eyJ` is where the claims of a JWT begin;
/// random ids contain no dot.
const SECRETS: [&str; 6] = [PASSWORD, "_secret_", "sk_test_", "whsec_", "PRIVATE KEY", ".eyJ"];

pub(super) fn check(data: &FleetData, logs: &Path, violations: &mut Vec<String>) {
    for event in data.events.values().flatten() {
        scan(&event.to_string(), &format!("event {}", event["id"]), violations);
    }
    for file in std::fs::read_dir(logs).into_iter().flatten().flatten() {
        let log = std::fs::read(file.path()).unwrap_or_default();
        scan(&String::from_utf8_lossy(&log), &file.file_name().to_string_lossy(), violations);
    }
}

fn scan(text: &str, location: &str, violations: &mut Vec<String>) {
    for secret in SECRETS.iter().filter(|secret| text.contains(**secret)) {
        violations.push(format!("{NO_SECRETS}: {location} contains {secret:?}"));
    }
}
