//! Compares the services' stores with the documentation.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::fs;

use simulation::fleet::SERVICES;
use testkit::tools::workspace_root;

#[test]
fn queries_at_rest_are_summed_over_all_stores() {
    let stores: usize = SERVICES.iter().map(|(_, owned)| owned.len()).sum();
    let text = fs::read_to_string(workspace_root().join("docs/operations.md")).unwrap();
    let rows: Vec<_> = text.lines().filter(|line| line.contains(", per store: ")).collect();
    assert_eq!(rows.len(), 3, "{rows:?}");
    for row in rows {
        assert!(row.contains(&format!("| {stores} stores: ")), "{row}");
    }
}
