//! Every message exists in every language, with the same variables, and is used.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement};

use super::message::files;
use super::reader::Language;

type Variables = BTreeSet<String>;

/// The variables of each message by its id.
fn messages(language: Language) -> BTreeMap<String, Variables> {
    let mut found = BTreeMap::new();
    for (name, text) in files(language) {
        let resource = fluent_syntax::parser::parse(*text).unwrap_or_else(|(_, errors)| panic!("{name}: {errors:?}"));
        for entry in resource.body {
            let Entry::Message(message) = entry else { continue };
            let mut variables = Variables::new();
            collect(message.value.as_ref().unwrap(), &mut variables);
            let id = message.id.name.to_owned();
            assert!(found.insert(id.clone(), variables).is_none(), "{name}: {id} is defined twice");
        }
    }
    assert!(!found.is_empty());
    found
}

fn collect(pattern: &Pattern<&str>, variables: &mut Variables) {
    for element in &pattern.elements {
        if let PatternElement::Placeable { expression } = element {
            collect_expression(expression, variables);
        }
    }
}

fn collect_expression(expression: &Expression<&str>, variables: &mut Variables) {
    let inline = match expression {
        Expression::Inline(inline) => inline,
        Expression::Select { selector, variants } => {
            for variant in variants {
                collect(&variant.value, variables);
            }
            selector
        }
    };
    match inline {
        InlineExpression::VariableReference { id } => {
            variables.insert(id.name.to_owned());
        }
        InlineExpression::Placeable { expression } => collect_expression(expression, variables),
        _ => {}
    }
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
    let is_used = |id: &String| names.contains(id.replace('-', "_").as_str());
    let unused: Vec<_> = messages(Language::English).into_keys().filter(|id| !is_used(id)).collect();
    assert_eq!(unused, [""; 0]);
}
