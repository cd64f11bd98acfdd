//! The table of allowed flows in docs/kubernetes.md.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};

/// The header of the table.
const HEADER: &str = "| from | to | port | only in |";

/// The flows that the network policies of an overlay allow: source, destination, port.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Flows(BTreeSet<(String, String, u16)>);

impl Flows {
    /// Reads the flows of an overlay from the document.
    pub(super) fn read(document: &str, overlay: &str) -> Result<Self> {
        let (_, table) =
            document.split_once(HEADER).with_context(|| format!("the document has no table `{HEADER}`"))?;
        let mut flows = BTreeSet::new();
        for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
            let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
            let &[from, to, port, only_in] = cells.as_slice() else { bail!("a row without four cells: {row}") };
            let port = port.parse().with_context(|| format!("a row without a port: {row}"))?;
            for (from, to) in names(from).flat_map(|from| names(to).map(move |to| (from, to))) {
                if only_in.is_empty() || only_in == overlay {
                    flows.insert((from.to_owned(), to.to_owned(), port));
                }
            }
        }
        ensure!(!flows.is_empty(), "the table of flows is empty");
        Ok(Self(flows))
    }

    pub(super) fn contains(&self, from: &str, to: &str, port: u16) -> bool {
        self.0.contains(&(from.to_owned(), to.to_owned(), port))
    }

    /// The names of sources and destinations.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        self.0.iter().flat_map(|(from, to, _)| [from.as_str(), to.as_str()]).collect()
    }

    pub(super) fn ports(&self) -> BTreeSet<u16> {
        self.0.iter().map(|(_, _, port)| *port).collect()
    }
}

/// The names in a cell.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(',').map(|name| name.trim().trim_matches('`'))
}

#[cfg(test)]
mod tests {
    use testkit::tools::workspace_root;

    use super::*;

    #[test]
    fn rows_are_expanded_and_restricted_to_an_overlay() {
        let document = format!(
            "text\n\n{HEADER}\n|---|---|--:|---|\n\
             | `web`, `orders` | `auth`, DNS | 53 | |\n| nats | nats | 6222 | prod |\n\n| x |"
        );
        let (dev, prod) = (Flows::read(&document, "dev").unwrap(), Flows::read(&document, "prod").unwrap());
        for (from, to) in [("web", "auth"), ("web", "DNS"), ("orders", "auth"), ("orders", "DNS")] {
            assert!(dev.contains(from, to, 53) && prod.contains(from, to, 53), "{from} -> {to}");
        }
        assert!(prod.contains("nats", "nats", 6222) && !dev.contains("nats", "nats", 6222));
        assert!(!dev.contains("auth", "web", 53) && dev.names() == BTreeSet::from(["DNS", "auth", "orders", "web"]));
        assert_eq!(prod.ports(), BTreeSet::from([53, 6222]));
        Flows::read("no table", "dev").unwrap_err();
        Flows::read(&document.replace("53", "dns"), "dev").unwrap_err();
    }

    #[test]
    fn table_of_the_document_is_read() {
        let document = std::fs::read_to_string(workspace_root().join("docs/kubernetes.md")).unwrap();
        let flows = Flows::read(&document, "prod").unwrap();
        assert!(
            flows.contains("mongodb-restore", "orders", 9090)
                && !flows.contains("namespace monitoring", "orders", 9090)
        );
        assert!(flows.contains("namespace monitoring", "orders", 9091));
    }
}
