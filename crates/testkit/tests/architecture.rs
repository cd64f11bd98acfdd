//! The dependencies between source files, read from the sources: no circles, and a domain that knows nothing else.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The source code of one crate by module path: `a::b` is `a/b.rs` or `a/b/mod.rs`.
type Sources = BTreeMap<String, String>;
/// For each module the modules that it names, each with a path by which it does.
type Graph = BTreeMap<String, BTreeMap<String, String>>;

#[test]
fn no_files_name_each_other_in_a_circle() {
    let mut faults = String::new();
    let crates = [folders("crates"), folders("services")].concat();
    let roots = crates.iter().flat_map(|folder| [folder.join("src"), folder.join("tests/it")]);
    for root in roots.filter(|root| root.is_dir()) {
        let graph = graph(&sources(&root));
        for (from, to) in circle(&graph) {
            writeln!(faults, "{}: {from} names {}", root.display(), graph[&from][&to]).unwrap();
        }
    }
    assert!(faults.is_empty(), "Move what both need into a file that names neither:\n{faults}");
}

#[test]
fn a_domain_names_only_itself_and_common() {
    let mut crates = folders("crates");
    crates.retain(|folder| !folder.ends_with("common"));
    let ours = crates.iter().map(|folder| folder.file_name().unwrap().to_str().unwrap());
    let crates: Vec<_> = ours.chain(["async_nats", "axum", "http", "mongodb", "redis", "reqwest", "tokio"]).collect();
    let mut faults = String::new();
    for service in folders("services") {
        for (module, code) in sources(&service.join("src")) {
            if module == "domain" || module.starts_with("domain::") {
                for path in strangers(&module, &code, &crates) {
                    writeln!(faults, "{}: {module} names {path}", service.display()).unwrap();
                }
            }
        }
    }
    assert!(faults.is_empty(), "Move what the domain needs into it or into common, and the rest out of it:\n{faults}");
}

/// The paths in a domain's module that lead out of it, other than to `common` and to crates that are not ours.
fn strangers(module: &str, code: &str, crates: &[&str]) -> Vec<String> {
    let is_outside = |path: &Vec<&str>| match absolute(path, module, &BTreeMap::new()) {
        Some(own) => own.first().is_some_and(|first| *first != "domain"),
        None => crates.contains(&path[0]),
    };
    paths(&tokens(code)).iter().filter(|path| is_outside(path)).map(|path| path.join("::")).collect()
}

/// What each module names, other than the modules above it: by `use super::Item`, `mod.rs` shares what it has with
/// the files of its folder.
fn graph(sources: &Sources) -> Graph {
    let mut graph = Graph::new();
    for (module, code) in sources {
        let tokens = tokens(code);
        let paths = paths(&tokens);
        let is_declared = |three: &&[&str]| three[0] == "mod" && three[2] == ";";
        let declared = tokens.windows(3).filter(is_declared).map(|three| vec!["self", three[1]]);
        let is_local = |path: &&Vec<&str>| matches!(path[0], "crate" | "self" | "super");
        // Declared and imported names, with which other paths begin.
        let mut names = BTreeMap::new();
        for path in declared.chain(paths.iter().filter(is_local).cloned()) {
            let name = *path.iter().rfind(|word| **word != "self").unwrap();
            names.insert(name, absolute(&path, module, &names).unwrap());
        }
        let named = graph.entry(module.clone()).or_default();
        for path in paths {
            let Some(words) = absolute(&path, module, &names) else { continue };
            let mut prefixes = (1..=words.len()).rev().map(|length| words[..length].join("::"));
            let Some(target) = prefixes.find(|prefix| sources.contains_key(prefix)) else { continue };
            if !format!("{module}::").starts_with(&format!("{target}::")) {
                named.entry(target).or_insert(path.join("::"));
            }
        }
    }
    graph
}

/// The edges of one circle; empty when there is none.
fn circle(graph: &Graph) -> Vec<(String, String)> {
    let mut left: BTreeMap<_, Vec<_>> = graph.iter().map(|(from, to)| (from, to.keys().collect())).collect();
    // A module that names none of those left is in no circle.
    while let Some(free) = left.iter().find(|(_, to)| to.is_empty()).map(|(from, _)| *from) {
        left.remove(free);
        for to in left.values_mut() {
            to.retain(|one| *one != free);
        }
    }
    let Some(mut here) = left.keys().next().copied() else { return Vec::new() };
    // Each of those left names another one, so following them leads into a circle.
    let mut way = Vec::new();
    while !way.contains(&here) {
        way.push(here);
        here = left[here][0];
    }
    let circle = way.split_off(way.iter().position(|one| *one == here).unwrap());
    circle.iter().map(|from| ((*from).clone(), left[from][0].clone())).collect()
}

