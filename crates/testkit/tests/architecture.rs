//! Rules for the dependencies between source files: no cycles, and a `domain` that depends only on itself and `common`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The source code of a crate by module path: `a::b` is `a/b.rs` or `a/b/mod.rs`.
type Sources = BTreeMap<String, String>;
/// The modules that each module uses, each with a path that names it in the source.
type Graph = BTreeMap<String, BTreeMap<String, String>>;

#[test]
fn modules_have_no_dependency_cycles() {
    let mut violations = String::new();
    let crates = [folders("crates"), folders("services")].concat();
    let roots = crates.iter().flat_map(|folder| [folder.join("src"), folder.join("tests/it")]);
    for root in roots.filter(|root| root.is_dir()) {
        let graph = graph(&sources(&root));
        for (from, to) in find_cycle(&graph) {
            writeln!(violations, "{}: {from} uses {}", root.display(), graph[&from][&to]).unwrap();
        }
    }
    assert!(violations.is_empty(), "Move what both modules use into a third one that uses neither:\n{violations}");
}

#[test]
fn domain_depends_only_on_itself_and_common() {
    let mut violations = String::new();
    for service in folders("services") {
        for (module, code) in sources(&service.join("src")) {
            if module == "domain" || module.starts_with("domain::") {
                for path in forbidden_paths(&module, &code) {
                    writeln!(violations, "{}: {module} uses {path}", service.display()).unwrap();
                }
            }
        }
    }
    assert!(
        violations.is_empty(),
        "Move these into the domain or into common, or the code that uses them out of the domain:\n{violations}"
    );
}

/// The crates that a domain may use: they compute, and have no I/O.
const PURE_CRATES: [&str; 16] = [
    "base64",
    "common",
    "core",
    "jiff",
    "proptest",
    "qrcode",
    "serde",
    "serde_json",
    "serde_urlencoded",
    "sha2",
    "strsim",
    "strum",
    "thiserror",
    "unicode_normalization",
    "utoipa",
    "validator",
];
/// The functions and types that a domain may use, of crates and modules that also have I/O, a clock or randomness.
const PURE_PATHS: [&str; 15] = [
    "clippy",
    "rustfmt",
    "std::borrow",
    "std::collections",
    "std::fmt",
    "std::iter",
    "std::mem",
    "std::net::IpAddr",
    "std::ops",
    "std::slice",
    "std::str",
    "std::sync::Arc",
    "std::sync::LazyLock",
    "std::time::Duration",
    "uuid::Uuid",
];

/// Modules of a service, other than `domain`, that its domain may use. `i18n` has the texts and formats of a language,
/// which the views in the domain of `web` contain.
const PURE_MODULES: [&str; 1] = ["i18n"];

/// Returns the paths in a domain module that lead out of the domain, other than to `common` and pure code.
fn forbidden_paths(module: &str, code: &str) -> Vec<String> {
    let paths = paths(&tokens(code));
    // A path may begin with a name that another path imports, as in `fmt::Formatter`. Types begin with a capital.
    let last_name = |path: &Vec<&'_ str>| path.iter().rfind(|word| **word != "self").map(|word| (*word).to_owned());
    let imported: BTreeSet<_> = paths.iter().filter_map(last_name).collect();
    let is_outside = |path: &&Vec<&str>| {
        if let Some(words) = absolute(path, module, &BTreeMap::new()) {
            return words.first().is_some_and(|first| *first != "domain" && !PURE_MODULES.contains(first));
        }
        let (first, text) = (path[0], path.join("::"));
        let is_pure = PURE_PATHS.iter().any(|pure| format!("{text}::").starts_with(&format!("{pure}::")));
        // An IPv6 address in a string looks like a path.
        let is_number = first.starts_with(|first: char| first.is_ascii_digit());
        let is_local = is_number || imported.contains(first) || first.starts_with(char::is_uppercase);
        let is_primitive =
            ["bool", "char", "f64", "i32", "i64", "prop", "str", "u32", "u64", "u8", "usize"].contains(&first);
        text == "uuid::Uuid::now_v7" || !(is_pure || is_local || is_primitive || PURE_CRATES.contains(&first))
    };
    paths.iter().filter(is_outside).map(|path| path.join("::")).collect()
}

