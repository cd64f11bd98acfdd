//! Writes the generated tables between the markers in docs/performance.md, and leaves the rest of the document alone.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

const BEGIN: &str = "<!-- figures: written by `cargo xtask bench`; do not edit -->";
const END: &str = "<!-- end of figures -->";

/// Replaces the text between the two markers of the document with the tables.
pub(crate) fn write(path: &Path, tables: &str) -> Result<()> {
    let document = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let rewritten = replace_between_markers(&document, tables).with_context(|| path.display().to_string())?;
    fs::write(path, rewritten).with_context(|| format!("writing {}", path.display()))
}

fn replace_between_markers(document: &str, tables: &str) -> Result<String> {
    let halves = document.split_once(BEGIN).and_then(|(above, rest)| Some((above, rest.split_once(END)?.1)));
    let (above, below) = halves.with_context(|| format!("{BEGIN} and {END} are missing or in the wrong order"))?;
    Ok(format!("{above}{BEGIN}\n\n{}\n\n{END}{below}", tables.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_text_between_the_markers_changes() {
        let document = format!("# Speed\n\n{BEGIN}\nold\n{END}\n\nWhat was learned.\n");
        let once = replace_between_markers(&document, "new\n").unwrap();
        assert_eq!(once, format!("# Speed\n\n{BEGIN}\n\nnew\n\n{END}\n\nWhat was learned.\n"));
        assert_eq!(replace_between_markers(&once, "new").unwrap(), once);
    }

    #[test]
    fn document_without_both_markers_is_not_changed() {
        for document in [String::new(), format!("{BEGIN}\n"), format!("{END}\n{BEGIN}\n")] {
            assert!(replace_between_markers(&document, "new").is_err(), "{document}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("performance.md");
        fs::write(&file, "without markers").unwrap();
        assert!(write(&file, "new").is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "without markers");
    }

    #[test]
    fn performance_document_contains_the_markers() {
        let path = testkit::tools::workspace_root().join("docs/performance.md");
        replace_between_markers(&fs::read_to_string(path).unwrap(), "tables").unwrap();
    }
}