/// The words of a path from the crate's root on; `None` when its first word is no known name of the crate.
fn absolute<'a>(path: &[&'a str], module: &'a str, names: &BTreeMap<&str, Vec<&'a str>>) -> Option<Vec<&'a str>> {
    let mut words: Vec<_> = match path[0] {
        "crate" => Vec::new(),
        "self" | "super" => module.split("::").collect(),
        name => names.get(name)?.clone(),
    };
    for (place, word) in path.iter().enumerate() {
        match *word {
            "super" => drop(words.pop()),
            word if place > 0 && word != "self" => words.push(word),
            _ => {}
        }
    }
    Some(words)
}

/// All paths of two words or more; `a::{b, c::d}` is two.
fn paths<'a>(tokens: &[&'a str]) -> Vec<Vec<&'a str>> {
    let (mut found, mut path, mut open, mut last) = (Vec::new(), Vec::new(), Vec::<Vec<&str>>::new(), "");
    for token in tokens {
        if *token != "::" && last.starts_with(is_word) && path.len() > 1 {
            found.push(path.clone());
        }
        match *token {
            "::" => {}
            "{" => {
                // After `::` the path is the beginning of all paths within the braces.
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

/// Words, `::`, and single characters.
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

/// The text without comments. Within an inline module (`mod tests {`) `super` is the file's own module.
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

/// All modules below the folder of a crate's root.
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

/// The circle in a made-up crate, as `a > b`.
fn circle_of(files: &[(&str, &str)]) -> Vec<String> {
    let sources = files.iter().map(|(module, text)| ((*module).to_owned(), code(text))).collect();
    circle(&graph(&sources)).into_iter().map(|(from, to)| format!("{from} > {to}")).collect()
}

#[test]
fn circles_are_found() {
    let direct = [("a", "use crate::b::B;"), ("b", "fn b() -> super::a::A {}")];
    assert_eq!(circle_of(&direct), ["a > b", "b > a"]);
    let tree = [("a", "use super::{c::C, b::{self, B}};"), ("b", "use crate::{a::A, c};"), ("c", "")];
    assert_eq!(circle_of(&tree), ["a > b", "b > a"]);
    let by_import = [("a", "use crate::d; fn a() { d::e::f() }"), ("d", "mod e;"), ("d::e", "use crate::a::A;")];
    assert_eq!(circle_of(&by_import), ["a > d::e", "d::e > a"]);
    let by_declaration = [("a", "use crate::d::D;"), ("d", "mod e; fn d() { e::f() }"), ("d::e", "use crate::a::A;")];
    assert_eq!(circle_of(&by_declaration), ["a > d", "d > d::e", "d::e > a"]);
    let in_tests = [("a", "#[cfg(test)]\nmod tests {\n    use super::super::b::B;\n}"), ("b", "use crate::a::A;")];
    assert_eq!(circle_of(&in_tests), ["a > b", "b > a"]);
}

#[test]
fn what_is_no_circle_passes() {
    let chain = [("a", "use crate::b::B;"), ("b", "use crate::c::C; // not crate::a"), ("c", "use other::a::A;")];
    assert!(circle_of(&chain).is_empty());
    let parent = [("d", "mod e;\nuse e::E;"), ("d::e", "use super::D;\nuse crate::{X, d::Y};")];
    assert!(circle_of(&parent).is_empty());
    let in_tests = [("a", "use crate::b::B;"), ("b", "mod tests {\n    use super::a;\n}")];
    assert!(circle_of(&in_tests).is_empty());
}

#[test]
fn strangers_in_a_domain_are_found() {
    let code = "use common::id::Id;\nuse crate::{domain::order::Order, store};\nuse super::super::flows::pay;\n\
                use super::ticket::Ticket;\nfn f() { platform::store::save(std::mem::take(self::x::Y)) }";
    let found = strangers("domain::order", code, &["platform", "testkit"]);
    assert_eq!(found, ["crate::store", "super::super::flows::pay", "platform::store::save"]);
}