/// Returns the modules that each module uses. Its own parents are exempt, since `mod.rs` may share items with the
/// files in its folder by `use super::Item`.
fn graph(sources: &Sources) -> Graph {
    let mut graph = Graph::new();
    for (module, code) in sources {
        let tokens = tokens(code);
        let paths = paths(&tokens);
        let is_declared = |three: &&[&str]| three[0] == "mod" && three[2] == ";";
        let declared = tokens.windows(3).filter(is_declared).map(|three| vec!["self", three[1]]);
        let is_local = |path: &&Vec<&str>| matches!(path[0], "crate" | "self" | "super");
        // The declared and imported names that other paths can begin with.
        let mut names = BTreeMap::new();
        for path in declared.chain(paths.iter().filter(is_local).cloned()) {
            let name = *path.iter().rfind(|word| **word != "self").unwrap();
            names.insert(name, absolute(&path, module, &names).unwrap());
        }
        let used = graph.entry(module.clone()).or_default();
        for path in paths {
            let Some(words) = absolute(&path, module, &names) else { continue };
            let mut prefixes = (1..=words.len()).rev().map(|length| words[..length].join("::"));
            let Some(target) = prefixes.find(|prefix| sources.contains_key(prefix)) else { continue };
            if !format!("{module}::").starts_with(&format!("{target}::")) {
                used.entry(target).or_insert(path.join("::"));
            }
        }
    }
    graph
}

/// Returns the edges of one cycle; empty if there is none.
fn find_cycle(graph: &Graph) -> Vec<(String, String)> {
    let mut remaining: BTreeMap<_, Vec<_>> = graph.iter().map(|(from, to)| (from, to.keys().collect())).collect();
    // A module that uses none of the remaining ones is in no cycle.
    while let Some(leaf) = remaining.iter().find(|(_, to)| to.is_empty()).map(|(from, _)| *from) {
        remaining.remove(leaf);
        for to in remaining.values_mut() {
            to.retain(|one| *one != leaf);
        }
    }
    let Some(mut here) = remaining.keys().next().copied() else { return Vec::new() };
    // Each remaining module uses another one, so following these edges leads into a cycle.
    let mut path = Vec::new();
    while !path.contains(&here) {
        path.push(here);
        here = remaining[here][0];
    }
    let cycle = path.split_off(path.iter().position(|one| *one == here).unwrap());
    cycle.iter().map(|from| ((*from).clone(), remaining[from][0].clone())).collect()
}

/// Returns the segments of a path from the crate's root; `None` if the path does not begin with a name of this crate.
fn absolute<'a>(path: &[&'a str], module: &'a str, names: &BTreeMap<&str, Vec<&'a str>>) -> Option<Vec<&'a str>> {
    let mut words: Vec<_> = match path[0] {
        "crate" => Vec::new(),
        "self" | "super" => module.split("::").collect(),
        name => names.get(name)?.clone(),
    };
    for (index, word) in path.iter().enumerate() {
        match *word {
            "super" => drop(words.pop()),
            word if index > 0 && word != "self" => words.push(word),
            _ => {}
        }
    }
    Some(words)
}

/// Returns all paths of two or more segments; `a::{b, c::d}` is two paths. `path` is the path read so far, and `open`
/// has the prefix that applies within each open brace.
fn paths<'a>(tokens: &[&'a str]) -> Vec<Vec<&'a str>> {
    let (mut found, mut path, mut open, mut last) = (Vec::new(), Vec::new(), Vec::<Vec<&str>>::new(), "");
    for token in tokens {
        if *token != "::" && last.starts_with(is_word) && path.len() > 1 {
            found.push(path.clone());
        }
        match *token {
            "::" => {}
            "{" => {
                // After `::` the path is the prefix of all paths within the braces.
                path.retain(|_| last == "::");
                open.push(path.clone());
            }
            "}" => drop(open.pop()),
            "," => path = open.last().cloned().unwrap_or_default(),
            word => {
                path.retain(|_| matches!(last, "::" | "{" | ","));
                path.extend(word.starts_with(is_word).then_some(word));
            }
        }
        last = token;
    }
    found
}

