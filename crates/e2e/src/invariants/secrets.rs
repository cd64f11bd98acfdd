//! What nobody may find in a log or an event.

use std::path::Path;

use super::read::World;
use crate::shop::PASSWORD;

/// Passwords, client secrets, the provider's keys, private keys, tokens: the last is where a JWT's claims
/// begin, after a dot that no random id has.
const SECRETS: [&str; 6] = [PASSWORD, "_secret_", "sk_test_", "whsec_", "PRIVATE KEY", ".eyJ"];

pub(super) fn check(world: &World, logs: &Path, faults: &mut Vec<String>) {
    for event in world.events.values().flatten() {
        look(&event.to_string(), &format!("event {}", event["id"]), faults);
    }
    for file in std::fs::read_dir(logs).into_iter().flatten().flatten() {
        let log = std::fs::read(file.path()).unwrap_or_default();
        look(&String::from_utf8_lossy(&log), &file.file_name().to_string_lossy(), faults);
    }
}

fn look(text: &str, place: &str, faults: &mut Vec<String>) {
    for secret in SECRETS.iter().filter(|secret| text.contains(**secret)) {
        faults.push(format!("16: {place} holds {secret:?}"));
    }
}
