//! Every message exists in every language, with the same variables, and is used.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

use super::message::files;
use super::reader::Language;

/// The messages of each language and their variables in alphabetical order: `(id, variables)`.
const ENGLISH: &[(&str, &[&str])] = include!(concat!(env!("OUT_DIR"), "/variables_en.rs"));
const GERMAN: &[(&str, &[&str])] = include!(concat!(env!("OUT_DIR"), "/variables_de.rs"));

/// The variables of each message by its id.
fn messages(language: Language) -> BTreeMap<&'static str, &'static [&'static str]> {
    let listed = match language {
        Language::English => ENGLISH,
        Language::German => GERMAN,
    };
    let found: BTreeMap<_, _> = listed.iter().copied().collect();
    assert_eq!(found.len(), listed.len(), "{language:?}: a message is defined twice");
    assert!(!found.is_empty());
    found
}

/// The contents of all files below a folder.
fn contents(folder: &Path) -> io::Result<String> {
    let mut text = String::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        text += &if path.is_dir() { contents(&path)? } else { fs::read_to_string(&path)? };
    }
    Ok(text)
}

#[test]
fn languages_have_the_same_messages_and_variables() {
    let english = messages(Language::English);
    for language in Language::ALL {
        let translated = messages(language);
        let missing: Vec<_> = english.iter().filter(|(id, _)| !translated.contains_key(*id)).collect();
        let unknown: Vec<_> = translated.iter().filter(|(id, _)| !english.contains_key(*id)).collect();
        assert!(missing.is_empty() && unknown.is_empty(), "{language:?} lacks {missing:?} and adds {unknown:?}");
        for (id, variables) in &english {
            assert_eq!(&translated[id], variables, "{language:?}: {id}");
        }
    }
}

#[test]
fn apostrophes_are_typographic() {
    for language in Language::ALL {
        for (name, text) in files(language) {
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            let straight: Vec<_> = lines.filter(|line| line.contains('\'')).collect();
            assert!(straight.is_empty(), "{language:?}: {name}: {straight:?}");
        }
    }
}

fn is_not_of_name(letter: char) -> bool {
    !letter.is_ascii_alphanumeric() && letter != '_'
}

#[test]
fn every_message_is_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = contents(&root.join("src")).unwrap() + &contents(&root.join("templates")).unwrap();
    let names: BTreeSet<_> =
        sources.split("msg::").skip(1).map(|rest| rest.split(is_not_of_name).next().unwrap()).collect();
    let is_used = |id: &str| names.contains(id.replace('-', "_").as_str());
    let unused: Vec<_> = messages(Language::English).into_keys().filter(|id| !is_used(id)).collect();
    assert_eq!(unused, [""; 0]);
}