/// Splits code into words, `::` and single characters.
fn tokens(code: &str) -> Vec<&str> {
    let (mut tokens, mut rest) = (Vec::new(), code.trim_start());
    while let Some(first) = rest.chars().next() {
        let length = match first {
            ':' if rest.starts_with("::") => 2,
            first if is_word(first) => rest.find(|character| !is_word(character)).unwrap_or(rest.len()),
            first => first.len_utf8(),
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Removes comments. In an inline module (`mod tests {`), rewrites `super` to `self`, the module of the file.
fn code(text: &str) -> String {
    let (mut code, mut is_inline) = (String::new(), false);
    for line in text.lines() {
        let line = line.split("//").next().unwrap();
        is_inline &= line != "}";
        if is_inline {
            code += &line.replace("super::", "self::").replace("self::self::", "super::");
        } else {
            code += line;
            is_inline = line.ends_with('{') && !line.starts_with(' ') && line.split(' ').any(|word| word == "mod");
        }
        code.push('\n');
    }
    code
}

/// Returns all modules in a crate's source folder.
fn sources(root: &Path) -> Sources {
    let (mut sources, mut folders) = (Sources::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let module = path.strip_prefix(root).unwrap().with_extension("");
                let words = module.iter().map(|word| word.to_str().unwrap()).filter(|word| *word != "mod");
                let module = words.collect::<Vec<_>>().join("::");
                sources.insert(module, code(&fs::read_to_string(&path).unwrap()));
            }
        }
    }
    sources
}

fn folders(name: &str) -> Vec<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    entries(&workspace.join(name)).into_iter().filter(|path| path.is_dir()).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Returns the cycle in a made-up crate as `a > b`.
fn cycle_of(files: &[(&str, &str)]) -> Vec<String> {
    let sources = files.iter().map(|(module, text)| ((*module).to_owned(), code(text))).collect();
    find_cycle(&graph(&sources)).into_iter().map(|(from, to)| format!("{from} > {to}")).collect()
}

#[test]
fn cycles_are_found() {
    let direct = [("a", "use crate::b::B;"), ("b", "fn b() -> super::a::A {}")];
    assert_eq!(cycle_of(&direct), ["a > b", "b > a"]);
    let tree = [("a", "use super::{c::C, b::{self, B}};"), ("b", "use crate::{a::A, c};"), ("c", "")];
    assert_eq!(cycle_of(&tree), ["a > b", "b > a"]);
    let by_import = [("a", "use crate::d; fn a() { d::e::f() }"), ("d", "mod e;"), ("d::e", "use crate::a::A;")];
    assert_eq!(cycle_of(&by_import), ["a > d::e", "d::e > a"]);
    let by_declaration = [("a", "use crate::d::D;"), ("d", "mod e; fn d() { e::f() }"), ("d::e", "use crate::a::A;")];
    assert_eq!(cycle_of(&by_declaration), ["a > d", "d > d::e", "d::e > a"]);
    let in_tests = [("a", "#[cfg(test)]\nmod tests {\n    use super::super::b::B;\n}"), ("b", "use crate::a::A;")];
    assert_eq!(cycle_of(&in_tests), ["a > b", "b > a"]);
}

#[test]
fn acyclic_modules_pass() {
    let chain = [("a", "use crate::b::B;"), ("b", "use crate::c::C; // not crate::a"), ("c", "use other::a::A;")];
    assert!(cycle_of(&chain).is_empty());
    let parent = [("d", "mod e;\nuse e::E;"), ("d::e", "use super::D;\nuse crate::{X, d::Y};")];
    assert!(cycle_of(&parent).is_empty());
    let in_tests = [("a", "use crate::b::B;"), ("b", "mod tests {\n    use super::a;\n}")];
    assert!(cycle_of(&in_tests).is_empty());
}

#[test]
fn forbidden_paths_in_a_domain_are_found() {
    let code = "use common::id::Id;\nuse crate::{domain::order::Order, i18n::msg, store};\n\
                use super::super::flows::pay;\nuse super::ticket::Ticket;\nuse std::{fmt, fs};\n\
                use serde::Serialize;\nuse tokio::time::sleep;\n\
                fn f(_: &mut fmt::Formatter) { platform::store::save(self::x::Y, i64::MAX, uuid::Uuid::now_v7()) }\n\
                fn g(_: std::net::IpAddr, _: std::net::TcpStream, _: std::time::Instant) { Ticket::new() }";
    let found = forbidden_paths("domain::order", code);
    let expected = [
        "crate::store",
        "super::super::flows::pay",
        "std::fs",
        "tokio::time::sleep",
        "platform::store::save",
        "uuid::Uuid::now_v7",
        "std::net::TcpStream",
        "std::time::Instant",
    ];
    assert_eq!(found, expected);
}
