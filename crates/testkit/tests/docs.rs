//! The documents name only what exists: links, files, settings, metrics, tests.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use testkit::tools::workspace_root;

/// Folders without files of this project.
const SKIPPED: [&str; 5] = [".git", ".tools", "node_modules", "secrets", "target"];
/// Extensions of source files, and the names of those without one.
const SOURCES: [&str; 14] =
    ["conf", "css", "html", "js", "json", "mjs", "py", "rs", "sh", "toml", "txt", "yaml", "yml", "Dockerfile"];
/// Settings of other programs that documents may name although no source file does.
const FOREIGN: [&str; 1] = ["SSL_CERT_FILE"];
/// Where paths in documents begin.
const FOLDERS: [&str; 5] = ["crates/", "services/", "infra/", "docs/", ".github/"];

#[test]
fn documents_name_only_what_exists() {
    let root = workspace_root();
    let files = files(&root);
    let is_source = |path: &&PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        SOURCES.contains(&name.rsplit('.').next().unwrap())
    };
    let code: String = files.iter().filter(is_source).filter_map(|path| fs::read_to_string(path).ok()).collect();
    let mut faults = String::new();
    // The changelog may name what no longer exists.
    let is_document =
        |path: &&PathBuf| path.extension().is_some_and(|end| end == "md") && !path.ends_with("CHANGELOG.md");
    for document in files.iter().filter(is_document) {
        let text = fs::read_to_string(document).unwrap();
        let text = without_blocks(&text);
        let links = links(&text).filter(|link| !is_link_valid(document, link)).map(|link| format!("the link {link}"));
        let spans = spans(&text).filter(|span| !is_known(&root, span, &code, &files)).map(|span| format!("`{span}`"));
        for fault in links.chain(spans) {
            writeln!(faults, "{}: {fault}", document.strip_prefix(&root).unwrap().display()).unwrap();
        }
    }
    assert!(faults.is_empty(), "These don't exist; correct the documents:\n{faults}");
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() && !SKIPPED.contains(&name.to_str().unwrap()) => found.extend(files(&entry.path())),
            kind if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

/// The text outside fenced blocks.
fn without_blocks(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// The targets of links to other documents and to headings.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    targets.filter(|target| !target.contains("://"))
}

fn is_link_valid(document: &Path, link: &str) -> bool {
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() { document.to_path_buf() } else { document.parent().unwrap().join(file) };
    target.exists() && (anchor.is_empty() || anchors(&target).contains(anchor))
}

/// The anchors of the headings, as GitHub generates them.
fn anchors(document: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(document).unwrap();
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let anchor = |heading: &str| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

/// The code spans: the texts between single backticks.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n\n").flat_map(|paragraph| paragraph.split('`').skip(1).step_by(2))
}

/// Whether what a code span names exists. Only paths, files, tests and names with underscores are checked.
fn is_known(root: &Path, span: &str, code: &str, files: &[PathBuf]) -> bool {
    let is_pattern = span.contains(['*', '<', '…', '{', ' ', '\n']);
    if FOLDERS.iter().any(|folder| span.starts_with(folder)) {
        // Generated files, which git ignores, may not exist yet.
        let is_ignored = || fs::read_to_string(root.join(".gitignore")).unwrap().contains(span);
        return is_pattern || root.join(span).exists() || is_ignored();
    }
    // A path may leave out the folders at its beginning.
    if Path::new(span).extension().is_some_and(|end| end == "rs") {
        return is_pattern || files.iter().any(|path| path.ends_with(span));
    }
    if let Some((module, test)) = span.split_once("::").filter(|(module, _)| module.chars().all(is_name)) {
        let test = test.trim_end_matches('…');
        let is_test = test.chars().all(is_name) && files.iter().any(|path| path.ends_with(format!("{module}.rs")));
        let expected = if is_test { format!("fn {test}") } else { span.trim_end_matches('…').to_owned() };
        return code.contains(&expected);
    }
    let words = span.split(|c: char| !is_name(c) && !c.is_ascii_uppercase());
    words.filter(|word| word.trim_matches('_').contains('_')).all(|word| FOREIGN.contains(&word) || code.contains(word))
}

fn is_name(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
}
