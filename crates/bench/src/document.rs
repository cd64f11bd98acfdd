//! The tables' place in docs/performance.md; the text around them is written by people.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

const BEGIN: &str = "<!-- figures: written by `cargo xtask bench`, not by hand -->";
const END: &str = "<!-- end of figures -->";

/// Puts the tables between the document's two marks.
pub(crate) fn write(path: &Path, tables: &str) -> Result<()> {
    let document = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let rewritten = between_marks(&document, tables).with_context(|| path.display().to_string())?;
    fs::write(path, rewritten).with_context(|| format!("writing {}", path.display()))
}

fn between_marks(document: &str, tables: &str) -> Result<String> {
    let halves = document.split_once(BEGIN).and_then(|(above, rest)| Some((above, rest.split_once(END)?.1)));
    match halves {
        Some((above, below)) => Ok(format!("{above}{BEGIN}\n\n{}\n\n{END}{below}", tables.trim())),
        None => bail!("the marks `{BEGIN}` and `{END}` are not there, in this order"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let document = format!("# Speed\n\n{BEGIN}\nold\n{END}\n\nWhat was learned.\n");
        let once = between_marks(&document, "new\n").unwrap();
        assert_eq!(once, format!("# Speed\n\n{BEGIN}\n\nnew\n\n{END}\n\nWhat was learned.\n"));
        assert_eq!(between_marks(&once, "new").unwrap(), once);
    }

    #[test]
    fn a_document_without_both_marks_in_order_is_left_alone() {
        for document in [String::new(), format!("{BEGIN}\n"), format!("{END}\n{BEGIN}\n")] {
            assert!(between_marks(&document, "new").is_err(), "{document}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("performance.md");
        fs::write(&file, "by hand").unwrap();
        assert!(write(&file, "new").is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "by hand");
    }

    #[test]
    fn the_repository_has_a_document_with_the_marks() {
        let path = testkit::tools::workspace_root().join("docs/performance.md");
        between_marks(&fs::read_to_string(path).unwrap(), "tables").unwrap();
    }
}
